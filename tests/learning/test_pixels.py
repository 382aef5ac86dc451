"""Pixels beat ids on long-tail items, and the default negatives do not push popular items down."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning.small_networks import small_network
from learning.test_learning import FAST

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.demonstration import law as demo_law
from pixelrec.demonstration.world import generate_world
from pixelrec.images.pack import pack
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.run import Run

RECIPE = "sasrec-scratch"
PIXELS = {**FAST, **small_network(RECIPE), "optimiser.learning_rate": 0.002, "training.epochs": 10}


def trained(
    recipe: str, dataset: Dataset, out: Path, overrides: dict[str, object]
) -> tuple[Run, float, float]:
    """The run, evaluated on test, its NDCG@10 and that of popularity."""
    run = api.train(recipe, data=dataset.folder, out=out, overrides=overrides)
    found = api.evaluate(run).metrics
    return run, found[recipe]["NDCG@10"], found["popularity"]["NDCG@10"]


def test_pixels_win_on_long_tail_items(dataset: Dataset, tmp_path: Path) -> None:
    ids, *_ = trained("sasrec-id", dataset, tmp_path / "ids", {**FAST, "training.epochs": 20})
    pixels, found, popularity = trained(RECIPE, dataset, tmp_path / "pixels", PIXELS)
    few = RunDifference.read(pixels.folder, ids.folder, "test").long_tail
    assert few is not None and few.cases >= 60
    assert few.interval.low > 0, few.sentence("pixels", "ids")
    assert found > 2 * popularity, "only long-tail items were learnt"


@pytest.fixture(scope="module")
def head_heavy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A world with the same law, in which ten items have most events."""
    folder = tmp_path_factory.mktemp("head-heavy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_law, "TAIL", 3.0)
        world = generate_world(folder / "world", users=500, items=120, mean_length=6, picture_size=32)
    found = prepare(world.interactions, out=folder / "data")
    pack(world.covers, found.covers, list(found.item_ids), size=32)
    return found


def test_the_default_negatives_do_not_collapse(head_heavy: Dataset, tmp_path: Path) -> None:
    """Uncorrected in-batch negatives push popular items down: ranks are worse than by popularity."""
    counts = sorted(item_counts(training_events(head_heavy), head_heavy.items), reverse=True)
    assert sum(counts[:10]) > 0.7 * sum(counts)
    # Fewer negatives than items, as in large catalogues.
    default = {**PIXELS, "negatives.drawn": 32, "training.epochs": 7}
    bare = {
        **default,
        "negatives.drawn": 0,
        "negatives.bank": False,
        "negatives.correct": False,
        "negatives.logit_adjustment": 0.0,
    }
    naive, collapsed, popularity = trained(RECIPE, head_heavy, tmp_path / "naive", bare)
    sound, found, _ = trained(RECIPE, head_heavy, tmp_path / "default", default)
    assert collapsed < popularity, "this world does not separate good negatives from bad ones"
    assert found > 1.1 * popularity
    assert RunDifference.read(sound.folder, naive.folder, "test").overall.interval.low > 0
