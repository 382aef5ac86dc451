"""Ranks of baselines are computed once for a data set, and never used for other events."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from pixelrec.data.dataset import Dataset
from pixelrec.data.dropping import drop_items
from pixelrec.data.prepare import prepare
from pixelrec.data.split import test_cases
from pixelrec.demonstration.world import World
from pixelrec.errors import DataError
from pixelrec.evaluation.baselines import BaselineRanks, over_events, rank_baselines
from pixelrec.features.feature_writer import writing
from pixelrec.runs import evaluate, saved_baselines
from pixelrec.runs.evaluate import baselines, contenders_of
from pixelrec.runs.saved_baselines import read_baselines


@pytest.fixture
def mine(dataset: Dataset, tmp_path: Path) -> Dataset:
    shutil.copytree(dataset.folder, tmp_path / "data", ignore=shutil.ignore_patterns("baselines"))
    return Dataset.open(tmp_path / "data")


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows whenever baselines are fitted."""
    seen: list[str] = []

    def counted(*words: object) -> BaselineRanks:
        seen.append("fitted")
        return rank_baselines(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate, "rank_baselines", counted)
    return seen


def file_of(dataset: Dataset, split: str = "test") -> Path:
    return dataset.folder / "baselines" / f"{split}.safetensors"


def test_a_second_evaluation_fits_nothing(mine: Dataset, worked: list[str]) -> None:
    first = baselines(mine, "test").ranks
    again = baselines(Dataset.open(mine.folder), "test").ranks
    assert worked == ["fitted"]
    assert list(first) == list(again) == ["random", "popularity", "recent popularity", "item-kNN", "EASE"]
    for name, ranks in first.items():
        assert ranks.dtype == again[name].dtype == np.int64
        np.testing.assert_array_equal(ranks, again[name])
    assert set(baselines(mine, "test").notes) == {"recent popularity", "item-kNN", "EASE"}
    assert worked == ["fitted"]
    assert [path.name for path in file_of(mine).parent.iterdir()] == ["test.safetensors"]


def test_interrupted_between_two_baselines_the_first_are_saved(mine: Dataset, worked: list[str]) -> None:
    def interrupted(said: str) -> None:
        if said == "EASE":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        baselines(mine, "test", interrupted)
    told: list[str] = []
    found = baselines(Dataset.open(mine.folder), "test", told.append)
    assert told == ["EASE"], "all others are there"
    assert list(found.ranks) == ["random", "popularity", "recent popularity", "item-kNN", "EASE"]
    assert set(found.notes) == {"recent popularity", "item-kNN", "EASE"}
    assert worked == ["fitted"] * 2


def test_each_split_has_its_own(mine: Dataset, worked: list[str]) -> None:
    test, validation = baselines(mine, "test").ranks, baselines(mine, "validation").ranks
    assert worked == ["fitted"] * 2
    assert (test["EASE"] != validation["EASE"]).any()
    np.testing.assert_array_equal(baselines(mine, "test").ranks["EASE"], test["EASE"])


def _cut(dataset: Dataset) -> None:
    os.truncate(file_of(dataset), 1000)


def _nonsense(dataset: Dataset) -> None:
    file_of(dataset).write_bytes(b"no such thing")


def _empty(dataset: Dataset) -> None:
    file_of(dataset).write_bytes(b"")


def _rewrite(dataset: Dataset, change: Callable[[np.ndarray], np.ndarray], sign: bool = False) -> None:
    """Changes the ranks of EASE; `sign`: and the digest with them."""
    ranks = load_file(file_of(dataset))
    with safe_open(file_of(dataset), framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
    ranks["EASE"] = change(ranks["EASE"].copy())
    if sign:
        about["digest"] = saved_baselines._digest(
            {name: ranks[name] for name in about["names"]}, about["notes"], about["features"]
        )
    save_file(ranks, file_of(dataset), metadata={"about": json.dumps(about)})


def _impossible(dataset: Dataset) -> None:
    _rewrite(dataset, lambda ranks: np.where(np.arange(len(ranks)) == 3, dataset.items + 1, ranks), sign=True)


def _one_changed(dataset: Dataset) -> None:
    _rewrite(
        dataset, lambda ranks: np.where(np.arange(len(ranks)) == 3, 1 + ranks % 7, ranks).astype(np.int32)
    )


def _bool(dataset: Dataset) -> None:
    _rewrite(dataset, lambda ranks: ranks > 0, sign=True)


def _fewer(dataset: Dataset) -> None:
    _rewrite(dataset, lambda ranks: ranks[:-1].copy(), sign=True)


def _another_form(dataset: Dataset) -> None:
    save_file({"EASE": np.ones(3, np.int32)}, file_of(dataset), metadata={"about": "[1]"})


CHANGES = [_cut, _nonsense, _empty, _impossible, _one_changed, _bool, _fewer, _another_form]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_damaged_ranks_are_computed_again(
    mine: Dataset, worked: list[str], change: Callable[[Dataset], None]
) -> None:
    baselines(mine, "test")
    change(mine)
    found = baselines(Dataset.open(mine.folder), "test").ranks
    assert worked == ["fitted"] * 2
    assert all(ranks.min() >= 1 and ranks.max() <= mine.items for ranks in found.values())
    opened, among = Dataset.open(mine.folder), over_events(mine.items)
    assert not read_baselines(opened, test_cases(opened), among).missing(among)


def test_another_version_of_the_baselines_ranks_again(
    mine: Dataset, worked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    baselines(mine, "test")
    monkeypatch.setattr(saved_baselines, "VERSION", -1)
    baselines(mine, "test")
    assert worked == ["fitted"] * 2


def test_in_a_read_only_data_set_baselines_rank_again(mine: Dataset, worked: list[str]) -> None:
    """A file in the place of the folder stops everyone from writing, even root."""
    (mine.folder / "baselines").write_text("in the way", encoding="utf-8")
    first, again = baselines(mine, "test").ranks, baselines(mine, "test").ranks
    assert worked == ["fitted"] * 2
    np.testing.assert_array_equal(first["EASE"], again["EASE"])
    assert (mine.folder / "baselines").read_text(encoding="utf-8") == "in the way"


def test_a_failed_write_leaves_nothing(mine: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert len(baselines(mine, "test").ranks) == 5
    assert list((mine.folder / "baselines").iterdir()) == []


def test_saved_ranks_are_readable_by_others(mine: Dataset) -> None:
    baselines(mine, "test")
    rights = {stat.S_IMODE(path.stat().st_mode) for path in (file_of(mine), mine.folder / "manifest.json")}
    assert len(rights) == 1


def test_a_data_set_prepared_again_has_no_saved_ranks(world: World, mine: Dataset) -> None:
    baselines(mine, "test")
    assert not file_of(drop_items(mine, [mine.item_ids[0]])).exists()
    made = prepare(world.interactions, out=mine.folder, overwrite=True)
    baselines(made, "test")
    assert not file_of(prepare(world.interactions, out=mine.folder, overwrite=True)).parent.exists()


def test_validation_opens_no_test_event(mine: Dataset) -> None:
    shutil.rmtree(mine.folder / "held_out")
    assert len(baselines(mine, "validation").ranks) == 5
    with pytest.raises(DataError, match="held_out"):
        baselines(mine, "test")


def test_the_same_ranks_are_the_same_bytes(mine: Dataset) -> None:
    baselines(mine, "test")
    first = file_of(mine).read_bytes()
    among = over_events(mine.items)
    found = read_baselines(mine, test_cases(mine), among)
    for _ in range(5):  # the order of several entries of metadata would differ
        saved_baselines.save_baselines(mine, test_cases(mine), among, found)
        assert file_of(mine).read_bytes() == first


def with_features(dataset: Dataset, vectors: np.ndarray) -> None:
    ids = dataset.item_ids.to_list()
    place = dataset.folder / "features" / "looks"
    with writing(place, ids, vectors.shape[1:], {"kind": "test"}, overwrite=True) as writer:
        writer.append(vectors)


def test_features_add_baselines_and_other_features_rank_them_again(mine: Dataset) -> None:
    first, second = np.random.default_rng(0).normal(size=(2, mine.items, 8)).astype("f4")
    before = baselines(mine, "test").ranks
    with_features(mine, first)
    found = baselines(mine, "test")
    added = ["VisRank (looks)", "L3AE (looks)"]
    assert list(found.ranks) == [*before, *added]
    assert all(name in found.notes for name in added)
    again = baselines(mine, "test")
    assert all(np.array_equal(again.ranks[name], found.ranks[name]) for name in found.ranks)
    with_features(mine, second)
    other = baselines(mine, "test")
    assert all((other.ranks[name] != found.ranks[name]).any() for name in added)
    assert all(np.array_equal(other.ranks[name], before[name]) for name in before)
    shutil.rmtree(mine.folder / "features")
    assert list(baselines(mine, "test").ranks) == list(before)


def test_codes_are_no_features_of_baselines(mine: Dataset) -> None:
    ids = mine.item_ids.to_list()
    place = mine.folder / "features" / "codes"
    with writing(place, ids, (2,), {"size": 4}, dtype="int16") as writer:
        writer.append(np.zeros((mine.items, 2)))
    assert not [name for name in contenders_of(mine) if "codes" in name]


def test_damaged_features_leave_out_only_their_own_baselines(mine: Dataset) -> None:
    rng = np.random.default_rng(0)
    for name in ("sound", "cut", "odd"):
        with writing(mine.folder / "features" / name, mine.item_ids, (4,), {}) as writer:
            writer.append(rng.normal(size=(mine.items, 4)))
    content = (mine.folder / "features" / "odd" / "vectors.safetensors").read_bytes()
    (mine.folder / "features" / "cut" / "features.json").write_text("{", encoding="utf-8")
    (mine.folder / "features" / "odd" / "vectors.safetensors").write_bytes(content[:-1] + b"!")
    found = baselines(mine, "test")
    assert [name for name in found.ranks if "(" in name] == ["VisRank (sound)", "L3AE (sound)"]
    left = {name: note for name, note in found.notes.items() if note.startswith("left out")}
    assert set(left) == {f"{kind} ({name})" for kind in ("VisRank", "L3AE") for name in ("cut", "odd")}
    assert "features.json: cannot be read" in left["VisRank (cut)"]
    assert "was changed or damaged" in left["L3AE (odd)"]
    (mine.folder / "features" / "odd" / "vectors.safetensors").write_bytes(content)
    assert "VisRank (odd)" in baselines(mine, "test").ranks  # as soon as the file is put back
