"""What the command line prints of a result for people; keyword-only parameters are options of the verb.

Help is made from these signatures, so nothing heavy is imported before there is a result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.choices import Split
from pixelrec.cli.lines import say, say_next
from pixelrec.cli.outputs import exactly
from pixelrec.errors import GridError, RunError, command

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.grid.outcome import Outcome
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
    say(console, "", f"report     {found.report}")
    folders = [run.folder for run in reversed(found.runs.values())]
    say(console, f"next       {command('serve', *folders)}   (pages to look at)")
    say(console, f"           {command('prepare', '--help')}   (with your own files)")


def files(found: list[Path], console: Console) -> None:
    say(console, *(f"written    {path}" for path in found))


def text(found: str, console: Console) -> None:
    """A text as it is, for a pipe or a file."""
    exactly(f"{found}\n", console)


def report(found: Path, console: Console, run: Path) -> None:
    say(console, f"report     {found}")
    say_next(console, "recommend", run, "--user", "ID")


def run(found: Run, console: Console) -> None:
    say(console, "", f"run        {found.folder}")
    if found.is_final:
        say_next(console, "recommend", found.folder, "--user", "ID")
    else:
        say_next(console, "evaluate", found.folder)


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
    say(console, "", f"ranks      {ranks_file(out or run, split)}")
    with suppress(RunError):  # no state, or another process is replacing it
        progress = read_progress(whole(run / "last"))
        if not progress.finished:
            ended, more = plural(progress.epoch, "epoch"), command("train", "--resume", run)
            say(console, f"training   not finished: {ended} so far; {more} continues")
    if page is not None:
        say(console, f"report     {page}")
    say_next(console, "recommend", run, "--user", "ID")
    if out is None:
        say(console, f"           {command('compare', run, 'OTHER_RUN')}")


def blend(found: BlendResult, console: Console) -> None:
    from pixelrec.cli.show_evaluation import print_blend

    print_blend(found, console)
    say(console, "", f"run        {found.run.folder}")
    say_next(console, "evaluate", found.run.folder)


def comparison(found: RunComparison, console: Console, run: Path, other: Path) -> None:
    from pixelrec.cli.show_comparison import print_comparison

    print_comparison(found, console)
    say(console, "")
    say_next(console, "report", run, "--beside", other)


def grid(found: Outcome, console: Console) -> None:
    """The table of all recipes; raises `GridError` if some runs failed."""
    from pixelrec.cli.show_grid import print_files, print_results
    from pixelrec.console.numbers import plural

    print_results(found.results, console)
    print_files(found, console)
    if found.best is not None:
        say_next(console, "report", found.best)
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
        say(console, "", f"not among the best {k}: {', '.join(absent)}; see their ranks with --alone")
    say(console, "")
    _report_next(console, run)


def published(found: Published, console: Console) -> None:
    """What was written, the largest first."""
    from pixelrec.console.numbers import with_prefix

    for name, size in sorted(found.sizes.items(), key=lambda each: -each[1]):
        say(console, f"{name:<32} {with_prefix(size):>9}")
    for note in found.notes:
        say(console, "", note)
    total = with_prefix(sum(found.sizes.values()))
    say(console, "", f"published  {found.url or found.place}: {total}, nothing about users")
    say_next(console, "recommend", found.place, "--history", "ITEM_ID")


def similar(_: pl.DataFrame, console: Console, sheet: Path | None) -> None:
    if sheet is not None:
        say(console, "", f"sheet      {sheet}")


def explanations(_: pl.DataFrame, console: Console) -> None:
    say(console, "", "score_change: positive where the event speaks for the item")


def nothing(_: object, __: Console) -> None:
    """The rows are all."""


def imported_recipe(found: ImportedRecipe, console: Console, out: Path) -> None:
    say(console, f"recipe     {out}: {found.recipe['about']}")
    if found.without_effect:
        say(console, f"no effect  {', '.join(found.without_effect)}")
    say(console, "")
    if found.vectors is not None:
        say_next(console, "features", "import", found.vectors, "--by-number", "--data", "DATA")
    say_next(console, "train", out, "--data", "DATA")


def all_recommendations(found: AllRecommendations, console: Console, run: Path) -> None:
    rows, users = f"{found.rows:,} recommended items", f"{found.users:,} users"
    say(console, f"written    {found.out}: {rows} for {users}", "")
    _report_next(console, run)


def note(line: str) -> None:
    """A line beside the result, which may go to a file or another program."""
    from pixelrec.console.terminal import printable

    print(f"pixelrec: {printable(line)}", file=sys.stderr)


def _report_next(console: Console, run: Path) -> None:
    """A report is next, unless the run is one without metrics."""
    from pixelrec.files.hub import is_address
    from pixelrec.runs.about import FINAL, PUBLISHED, read_about

    if not is_address(run) and not {FINAL, PUBLISHED} & read_about(run).keys():
        say_next(console, "report", run)
