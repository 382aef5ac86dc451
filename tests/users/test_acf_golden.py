"""ACF against a reading of its formulas in NumPy, target by target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Events, Histories
from pixelrec.blocks import pairs
from pixelrec.errors import FeatureError, RecipeError
from pixelrec.features.feature_writer import writing
from pixelrec.recommender import Recommender

USERS, ITEMS, D, R, C, LENGTH = 4, 9, 6, 5, 3, 4
IDS = [f"i{number}" for number in range(1, ITEMS + 1)]
HISTORIES = [[3], [1, 2], [4, 4, 7, 2], [9, 8, 7, 6, 5], []]
OWNERS = [1, 0, 3, 4, 2]  # 0: an unknown user


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with writing(tmp_path / "f", IDS[::-1], (R, C), {}) as writer:
        writer.append(np.random.default_rng(0).normal(size=(ITEMS, R, C)))
    return tmp_path / "f"


def spec() -> DatasetSpec:
    items = np.tile(np.arange(1, ITEMS + 1, dtype=np.int32), USERS)
    stops = np.arange(1, USERS + 1) * ITEMS
    return DatasetSpec(
        USERS, ITEMS, LENGTH, history=Histories.of_stops(items, items.astype("i8"), stops), item_ids=IDS
    )


def model(file: Path, **items: object) -> Recommender:
    torch.manual_seed(0)
    encoder = {"name": "regions", "file": str(file), "width": D, **items}
    made = Recommender(encoder, {"name": "acf"}, {"name": "dot"}, spec()).double().eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "bias" in name:
                parameter.normal_()
    return made


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def expected(made: Recommender, user: int, history: list[int]) -> np.ndarray:
    """The vector of a user with a history of item numbers."""
    w = {name.removeprefix("users."): p.detach().numpy() for name, p in made.named_parameters()}
    raw = np.random.default_rng(0).normal(size=(ITEMS, R, C)).astype("f4").astype("f8")[::-1]
    u = w["rows.weight"][user]
    own = w["user.weight"] @ u + w["user.bias"]
    scores, items = [], []
    for item in history:
        p = w["items.rows.weight"][item]
        x = [np.maximum(w["items.project.weight"] @ f + w["items.project.bias"], 0) for f in raw[item - 1]]
        asked = w["component_user.weight"] @ u + w["component_user.bias"]
        beta = softmax(
            np.array(
                [w["component_weight"] @ np.maximum(w["component.weight"] @ each + asked, 0) for each in x]
            )
        )
        seen = sum(b * each for b, each in zip(beta, x, strict=True))
        hidden = own + w["item.weight"] @ p + w["content.weight"] @ seen + w["content.bias"]
        scores.append(w["item_weight"] @ np.maximum(hidden, 0))
        items.append(p)
    return own + (softmax(np.array(scores)) @ np.array(items) if items else 0)


def events_of(width: int) -> Events:
    rows = torch.tensor([[0] * (width - len(h)) + h for h in HISTORIES])
    return Events(torch.tensor(OWNERS), rows, torch.zeros_like(rows))


@pytest.mark.parametrize("chunk", [1, 1 << 18])
def test_whole_histories(file: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PAIRS", chunk)
    monkeypatch.setattr("pixelrec.recommender.REGION_EVENTS", min(chunk, 512))
    made = model(file)
    found = made.vectors(made.catalogue(), events_of(5)).numpy()
    for row, (user, history) in enumerate(zip(OWNERS, HISTORIES, strict=True)):
        np.testing.assert_allclose(found[row], expected(made, user, history[-LENGTH:]), rtol=1e-9)
    own = made.users.user(made.users.rows(torch.tensor([2])))
    np.testing.assert_allclose(found[4], own[0].detach().numpy())


def test_every_event_from_all_others(file: Path) -> None:
    made = model(file)
    events = events_of(5)
    mask = (events.history != 0) & (torch.arange(5) != 4)
    mask[0, 4] = True  # the only event of its history: nothing is left
    events = Events(events.users, events.history, events.times, mask)
    found = made.users(made.catalogue().table, made.with_regions(events)).detach().numpy()
    row = 0
    for user, history, asked in zip(OWNERS, HISTORIES, mask.tolist(), strict=True):
        for place in np.flatnonzero(asked) - (5 - len(history)):
            rest = history[:place] + history[place + 1 :]
            np.testing.assert_allclose(found[row], expected(made, user, rest), rtol=1e-9)
            row += 1
    assert row == len(found)


def test_nothing_seen_has_a_gradient_that_is_a_number(file: Path) -> None:
    made = model(file)
    with torch.no_grad():
        table = made.catalogue().table
    made.users(table, made.with_regions(events_of(5))).sum().backward()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


def test_items_without_regions(tmp_path: Path) -> None:
    with writing(tmp_path / "some", IDS[:-1], (R, C), {}) as writer:
        writer.append(np.ones((ITEMS - 1, R, C)))
    with pytest.raises(FeatureError, match="no vector for 1 of 9 items: 'i9'; .* items.missing to zero"):
        model(tmp_path / "some").items.prepare(lambda _: None)
    lines: list[str] = []
    made = model(tmp_path / "some", missing="zero")
    made.items.prepare(lines.append)
    assert lines == [f"{tmp_path / 'some'} lacks 1 of 9 items: they get zero"]
    loaded = made.items.load_regions(np.array([0, 9, 8]))
    assert not loaded[:2].any() and loaded[2].all()


def test_regions_of_a_part_would_be_lost(file: Path) -> None:
    parts = {"ids": {"name": "regions", "file": str(file)}}
    with pytest.raises(RecipeError, match="ids.name is regions, whose regions would not be used"):
        Recommender({"name": "joined", "parts": parts}, {"name": "fm"}, {"name": "dot"}, spec())


def test_only_a_file_of_regions_will_do(tmp_path: Path) -> None:
    with writing(tmp_path / "pooled", IDS, (C,), {}) as writer:
        writer.append(np.ones((ITEMS, C)))
    with pytest.raises(FeatureError, match="holds vectors; expected regions, .*--regions"):
        model(tmp_path / "pooled")


@pytest.mark.parametrize(
    ("items", "users", "says"),
    [
        ({"name": "id_table"}, "acf", "items.name id_table has none: use items.name regions"),
        ({"name": "regions"}, "sasrec", "sasrec does not look at them"),
    ],
)
def test_regions_go_with_models_that_look_at_them(
    file: Path, items: dict[str, str], users: str, says: str
) -> None:
    encoder = {**items, "width": 8, **({"file": str(file)} if items["name"] == "regions" else {})}
    with pytest.raises(RecipeError, match=says):
        Recommender(encoder, {"name": users}, {"name": "dot"}, spec())
