"""The generated world: its files, its probabilities, and what can be learnt in it."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrec.demonstration import covers as demo_covers
from pixelrec.demonstration import law as demo_law
from pixelrec.demonstration import titles as demo_titles
from pixelrec.demonstration import world as demo
from pixelrec.demonstration.titles import label
from pixelrec.demonstration.world import World, generate_world
from pixelrec.errors import DataError

TINY = {"users": 50, "items": 40, "picture_size": 32}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return generate_world(tmp_path_factory.mktemp("demo") / "world", pictures=False)


@pytest.fixture(scope="module")
def random_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return generate_world(tmp_path_factory.mktemp("demo") / "random", pictures=False, random=True)


def sequences(world: World) -> dict[int, list[int]]:
    """Items of every user as the files tell them: rows stably ordered by time."""
    with world.interactions.open(encoding="utf-8") as file:
        rows = [
            (int(r["timestamp"]), int(r["user_id"][1:]), int(r["item_id"][1:])) for r in csv.DictReader(file)
        ]
    history: dict[int, list[int]] = {}
    for _, user, item in sorted(rows, key=lambda row: row[0]):
        history.setdefault(user, []).append(item)
    return history


def popularity(world: World) -> np.ndarray:
    counts = Counter(item for items in sequences(world).values() for item in items[:-2])
    return np.array([counts[item] for item in range(len(world.looks))])


def recall(world: World, scores: np.ndarray, k: int = 10) -> float:
    """Test Recall@k of scores (users, N), seen items masked; ties count against the scores."""
    hits = []
    for user, items in sequences(world).items():
        if len(items) >= 3:
            line = scores[user].astype(float)
            line[items[:-1]] = -np.inf
            hits.append((line >= line[items[-1]]).sum() <= k)
    return float(np.mean(hits))


def transitions(world: World) -> np.ndarray:
    """users, N: how often each item followed the user's last training-or-validation item, in training."""
    items = len(world.looks)
    counts = np.zeros((items, items))
    known = sequences(world)
    for line in known.values():
        np.add.at(counts, (line[:-3], line[1:-2]), 1)
    counts += 1e-4 * popularity(world) + 1e-9 * np.arange(items)
    return np.stack([counts[known[user][-2] if len(known[user]) > 1 else 0] for user in range(len(known))])


def contents(world: World) -> dict[str, bytes]:
    return {str(p.relative_to(world.folder)): p.read_bytes() for p in world.folder.rglob("*") if p.is_file()}


def test_same_arguments_same_world(tmp_path: Path) -> None:
    first, second = generate_world(tmp_path / "a", **TINY), generate_world(tmp_path / "b", **TINY)
    assert contents(first) == contents(second)
    np.testing.assert_array_equal(first.walks.chances, second.walks.chances)
    assert len(contents(first)) == 2 + TINY["items"]


def test_another_seed_another_world(tmp_path: Path) -> None:
    first, second = generate_world(tmp_path / "a", **TINY), generate_world(tmp_path / "b", **TINY, seed=1)
    different = [name for name, bytes_ in contents(first).items() if contents(second)[name] != bytes_]
    assert "interactions.csv" in different
    assert len(different) == 2 + TINY["items"]


def test_pictures_change_nothing_else(tmp_path: Path) -> None:
    with_pictures = contents(generate_world(tmp_path / "a", **TINY))
    without = contents(generate_world(tmp_path / "b", **TINY, pictures=False))
    assert without == {name: with_pictures[name] for name in ("interactions.csv", "items.csv")}


def test_nobody_chooses_twice(world: World, random_world: World) -> None:
    for line in [*sequences(world).values(), *sequences(random_world).values()]:
        assert len(set(line)) == len(line)


def test_files_tell_the_events_in_order_in_spite_of_ties(world: World) -> None:
    lines = sequences(world)
    assert len(lines) == 2000
    assert [items[-1] for _, items in sorted(lines.items())] == world.walks.answers.tolist()
    users, times = world.walks.users, world.walks.times
    same_user = np.diff(users) == 0
    assert (np.diff(times)[same_user] >= 0).all()
    assert 0.003 < (np.diff(times)[same_user] == 0).mean() < 0.03


def test_lengths_are_skewed(world: World) -> None:
    lengths = np.array([len(items) for items in sequences(world).values()])
    assert 17 < lengths.mean() < 23
    assert np.median(lengths) < lengths.mean() - 2
    assert 0 < (lengths < 3).mean() < 0.03
    assert lengths.max() > 80
    assert (lengths >= 3).sum() == world.tested.sum()


def test_popularity_has_a_long_tail(world: World) -> None:
    counts = np.sort(popularity(world))[::-1]
    share = counts.cumsum() / counts.sum()
    assert share[len(counts) // 5] > 0.45  # a fifth of the items gets about half of the events
    assert share[len(counts) // 5] < 0.80
    assert counts[0] < 20 * counts[len(counts) // 5]  # no item outshines everything


def test_rare_items_are_test_targets(world: World) -> None:
    rare = popularity(world) < 5
    assert 0.15 < rare.mean() < 0.35
    assert rare[world.walks.answers[world.tested]].mean() > 0.10


def test_chances_are_chances_and_seen_items_have_none(world: World) -> None:
    np.testing.assert_allclose(world.walks.chances.sum(axis=1), 1, atol=1e-4)
    assert (world.walks.chances >= 0).all()
    assert (world.walks.chances[np.arange(2000), world.walks.answers] > 0).all()
    for user, items in sequences(world).items():
        assert not world.walks.chances[user, items[:-1]].any()


def test_chances_are_calibrated(world: World) -> None:
    """The answers fall on the likeliest items as often as the chances say."""
    users = np.flatnonzero(world.tested)
    best = np.argsort(-world.walks.chances[users], axis=1)[:, :10]
    hit = (best == world.walks.answers[users, None]).any(axis=1)
    promised = world.best_possible(10)["Recall@10"]
    assert abs(hit.mean() - promised) < 4 * np.sqrt(promised * (1 - promised) / len(users))


def test_popularity_transitions_and_oracle_are_far_apart(world: World) -> None:
    best = world.best_possible(10)["Recall@10"]
    by_transitions = recall(world, transitions(world))
    by_popularity = recall(world, np.tile(popularity(world) + 1e-6 * np.arange(600), (2000, 1)))
    assert 0.03 < by_popularity < 0.10
    assert 3 * by_popularity < by_transitions < 0.75 * best
    assert 0.5 < best < 0.72


def test_best_possible_by_hand(world: World) -> None:
    first = world.best_possible(1)
    assert first["Recall@1"] == pytest.approx(first["NDCG@1"])
    assert first["Recall@1"] == pytest.approx(world.walks.chances[world.tested].max(axis=1).mean(), rel=1e-5)
    assert world.best_possible(600)["Recall@600"] == pytest.approx(1, abs=1e-4)


def test_nothing_can_be_learnt_in_a_random_world(random_world: World) -> None:
    chance = random_world.best_possible(10)["Recall@10"]
    assert chance == pytest.approx(10 / 580, rel=0.03)
    by_popularity = np.tile(popularity(random_world) + 1e-6 * np.arange(600), (2000, 1))
    for scores in (by_popularity, transitions(random_world)):
        assert abs(recall(random_world, scores) - chance) < 4 * np.sqrt(chance / 2000)


@pytest.mark.parametrize(("column", "least"), [(0, 0.8), (1, 0.6), (2, 0.5)])  # chance: 0.10, 0.13, 0.17
def test_looks_can_be_read_from_the_pixels(
    thumbnails: tuple[World, np.ndarray], column: int, least: float
) -> None:
    """Half of the covers teach the mean of every look, the other half is recognised by the nearest mean."""
    world, pictures = thumbnails
    features = tint(pictures) if column == 0 else figure(pictures)
    look, teach = world.looks[:, column], np.arange(960) % 2 == 0
    means = np.stack([features[teach & (look == value)].mean(axis=0) for value in range(look.max() + 1)])
    distance = ((features[~teach, None] - means[None]) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == look[~teach]).mean() > least


@pytest.fixture(scope="module")
def thumbnails(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, np.ndarray]:
    """A world and its covers as float[960, 24, 24, 3]."""
    world = generate_world(tmp_path_factory.mktemp("demo") / "world", users=5, items=960, picture_size=48)
    return world, np.stack([thumbnail(world.covers / f"i{item}.jpg") for item in range(960)])


def thumbnail(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.size == (48, 48)
        return np.asarray(picture.resize((24, 24), Image.Resampling.BOX), dtype=np.float64) / 255


def tint(pictures: np.ndarray) -> np.ndarray:
    """Direction of the mean colour, away from grey."""
    colour = pictures.mean(axis=(1, 2))
    return unit(colour - colour.mean(axis=1, keepdims=True))


def figure(pictures: np.ndarray) -> np.ndarray:
    """How far every pixel is from the colour of the ground: shape and texture without the hue."""
    ground = np.median(pictures[:, 0], axis=1)
    return unit(np.linalg.norm(pictures - ground[:, None, None], axis=3).reshape(len(pictures), -1))


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def test_titles_differ_and_tags_name_the_looks(world: World) -> None:
    with world.items.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["item_id"] for row in rows] == [f"i{item}" for item in range(600)]
    assert len({row["title"] for row in rows}) == 600
    for look, tags in ((look, row["tag"].split("|")) for look, row in zip(world.looks, rows, strict=True)):
        same = [
            row["tag"].split("|") for row, other in zip(rows, world.looks, strict=True) if other[0] == look[0]
        ]
        assert {names[0] for names in same} == {tags[0]}
    assert all(int(row["view_number"]) >= int(row["favorite_number"]) >= 0 for row in rows)


def test_titles_differ_among_items_that_look_the_same() -> None:
    labels = label(np.zeros((400, 3), dtype=np.int64), np.random.default_rng(0))
    assert len({words.title for words in labels}) == 400
    assert {words.tag for words in labels} == {"red|circle|plain"}


def test_words_and_covers_name_the_same_looks() -> None:
    assert list(demo_covers.SHAPES) == list(demo_titles.SHAPES)
    assert list(demo_covers.TEXTURES) == list(demo_titles.TEXTURES) == list(demo_titles.FILLED)
    assert len(demo_covers.PALETTE) == len(demo_titles.HUES) == demo_law.HUES
    assert (len(demo_covers.SHAPES), len(demo_covers.TEXTURES)) == (demo_law.SHAPES, demo_law.TEXTURES)


def test_tiny_worlds_take_less_than_a_second(tmp_path: Path) -> None:
    start = time.process_time()
    generate_world(tmp_path / "world", **TINY)
    assert time.process_time() - start < 1


def test_the_smallest_world(tmp_path: Path) -> None:
    world = generate_world(tmp_path / "world", users=1, items=4, mean_length=3, picture_size=8)
    assert len(list(world.covers.iterdir())) == 4


@pytest.mark.parametrize("wrong", [{"users": 0}, {"items": 3}, {"mean_length": 2.0}, {"picture_size": 4}])
def test_a_world_too_small_is_refused_in_one_line(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match=rf"{next(iter(wrong))} of at least .*, got [\d.]+$"):
        generate_world(tmp_path / "world", **wrong)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(DataError, match="not an empty folder"):
        generate_world(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    assert generate_world(tmp_path / "world", **TINY).interactions.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(demo, "_write_items", disk_full)
    with pytest.raises(DataError, match="no space"):
        generate_world(tmp_path / "world", **TINY)
    assert not list(tmp_path.iterdir())
