"""Notes below the table: the data, the meaning of the columns, the conditions of measurement, failures."""

from __future__ import annotations

from pixelrec.console.numbers import plural
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.grid.results import Results


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
        _long_tail(results),
        "Validation also chose the epochs and the baselines' hyperparameters, which flatters these numbers."
        if results.split == "validation"
        else "",
        f"Set for every recipe: {overrides}." if overrides else "",
        _conditions(results),
        "published: figures of the recipe's paper, in %, on the data set named; not comparable with the rest."
        if any(row.published for row in results.rows)
        else "",
        f"Baselines, tuned on validation. {tuned}." if tuned else "",
        *(
            f"Baseline {name} is {note.rstrip('.')}."
            for name, note in results.notes.items()
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
