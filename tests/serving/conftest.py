"""A shop of two runs, over ids and over pixels, and a client for it; made once a session and only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from end_to_end.pixel_runs import RESNET, USERS

import pixelrec
from pixelrec.data.dataset import Dataset

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from fastapi.testclient import TestClient  # noqa: E402

from pixelrec.serving.access import Access  # noqa: E402
from pixelrec.serving.app import make_app  # noqa: E402
from pixelrec.serving.limits import Limits  # noqa: E402
from pixelrec.serving.log import Log  # noqa: E402
from pixelrec.serving.server import Server, listening  # noqa: E402
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


@pytest.fixture(scope="session")
def live(shop: Shop) -> Iterator[str]:
    """The address of a server of these runs that listens on loopback, impatient with slow clients."""
    hasty = replace(shop, limits=Limits(seconds=3, patience=0.5, connections=200))
    with serving(hasty) as address:
        yield address


@contextmanager
def serving(shop: Shop, token: str | None = None) -> Iterator[str]:
    at = listening("127.0.0.1", 0)
    server = Server(shop, at, Access.of("127.0.0.1", token), Log())
    address, thread = server.address, Thread(target=server.answer)
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()
