"""The table as Markdown, for a README, with notes below it, and as CSV, for programs."""

from __future__ import annotations

import math
import re
from html import escape

from pixelrec.console.numbers import plural
from pixelrec.console.terminal import printable
from pixelrec.evaluation.comparison import METRIC, repeats_note
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, NEW
from pixelrec.files.csv_text import csv_text
from pixelrec.grid.columns import all_columns
from pixelrec.grid.results import Results

ABOUT_AUDITS = (
    "control: the same recipe, trained with the pictures, features or codes of other items (shuffled), or "
    "with noise (random), which still tells items apart. Differences in points, on the same users, with "
    "their 95 % interval; the verdict is about the better control."
)
FIELDS = ("model", "role", "split", "seed", "quantity", "value", "low", "high", "unit", "note")


def markdown_table(results: Results) -> str:
    """The table, the best value of a column in bold, and notes below it."""
    columns = [column for column in all_columns(results) if column.markdown]
    table = [["model", *(column.title for column in columns)], ["---", *("---:" for _ in columns)]]
    for row in results.rows:
        written = re.sub(r"([\\`*_\[\]])", r"\\\1", row.model)  # which Markdown would read as marks
        name = written if row.role == "recipe" else f"*{written}*"
        texts = [(column.text(column.estimate(row)), column.is_best(row, results.rows)) for column in columns]
        cells = [f"**{text}**" if best else text for text, best in texts]
        table.append([f"{name} ({row.progress})" if row.progress else name, *cells])
    lines = [f"| {' | '.join(map(_escaped, cells))} |" for cells in table]
    return "\n".join([*lines, "", *(f"- {_escaped(note)}" for note in table_notes(results)), ""])


def _escaped(text: str) -> str:
    """Without bars and line breaks, which would end the cell or the row, and without HTML."""
    return escape(printable(" ".join(text.split())), quote=False).replace("|", "\\|")


def csv_table(results: Results) -> str:
    """A line for every number: of each model over all seeds (`seed` is empty), and of each seed.

    Metrics are fractions; `low` and `high` bound the 95 % interval over users.
    """
    lines: list[tuple[object, ...]] = [FIELDS]
    columns = [column for column in all_columns(results) if column.csv]
    for row in results.rows:
        for part in (row, *row.seeds):
            for column in columns:
                if math.isfinite((found := column.estimate(part)).value):
                    numbers = (found.value, found.low, found.high)
                    bounds = (repr(x) if math.isfinite(x) else "" for x in numbers)
                    start = (row.model, row.role, results.split, part.seed, column.title)
                    lines.append((*start, *bounds, column.unit, found.note))
        for seed, why in row.failures.items():
            lines.append((row.model, row.role, results.split, seed, "failed", "", "", "", "", why))
    return csv_text(lines)


def table_notes(results: Results) -> list[str]:
    """One sentence or two each; those that do not apply are left out."""
    there = {row.model for row in results.rows if row.role == "baseline"}
    tuned = "; ".join(f"{name}: {note}" for name, note in results.notes.items() if name in there)
    overrides = ", ".join(f"{key} {value}" for key, value in results.overrides.items())
    best = results.best_baseline
    notes = [
        f"{results.data}, {results.split} events of {results.users:,} users, {results.items:,} items ranked. "
        "Metrics in %, ± half the width of the 95 % interval over users; seeds are averaged per user first. "
        "Bold: best.",
        f"vs {best}: NDCG@10 minus that of {best}, the best baseline, on the same users, in points, with its "
        "95 % interval. ▲ ahead, ▼ behind: the interval excludes 0 and p < 0.05; ≈ no clear difference.",
        f"{note}." if (note := repeats_note(results.repeats, results.users, results.split)) else "",
        one_seed_note(results),
        *audit_sentences(results),
        _long_tail(results),
        f"New items: {results.new:,} {results.split} events are of items with {NEW.events}."
        if any(row.new.metrics for row in results.rows)
        else "",
        f"vs {results.reference}: {METRIC} minus that of {results.reference} on the same users, as above."
        if results.reference
        else "",
        "Validation also chose the epochs and the baselines' hyperparameters, which flatters these numbers."
        if results.split == "validation"
        else "",
        f"Set for the recipes: {overrides}." if overrides else "",
        _conditions(results),
        "published: figures of the recipe's paper, in %, on the data set named; not comparable with the rest."
        if any(row.published for row in results.rows)
        else "",
        f"Baselines, tuned on validation. {tuned}." if tuned else "",
        *(
            f"Baseline {name} is {why.rstrip('.')}."
            for name, why in results.notes.items()
            if name not in there
        ),
        *(
            f"{row.model} seed {seed} failed: {why.rstrip('.')}."
            for row in results.rows
            for seed, why in row.failures.items()
        ),
        f"Made {results.made}.",
    ]
    return [note for note in notes if note]


def one_seed_note(results: Results) -> str:
    """A warning where no recipe has more than one seed; else empty."""
    if not results.recipes or max(row.planned for row in results.recipes) > 1:
        return ""
    return (
        "One seed per recipe: the intervals are over users, and another seed of the same recipe may differ "
        "as much as two recipes do here. Repeat with --seeds 3 before choosing."
    )


def audit_sentences(results: Results) -> list[str]:
    """A verdict for each recipe whose controls are in the grid, and what they are."""
    found = [row.audit.sentence(row.model) for row in results.rows if row.audit]
    return [*found, ABOUT_AUDITS] if found else []


def _long_tail(results: Results) -> str:
    count = f"{results.long_tail:,} of {results.users:,}"
    which = f"{count} {results.split} events are of items with {LONG_TAIL.events}"
    if not results.long_tail_best:
        return f"Long-tail items: {which}, too few for columns of their own."
    if not results.long_tail_compares:
        return f"Long-tail items: {which}; models are compared on {MIN_CASES} or more."
    return f"Long-tail items: {which}. The best baseline there is {results.long_tail_best}."


def _conditions(results: Results) -> str:
    """Machines, threads and jobs behind the times, and whether the times compare."""
    conditions = sorted({(c.machine, c.threads, c.jobs) for row in results.rows for c in row.costs})
    if not conditions:
        return ""
    ways = "; ".join(
        f"{machine}, {plural(threads, 'thread')}" + (f", {jobs} runs at a time" if jobs > 1 else "")
        for machine, threads, jobs in conditions
    )
    caution = ""
    if len(conditions) > 1:
        caution = " Measured under different conditions, times do not compare."
    elif conditions[0][2] > 1:
        caution = " Simultaneous runs slow each other down; alone, each would be faster."
    return f"Times (training without validation) and memory: {ways}.{caution}"
