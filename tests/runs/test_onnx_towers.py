"""Towers in ONNX give the vectors of the run, computed by another program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from end_to_end.pixel_runs import RESNET
from PIL import Image

import pixelrec
from pixelrec import errors
from pixelrec.batch import Events
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.runs import onnx_towers
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.run import Run

TINY = {"length": 6, "items.width": 16, "training.epochs": 1}


def trained(recipe: str, data: Dataset, out: Path, **options: Any) -> Run:
    return pixelrec.train(recipe, data=data, out=out, overrides={**TINY, **options})


def computed(model: Path, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model)
    return session.run(["vector"], {session.get_inputs()[0].name: given})[0]


def histories(items: int, length: int) -> np.ndarray:
    """Left padded, one of them empty."""
    chance = np.random.default_rng(0)
    found = chance.integers(1, items + 1, size=(9, length))
    found[np.arange(length) < np.arange(9)[:, None]] = 0
    return found


def assert_users_agree(service: RecommendationService, folder: Path) -> None:
    about = json.loads((folder / "serving.json").read_text())
    assert about["item_ids"] == service.items["item_id"].to_list()
    numbers = histories(len(about["item_ids"]), about["length"])
    rows = torch.from_numpy(numbers)
    events = Events(torch.zeros(len(rows), dtype=torch.int64), rows, torch.zeros_like(rows))
    expected = service.trained.recommender.vectors(service.trained.catalogue, events).numpy()
    assert np.allclose(computed(folder / "user.onnx", numbers), expected, atol=1e-5)
    assert np.array_equal(np.load(folder / "items.npy"), service.trained.catalogue.candidates.numpy())


def test_ids(dataset: Dataset, tmp_path: Path) -> None:
    options = {"users.heads": 2, "users.layers": 2, "scoring.name": "cosine", "scoring.unit_items": True}
    run = trained("sasrec-id", dataset, tmp_path / "run", **options)
    files = pixelrec.export_onnx(run, out=tmp_path / "onnx")
    assert [each.name for each in files] == ["serving.json", "items.npy", "user.onnx"]
    assert_users_agree(pixelrec.load(run), tmp_path / "onnx")
    with pytest.raises(RequestError, match="is not empty; replace its files with --overwrite"):
        pixelrec.export_onnx(run, out=tmp_path / "onnx")


def test_features(dataset: Dataset, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(dataset.items, 12)).astype("f4")
    with writing(tmp_path / "f", dataset.item_ids, rows.shape[1:], {"kind": "imported"}) as file:
        file.append(rows)
    options = {
        "items.name": "features",
        "items.file": str(tmp_path / "f"),
        "items.pca": 5,
        "items.unit": True,
    }
    run = trained("gru4rec-id", dataset, tmp_path / "run", **options)
    pixelrec.export_onnx(run, out=tmp_path / "onnx")
    service = pixelrec.load(run)
    assert_users_agree(service, tmp_path / "onnx")
    assert np.allclose(
        computed(tmp_path / "onnx" / "item.onnx", rows),
        np.load(tmp_path / "onnx" / "items.npy")[1:],
        atol=1e-5,
    )
    about = json.loads((tmp_path / "onnx" / "serving.json").read_text())
    assert about["item"]["made"]["digest"] == FeatureFile.open(tmp_path / "f").digest


def examples() -> list[str]:
    """The Python of the page about exports."""
    page = Path(__file__).parents[2] / "docs" / "export.md"
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_pictures_and_the_examples_of_the_page(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {key: value for key, value in RESNET.items() if not key.startswith("users.")}
    options |= {"items.trainable": "head", "training.epochs": 1, "items.cache": "never"}
    run = trained("dssm-id", dataset, tmp_path / "run", **options)
    folder = tmp_path / "serving"
    pixelrec.export_onnx(run, out=folder)
    assert_users_agree(pixelrec.load(run), folder)
    assert json.loads((folder / "serving.json").read_text())["item"] == {
        "input": "pictures",
        "size": 32,
        "fit": "stretch",
    }
    pictures = pixelrec.PictureStore.open(dataset.covers).read(dataset.item_ids.to_list())
    items = np.load(folder / "items.npy")
    assert np.allclose(computed(folder / "item.onnx", pictures), items[1:], atol=1e-5)

    monkeypatch.chdir(tmp_path)
    Image.fromarray(pictures[7]).save("new.jpg", "PNG")  # as it was packed
    found: dict[str, Any] = {}
    for example in examples():
        exec(example, found)
    assert found["best"] == pixelrec.recommend(run, history=["i3", "i14"])["item_id"].to_list()
    assert np.allclose(found["new"], items[8], atol=1e-5)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("mf-id", "mf cannot be exported to ONNX: it has a vector for each user"),
        ("hstu-id", "hstu cannot be exported to ONNX: it reads the times of events"),
        ("din-id", "din looks at the events of a user together with each candidate"),
        ("srgnn-id", "srgnn cannot be exported to ONNX: PyTorch's exporter says"),
    ],
)
def test_other_models_are_refused_by_name(
    dataset: Dataset, tmp_path: Path, recipe: str, message: str
) -> None:
    options = {"users.heads": 2} if recipe == "hstu-id" else {}
    run = trained(recipe, dataset, tmp_path / "run", **options)
    with pytest.raises(RequestError, match=message):
        pixelrec.export_onnx(run, out=tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


def test_what_differs_is_not_written(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("fm-id", dataset, tmp_path / "run")
    monkeypatch.setattr(onnx_towers, "_computed", lambda *given: computed(given[0], given[2]) * 1.01)
    with pytest.raises(RequestError, match="fm cannot be exported to ONNX: its vectors are others there"):
        pixelrec.export_onnx(run, out=tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
    monkeypatch.setattr(errors, "find_spec", lambda _: None)
    with pytest.raises(
        RequestError, match=r"needs onnxscript, which is not installed; pip install 'pixelrec\[onnx\]'"
    ):
        pixelrec.export_onnx(run, out=tmp_path / "onnx")
