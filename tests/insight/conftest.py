"""Runs over the shared world that the tests of insights look into; each is trained once and only read."""

from __future__ import annotations

import pytest
from learning.small_networks import small_network

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.run import Run

TINY = {"length": 6, "users.heads": 1, "users.layers": 1, "training.epochs": 1}
LEARNING = {
    **small_network("sasrec-scratch"),
    "length": 12,
    "items.width": 32,
    "windowing.overlap": 1,
    "training.batch_size": 64,
    "optimiser.learning_rate": 0.003,
    "training.epochs": 6,
}


@pytest.fixture(scope="session")
def ids_run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("insight") / "ids"
    return pixelrec.train("sasrec-id", data=dataset, out=out, overrides={**TINY, "items.width": 8})


@pytest.fixture(scope="session")
def mf_run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("insight") / "mf"
    return pixelrec.train("mf-id", data=dataset, out=out, overrides={"items.width": 8, "training.epochs": 1})


@pytest.fixture(scope="session")
def blended(ids_run: Run, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("insight") / "blend"
    return pixelrec.blend(ids_run, baselines=["item-knn"], data=dataset, out=out).run


@pytest.fixture(scope="session")
def candidates(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RecommendationService:
    """Of a model that looks at every candidate."""
    out = tmp_path_factory.mktemp("insight") / "din"
    overrides = {"length": 6, "items.width": 8, "training.epochs": 1}
    return pixelrec.load(pixelrec.train("din-id", data=dataset, out=out, overrides=overrides))


@pytest.fixture(scope="session")
def ids(ids_run: Run) -> RecommendationService:
    return pixelrec.load(ids_run)


@pytest.fixture(scope="session")
def known_users(mf_run: Run) -> RecommendationService:
    return pixelrec.load(mf_run)


@pytest.fixture(scope="session")
def blend(blended: Run) -> RecommendationService:
    return pixelrec.load(blended)


@pytest.fixture(scope="session")
def pixels_run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained until it has learnt the looks."""
    out = tmp_path_factory.mktemp("insight") / "pixels"
    return pixelrec.train("sasrec-scratch", data=dataset, out=out, overrides=LEARNING)


@pytest.fixture(scope="session")
def pixels(pixels_run: Run) -> RecommendationService:
    return pixelrec.load(pixels_run)
