"""The first page: figures beside each other, and what is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import pixelrec
from pixelrec.console.numbers import percent
from pixelrec.runs.compare import RunComparison
from pixelrec.serving.app import make_app
from pixelrec.serving.shop import Shop


def test_runs_stand_beside_the_baselines_and_each_other(client: TestClient, shop: Shop) -> None:
    page = client.get("/").text
    rows = re.findall(r'<th scope="row" role="rowheader">(?:<[^>]*>)*([^<]*)', page)
    first = shop.first.evaluations["test"]
    assert {"ids", "pixels", "item-kNN", "popularity"} < set(rows)
    low, high = first.overall.intervals[first.model]["NDCG@10"]
    assert f"95 %: {percent(low)} to {percent(high)}" in page
    runs = [run.run for run in shop.compared[0].runs]
    sentence = RunComparison.read(*runs, "test").difference.overall.sentence(
        *[r.name for r in shop.compared[0].runs]
    )
    assert sentence in page


@pytest.fixture
def bare(run_folders: list[Path], tmp_path: Path) -> TestClient:
    """A run that was not evaluated, and a published one, of which no user is known."""
    plain = shutil.copytree(run_folders[0], tmp_path / "plain")
    for file in [*plain.glob("evaluation-*"), *plain.glob("ranks-*")]:
        file.unlink()
    pixelrec.Run.open(plain).save_pretrained(tmp_path / "published")
    return TestClient(make_app(Shop.open([pixelrec.Run.open(tmp_path / n) for n in ("plain", "published")])))


def test_what_is_missing_is_said_with_the_command(bare: TestClient, tmp_path: Path) -> None:
    page = bare.get("/").text
    assert f"<code>pixelrec evaluate {tmp_path / 'plain'}</code>" in page
    assert "a published run holds nothing about users" in page
    plain = bare.get("/users", params={"run": "plain"}).text
    assert "was not evaluated on these users" in plain
    user = re.search(r'href="(/user\?id=[^"]*)"', plain)
    assert user is not None
    assert "Recommended by plain" in bare.get(user[1].replace("&amp;", "&")).text
    published = bare.get("/users", params={"run": "published"}).text
    assert "a published run holds nothing about users" in published
    assert 'href="/history?run=published"' in published
    assert bare.get("/user", params={"id": "u1", "run": "published"}).status_code == 422
    assert "Recommended by published" in bare.get("/history", params={"run": "published", "items": "i3"}).text
