"""The fit of an item encoder to the rows of a trained id table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from pixelrec.choices import OVER_PICTURES
from pixelrec.console.numbers import plural
from pixelrec.console.terminal import say
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.errors import RecipeError, RunError
from pixelrec.files.atomic import recover
from pixelrec.files.checkpoint import read_weights
from pixelrec.items.stored_vectors import StoredVectors
from pixelrec.items.work import Work
from pixelrec.recommender import Recommender
from pixelrec.runs.place import ROWS
from pixelrec.runs.run import Run
from pixelrec.runs.stage import run_stage
from pixelrec.runs.validate import sharded_catalogue
from pixelrec.runs.warm_start import WarmStart, shared_items, start_from
from pixelrec.training.epoch_lines import Words
from pixelrec.training.fitting import (
    COSINE,
    FEW_EVENTS,
    LEARNT,
    RATES,
    Teacher,
    average_rows,
    event_weights,
    fit_parts,
    next_rate,
)
from pixelrec.training.journal import JOURNAL, cost_of, read_journal
from pixelrec.training.loop import Parts, demand_position
from pixelrec.training.state import Progress, load_state

FIT = "fit"  # folder in that of the run
SETTLE = Words(
    "settling", "epoch", "window", "windows, parts of histories, over the fitted vectors", "validation"
)
_TABLE = "items.rows.weight"


def over_stored_vectors(recommender: Recommender) -> Recommender:
    """The recommender that trains over vectors of items which do not change; they are put in later."""
    if not recommender.items.content.has_content:
        raise RecipeError(
            f"items.name is {recommender.recipe['items']['name']}, whose vectors do not come from content: "
            "there is nothing to fit; use pixels or features, or fit.passes 0"
        )
    if recommender.users.needs_regions:
        name = recommender.recipe["users"]["name"]
        raise RecipeError(f"{name} reads regions of items, which no row of an id table has; use fit.passes 0")
    none = StoredVectors(torch.zeros(1, recommender.items.width)).to(recommender.device)
    return recommender.over(recommender.items.over(none))


def over_content(recommender: Recommender) -> Recommender:
    """The recommender without what corrects the content of items."""
    content = recommender.items.content
    return recommender if content is recommender.items else recommender.over(content)


def rows_of(start: WarmStart, width: int, dataset: Dataset) -> Tensor:
    """The item vectors of a run (N + 1, D), in the order of `dataset`; zeros for items that it lacks.

    Those of an id table are its rows; another encoder encodes its catalogue.
    """
    table = start.tensors.get(_TABLE)
    if table is None:
        table = start.run.encoded(start.run.recommender(start.run.dataset())).cpu()
    if table.shape[1] != width:
        raise RunError(
            f"training.warm_start: item vectors of {start.run.folder} have width {table.shape[1]}, and are "
            f"fitted by vectors of width {width}; start from a run of that items.width"
        )
    here, there = shared_items(dataset, start.run)
    rows = torch.zeros(dataset.items + 1, width)
    rows[here] = table[there].float()
    return rows


def table_folders(run: Run) -> list[Path]:
    """Of its runs of id tables."""
    return [run.folder / (f"{ROWS}-{number}" if number else ROWS) for number in range(run.recipe.fit.tables)]


def fit_stages(
    parts: Parts,
    run: Run,
    dataset: Dataset,
    console: Console,
    start: WarmStart | None,
    how: str,
    train_table: Callable[[int], Run],
) -> dict[str, float]:
    """Trains rows, unless `start` has some, and fits the item encoder to them; the cost of both."""
    fitted = parts.processes.from_leader(lambda: (run.folder / FIT / "last").exists())
    rows = None
    if not fitted and start is not None:
        rows = rows_of(start, parts.saved.items.width, dataset)
    elif not fitted:
        rows = _trained_rows(parts, run, dataset, console, train_table)
    teacher = fit_items(parts, run, rows, dataset, console, how)
    store_vectors(parts, teacher, run.recipe["seed"])
    journals = [(folder, run.monitor) for folder in table_folders(run)] + [(run.folder / FIT, COSINE)]
    return cost_of([row for folder, name in journals for row in read_journal(folder / JOURNAL, name)])


def _trained_rows(
    parts: Parts, run: Run, dataset: Dataset, console: Console, train_table: Callable[[int], Run]
) -> Tensor:
    """The rows of id tables (N + 1, D); the user model of the first one goes into `parts`."""
    width, config, tables = parts.saved.items.width, run.recipe.fit, []
    for number in range(config.tables):
        start = WarmStart.of_rows(train_table(number), run.recipe)
        if not number:
            line = start_from(start, parts.saved, dataset)
            if parts.processes.leads:
                say(line, console)
        tables.append(rows_of(start, width, dataset))
    counts = item_counts(run.training_events(dataset), dataset.items)
    return tables[0] if len(tables) == 1 else average_rows(tables, event_weights(counts, config))


def fit_items(
    parts: Parts, run: Run, rows: Tensor | None, dataset: Dataset, console: Console, how: str
) -> Teacher:
    """Fits the item encoder to `rows` (N + 1, D), or goes on with that after an interruption."""
    folder, config, seed = run.folder / FIT, run.recipe.fit, run.recipe["seed"]
    saved, processes = parts.saved, parts.processes
    state = load_state(folder / "last")
    vectors = rows if state is None else state.bank
    assert vectors is not None, "the state of a fit holds the rows"
    counts = item_counts(run.training_events(dataset), dataset.items)
    teacher = Teacher.of(vectors, counts, config, seed)
    saved.bank = vectors.to(processes.device)  # `last` keeps it
    progress = Progress() if state is None else state.progress
    if processes.leads:
        folder.mkdir(exist_ok=True)
        recover(folder / "best", None)
        if state is None:
            _warn(counts, console)
    contents = replace(parts, recommender=over_content(saved))
    while True:
        torch.manual_seed(seed * processes.count + processes.index)
        rate = next_rate(progress.tried)
        fitting = fit_parts(contents, teacher, config, seed, rate, probes=len(progress.tried) < RATES)
        if state is not None:
            demand_position(fitting, state)
            state.restore(saved, fitting.optimiser, processes.index, processes.count)
        least = LEARNT if fitting.probe else -1.0
        run_stage(fitting, folder, progress, console, how, from_start=True, least=least)
        saved.load_state_dict(read_weights(folder / "best"))
        if not fitting.probe or (progress.best is not None and progress.best > LEARNT):
            return teacher
        passes = processes.from_leader(lambda: read_journal(folder / JOURNAL, COSINE))
        tried = [*progress.tried, [rate, max(row[COSINE] for row in passes)]]
        if processes.leads:
            say(_dead(config.learning_rate, tried, progress.epoch), console)
        spent = cost_of(passes)  # whose journal starts again
        progress, state = Progress(tried=tried), None
        progress.add(Work(spent["encodes"], spent["trained_encodes"], spent["cpu_seconds"]))


def store_vectors(parts: Parts, teacher: Teacher, seed: int) -> None:
    """Encodes the catalogue once; from then on, these are the vectors of items, or of their content."""
    saved, processes = parts.saved, parts.processes
    saved.bank = sharded_catalogue(over_content(saved), processes).encoded
    rows, weights = (tensor.to(saved.device) for tensor in (teacher.vectors, teacher.weights))
    saved.items.correct(rows, saved.bank, weights)
    torch.manual_seed(seed * processes.count + processes.index)


def _warn(counts: np.ndarray, console: Console) -> None:
    """Says that rows of few events know little."""
    taken = counts[1:][counts[1:] > 0]
    if (mean := taken.mean()) < FEW_EVENTS:
        say(
            f"warning    {mean:.1f} training events per item: below {FEW_EVENTS}, fitting to rows has not "
            f"been seen to help on real data; a frozen network, as of {OVER_PICTURES}, is the safer choice, "
            "and fit.tables 3 makes rows more certain",
            console,
        )


def _dead(peak: float, tried: list[list[float]], passes: int) -> str:
    then = f"starts again at {peak * next_rate(tried):.1e}"
    if len(tried) == RATES:
        then += ", the best so far, for all passes; the rows may know too little"
    return (
        f"fit        the cosine of held-out items is below {LEARNT:g} after {plural(passes, 'pass')} at rate "
        f"{peak * tried[-1][0]:.1e}: {then}"
    )
