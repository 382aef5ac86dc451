"""One word from a shipped recipe, training starts near the loss of chance, or a warning names the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.pixel_runs import RESNET
from end_to_end.pixel_runs import words as words_of
from learning.small_networks import NETWORK, feature_files, small_network

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import read_recipe, recipes
from pixelrec.training.first_loss import FAR, chance, far_from_chance
from pixelrec.users import USER_MODELS

PICTURES = {
    "items.name": "pixels",
    "items.family": "resnet",
    "items.sizes": NETWORK,
    "items.pretrained": False,
    "items.cache": "never",
}
SMALL = {"negatives.drawn": 64, "training.batch_size": 16}


def first(recipe: str, words: Mapping[str, Any], dataset: Dataset) -> tuple[float, float, str | None]:
    """The loss of the first batch, that of chance, and the warning."""
    found = read_recipe(recipe, words)
    histories = training_events(dataset)
    recommender = build_recommender(found, dataset.spec(found["length"], histories))
    loss, batcher = build_loss(found), build_batcher(found, recommender, histories)
    recommender.items.prepare(lambda _line: None)
    if batcher.negatives.bank:
        recommender.bank = recommender.catalogue().encoded
    batch = next(iter(batcher.epoch(0, 0)))
    with torch.no_grad():
        reached = float(loss(recommender(batch)))
    by_chance = chance(loss, batch, dataset.items)
    return reached, by_chance, far_from_chance(reached, by_chance, recommender)


def one_word() -> list[tuple[str, dict[str, Any]]]:
    """A recipe over ids with each other user model, loss and encoder, and every other recipe as it is."""
    ids: list[dict[str, Any]] = [
        {"users.name": name} for name, model in USER_MODELS.items() if not model.needs_regions
    ]
    ids += [{"loss.name": name} for name in ("bpr", "bce", "gbce")]
    ids += [{"scoring.name": "cosine"}, {"negatives.name": "per_target"}, {"items.init": "uniform"}]
    ids += [{**PICTURES, "items.trainable": depth} for depth in ("none", "all")]
    ids += [{**PICTURES, "items.norm": norm} for norm in ("none", "layer")]
    shipped = [name for name in recipes() if not name.startswith("published/")]
    over_pictures = [
        (name, {**PICTURES, "items.trainable": "none"}) for name in ("fm-id", "dssm-id", "curatornet-id")
    ]
    return [*(("sasrec-id", words) for words in ids), *((name, {}) for name in shipped), *over_pictures]


@pytest.mark.parametrize(("recipe", "words"), one_word(), ids=str)
def test_one_word_from_a_shipped_recipe_training_starts_near_chance(
    recipe: str, words: dict[str, Any], dataset: Dataset
) -> None:
    shared = recipe != "sasrec-id-full" and "negatives.name" not in words
    small = {**small_network(recipe), **feature_files(recipe, dataset), **(SMALL if shared else {})}
    reached, by_chance, warning = first(recipe, {**small, **words}, dataset)
    assert reached < FAR * by_chance and warning is None


@pytest.mark.parametrize("recipe", ["sasrec-mobilenet", "sasrec-id-vit"])
def test_scores_that_start_too_large_are_a_warning_whose_word_mends_it(recipe: str, dataset: Dataset) -> None:
    words = {**small_network(recipe), **SMALL, "scoring.name": "dot"}
    reached, by_chance, warning = first(recipe, words, dataset)
    assert reached > 3 * by_chance
    assert warning is not None and "try scoring.name cosine with scoring.temperature 0.15, or" in warning
    mended = {**words, "scoring.name": "cosine", "scoring.temperature": 0.15}
    assert first(recipe, mended, dataset)[2] is None
    place = "items" if recipe == "sasrec-mobilenet" else "items.parts.pixels"
    assert first(recipe, {**words, f"{place}.init": "small"}, dataset)[2] is None


def test_the_command_line_warns_once(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = {**RESNET, "items.init": "xavier_normal", "training.epochs": 2}
    folders = ["--data", str(dataset.folder), "--out", str(tmp_path / "run")]
    assert main(["train", "sasrec-id", *folders, *words_of(large)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.count("× the chance level") == 1 and "; try scoring.name cosine" in told


def test_the_chance_level_is_that_of_equal_scores(dataset: Dataset) -> None:
    for words, expected in (
        ({}, math.log(dataset.items)),
        ({"negatives.name": "per_target", "negatives.count": 3}, math.log(4)),
        ({"negatives.name": "per_target", "loss.name": "bpr"}, math.log(2)),
        ({"negatives.name": "per_target", "negatives.count": 3, "loss.name": "bce"}, 4 * math.log(2)),
    ):
        assert first("sasrec-id", words, dataset)[1] == pytest.approx(expected, rel=1e-3), words


def test_published_recipes_state_what_their_vectors_start_from() -> None:
    for name in recipes():
        items = read_recipe(name)["items"]
        if name.startswith("published/") and items["name"] == "pixels":
            assert (items["norm"], items["activation"], items["init"]) == ("none", "relu", "xavier_normal")


def test_another_encoder_keeps_the_width_of_the_recipe() -> None:
    assert read_recipe("sasrec-id", {"items.name": "pixels"})["items"]["width"] == 64
    assert read_recipe("sasrec-vit", {"items.name": "id_table"})["items"]["width"] == 128
    assert read_recipe("sasrec-id", {"items.name": "pixels", "items.width": 32})["items"]["width"] == 32
    parts = {"a": {"name": "id_table", "width": 8}}
    assert read_recipe("sasrec-id", {"items.name": "joined", "items.parts": parts})["items"]["width"] is None
