"""Pictures of items that nobody knows yet stand in a run's recommendations where they belong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from end_to_end.pixel_runs import RESNET

from pixelrec import api
from pixelrec.batch import Events
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events
from pixelrec.data.views import latest, seen_items
from pixelrec.demonstration.world import World
from pixelrec.errors import RequestError
from pixelrec.items.pixels import PixelEncoder
from pixelrec.runs.run import Run

QUICK = {**RESNET, "items.trainable": "head", "items.cache": "never", "training.epochs": 1}
PARTS = {
    "items.name": "joined",
    "items.parts": {
        "ids": {"name": "id_table"},
        "pixels": {
            **{k.removeprefix("items."): v for k, v in QUICK.items() if k.startswith("items.")},
            "trainable": "none",
            "depths": "all",
            "adapters": 3,
        },
    },
}
JOINED = {k: v for k, v in QUICK.items() if not k.startswith("items.")} | PARTS | {"items.width": 16}
Train = Any  # recipe, overrides → a run


@pytest.fixture(scope="module")
def train(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a little, once for every name."""
    made: dict[str, Run] = {}

    def trained(recipe: str = "sasrec-id", overrides: dict[str, Any] = QUICK) -> Run:
        name = f"{recipe}-{overrides['items.name']}"
        if name not in made:
            out = tmp_path_factory.mktemp("runs") / "run"
            known = {"users.heads", "users.layers"} if recipe != "sasrec-id" else set()
            chosen = {key: value for key, value in overrides.items() if key not in known}
            made[name] = api.train(recipe, data=dataset.folder, out=out, overrides=chosen)
        return made[name]

    return trained


def cover_of(world: World, item_id: str) -> Path:
    (found,) = world.covers.glob(f"{item_id}.*")
    return found


@pytest.fixture
def copied(world: World, tmp_path: Path) -> Any:
    """Copies the cover of an item under a new name."""

    def copy(item_id: str, name: str = "new") -> Path:
        cover = cover_of(world, item_id)
        return Path(shutil.copy(cover, tmp_path / f"{name}{cover.suffix}"))

    return copy


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1, err
    return err


def rows(table: pl.DataFrame) -> list[tuple[int, str, float]]:
    return list(table.select("rank", "item_id", "score").iter_rows())


MODELS = ["sasrec-id", "mf-id", "din-id", "bert4rec-id", "dssm-id"]


@pytest.mark.parametrize("recipe", MODELS)
def test_a_copy_of_a_known_cover_stands_beside_it(train: Train, copied: Any, recipe: str) -> None:
    run = train(recipe)
    known = api.recommend(run, users=["u1"], k=12)
    item_id, score = known["item_id"][3], known["score"][3]
    cover = copied(item_id)
    table = api.recommend(run, users=["u1"], k=13, covers=[cover])
    places = {name: place for place, name, _ in rows(table)}
    scores = {name: each for _, name, each in rows(table)}
    assert scores[cover.name] == pytest.approx(score, rel=1e-5, abs=1e-5)
    between = [s for _, _, s in rows(table)[places[item_id] : places[cover.name] - 1]]
    assert abs(places[cover.name] - places[item_id]) == 1 or between == [score] * len(between)
    others = table.filter(pl.col("item_id") != cover.name)
    assert others["item_id"].to_list() == known["item_id"].to_list()
    assert others["score"].to_numpy() == pytest.approx(known["score"].to_numpy(), rel=1e-5, abs=1e-5)


def brute_force(run: Run, dataset: Dataset, user: str, covers: Sequence[str]) -> dict[str, tuple[int, float]]:
    """By the item whose cover was copied: the place of the copy among what is not seen, and its score."""
    recommender = run.recommender(dataset)
    numbers = dataset.user_numbers([user])
    history, times = latest(all_events(dataset), numbers, recommender.spec.length)
    catalogue = recommender.catalogue()
    events = Events.of_numbers(numbers, history, times)
    scores = recommender.scores(catalogue, recommender.vectors(catalogue, events))[0]
    seen, _ = seen_items(all_events(dataset), numbers)
    rest = [n for n in range(1, dataset.items + 1) if n not in set(seen.tolist())]
    found = {}
    for item_id, number in zip(covers, dataset.item_numbers(covers).tolist(), strict=True):
        tolerance = 1e-5 * abs(float(scores[number])) + 1e-6
        higher = sum(float(scores[n]) >= float(scores[number]) - tolerance for n in rest)
        found[item_id] = (1 + higher, float(scores[number]))
    return found


@pytest.mark.parametrize("recipe", ["sasrec-id", "din-id"])
def test_alone_they_have_the_places_that_counting_gives(
    train: Train, dataset: Dataset, copied: Any, recipe: str
) -> None:
    run = train(recipe)
    items = dataset.item_ids.to_list()[:7]
    covers = {item: copied(item, f"new-{item}") for item in items}
    for user in ("u1", "u2"):
        table = api.recommend(run, users=[user], covers=list(covers.values()), alone=True)
        assert table.columns[:4] == ["user_id", "rank", "item_id", "score"] and len(table) == 7
        assert table["score"].is_sorted(descending=True) and table["rank"].is_sorted()
        expected = brute_force(run, dataset, user, items)
        for item, cover in covers.items():
            (place, _, score) = next(row for row in rows(table) if row[1] == cover.name)
            assert score == pytest.approx(expected[item][1], rel=1e-4, abs=1e-5)
            # A copy and what it is a copy of may differ in their last digit, either way.
            assert expected[item][0] - place in (0, 1)


def test_alone_and_together_they_agree(train: Train, dataset: Dataset, copied: Any) -> None:
    run = train()
    covers = [copied(item, f"new-{item}") for item in dataset.item_ids.to_list()[:3]]
    names = {cover.name for cover in covers}
    together = api.recommend(run, users=["u3", "u4"], covers=covers, k=1000)
    alone = api.recommend(run, users=["u3", "u4"], covers=covers, alone=True, k=1)
    assert len(alone) == 6, "k is of the catalogue"
    for user, part in together.group_by("user_id", maintain_order=True):
        own = alone.filter(pl.col("user_id") == user[0])
        new = part.filter(pl.col("item_id").is_in(names))
        assert new["item_id"].to_list() == own["item_id"].to_list()
        # Together, those that are brought along push each other down.
        before = new["rank"].to_numpy() - range(len(new))
        assert abs(before - own["rank"].to_numpy()).max() <= 1


def test_through_the_command_line(
    train: Train, dataset: Dataset, copied: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train()
    first, second = (copied(item, f"new-{item}") for item in dataset.item_ids.to_list()[:2])
    history = dataset.item_ids.to_list()[5:8]
    words = ["recommend", run.folder, "--with-cover", first, second, "--form", "json"]
    installed = [str(Path(sys.executable).with_name("pixelrec")), *map(str, words)]
    done = subprocess.run(
        [*installed, "--user", "u1", "u2", "-k", "200"], capture_output=True, text=True, check=True
    )
    by_user = json.loads(done.stdout)
    for user in ("u1", "u2"):
        own = {row["item_id"] for row in by_user if row["user_id"] == user}
        assert {first.name, second.name} <= own
    capsys.readouterr()
    assert main([str(word) for word in [*words, "--history", *history, "--alone"]]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert {row["item_id"] for row in alone} == {first.name, second.name}
    assert all(row["title"] is None for row in alone)
    assert main([str(word) for word in [*words[:-2], "--user", "u1", "--alone"]]) == 0
    assert first.name in capsys.readouterr().out


def test_what_cannot_be_is_said_in_a_line(
    train: Train, dataset: Dataset, copied: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, item = train().folder, str(dataset.item_ids[0])
    cover = copied(item)
    again = tmp_path / "elsewhere"
    again.mkdir()
    twin = Path(shutil.copy(cover, again))
    text = tmp_path / "notes.jpg"
    text.write_text("no picture", encoding="utf-8")
    known = Path(shutil.copy(cover, tmp_path / item))
    for covers, says in [
        ([cover, twin], f"two items would have the id '{cover.name}'"),
        ([known], f"two items would have the id '{item}'"),
        ([text], "notes.jpg: "),
        ([tmp_path / "none.jpg"], "none.jpg: no such file"),
        ([tmp_path], "a folder, not a file"),
        ([Path(shutil.copy(cover, tmp_path / "b\udcff.png"))], "a name that is not UTF-8"),
    ]:
        message = said(capsys, "recommend", run, "--user", "u1", "--with-cover", *covers)
        assert says in message, message
    assert "expected a picture, such as a JPEG" in said(
        capsys, "recommend", run, "--user", "u1", "--with-cover", text
    )
    assert "--with-cover" in said(capsys, "recommend", run, "--user", "u1", "--alone")
    assert "'nobody'" in said(capsys, "recommend", run, "--user", "nobody", "--with-cover", cover)
    assert "'nothing'" in said(capsys, "recommend", run, "--history", "nothing", "--with-cover", cover)


def test_a_cover_that_is_not_among_the_best_is_told_of(
    train: Train, dataset: Dataset, copied: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train().folder
    covers = [copied(item, f"new-{item}") for item in dataset.item_ids.to_list()[:4]]
    best = set(api.recommend(run, users=["u1"], covers=covers, k=1)["item_id"])
    others = [cover for cover in covers if cover.name not in best]
    words = ["recommend", run, "--user", "u1", "-k", 1, "--with-cover", *covers]
    assert main([str(word) for word in words]) == 0
    told = capsys.readouterr().out
    assert (
        f"not among the best 1: {', '.join(cover.name for cover in others)}; see their ranks with --alone"
        in told
    )


def test_ids_may_be_whole_numbers_and_one_is_no_list(train: Train, copied: Any) -> None:
    run = train()
    with pytest.raises(RequestError, match="users is 'u1'; expected a list, such as"):
        api.recommend(run, users="u1")
    with pytest.raises(RequestError, match="history is 'i3'; expected a list"):
        api.recommend(run, history="i3")
    with pytest.raises(RequestError, match="covers is .*; expected a list"):
        api.recommend(run, users=["u1"], covers=copied(run.vocabulary["item_id"][0], "new"))
    with pytest.raises(RequestError, match="unknown .*'17'"):
        api.recommend(run, history=[17])
    with pytest.raises(RequestError, match=r"users holds 1\.5; expected ids"):
        api.recommend(run, users=[1.5])


def test_a_model_over_ids_sees_no_pictures(
    train: Train, copied: Any, capsys: pytest.CaptureFixture[str], dataset: Dataset
) -> None:
    ids = {"length": 6, "items.name": "id_table", "items.width": 16, "users.heads": 2, "training.epochs": 1}
    run = train("sasrec-id", ids)
    message = said(
        capsys, "recommend", run.folder, "--user", "u1", "--with-cover", copied(dataset.item_ids[0])
    )
    assert "do not come from pictures" in message and "train a recipe over pixels" in message


def test_a_model_that_propagates_takes_no_new_item(
    train: Train,
    copied: Any,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = train("lightgcn-id", QUICK | {"training.batch_size": 1024})
    monkeypatch.setattr(PixelEncoder, "load", lambda *_: pytest.fail("the catalogue is encoded first"))
    for alone in ([], ["--alone"]):
        words = ["recommend", run.folder, "--user", "u1", "--with-cover", copied(dataset.item_ids[0]), *alone]
        assert "cannot take a new one" in said(capsys, *words)


def test_of_ids_and_pixels_a_new_item_has_its_pixels_alone(
    train: Train, dataset: Dataset, copied: Any
) -> None:
    run = train("sasrec-id", JOINED)
    item, number = str(dataset.item_ids[4]), 5
    cover = copied(item)
    (row,) = rows(api.recommend(run, users=["u1"], covers=[cover], alone=True))
    recommender = run.recommender(dataset)
    catalogue = recommender.catalogue()
    numbers = dataset.user_numbers(["u1"])
    events = Events.of_numbers(numbers, *latest(all_events(dataset), numbers, recommender.spec.length))
    vectors = recommender.vectors(catalogue, events)[0]
    with torch.no_grad():
        seen = recommender.items.encoders["pixels"].unseen(
            recommender.items.encoders["pixels"].pictures.read(dataset.item_numbers([item]))
        )[0]
    assert row[2] == pytest.approx(float(vectors @ seen), rel=1e-4)
    assert abs(row[2] - float(vectors @ catalogue.encoded[number])) > 1e-4, (
        "without what the number has learnt"
    )


def test_once_asked_a_history_needs_no_data_set(
    dataset: Dataset, copied: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(dataset.folder, data)
    run = api.train("sasrec-id", data=data, out=out, overrides=QUICK)
    history, cover = dataset.item_ids.to_list()[3:6], copied(dataset.item_ids[0])
    untouched = tmp_path / "untouched"
    shutil.copytree(out, untouched)
    expected = [api.recommend(run, history=history, covers=some) for some in ([], [cover])]
    evaluated = tmp_path / "evaluated"
    shutil.copytree(untouched, evaluated)
    api.evaluate(evaluated)
    data.rename(tmp_path / "moved")
    for folder in (out, evaluated):
        for some, table in zip(([], [cover]), expected, strict=True):
            assert rows(api.recommend(folder, history=history, covers=some)) == rows(table)
    assert "give it with --data" in said(capsys, "recommend", untouched, "--history", *history)
    found = api.recommend(untouched, history=history, data=tmp_path / "moved")
    assert rows(found) == rows(expected[0])
    with pytest.raises(RequestError, match="no longer at .*; give one with --data .*, or histories"):
        api.recommend(out, users=["u1"], covers=[cover])


def test_without_its_pictures_the_data_set_will_do(dataset: Dataset, copied: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(dataset.folder, data)
    run = api.train("sasrec-id", data=data, out=tmp_path / "run", overrides=QUICK)
    cover = copied(dataset.item_ids[0])
    expected = api.recommend(run, users=["u1"], covers=[cover])
    shutil.rmtree(data / "covers.lmdb")
    assert rows(api.recommend(run, users=["u1"], covers=[cover])) == rows(expected)


def test_alone_without_covers_is_an_error_in_python_too(train: Train) -> None:
    with pytest.raises(RequestError, match="lists new pictures only"):
        api.recommend(train(), users=["u1"], alone=True)


def newer(world: World, dataset: Dataset, place: Path, size: int = 32) -> Dataset:
    """The same events and one of a new item, which looks like another one."""
    place.mkdir()
    first = dataset.item_ids[0]
    events = pl.read_csv(world.interactions)
    late = events.tail(1).with_columns(
        pl.lit("new").alias("item_id"), (pl.col("timestamp") + 10**6).alias("timestamp")
    )
    pl.concat([events, late]).write_csv(place / "events.csv")
    covers = Path(shutil.copytree(world.covers, place / "covers"))
    shutil.copy(cover_of(world, first), covers / f"new{cover_of(world, first).suffix}")
    return api.prepare(place / "events.csv", out=place / "data", covers=covers, size=size)


def test_new_items_of_newer_data_are_recommended_by_their_covers(
    train: Train, world: World, dataset: Dataset, tmp_path: Path
) -> None:
    run, data = train(), newer(world, dataset, tmp_path / "newer")
    service = api.load(run, data=data)
    assert "0 of its" in service.notes[0] and service.notes[1].startswith("1 new items have vectors")
    first, other = dataset.item_ids[0], dataset.item_ids[5]
    scores = {each.item_id: each.score for each in service.recommend(histories=[[other]], k=200)[0]}
    assert scores["new"] == pytest.approx(scores[first], abs=1e-5)
    after = service.recommend(histories=[["new"], [first]], k=5)
    assert after[0][0].score == pytest.approx(after[1][0].score, abs=1e-5)
    user = data.user_ids[int(data.user_numbers([pl.read_csv(world.interactions)["user_id"][-1]])[0]) - 1]
    assert "new" not in {each.item_id for each in service.recommend(users=[user], k=200)[0]}, "seen last"
    assert "new" not in {each.item_id for each in api.load(run).recommend(histories=[[other]], k=200)[0]}


def test_new_items_with_covers_of_another_size_are_named(
    train: Train, world: World, dataset: Dataset, tmp_path: Path
) -> None:
    service = api.load(train(), data=newer(world, dataset, tmp_path / "newer", size=16))
    assert "1 of its" in service.notes[0] and "of 16 pixels, stretch, and the run takes" in service.notes[1]
