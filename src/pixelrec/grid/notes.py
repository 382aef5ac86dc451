"""What must be known to read the table, as sentences below it."""

from __future__ import annotations

from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.grid.columns import against, published
from pixelrec.grid.results import Results


def notes(results: Results) -> list[str]:
    """The first says what was measured; the others only come where they apply."""
    users, items = f"{results.users:,}", f"{results.items:,}"
    return [
        f"{results.data}, {results.split} events of {users} users, {items} items ranked. Metrics in %, "
        "± half the width of the 95 % interval over users; seeds are averaged per user first. Bold: best.",
        f"{against(results).title}: {against(results).about}. ▲ clearly ahead, ▼ clearly behind: the "
        "interval leaves out 0.",
        _few(results),
        *_validation(results),
        *_overrides(results),
        *_times(results),
        *(f"{column.title}: {column.about}." for column in published(results)),
        *_baselines(results),
        *_gaps(results),
        f"Made {results.made}.",
    ]


def _few(results: Results) -> str:
    """Which events the columns of long-tail items are about, or why those columns are not there."""
    which = (
        f"{results.few:,} of {results.users:,} {results.split} events are of items with {LONG_TAIL.events}"
    )
    if not results.few_rival:
        return f"Few-event items: {which}, too few for columns of their own."
    if not results.few_compares:
        return f"long-tail: {which}; models are compared on {MIN_CASES} or more."
    return f"long-tail: {which}. The best baseline there is {results.few_rival}."


def _validation(results: Results) -> list[str]:
    flattered = "Validation also chose the epochs and the baselines' settings, so these numbers flatter them."
    return [flattered] if results.split == "validation" else []


def _overrides(results: Results) -> list[str]:
    """What sets the recipes apart from those of their names."""
    chosen = ", ".join(f"{key} {value}" for key, value in results.overrides.items())
    return [f"Set for every recipe: {chosen}."] if chosen else []


def _baselines(results: Results) -> list[str]:
    there = {row.model for row in results.rows if row.role == "baseline"}
    chosen = [f"{name}: {what}" for name, what in results.about.items() if name in there]
    left_out = [f"{name} is left out: {why}" for name, why in results.about.items() if name not in there]
    said = [f"Baselines, chosen on validation. {'; '.join(chosen)}."] if chosen else []
    return [*said, *(f"Baseline {each.rstrip('.')}." for each in left_out)]


def _times(results: Results) -> list[str]:
    """What the times were measured with, and whether they may be compared."""
    ways = {(c.machine, c.threads, c.jobs) for row in results.rows for c in row.costs()}
    if not ways:
        return []
    words = [
        f"{machine}, {threads} thread{'' if threads == 1 else 's'}"
        + (f", {jobs} runs at a time" if jobs > 1 else "")
        for machine, threads, jobs in sorted(ways)
    ]
    caution = ""
    if len(ways) > 1:
        caution = " Measured in different ways, times do not compare."
    elif any(jobs > 1 for _, _, jobs in ways):
        caution = " Runs beside each other slow each other down: alone, each would be faster."
    return [f"Times, of training without validation, and memory: {'; '.join(words)}.{caution}"]


def _gaps(results: Results) -> list[str]:
    return [
        f"{row.model} seed {seed} failed: {why.rstrip('.')}."
        for row in results.rows
        for seed, why in row.failures.items()
    ]
