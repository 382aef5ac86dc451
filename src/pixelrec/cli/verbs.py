"""What each verb of the command line does: one call of `pixelrec.api`, and what came of it printed.

Nothing heavy is imported before a verb runs. A verb's signature and docstring are its command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.choices import Fit, Form, Missing, Split, TimeUnit
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console


def demo(*, out: Path = Path("demo"), seed: int = 0) -> None:
    """See all of it at once: in a generated shop, a recommender over ids against one over pixels.

    Args:
        out: folder for everything; new or empty.
        seed: of the generated world and of training.
    """
    from pixelrec import api
    from pixelrec.cli.show_demo import print_demonstration

    found = api.demo(out=out, seed=seed, console=_console())
    print_demonstration(found, _console())
    said = f"\nreport     {found.report}\n\nNow with your own files: pixelrec prepare --help"
    _console().print(said, highlight=False)


def prepare(
    interactions: Path,
    *,
    out: Path,
    items: Path | None = None,
    covers: Path | None = None,
    size: int = 224,
    fit: Fit = "stretch",
    missing: Missing = "error",
    item_column: str = "item_id",
    user_column: str = "user_id",
    time_column: str = "timestamp",
    time_unit: TimeUnit = "s",
    overwrite: bool = False,
) -> None:
    """Turn interactions, and covers if given, into a data set folder.

    Args:
        interactions: CSV, CSV.gz, Parquet, or a folder of Parquet parts.
        out: data set folder to make.
        items: CSV or Parquet with a row per item: title, tag, description, counters.
        covers: folder of pictures, <item_id>.jpg, packed as `pixelrec images pack` does.
        size: pixels of a side of a packed picture.
        fit: how a cover becomes square: stretched, its centre cropped, or padded.
        missing: items without a usable cover are an error, get a grey picture, or are dropped.
        item_column: name of the column of item ids.
        user_column: name of the column of user ids.
        time_column: name of the column of times.
        time_unit: what numbers there count since 1970.
        overwrite: replace a data set that is there already.
    """
    from pixelrec import api
    from pixelrec.cli.show_statistics import print_statistics
    from pixelrec.data.statistics import statistics

    dataset = api.prepare(
        interactions,
        out=out,
        items=items,
        covers=covers,
        size=size,
        fit=fit,
        missing=missing,
        item_column=item_column,
        user_column=user_column,
        time_column=time_column,
        time_unit=time_unit,
        overwrite=overwrite,
        console=_console(),
    )
    print_statistics(statistics(dataset), _console())
    _console().print(f"\ndata set   {out}\nnext       pixelrec train sasrec-id --data {out}", highlight=False)


def pack(
    covers: Path,
    *,
    data: Path,
    size: int = 224,
    fit: Fit = "stretch",
    missing: Missing = "error",
    threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Pack the covers of a data set's items for training; killed, it continues where it was.

    Args:
        covers: folder of pictures, <item_id>.jpg.
        data: data set folder.
        size: pixels of a side.
        fit: how a cover becomes square: stretched, its centre cropped, or padded.
        missing: items without a usable cover are an error, get a grey picture, or go with all their events.
        threads: that decode; all cores by default.
        overwrite: start anew, as another size or fit needs.
    """
    from pixelrec import api

    api.pack_images(
        covers,
        data=data,
        size=size,
        fit=fit,
        missing=missing,
        threads=threads,
        progress=True,
        overwrite=overwrite,
        console=_console(),
    )


def check(
    covers: Path,
    *,
    data: Path | None = None,
    duplicates: bool = True,
    threads: int | None = None,
    json: bool = False,
) -> None:
    """Look at covers without writing: what is unusable, sizes, near-duplicates.

    Args:
        covers: folder of pictures.
        data: data set whose items need covers; else every picture of the folder is looked at.
        duplicates: look for covers that look alike.
        threads: that decode; all cores by default.
        json: print the report as JSON.
    """
    from json import dumps

    from pixelrec import api
    from pixelrec.images.summary import print_check

    report = api.check_images(covers, data=data, duplicates=duplicates, threads=threads, progress=not json)
    if json:
        print(dumps(report.to_dict(), indent=2))
    else:
        print_check(report, _console())


def evaluate(run: Path, *, split: Split = "test", data: Path | None = None, report: bool = True) -> None:
    """Rank the whole catalogue for every user and print the metrics.

    Args:
        run: run folder.
        split: the last event of every user, or the one before.
        data: where the data set lies now, if it moved.
        report: write the page too: report.html, or report-validation.html.
    """
    from pixelrec import api
    from pixelrec.cli.show_evaluation import print_evaluation
    from pixelrec.runs.results import EvaluationResult

    api.evaluate(run, split=split, data=data, console=_console())
    print_evaluation(EvaluationResult.read(run, split), _console())
    _console().print(f"\nranks      {run / f'ranks-{split}.parquet'}", highlight=False)
    if report:
        _console().print(f"report     {api.report(run, split=split, data=data)}", highlight=False)


def bench(
    data: Path,
    *,
    recipes: list[str],
    seeds: int = 3,
    split: Split = "test",
    out: Path = Path("bench"),
    set: list[str] | None = None,
    jobs: int = 1,
) -> None:
    """Train and test several recipes with several seeds, beside baselines, and write one table.

    Ctrl-C saves and stops, and the same command goes on; what is done is never done again.

    Args:
        data: data set folder.
        recipes: names that `pixelrec recipes` lists, or YAML files, in the order of the table.
        seeds: runs of each recipe, with the seeds 0, 1, …
        split: whose events the table is about.
        out: folder for the runs and the tables.
        set: choices for every recipe, such as training.epochs=50 items.width=64.
        jobs: runs at a time, each with its share of the cores.
    """
    from pixelrec import api
    from pixelrec.cli.show_grid import print_files, print_results
    from pixelrec.console.numbers import plural
    from pixelrec.errors import GridError
    from pixelrec.recipe.recipe import parse_overrides

    found = api.bench(
        data,
        recipes,
        seeds=seeds,
        split=split,
        out=out,
        overrides=parse_overrides(set or ()),
        jobs=jobs,
        console=_console(),
    )
    print_results(found.results, _console())
    print_files(found, _console())
    if found.failed:
        count = plural(len(found.failed), "run")
        raise GridError(f"{count} failed; the same command tries again: {found.reasons}")


def recommend(
    run: Path,
    *,
    user: list[str] | None = None,
    history: list[str] | None = None,
    k: int = 10,
    with_cover: list[Path] | None = None,
    alone: bool = False,
    form: Form = "table",
    out: Path | None = None,
    data: Path | None = None,
) -> None:
    """Recommend items to known users, or to somebody with a history.

    Args:
        run: run folder.
        user: user ids of the data set.
        history: item ids, oldest first.
        k: how many items.
        with_cover: pictures of items that are in no data set yet; they compete with the catalogue.
        alone: tell of those only, of all of them, with the places they would take.
        form: how they are printed.
        out: write there, as CSV or JSON, instead of printing.
        data: where the data set lies now, if it moved.
    """
    from pixelrec import api

    table = api.recommend(
        run,
        users=user or (),
        history=history or (),
        k=k,
        covers=with_cover or (),
        alone=alone,
        data=data,
    )
    if out is None and form == "table":
        _print_table(table)
        named = set(table["item_id"])
        if absent := [path.name for path in with_cover or () if path.name not in named]:
            _console().print(
                f"\nnot among the best {k}: {', '.join(absent)}; --alone tells their places",
                highlight=False,
                markup=False,
            )
        return
    json = form == "json" or (out is not None and out.suffix == ".json")
    text = _json(table) if json else table.write_csv()
    if out is None:
        sys.stdout.write(text)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def compare(run: Path, other: Path, *, split: Split = "test") -> None:
    """Compare two evaluated runs, the same users pair by pair.

    Args:
        run: run folder.
        other: run folder that it is compared with.
        split: on which both were evaluated.
    """
    from pixelrec import api
    from pixelrec.cli.show_comparison import print_comparison

    print_comparison(api.compare(run, other, split=split), _console())


def report(
    run: Path, *, split: Split = "test", beside: list[Path] | None = None, data: Path | None = None
) -> None:
    """Write a page: curves, metrics, and what a dozen users were recommended.

    Args:
        run: run folder.
        split: whose metrics and users are shown.
        beside: other runs of the data set, shown in the same tables and compared with it.
        data: where the data set lies now, if it moved.
    """
    from pixelrec import api

    _console().print(api.report(run, split=split, beside=beside or (), data=data), highlight=False)


def recipes(recipe: str | None = None) -> None:
    """List the recipes that `train` knows by name, or print one in full.

    A file of your own begins as one of them: pixelrec recipes sasrec-id > mine.yaml

    Args:
        recipe: one of them, or a YAML file, to be printed with all its words.
    """
    from pixelrec.recipe.recipe import read_recipe
    from pixelrec.recipe.recipe import recipes as listed

    if recipe is not None:
        sys.stdout.write(read_recipe(recipe).dump())
        return
    found = listed()
    width = max(map(len, found))
    console = _console()
    console.print(f"{'recipe':<{width}}  what it is", style="bold")
    for name, about in found.items():
        console.print(f"{name:<{width}}  {about}", highlight=False, markup=False, soft_wrap=True)


def train(words: Sequence[str]) -> None:
    """Train a recipe and keep everything in a run folder."""
    from pixelrec import api
    from pixelrec.cli.train_options import train_help, train_options
    from pixelrec.recipe.recipe import parse_overrides

    options, rest = train_options(words)
    if options["help"]:
        print(train_help(options["recipe"]))
        return
    if options["resume"]:
        if options["recipe"] or rest:
            raise RequestError("--resume goes on with the run's own recipe; give nothing else but --data")
        run = api.resume(Path(options["resume"]), data=options["data"], console=_console())
    elif not options["recipe"] or not options["data"]:
        raise RequestError("train needs a recipe and a data set: pixelrec train sasrec-id --data DATA")
    else:
        overrides = parse_overrides(rest)
        run = api.train(
            options["recipe"],
            data=options["data"],
            out=options["out"],
            overrides=overrides,
            console=_console(),
        )
    _console().print(f"\nrun        {run.folder}\nnext       pixelrec evaluate {run.folder}", highlight=False)


def _console() -> Console:
    """Where people read; of several processes only the first one speaks."""
    from rich.console import Console

    return Console(soft_wrap=True, markup=False, emoji=False, quiet=os.environ.get("RANK", "0") != "0")


def _print_table(table: Any) -> None:
    from rich.table import Table

    drawn = Table(*table.columns, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in table.iter_rows():
        drawn.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value or "") for value in row))
    _console().print(drawn, highlight=False)


def _json(table: Any) -> str:
    from json import dumps

    return dumps(table.to_dicts(), indent=2, ensure_ascii=False) + "\n"


VERBS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "prepare": prepare,
    "images pack": pack,
    "images check": check,
    "recipes": recipes,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "bench": bench,
    "recommend": recommend,
    "report": report,
}
