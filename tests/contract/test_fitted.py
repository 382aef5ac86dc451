"""Every user model over vectors of items trains over those of an encoder that is fitted to its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from learning.small_networks import feature_file

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RecipeError
from pixelrec.users import USER_MODELS

WORDS: dict[str, Any] = {
    "items.name": "features",
    "items.width": 8,
    "length": 6,
    "fit.rows": 1,
    "fit.epoch_steps": 1,
    "fit.passes": 2,
    "training.epochs": 1,
    "training.batch_size": 512,
}


@pytest.mark.parametrize("name", USER_MODELS)
def test_it_is_trained_over_the_fitted_vectors(name: str, dataset: Dataset, tmp_path: Path) -> None:
    model, out = USER_MODELS[name], tmp_path / "run"
    words = {**WORDS, "items.file": str(feature_file(dataset, "features")), "users.name": name}
    if model.looks_at_candidates or model.needs_regions:
        with pytest.raises(RecipeError, match=name):
            api.train("sasrec-fitted", data=dataset.folder, out=out, overrides=words)
        return
    run = api.train("sasrec-fitted", data=dataset.folder, out=out, overrides=words)
    made = run.recommender(dataset)
    kept = Path(run.folder / "last" / "bank.safetensors")
    assert kept.exists() and torch.isfinite(made.catalogue().candidates).all()
