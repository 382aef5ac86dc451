"""The recipe over a vision transformer with its own blocks, cache and bank, over a small checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from learning.test_learning import FAST
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.files.checkpoint import read_weights

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 32,
}
# Random instead of pretrained weights, and fewer negatives than the 2,048 of the recipe.
WORDS = {
    "items.size": 32,
    "items.cache": "always",
    "optimiser.backbone_learning_rate": 0.001,
    "negatives.drawn": 60,
    "negatives.reencoded": 8,
    "training.batch_size": 16,
    "training.epochs": 5,
}


def test_it_learns_with_its_top_blocks(dataset: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(CLIPVisionConfig(**SIZES)).save_pretrained(tmp_path / "clip")
    places = {"items.source": str(tmp_path / "clip"), "items.cache_folder": str(tmp_path / "cache")}
    words = {**FAST, **WORDS, **places}
    untrained = {**words, "optimiser.learning_rate": 0.0, "optimiser.backbone_learning_rate": 0.0}
    before = api.train(
        "sasrec-vit-top",
        data=dataset.folder,
        out=tmp_path / "before",
        overrides={**untrained, "training.epochs": 1},
    )
    run = api.train("sasrec-vit-top", data=dataset.folder, out=tmp_path / "run", overrides=words)
    found = api.evaluate(run).metrics
    assert found["sasrec-vit-top"]["NDCG@10"] > 1.5 * found["popularity"]["NDCG@10"]
    started, ended = (read_weights(each.folder / "best") for each in (before, run))
    moved = {name for name in ended if not torch.equal(ended[name], started[name])}
    assert any(name.startswith("items.backbone.blocks.2.") for name in moved)
    assert not any(name.startswith(("items.backbone.stem", "items.backbone.blocks.0.")) for name in moved)
    assert list((tmp_path / "cache").glob("*/states.bin")), "the frozen part was computed once"
