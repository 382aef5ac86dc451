"""The map of a run: computed once for its weights, and coloured by what is known of its items."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import pixelrec
from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.insight import projection
from pixelrec.insight.atlas import FILE, Atlas
from pixelrec.insight.layers import NONE, TOP, age, error, layers_of, popularity
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks


@pytest.fixture
def run(ids_run: Run, tmp_path: Path) -> Run:
    """A copy, with its own folder to write to."""
    return Run.open(shutil.copytree(ids_run.folder, tmp_path / "run"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two components are the map."""
    monkeypatch.setattr(projection, "project", lambda points, **_: points[:, :2].numpy())


def fails(*_: object, **__: object) -> np.ndarray:
    raise AssertionError("the map was computed")


def change_weights(run: Run) -> None:
    recommender = run.recommender()
    with torch.no_grad():
        for weight in recommender.items.parameters():
            weight.add_(torch.randn(weight.shape))
    recommender.save(run.folder / "best")


def cut_off(run: Run) -> None:
    path = run.folder / "best" / FILE
    path.write_bytes(path.read_bytes()[:-2])


def put_all_in_one_cell(run: Run) -> None:
    found = Atlas.of(pixelrec.load(run))
    replace(found, cells=np.zeros_like(found.cells))._keep(run.folder / "best" / FILE)


def test_a_map_is_kept_and_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    first = Atlas.of(pixelrec.load(run), lines.append)
    assert any("t-SNE of 120" in line for line in lines)
    assert len(first.cells) == 120 and (run.folder / "best" / FILE).exists()
    monkeypatch.setattr(projection, "project", fails)
    again = Atlas.of(pixelrec.load(run))
    assert (again.cells == first.cells).all() and (again.clusters == first.clusters).all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("change", [change_weights, cut_off, put_all_in_one_cell])
def test_a_map_that_is_damaged_or_of_other_weights_is_computed_again(
    run: Run, change: Callable[[Run], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Atlas.of(pixelrec.load(run))
    change(run)
    again = Atlas.of(pixelrec.load(run))
    same = (again.cells == first.cells).all()
    assert not same if change is change_weights else same
    monkeypatch.setattr(projection, "project", fails)
    kept = Atlas.of(pixelrec.load(run))
    assert (kept.cells == again.cells).all()


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_written_keeps_no_map(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    service = pixelrec.load(run)
    monkeypatch.setattr("pixelrec.files.atomic.os.open", refused)
    assert len(Atlas.of(service).cells) == 120
    assert not (run.folder / "best" / FILE).exists()


@pytest.mark.usefixtures("quick")
def test_weights_that_were_replaced_meanwhile_are_not_given_an_old_map(run: Run) -> None:
    service = pixelrec.load(run)
    change_weights(run)
    Atlas.of(service)
    assert not (run.folder / "best" / FILE).exists()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("encoder", [True, False])
def test_a_published_run_has_the_map_of_the_run(run: Run, tmp_path: Path, encoder: bool) -> None:
    run.save_pretrained(tmp_path / "published", encoder=encoder)
    published = pixelrec.load(tmp_path / "published")
    found = Atlas.of(published)
    assert (found.cells == Atlas.of(pixelrec.load(run)).cells).all()
    assert (tmp_path / "published" / FILE).exists()
    assert [layer.name for layer in layers_of(published, found.clusters, None)] == ["cluster"]
    assert pixelrec.load(tmp_path / "published").items.equals(published.items)


def test_a_blend_has_no_map(blend: RecommendationService) -> None:
    with pytest.raises(RequestError, match="is a blend"):
        Atlas.of(blend)


def test_layers_of_a_run(run: Run) -> None:
    service = pixelrec.load(run)
    clusters = np.arange(120) % 7
    found = {layer.name: layer for layer in layers_of(service, clusters, None)}
    assert list(found) == ["popularity", "age", "cluster"]
    assert found["cluster"].groups == 7 and (found["cluster"].values == clusters).all()
    assert all(layer.values.dtype == np.uint8 and len(layer.values) == 120 for layer in found.values())
    alone = layers_of(replace(service, own=None), clusters, None)
    assert [layer.name for layer in alone] == ["cluster"]


def test_validation_events_count_for_nothing(ids_run: Run, dataset: Dataset) -> None:
    history = ids_run.training_events(dataset)
    inside = [history.items[a:b] for a, b in zip(history.starts, history.stops, strict=True)]
    counts = np.bincount(np.concatenate(inside), minlength=121)[1:]
    assert counts.sum() < len(history.items)
    found = {layer.name: layer for layer in layers_of(pixelrec.load(ids_run), np.zeros(120, int), None)}
    assert (found["popularity"].values == popularity(counts).values).all()
    assert ((found["age"].values == NONE) == (counts == 0)).all()


def test_popularity_is_on_a_logarithmic_scale() -> None:
    layer = popularity(np.array([0, 9, 99]))
    assert layer.values.tolist() == [0, TOP // 2, TOP] and (layer.low, layer.high) == ("0", "99")
    assert popularity(np.zeros(2, int)).values.tolist() == [0, 0]


def test_age_is_of_the_first_event(dataset: Dataset) -> None:
    day = 86_400
    items, times = np.array([1, 2, 1, 3, 3, 4]), np.array([10, 11, 11, 13, 20, 1]) * day
    history = Histories(items, times, np.array([0, 0]), np.array([0, 5]))  # the last event is of validation
    layer = age(history, dataset, 4)
    assert layer.values.tolist() == [0, round(TOP / 3), TOP, NONE]
    if dataset.has_times:
        assert (layer.low, layer.high) == ("1970-01-11", "1970-01-14")


def test_error_is_grey_where_an_item_was_never_a_target() -> None:
    table = pl.DataFrame({"item_id": [7, 7, 8], "rank": [1, 3, 100]})
    ids = pl.Series([str(n) for n in range(100)])
    layer = error(SavedRanks(table), ids)
    rank = 1 / ((1 + 1 / 3) / 2)
    assert layer.values[7] == round(TOP * (1 - np.log(rank) / np.log(100)))
    assert layer.values[8] == 0
    assert (layer.values[[0, 1, 9, 99]] == NONE).all()
