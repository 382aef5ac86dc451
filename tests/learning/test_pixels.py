"""Pictures tell of items that few have taken, and negatives keep their vectors apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning.small_networks import small_network
from learning.test_learning import FAST

from pixelrec import api
from pixelrec.data import demo_law
from pixelrec.data.dataset import Dataset
from pixelrec.data.demo import generate_world
from pixelrec.data.prepare import prepare
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.evaluation.pairing import compare_runs
from pixelrec.images.pack import pack
from pixelrec.run import Run

RECIPE = "sasrec-scratch"
# Fewer drawn than there are items, as in the catalogues that negatives are drawn for at all.
PIXELS = {**FAST, **small_network(RECIPE), "negatives.drawn": 32, "training.epochs": 8}


def trained(
    recipe: str, dataset: Dataset, out: Path, overrides: dict[str, object]
) -> tuple[Run, float, float]:
    """The run, evaluated on test, its NDCG@10 and that of popularity."""
    run = api.train(recipe, data=dataset.folder, out=out, overrides=overrides)
    found = api.evaluate(run)
    return run, found[recipe]["NDCG@10"], found["popularity"]["NDCG@10"]


def test_pixels_win_on_few_event_items(dataset: Dataset, tmp_path: Path) -> None:
    ids, *_ = trained("sasrec-id", dataset, tmp_path / "ids", FAST)
    pixels, found, popularity = trained(RECIPE, dataset, tmp_path / "pixels", PIXELS)
    few = compare_runs(pixels.folder, ids.folder, "test").few
    assert few is not None and few.questions >= 60
    assert few.interval.low > 0, few.sentence("pixels", "ids")
    assert found > 2 * popularity, "they know few-event items only"


def test_pixels_know_nothing_of_a_lawless_world(random_dataset: Dataset, tmp_path: Path) -> None:
    _, found, _ = trained(RECIPE, random_dataset, tmp_path / "run", PIXELS)
    assert found < 0.06  # chance, as in test_learning


@pytest.fixture(scope="module")
def head_heavy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A world with the same law, in which ten items take most events."""
    folder = tmp_path_factory.mktemp("head-heavy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_law, "TAIL", 3.0)
        world = generate_world(folder / "world", users=500, items=120, mean_length=6, picture_size=32)
    found = prepare(world.interactions, out=folder / "data")
    pack(world.covers, found.covers, list(found.item_ids), size=32)
    return found


def test_the_default_negatives_do_not_collapse(head_heavy: Dataset, tmp_path: Path) -> None:
    """Targets of the batch alone, uncorrected, drive the head's vectors away: it ranks worse than by counting."""
    counts = sorted(item_counts(training_events(head_heavy), head_heavy.items), reverse=True)
    assert sum(counts[:10]) > 0.7 * sum(counts)
    bare = {"negatives.drawn": 0, "negatives.bank": False, "negatives.correct": False}
    naive, collapsed, popularity = trained(RECIPE, head_heavy, tmp_path / "naive", {**PIXELS, **bare})
    default, found, _ = trained(RECIPE, head_heavy, tmp_path / "default", PIXELS)
    assert collapsed < popularity, "this world does not tell good negatives from bad ones"
    assert found > 1.2 * popularity
    assert compare_runs(default.folder, naive.folder, "test").overall.interval.low > 0
