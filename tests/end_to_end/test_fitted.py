"""Training in three stages: rows of an id table, the fit of the item encoder to them, and the user model."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.pixel_runs import RESNET
from rich.console import Console
from torch.nn import functional as F

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.errors import RecipeError, RunError, StoppedError
from pixelrec.recipe.build import rows_recipe
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender
from pixelrec.runs import fitted
from pixelrec.runs.run import Run
from pixelrec.runs.train import train_recipe
from pixelrec.training import fitting, loop

TINY = {
    **RESNET,
    "items.trainable": "all",
    "training.batch_size": 256,
    "training.epochs": 2,
    "fit.rows": 2,
    "fit.tables": 2,
    "fit.epoch_steps": 1,
    "fit.passes": 3,
    "fit.warmup": 0,
}
STAGES = ("rows", "rows-1", "fit", "")


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    return train(dataset, tmp_path_factory.mktemp("fitted") / "whole")


def train(dataset: Dataset, out: Path, console: Console | None = None, **words: Any) -> Run:
    overrides = {**TINY, **{key.replace("__", "."): value for key, value in words.items()}}
    return api.train("sasrec-fitted", data=dataset.folder, out=out, overrides=overrides, console=console)


def said(screen: Console) -> str:
    assert isinstance(screen.file, StringIO)
    return " ".join(screen.file.getvalue().split())


def results(run: Path) -> dict[str, bytes]:
    """Weights, optimisers and stored vectors of all stages."""
    paths = [path for path in sorted(run.rglob("*.safetensors")) if "item-vectors" not in path.parts]
    found = {str(path.relative_to(run)): path.read_bytes() for path in paths}
    assert {f"{stage}/best/model.safetensors".lstrip("/") for stage in STAGES} < set(found)
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_result_is_an_ordinary_run_over_pictures(whole: Run, dataset: Dataset) -> None:
    assert whole.about["pictures_fingerprint"] == dataset.pictures_fingerprint, "refused on others"
    recommender = whole.recommender(dataset)
    pictures = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    assert recommender.unseen(pictures).shape == (2, 16)
    fit = Recommender.from_pretrained(whole.folder / "fit" / "best", data=recommender.spec)
    assert torch.equal(recommender.encode_all(), fit.encode_all()), "vectors change after the fit"
    assert api.evaluate(whole.folder, split="validation").metrics["sasrec-fitted"]
    page = api.report(whole.folder, split="validation").read_text(encoding="utf-8")
    assert "cosine of held-out items" in page
    table = recommender.catalogue().table
    torch.testing.assert_close(table[1:].norm(dim=1), torch.ones(dataset.items))


def test_the_journal_has_the_cost_of_all_stages(whole: Run) -> None:
    start, *epochs = rows(whole.folder)
    earlier = [row for stage in STAGES[:-1] for row in rows(whole.folder / stage)]
    assert start["epoch"] == 0
    for name in ("seconds", "cpu_seconds", "trained_encodes"):
        assert start[name] == pytest.approx(sum(row[name] for row in earlier), abs=0.01)
    assert start["trained_encodes"] > 0 and sum(row["trained_encodes"] for row in epochs) == 0
    assert len(epochs) == 2
    passes = rows(whole.folder / "fit")
    assert [row["epoch"] for row in passes] == [0, 1, 2, 3] and all(
        -1 <= row["cosine"] <= 1 for row in passes
    )


def test_a_final_run_is_fitted_to_rows_of_every_event(whole: Run, tmp_path: Path) -> None:
    last = api.train_final(whole, out=tmp_path / "run")
    table = Run.open(last.folder / "rows")
    assert table.is_final and rows(table.folder)[-1]["epoch"] == table.about["final"]["epochs"] > 0
    before, after = (run.folder / "fit" / "best" / "model.safetensors" for run in (whole, last))
    assert before.read_bytes() != after.read_bytes()
    assert rows(last.folder)[-1]["epoch"] == last.about["final"]["epochs"]


@pytest.mark.parametrize("stage", STAGES)
def test_interrupted_in_any_stage_it_ends_the_same(
    stage: str, whole: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, batches, train_batch = tmp_path / "run", 0, loop.train_batch
    there = out / stage

    def signalled(parts: loop.Parts, *words: Any) -> Any:
        nonlocal batches
        batches += there.joinpath("metrics.jsonl").exists() and stage_of(out) == stage
        if batches == 3:
            signal.raise_signal(signal.SIGTERM)
        return train_batch(parts, *words)

    with monkeypatch.context() as patch, pytest.raises(StoppedError, match=f"--resume {out}$"):
        patch.setattr(loop, "train_batch", signalled)
        train(dataset, out)
    state = json.loads((there / "last" / "progress.json").read_text(encoding="utf-8"))
    assert not state["finished"] and (state["batch"] or state["epoch"])
    api.resume(out)
    assert results(out) == results(whole.folder)
    for name in ("encodes", "trained_encodes"):
        found, expected = (sum(row[name] for row in rows(folder)) for folder in (out, whole.folder))
        assert found == pytest.approx(expected, abs=0.01)


def stage_of(run: Path) -> str:
    """The stage under way."""
    return next(stage for stage in reversed(STAGES) if (run / stage / "last").exists() or stage == "rows")


@pytest.mark.parametrize("stage", ["fit", "settling"])
def test_killed_before_a_stage_saved_anything_it_ends_the_same(
    stage: str, whole: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing catches it."""

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*((fitting.Teacher, "of") if stage == "fit" else (fitted, "sharded_catalogue")), killed)
        train(dataset, tmp_path / "run")
    api.resume(tmp_path / "run")
    assert results(tmp_path / "run") == results(whole.folder)


@pytest.mark.parametrize(
    ("alive", "rates", "says"),
    [
        (0.25, [1, 0.5, 0.25], "after 2 passes at rate 1.5e-03: starts again at 7.5e-04"),
        (
            0,
            [1, 0.5, 0.25, 0.5],
            "starts again at 1.5e-03, the best so far, for all passes; the rows may know",
        ),
    ],
)
def test_rates_at_which_nothing_is_learnt_are_left(
    alive: float, rates: list[float], says: str, dataset: Dataset, whole: Run, tmp_path: Path
) -> None:
    """A rate learns from `alive` down, and 0.5 comes closest where none does."""
    fit_parts, tried = fitted.fit_parts, []
    starts: list[torch.Tensor] = []
    screen = Console(file=StringIO(), width=200)

    def made(*words: Any, probes: bool) -> loop.Parts:
        parts, rate = fit_parts(*words, probes=probes), words[-1]
        tried.append(rate)
        starts.append(next(iter(parts.module.parameters())).detach().clone())
        cosine = 0.3 if rate <= alive else 0.1 + 0.05 * (rate == 0.5)
        return replace(parts, validate=lambda _: loop.Validation({"cosine": cosine}, 0, 0))

    start = {"fit__passes": 12, "training__warm_start": str(whole.folder / "rows")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitted, "fit_parts", made)
        patch.setattr(fitting, "PROBE_STEPS", 0)
        patch.setattr(fitted, "FEW_EVENTS", 1000)
        run = train(dataset, tmp_path / "run", screen, **start)
    assert tried == rates
    assert all(torch.equal(starts[0], each) for each in starts), "each starts from the same weights"
    assert says in said(screen) and "not copied" not in said(screen)
    assert "below 1000, fitting to rows has not been seen to help on real data; a frozen" in said(screen)
    assert not (run.folder / "rows").exists(), "those of the other run are used"


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ({"scoring__unit_items": False}, RecipeError, "fit.passes is 3, .*set scoring.name cosine and"),
        ({"items__name": "id_table"}, RecipeError, "items.name is id_table, .*fit.passes 0"),
        ({"items__width": 8}, RunError, "whole have width 16, and are fitted by vectors of width 8"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    words: dict[str, Any], error: type[Exception], says: str, whole: Run, dataset: Dataset, tmp_path: Path
) -> None:
    own = {
        key: value
        for key, value in TINY.items()
        if not key.startswith("items.") or "items__name" not in words
    }
    overrides = {**own, **{key.replace("__", "."): value for key, value in words.items()}}
    if error is RunError:
        overrides["training.warm_start"] = str(whole.folder)
    with pytest.raises(error, match=says):
        api.train("sasrec-fitted", data=dataset.folder, out=tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run").exists()


def test_the_vectors_of_any_run_can_be_fitted(whole: Run, dataset: Dataset, tmp_path: Path) -> None:
    """Here those of a fitted run itself, by a network that starts where that ended."""
    run = train(dataset, tmp_path / "run", fit__passes=1, training__warm_start=str(whole.folder))
    start, *_ = rows(run.folder / "fit")
    assert start["cosine"] == pytest.approx(1, abs=1e-5)


def test_a_bounded_delta_is_trained_over_the_fitted_vectors(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm items are corrected while the user model settles, from their rows on; others stay as fitted."""
    words = {key: value for key, value in TINY.items() if not key.startswith("items.")}
    pixels = {key.removeprefix("items."): value for key, value in TINY.items() if key.startswith("items.")}
    del pixels["width"]
    parts = {"pixels": pixels, "ids": {"name": "id_table"}}
    words["items"] = {"name": "joined", "combine": "delta", "bound": 0.3, "width": 16, "parts": parts}
    words["fit.tables"] = 1
    started: list[torch.Tensor] = []
    store_vectors = fitted.store_vectors

    def noted(parts: loop.Parts, *rest: Any) -> None:
        store_vectors(parts, *rest)
        started.append(parts.recommender.items.parts.ids.rows.weight.detach().clone())

    monkeypatch.setattr(fitted, "store_vectors", noted)
    run = api.train("sasrec-fitted", data=dataset.folder, out=tmp_path / "run", overrides=words)
    spec = run.recommender(dataset).spec
    fit, best, last = (
        Recommender.from_pretrained(run.folder / at, data=spec) for at in ("fit/best", "best", "last")
    )
    (start,) = started
    assert not torch.equal(last.items.parts.ids.rows.weight, start), "the delta is trained"
    content, found = best.over(best.items.content).encode_all(), best.encode_all()
    assert torch.equal(content, fit.over(fit.items.content).encode_all()), "the content stays"
    rows = Recommender.from_pretrained(run.folder / "rows" / "best").items.rows.weight
    counts = torch.from_numpy(item_counts(training_events(dataset), dataset.items))
    toward = F.normalize(rows, dim=1) * content.norm(dim=1, keepdim=True) - content
    shrunk = toward * (counts / (counts + 10))[:, None]
    torch.testing.assert_close(start[1:], shrunk[1:].float(), atol=1e-5, rtol=1e-4)
    assert (counts[1:] == 0).any() and (found - content)[counts == 0].abs().max() == 0
    moved = (found - content).norm(dim=1)[1:] / content.norm(dim=1)[1:]
    assert 0 < moved.max() < 0.3001
    assert json.loads((run.folder / "last" / "progress.json").read_text(encoding="utf-8"))["finished"]


def test_rows_and_fit_know_training_events_only(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other events to validate by, and none to test by, all vectors are the same.

    One epoch and one pass, as validation chooses between several.
    """
    items = dataset.event_items.copy()
    ends = dataset.offsets[1:][dataset.evaluated] - 1
    items[ends] = items[ends] % dataset.items + 1
    other = replace(dataset, event_items=items)
    monkeypatch.setattr(Dataset, "verify", lambda _: None)
    monkeypatch.setattr(Dataset, "held_out", None)
    words = {**TINY, "fit.rows": 1, "fit.passes": 1, "training.epochs": 1}
    recipe, folders = read_recipe("sasrec-fitted", words), [tmp_path / name for name in ("one", "other")]
    for folder, data in zip(folders, (dataset, other), strict=True):
        train_recipe(recipe, data, folder, Console(file=StringIO()))
    for stage in STAGES[:-1]:
        one, same = ((folder / stage / "best" / "model.safetensors").read_bytes() for folder in folders)
        assert one == same, stage
    measured = [rows(folder / "rows")[0]["NDCG@10"] for folder in folders]
    assert measured[0] != measured[1], "events to validate by do differ"


@pytest.mark.parametrize(
    ("steps", "epochs", "patience"), [(24, 10, 5), (500, 10, 5), (23, 11, 6), (4, 60, 30)]
)
def test_a_table_has_as_many_steps_however_few_the_events_are(steps: int, epochs: int, patience: int) -> None:
    recipe = read_recipe("sasrec-fitted", {"fit.rows": 10, "fit.epoch_steps": 24, "training.patience": 5})
    first, second = (rows_recipe(recipe, 64, steps, number) for number in range(2))
    assert (first.training.epochs, first.training.patience) == (epochs, patience)
    assert first["seed"] == recipe["seed"] != second["seed"]
