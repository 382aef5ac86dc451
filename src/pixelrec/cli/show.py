"""What the command line prints of a result for people; keyword-only parameters are options of the verb.

Help is made from these signatures, so nothing heavy is imported before there is a result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.choices import OVER_IDS, OVER_PICTURES, Split
from pixelrec.cli.outputs import exactly
from pixelrec.errors import GridError, RunError, command

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from pixelrec.data.covers import PackedCovers
    from pixelrec.data.dataset import Dataset
    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.features.codes import CodeReport
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.features.importing import ImportReport
    from pixelrec.features.inspection import Inspection
    from pixelrec.grid.outcome import Outcome
    from pixelrec.images.doctor import CheckReport
    from pixelrec.items.cache.entries import Entry
    from pixelrec.items.extraction import Extraction
    from pixelrec.recipe.configuration import ImportedRecipe
    from pixelrec.runs.all_recommendations import AllRecommendations
    from pixelrec.runs.blending import BlendResult
    from pixelrec.runs.compare import RunComparison
    from pixelrec.runs.publication import Published
    from pixelrec.runs.results import EvaluationResult
    from pixelrec.runs.run import Run


def demo(found: Demonstration, console: Console) -> None:
    from pixelrec.cli.show_demo import print_demonstration

    print_demonstration(found, console)
    _say(console, "", f"report     {found.report}")
    _say(console, f"next       {command('prepare', '--help')}   (with your own files)")


def prepared(dataset: Dataset, console: Console) -> None:
    from pixelrec.cli.show_statistics import print_statistics
    from pixelrec.data.statistics import statistics

    print_statistics(statistics(dataset), console)
    for names in dataset.identical_sources:
        _say(console, f"note: {', '.join(names)} hold the same bytes; is that meant?")
    recipe = OVER_PICTURES if dataset.covers.exists() else OVER_IDS
    _say(console, "", f"data set   {dataset.folder}")
    _next(console, "train", recipe, "--data", dataset.folder)
    for place in dataset.features.values():
        words = ("train", "sasrec-features", "--data", dataset.folder, "--items.file", place)
        _say(console, f"           {command(*words)}")


def packing(found: PackedCovers, console: Console) -> None:
    from pixelrec.cli.show_images import print_pack

    print_pack(found.report, console)
    if found.dropped_events:
        _say(console, f"left out with them: {found.dropped_events:,} of {found.events:,} events")


def packed(found: PackedCovers, console: Console, data: Path) -> None:
    """The report, and what it means for runs that items were dropped."""
    packing(found, console)
    if found.dropped_events:
        _say(console, "the data set has changed: runs trained on it before no longer fit; train again")
    _next(console, "train", OVER_PICTURES, "--data", data)


def checked(found: CheckReport, console: Console, covers: Path, data: Path | None) -> None:
    """Usable and unusable covers."""
    from pixelrec.cli.show_images import print_check

    print_check(found, console)
    if data is None:
        _next(console, "prepare", "INTERACTIONS", "--covers", covers, "--out", "DATA")
    else:
        _next(console, "images", "pack", covers, "--data", data)


def cache(found: list[Entry], console: Console, data: Path, clear: bool) -> None:
    from pixelrec.cli.show_images import print_activations

    print_activations(found, console, deleted=clear)
    if found and not clear:
        _next(console, "cache", data, "--clear")


def extracted(found: Extraction, console: Console, data: Path) -> None:
    from pixelrec.console.numbers import plural

    reused = f", {found.reused:,} were there already" if found.reused else ""
    _say(console, f"{plural(found.computed, 'picture')} encoded{reused}")
    _features(found.features, console, data)


def imported(found: ImportReport, console: Console, data: Path | None) -> None:
    from pixelrec.console.numbers import plural

    done = {"mean": "given the mean of all vectors", "drop": "left out"}
    if found.absent:
        _say(console, f"{plural(len(found.absent), 'item')} without a vector {done[found.missing]}")
    if found.unknown:
        _say(console, f"{plural(found.unknown, 'vector')} of items that are not in the data set left out")
    _features(found.features, console, data)


def _features(found: FeatureFile, console: Console, data: Path | None) -> None:
    shape = " × ".join(f"{each:,}" for each in found.vectors.shape)
    codes = found.vectors.dtype.kind != "f"
    _say(console, "", f"{'codes' if codes else 'features':<10} {found.folder}, {shape}")
    place = data or "DATA"
    if codes:
        _next(console, "train", "sasrec-codes", "--data", place, "--items.file", found.folder)
    else:
        _next(console, "features", "inspect", found.folder, "--data", place)


def files(found: list[Path], console: Console) -> None:
    _say(console, *(f"written    {path}" for path in found))


def inspected(found: Inspection, console: Console, features: Path, data: Path, page: Path | None) -> None:
    """The figures of vectors."""
    from pixelrec.cli.show_features import print_inspection

    print_inspection(found, console)
    _say(console, "")
    if page is not None:
        _say(console, f"page       {page}")
    _next(console, "train", "sasrec-features", "--data", data, "--items.file", features)


def codes(found: CodeReport, console: Console) -> None:
    """The quality of codes."""
    from pixelrec.cli.show_features import print_codes

    print_codes(found, console)
    _say(console, "", f"codes      {found.codes.folder}")
    _next(console, "train", "sasrec-codes", "--data", "DATA", "--items.file", found.codes.folder)


def text(found: str, console: Console) -> None:
    """A text as it is, for a pipe or a file."""
    exactly(f"{found}\n", console)


def report(found: Path, console: Console, run: Path) -> None:
    _say(console, f"report     {found}")
    _next(console, "recommend", run, "--user", "ID")


def run(found: Run, console: Console) -> None:
    _say(console, "", f"run        {found.folder}")
    if found.is_final:
        _next(console, "recommend", found.folder, "--user", "ID")
    else:
        _next(console, "evaluate", found.folder)


def evaluation(
    found: EvaluationResult,
    console: Console,
    run: Path,
    split: Split,
    data: Path | None,
    out: Path | None,
    *,
    report: bool = True,
) -> None:
    """Metrics of the run and of all baselines.

    Args:
        report: write report.html (or report-validation.html) too.
    """
    from pixelrec import api
    from pixelrec.cli.show_evaluation import print_evaluation
    from pixelrec.console.numbers import plural
    from pixelrec.files.atomic import whole
    from pixelrec.runs.saved_ranks import ranks_file
    from pixelrec.training.state import read_progress

    # Written before anything is printed: the reader of the output may have gone.
    page = api.report(run, split=split, data=data, out=out, console=console) if report else None
    print_evaluation(found, console)
    _say(console, "", f"ranks      {ranks_file(out or run, split)}")
    with suppress(RunError):  # no state, or another process is replacing it
        progress = read_progress(whole(run / "last"))
        if not progress.finished:
            ended, more = plural(progress.epoch, "epoch"), command("train", "--resume", run)
            _say(console, f"training   not finished: {ended} so far; {more} continues")
    if page is not None:
        _say(console, f"report     {page}")
    _next(console, "recommend", run, "--user", "ID")
    if out is None:
        _say(console, f"           {command('compare', run, 'OTHER_RUN')}")


def blend(found: BlendResult, console: Console) -> None:
    from pixelrec.cli.show_evaluation import print_blend

    print_blend(found, console)
    _say(console, "", f"run        {found.run.folder}")
    _next(console, "evaluate", found.run.folder)


def comparison(found: RunComparison, console: Console, run: Path, other: Path) -> None:
    from pixelrec.cli.show_comparison import print_comparison

    print_comparison(found, console)
    _say(console, "")
    _next(console, "report", run, "--beside", other)


def grid(found: Outcome, console: Console) -> None:
    """The table of all recipes; raises `GridError` if some runs failed."""
    from pixelrec.cli.show_grid import print_files, print_results
    from pixelrec.console.numbers import plural

    print_results(found.results, console)
    print_files(found, console)
    if found.best is not None:
        _next(console, "report", found.best)
    if found.failed:
        count = plural(len(found.failed), "run")
        raise GridError(f"{count} failed; the same command tries again: {found.reasons}")


def ladder(found: Outcome | None, console: Console) -> None:
    """The table of all rungs, unless only the cost was estimated."""
    if found is not None:
        grid(found, console)


def recommendations(found: pl.DataFrame, console: Console, run: Path, k: int, covers: Sequence[Path]) -> None:
    """What is not among the rows."""
    listed = set(found["item_id"])
    if absent := [path.name for path in covers if path.name not in listed]:
        _say(console, "", f"not among the best {k}: {', '.join(absent)}; see their ranks with --alone")
    _say(console, "")
    _report_next(console, run)


def published(found: Published, console: Console) -> None:
    """What was written, the largest first."""
    from pixelrec.console.numbers import with_prefix

    for name, size in sorted(found.sizes.items(), key=lambda each: -each[1]):
        _say(console, f"{name:<32} {with_prefix(size):>9}")
    for note in found.notes:
        _say(console, "", note)
    total = with_prefix(sum(found.sizes.values()))
    _say(console, "", f"published  {found.url or found.place}: {total}, nothing about users")
    _next(console, "recommend", found.place, "--history", "ITEM_ID")


def similar(_: pl.DataFrame, console: Console, sheet: Path | None) -> None:
    if sheet is not None:
        _say(console, "", f"sheet      {sheet}")


def explanations(_: pl.DataFrame, console: Console) -> None:
    _say(console, "", "score_change: positive where the event speaks for the item")


def nothing(_: object, __: Console) -> None:
    """The rows are all."""


def imported_recipe(found: ImportedRecipe, console: Console, out: Path) -> None:
    _say(console, f"recipe     {out}: {found.recipe['about']}")
    if found.without_effect:
        _say(console, f"no effect  {', '.join(found.without_effect)}")
    _say(console, "")
    if found.vectors is not None:
        _next(console, "features", "import", found.vectors, "--by-number", "--data", "DATA")
    _next(console, "train", out, "--data", "DATA")


def all_recommendations(found: AllRecommendations, console: Console, run: Path) -> None:
    rows, users = f"{found.rows:,} recommended items", f"{found.users:,} users"
    _say(console, f"written    {found.out}: {rows} for {users}", "")
    _report_next(console, run)


def note(line: str) -> None:
    """A line beside the result, which may go to a file or another program."""
    from pixelrec.console.terminal import printable

    print(f"pixelrec: {printable(line)}", file=sys.stderr)


def _say(console: Console, *lines: str) -> None:
    from pixelrec.console.terminal import say

    for line in lines:
        say(line, console)


def _report_next(console: Console, run: Path) -> None:
    """A report is next, unless the run is one without metrics."""
    from pixelrec.files.hub import is_address
    from pixelrec.runs.about import FINAL, PUBLISHED, read_about

    if not is_address(run) and not {FINAL, PUBLISHED} & read_about(run).keys():
        _next(console, "report", run)


def _next(console: Console, *words: str | Path) -> None:
    _say(console, f"next       {command(*words)}")
