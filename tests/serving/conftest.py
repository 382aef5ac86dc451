"""A shop of two runs, over ids and over pixels, and a client for it; made once a session and only read."""

from __future__ import annotations

from pathlib import Path

import pytest
from end_to_end.pixel_runs import RESNET, USERS

import pixelrec
from pixelrec.data.dataset import Dataset

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from fastapi.testclient import TestClient  # noqa: E402

from pixelrec.serving.app import make_app  # noqa: E402
from pixelrec.serving.shop import Shop  # noqa: E402

SHORT = {"training.epochs": 1}


@pytest.fixture(scope="session")
def run_folders(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """`ids` and `pixels`, both evaluated on test."""
    folder = tmp_path_factory.mktemp("served")
    for name, overrides in (("ids", USERS), ("pixels", RESNET)):
        run = pixelrec.train("sasrec-id", data=dataset, out=folder / name, overrides={**overrides, **SHORT})
        pixelrec.evaluate(run)
    return [folder / "ids", folder / "pixels"]


@pytest.fixture(scope="session")
def shop(run_folders: list[Path]) -> Shop:
    return Shop.open([pixelrec.Run.open(folder) for folder in run_folders])


@pytest.fixture
def client(shop: Shop) -> TestClient:
    return TestClient(make_app(shop))
