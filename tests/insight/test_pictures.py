"""Occlusion and changed covers, against one picture at a time and plain ranks; both find what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.law import HUES
from pixelrec.demonstration.world import World
from pixelrec.errors import RequestError
from pixelrec.images.edits import edits_of
from pixelrec.insight.leave_one_out import leave_one_out
from pixelrec.insight.occlusion import occlusion_map
from pixelrec.insight.past import past_of
from pixelrec.insight.pictures import mean_colour, picture_of, vectors_with
from pixelrec.insight.what_if import AS_IS, what_if
from pixelrec.runs.recommend import RecommendationService

ITEM, HISTORY = "i7", ["i3", "i14", "i15", "i9"]


def plain_ranks(service: RecommendationService, vector: torch.Tensor, users: list[str]) -> list[int]:
    """Of ITEM with the candidate vector (D), by sorting all scores in float64."""
    trained, events = service.trained, service.user_events()
    assert trained is not None
    requests = events.requests(events.dataset.user_numbers(users), users)
    rows = np.arange(len(users))
    vectors = trained.vectors(requests.histories, rows + 1, requests.users).double()
    number = service.items["item_id"].to_list().index(ITEM) + 1
    table = trained.catalogue.candidates.clone()
    table[number] = vector
    scores = (vectors @ table.double().T).numpy()
    found = []
    for row in rows:
        start, stop = requests.histories.starts[row + 1], requests.histories.stops[row + 1]
        unseen = np.setdiff1d(np.arange(1, len(table)), [*requests.histories.items[start:stop], number])
        found.append(1 + int((scores[row, unseen] >= scores[row, number]).sum()))
    return found


def test_changed_covers_are_ranked_in_place_of_the_old_one(
    pixels: RecommendationService, tmp_path: Path
) -> None:
    own = tmp_path / "own.png"
    Image.fromarray(picture_of(pixels, ITEM)).save(own)
    edits = edits_of(crop=[0.5], blur=[6.0], jpeg_quality=[5], text=["SALE"], grey=True)
    found = what_if(pixels, ITEM, edits=edits, covers=[own], users=60, seed=3)
    names = ["crop 0.5", "blur 6 %", "JPEG quality 5", "text 'SALE'", "grey", "own.png"]
    assert found.frame["change"].to_list() == [AS_IS, *names] == found.users.columns[1:]
    users = found.users["user_id"].to_list()
    for name, picture in found.pictures.items():
        vector = pixels.encoder.candidates(pixels.encoder.unseen(torch.from_numpy(picture[None])))[0]
        assert found.users[name].to_list() == plain_ranks(pixels, vector, users), name
    same = (found.users[AS_IS] - found.users["own.png"]).abs()
    assert same.max() <= 1  # type: ignore[operator]
    assert found.users[AS_IS].to_list() != found.users["grey"].to_list()
    grey = found.frame.row(by_predicate=pl.col("change") == "grey", named=True)
    rise = (found.users[AS_IS] - found.users["grey"]).to_numpy()
    assert grey["rise"] == pytest.approx(rise.mean()) and grey["low"] < grey["rise"] < grey["high"]
    assert (grey["up"], grey["down"]) == (np.mean(rise > 0), np.mean(rise < 0))
    up, down = found.movers("grey", 3)
    assert up["rise"].to_list() == sorted(rise[rise > 0], reverse=True)[:3]
    assert down["rise"].to_list() == sorted(rise[rise < 0])[:3]


def test_changes_of_one_name_are_told_apart(pixels: RecommendationService) -> None:
    picture = picture_of(pixels, ITEM)
    sent = dict.fromkeys(("user_id", AS_IS, "grey"), picture)
    found = what_if(pixels, ITEM, edits=edits_of(crop=[0.5, 0.5], grey=True), pictures=sent, users=20)
    names = ["user_id (2)", "as it is (2)", "grey", "crop 0.5", "crop 0.5 (2)", "grey (2)"]
    assert found.frame["change"].to_list() == [AS_IS, *names]
    assert found.users["crop 0.5"].equals(found.users["crop 0.5 (2)"])
    assert (found.pictures["grey"] == picture).all() and (found.pictures["grey (2)"] != picture).any()


def test_owners_are_left_out(pixels: RecommendationService) -> None:
    found = what_if(pixels, ITEM, edits=edits_of(grey=True), users=None)
    events, number = pixels.user_events(), pixels.items["item_id"].to_list().index(ITEM) + 1
    past = events.requests(np.arange(1, events.dataset.users + 1), ()).histories
    lists = np.split(past.items, past.stops[1:-1])
    owners = {user for user, items in zip(events.dataset.user_ids, lists, strict=True) if number in items}
    assert owners and not owners & set(found.users["user_id"])
    assert len(found.users) == events.dataset.users - len(owners)


def test_other_content_of_an_item_stays(dataset: Dataset, tmp_path: Path) -> None:
    """Ids beside pictures: with its own cover, an item has its own vector, unlike a new item."""
    network = {
        "name": "pixels",
        "family": "resnet",
        "pretrained": False,
        "cache": "never",
        "trainable": "none",
    }
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    parts = {"pixels": {**network, "sizes": sizes}, "ids": {"name": "id_table"}}
    overrides = {"items": {"name": "joined", "width": 8, "combine": "delta", "parts": parts}}
    rest = {"length": 4, "users.heads": 1, "users.layers": 1, "training.epochs": 1}
    run = pixelrec.train("sasrec-id", data=dataset, out=tmp_path / "joined", overrides={**overrides, **rest})
    service = pixelrec.load(run)
    picture = picture_of(service, ITEM)[None]
    number = service.items["item_id"].to_list().index(ITEM) + 1
    assert service.trained is not None
    own = service.trained.catalogue.encoded[number]
    torch.testing.assert_close(vectors_with(service, ITEM, picture)[0], own, rtol=1e-4, atol=1e-5)
    assert (vectors_with(service, None, picture)[0] - own).norm() > 1e-3 * own.norm()


def test_occlusion_is_one_covered_picture_at_a_time(pixels: RecommendationService) -> None:
    found = occlusion_map(pixels, past_of(pixels, history=HISTORY), ITEM, cells=3)
    listed = pixels.recommend(histories=[HISTORY], k=1000)[0]
    assert found.score == pytest.approx(next(e.score for e in listed if e.item_id == ITEM), abs=1e-4)
    colour, trained = mean_colour(pixels), pixels.trained
    assert colour is not None and trained is not None and found.estimate
    for row in range(3):
        for column in range(3):
            covered = found.picture.copy()
            covered[8 * row : 8 * row + 16, 8 * column : 8 * column + 16] = colour
            wider = pixels.extended(
                pixels.encoder.unseen(torch.from_numpy(covered[None])),
                pixels.items.vstack(pixels.items.head(1).with_columns(item_id=pl.lit("new"))),
            )
            (only,) = wider.recommend(histories=[HISTORY], alone=True)[0]
            assert found.changes[row, column] == pytest.approx(found.score - only.score, abs=1e-4)


def test_the_shape_in_the_middle_counts_most(pixels: RecommendationService) -> None:
    """Of covers in the generated world, the corners are ground; what is drawn in the middle is chosen."""
    middle, corners = [], []
    for user in ("u3", "u5", "u8", "u11", "u20", "u21"):
        item = str(pixels.recommend(users=[user], k=1)[0][0].item_id)
        changes = np.abs(occlusion_map(pixels, past_of(pixels, user=user), item).changes)
        middle.append(changes[2:5, 2:5].mean())
        corners.append(changes[::6, ::6].mean())
    assert np.mean(middle) > 2 * np.mean(corners)


def test_the_event_that_the_law_names_carries_the_item(pixels: RecommendationService, world: World) -> None:
    """The hue of a choice follows that of the last one, which therefore carries what is recommended."""
    changes, alike = [], []
    for user in (f"u{number}" for number in range(3, 60) if world.walks.lengths[number] >= 6):
        best = str(pixels.recommend(users=[user], k=1)[0][0].item_id)
        found = leave_one_out(pixels, past_of(pixels, user=user), [best])[0].frame
        last = world.looks[int(found["item_id"][0][1:])]
        changes.append(found["score_change"].to_numpy())
        alike.append((world.looks[int(best[1:])][0] - last[0]) % HUES <= 2)
    strongest = [change.argmax() == 0 for change in changes]
    assert np.mean(alike) > 0.7, "the law was not learnt"
    assert np.mean(strongest) > 0.8
    assert np.mean([change[0] for change in changes]) > 5 * np.mean([change[1:].max() for change in changes])


def test_models_without_pictures_say_so(ids: RecommendationService, blend: RecommendationService) -> None:
    for service, said in ((ids, "do not come from pictures"), (blend, "a blend")):
        with pytest.raises(RequestError, match=said):
            occlusion_map(service, past_of(service, history=HISTORY), ITEM)
        with pytest.raises(RequestError, match=said):
            what_if(service, ITEM, edits=edits_of(grey=True))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"crop": [0.0]}, "crop is 0.0; expected a part of each side"),
        ({"crop": [float("nan")]}, "crop is nan"),
        ({"blur": [51]}, "blur is 51"),
        ({"jpeg_quality": [0]}, "jpeg_quality is 0"),
        ({"text": [" "]}, "expected 1 to 60 letters"),
    ],
)
def test_edits_have_limits(given: dict[str, list[float]], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        edits_of(**given)  # type: ignore[arg-type]


def test_edits_do_what_they_say() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 40, 3), np.uint8)
    crop, blur, jpeg, text, grey = (
        edit.apply(picture)
        for edit in edits_of(crop=[0.5], blur=[5], jpeg_quality=[3], text=["Sale!"], grey=True)
    )
    assert {each.shape for each in (crop, blur, jpeg, text, grey)} == {picture.shape}
    assert blur.std() < 0.5 * picture.std() and (jpeg != picture).any()
    assert (text[:32] == picture[:32]).all() and text[32:].max() > 200 and (text[32:] == 0).mean() > 0.5
    assert (grey == grey[..., :1]).all()
    plain = np.zeros_like(picture)
    plain[10:30, 10:30] = 200
    assert (edits_of(crop=[0.5])[0].apply(plain)[1:-1, 1:-1] == 200).all()
