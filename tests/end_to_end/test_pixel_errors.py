"""Mistakes about pictures and networks: one line that says how to mend them, and nothing is left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from end_to_end.pixel_runs import RESNET, USERS, checkpoint, words
from safetensors.torch import load_file, save_file

from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.demonstration.world import World
from pixelrec.images.pack import pack
from pixelrec.items.cache.feeds import lower_states
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import read_recipe

CLIP = {**USERS, "items.name": "pixels", "items.family": "clip", "items.trainable": 1, "items.cache": "never"}
CACHED = {**RESNET, "items.cache": "always", "training.epochs": 1}
Refuse = Callable[..., str]


@pytest.fixture
def refused(own_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """What the command line says of a recipe that it will not train."""

    def said(overrides: dict[str, Any]) -> str:
        before = {path for path in own_data.rglob("*") if "lmdb" not in str(path)}
        capsys.readouterr()
        command = ["train", "sasrec-id", "--data", str(own_data), "--out", str(tmp_path / "run")]
        assert main([*command, *words(overrides | {"training.epochs": 1})]) == 2
        err = capsys.readouterr().err
        assert len(err.strip().splitlines()) == 1, err
        assert not (tmp_path / "run").exists() and not list(tmp_path.glob(".*"))
        assert {path for path in own_data.rglob("*") if "lmdb" not in str(path)} == before
        return err

    return said


def test_a_source_that_is_no_checkpoint(refused: Refuse, tmp_path: Path) -> None:
    empty, file = tmp_path / "empty", tmp_path / "file"
    empty.mkdir()
    file.touch()
    assert "it has no config.json" in refused(CLIP | {"items.source": str(empty)})
    assert "give the folder of the checkpoint" in refused(CLIP | {"items.source": str(file)})
    missing = refused(CLIP | {"items.source": str(tmp_path / "none")})
    assert "there is no folder" in missing and "model's name on the hub" in missing


def test_a_checkpoint_of_another_family(refused: Refuse, tmp_path: Path) -> None:
    source = str(checkpoint(tmp_path / "clip", "clip"))
    message = refused(CLIP | {"items.source": source, "items.family": "resnet"})
    assert f"{source} is a clip network, and items.family is 'resnet'" in message


def test_a_checkpoint_that_is_not_whole(refused: Refuse, tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "clip", "clip")
    weights = source / "model.safetensors"
    tensors = load_file(weights)
    gone = next(name for name in tensors if "layers.1" in name)
    save_file({name: t for name, t in tensors.items() if name != gone}, weights, {"format": "pt"})
    assert "lacks" in (message := refused(CLIP | {"items.source": str(source)})) and gone in message
    weights.write_bytes(weights.read_bytes()[:-9])
    assert "weights cannot be read" in refused(CLIP | {"items.source": str(source)})
    weights.unlink()
    assert "has no weights" in refused(CLIP | {"items.source": str(source)})


def test_a_size_that_does_not_fit(refused: Refuse, tmp_path: Path) -> None:
    source = str(checkpoint(tmp_path / "clip", "clip", image_size=48, patch_size=12))
    message = refused(CLIP | {"items.source": source, "items.size": 32})
    assert "32 pixels do not fit this clip network" in message and "choose 24 or 36" in message
    own = refused(CLIP | {"items.source": source})
    assert "have 32 pixels a side, and the network takes 48" in own and "--size 48 --overwrite" in own


def test_pictures_of_another_size_are_noticed_before_a_network_is_fetched(
    refused: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.items.pixels.make_network", lambda *_: pytest.fail("it is fetched"))
    message = refused(CLIP | {"items.source": "openai/clip-vit-base-patch32", "items.size": 224})
    assert "have 32 pixels a side, and the network takes 224" in message


def test_no_covers(refused: Refuse, own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_data / "covers.lmdb").unlink()
    assert f"{own_data} has no pictures: pack the covers" in refused(RESNET)
    monkeypatch.setattr("pixelrec.items.pixels.make_network", lambda *_: pytest.fail("it is fetched"))
    message = refused(CLIP | {"items.source": "openai/clip-vit-base-patch32"})
    assert f"`pixelrec images pack COVERS --data {own_data}`" in message


def test_covers_of_some_items_only(refused: Refuse, own_data: Path, dataset: Dataset, world: World) -> None:
    (own_data / "covers.lmdb").unlink()
    pack(world.covers, own_data / "covers.lmdb", list(dataset.item_ids)[:-4], size=32)
    message = refused(RESNET)
    assert "lacks pictures of 4 of the data set's 120 items" in message and "and 1 more" in message
    assert f"'{dataset.item_ids[116]}'" in message and "pixelrec images pack" in message


def prepared(own_data: Path, overrides: dict[str, Any]) -> Path:
    """Makes the cache of a recipe, and names its folder."""
    recipe, opened = read_recipe("sasrec-id", overrides), Dataset.open(own_data)
    before = set((own_data / "activations").glob("*"))
    torch.manual_seed(recipe["seed"])
    recommender = build_recommender(recipe, opened.spec(recipe["length"], training_events(opened)))
    recommender.items.prepare(lambda _: None)
    (made,) = set((own_data / "activations").glob("*")) - before
    return made


def test_a_damaged_cache(refused: Refuse, own_data: Path) -> None:
    folder = prepared(own_data, CACHED)
    states = folder / "states.bin"
    states.write_bytes(states.read_bytes()[:-4])
    message = refused(CACHED)
    assert "states.bin has" in message and "delete the folder" in message and str(folder) in message


def test_a_cache_of_other_weights(refused: Refuse, own_data: Path) -> None:
    mine, other = prepared(own_data, CACHED), prepared(own_data, CACHED | {"seed": 1})
    shutil.rmtree(mine)
    other.rename(mine)
    message = refused(CACHED)
    assert "weights differ" in message and "delete the folder" in message


def test_a_cache_of_the_same_weights_with_other_states(refused: Refuse, own_data: Path) -> None:
    def doubled(*words: Any) -> torch.Tensor:
        return 2 * lower_states(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pixelrec.items.cache.policy.lower_states", doubled)
        patch.setattr("pixelrec.items.cache.policy.verify", lambda *_: None)
        folder = prepared(own_data, CACHED)
    message = refused(CACHED)
    assert f"{folder} are not what the network computes" in message and "delete the folder" in message


def test_too_little_disk(refused: Refuse, own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=1500))
    message = refused(CACHED)
    assert "has 1.5 kB free" in message and "items.cache never" in message
    assert not (own_data / "activations").exists()


def test_nothing_to_cache(refused: Refuse) -> None:
    assert "items.cache is always, and nothing of the network is frozen" in refused(
        CACHED | {"items.trainable": "all"}
    )


def test_a_file_that_is_no_clip_resnet(refused: Refuse, tmp_path: Path) -> None:
    text, other, transformer = (tmp_path / name for name in ("RN.pt", "RN.safetensors", "ViT.safetensors"))
    text.write_text("once it was weights", encoding="utf-8")
    save_file({"weight": torch.ones(3)}, other)
    save_file({"visual.class_embedding": torch.ones(3)}, transformer)
    chosen = {**USERS, "items.name": "pixels", "items.family": "clip_resnet", "items.trainable": "stage 4"}
    for path, says in [
        (text, "not a checkpoint of weights alone"),
        (other, "not weights of a CLIP ResNet"),
        (transformer, "a CLIP vision transformer"),
        (tmp_path / "none.safetensors", "no such file"),
        (tmp_path, "no such file"),
    ]:
        assert says in refused(chosen | {"items.source": str(path)})


def test_lora_without_peft(refused: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(checkpoint(tmp_path / "clip", "clip"))
    monkeypatch.setattr("pixelrec.errors.find_spec", lambda name: None if name == "peft" else name)
    message = refused(CLIP | {"items.source": source, "items.lora": 2})
    assert "items.lora needs peft" in message and "pip install 'pixelrec[pixels]'" in message


def test_pixels_without_transformers(refused: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.errors.find_spec", lambda _: None)
    assert "pip install 'pixelrec[pixels]'" in refused(RESNET)


@pytest.mark.parametrize(
    ("words_", "says"),
    [
        ({"items.trainable": "stages 3-4"}, "stages 1 to 2"),
        ({"items.trainable": 3}, "3 top blocks, and the network has 2"),
        ({"items.trainable": "most"}, "expected none, head, all"),
        ({"items.precision": "fp16"}, "items.precision"),
        ({"items.chunk": 0}, "items.chunk is 0"),
        ({"items.pooling": "cls"}, "items.pooling is 'cls'"),
        ({"items.pretrained": True}, "which pretrained network?"),
        ({"items.family": "resnets"}, "did you mean 'resnet'"),
        ({"items.sizes": {"dephts": [1]}}, "did you mean 'depths'"),
        ({"items.sizes": {"hidden_sizes": []}}, "correct items.sizes"),
        ({"items.revision": "main", "items.source": "."}, "leave it out"),
    ],
)
def test_a_wrong_word(refused: Refuse, words_: dict[str, Any], says: str) -> None:
    assert says in (message := refused(RESNET | words_)), message
