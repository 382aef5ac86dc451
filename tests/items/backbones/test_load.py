"""Reading checkpoints, and the errors for unsuitable ones."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.load import BackboneOptions, load_backbone, random_backbone
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.backbones.picture_input import HALF, IMAGENET_MEAN

from .conftest import TINY, TRANSFORMER, MakeModel, Save

WEIGHTS = "model.safetensors"


@pytest.fixture
def vit(make_model: MakeModel, save: Save) -> Path:
    return save(make_model("vit"))


def rewrite(folder: Path, name: str = "config.json", **words: Any) -> None:
    path = folder / name
    written = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(written | words))


def retensor(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def said(call: Callable[[], object]) -> str:
    with pytest.raises(RecipeError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


# Reading


def test_weights_and_input_come_from_the_checkpoint(vit: Path) -> None:
    rewrite(vit, "preprocessor_config.json", size=48, image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6])
    backbone = load_backbone(str(vit))
    assert (backbone.input.size, backbone.input.mean, backbone.input.std) == (
        48,
        (0.1, 0.2, 0.3),
        (0.4, 0.5, 0.6),
    )
    assert backbone.provenance.source == str(vit)
    assert not backbone.training
    assert all(p.dtype == torch.float32 for p in backbone.parameters())


def test_recipe_options_override_the_input(vit: Path) -> None:
    rewrite(vit, "preprocessor_config.json", size=48, image_mean=[0.1, 0.2, 0.3])
    backbone = load_backbone(str(vit), options=BackboneOptions(size=64, statistics="half"))
    assert (backbone.input.size, backbone.input.mean, backbone.input.std) == (64, HALF, HALF)
    assert backbone.state_shape(1) == (1 + 64, 16)


def test_without_a_preprocessor_the_family_decides(make_model: MakeModel, save: Save) -> None:
    backbone = load_backbone(str(save(make_model("convnext"))))
    assert (backbone.input.size, backbone.input.mean) == (32, IMAGENET_MEAN)


def test_half_precision_becomes_single(make_model: MakeModel, save: Save) -> None:
    backbone = load_backbone(str(save(make_model("vit").half())))
    assert all(p.dtype == torch.float32 for p in backbone.parameters())


def test_revision_is_a_hash_of_the_weights(vit: Path) -> None:
    first = load_backbone(str(vit)).provenance.revision
    assert first is not None
    assert first.startswith("sha256:")
    rewrite(vit, "preprocessor_config.json", size=48)
    assert load_backbone(str(vit)).provenance.revision == first
    retensor(vit, lambda tensors: tensors["layernorm.bias"].add_(1))
    assert load_backbone(str(vit)).provenance.revision != first


def test_torch_files_are_read_as_weights_only(vit: Path) -> None:
    pixels = torch.randn(2, 3, 32, 32)
    wanted = load_backbone(str(vit))(pixels)
    torch.save(load_file(vit / WEIGHTS), vit / "pytorch_model.bin")
    (vit / WEIGHTS).unlink()
    assert torch.equal(load_backbone(str(vit))(pixels), wanted)


def test_random_weights_need_only_a_configuration(vit: Path) -> None:
    (vit / WEIGHTS).unlink()
    torch.manual_seed(3)
    first = random_backbone(source=str(vit))
    torch.manual_seed(3)
    second = random_backbone("vit", source=str(vit))
    third = random_backbone(source=str(vit), sizes={"num_hidden_layers": 2})
    assert (len(first.blocks), len(third.blocks)) == (3, 2)
    assert first.provenance.revision is None
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(first(pixels), second(pixels))
    assert not torch.equal(first(pixels), third(pixels))


@pytest.mark.parametrize("prefix", ["clip", "siglip"])
def test_the_picture_tower_of_two(prefix: str, tmp_path: Path) -> None:
    import transformers

    names = {"clip": ("CLIPModel", "CLIPConfig"), "siglip": ("SiglipModel", "SiglipConfig")}[prefix]
    text = {k: v for k, v in TRANSFORMER.items() if k not in ("image_size", "patch_size")} | {
        "vocab_size": 50
    }
    config = getattr(transformers, names[1])(vision_config=dict(TRANSFORMER), text_config=text)
    model = getattr(transformers, names[0])(config).eval()
    model.save_pretrained(tmp_path)
    pixels = torch.randn(2, 3, 32, 32)
    backbone = load_backbone(str(tmp_path), options=BackboneOptions(pooling="pooler", attention="sdpa"))
    torch.testing.assert_close(backbone(pixels), model.vision_model(pixels).pooler_output, rtol=0, atol=1e-5)
    rewrite(tmp_path, vision_config=dict(TRANSFORMER) | {"num_hidden_layers": 2})
    assert "no place for" in said(lambda: load_backbone(str(tmp_path)))


def test_heads_and_decoders_are_ignored(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTMAEConfig, ViTMAEForPreTraining

    pixels = torch.randn(2, 3, 32, 32)
    classifier = ViTForImageClassification(ViTConfig(**TINY["vit"])).eval()
    classifier.save_pretrained(tmp_path / "classifier")
    backbone = load_backbone(
        str(tmp_path / "classifier"), options=BackboneOptions(pooling="tokens", attention="sdpa")
    )
    torch.testing.assert_close(backbone(pixels), classifier.vit(pixels).last_hidden_state, rtol=0, atol=1e-5)
    message = said(
        lambda: load_backbone(str(tmp_path / "classifier"), options=BackboneOptions(pooling="pooler"))
    )
    assert "pooler.dense.bias" in message
    assert "choose cls or mean" in message
    rewrite(tmp_path / "classifier", num_hidden_layers=2)
    assert "holds vit.layers.2." in said(lambda: load_backbone(str(tmp_path / "classifier")))
    decoder = {"decoder_hidden_size": 16, "decoder_num_attention_heads": 2, "decoder_num_hidden_layers": 1}
    ViTMAEForPreTraining(ViTMAEConfig(**TINY["vit_mae"], **decoder)).save_pretrained(tmp_path / "mae")
    assert load_backbone(str(tmp_path / "mae")).width == 16


# Errors


def test_no_folder(tmp_path: Path) -> None:
    assert "there is no folder" in said(lambda: load_backbone(str(tmp_path / "nothing")))
    assert "there is no folder ./nothing" in said(lambda: load_backbone("./nothing"))
    (tmp_path / "file").touch()
    assert "is a file" in said(lambda: load_backbone(str(tmp_path / "file")))
    assert "no config.json" in said(lambda: load_backbone(str(tmp_path)))
    assert "leave it out" in said(lambda: load_backbone(str(tmp_path), revision="main"))


@pytest.mark.parametrize(
    ("text", "words"), [("{", "cannot be read"), ("[]", "holds no object"), ("\xff", "cannot be read")]
)
def test_broken_json(vit: Path, text: str, words: str) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        kept = (vit / "config.json").read_bytes()
        (vit / name).write_bytes(text.encode("latin-1"))
        message = said(lambda: load_backbone(str(vit)))
        assert name in message
        assert words in message
        (vit / "config.json").write_bytes(kept)


def test_another_family(vit: Path) -> None:
    assert "is a vit network, and items.family is 'swin'" in said(
        lambda: load_backbone(str(vit), family="swin")
    )
    assert "items.family is 'swim'; did you mean 'swin'?" in said(
        lambda: load_backbone(str(vit), family="swim")
    )
    rewrite(vit, model_type="vitt")
    assert "type 'vitt'" in (message := said(lambda: load_backbone(str(vit))))
    assert "did you mean 'vit'?" in message
    rewrite(vit, model_type="bert")
    assert "expected a picture network of one of the families beit, clip" in said(
        lambda: load_backbone(str(vit))
    )
    rewrite(vit, model_type=None)
    assert "no model_type" in said(lambda: load_backbone(str(vit)))


def test_no_weights(vit: Path) -> None:
    (vit / WEIGHTS).unlink()
    assert "has no weights" in said(lambda: load_backbone(str(vit)))


def test_broken_weights(vit: Path) -> None:
    (vit / WEIGHTS).write_bytes(b"not tensors at all")
    assert "weights cannot be read" in said(lambda: load_backbone(str(vit)))


def test_torch_files_may_not_run_code(vit: Path, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    (vit / WEIGHTS).unlink()
    torch.save({"layernorm.bias": Code()}, vit / "pytorch_model.bin")
    assert "weights cannot be read" in said(lambda: load_backbone(str(vit)))
    assert not (tmp_path / "ran").exists()


def test_missing_tensors(vit: Path) -> None:
    retensor(vit, lambda tensors: [tensors.pop(n) for n in sorted(tensors) if ".layer.1.intermediate." in n])
    message = said(lambda: load_backbone(str(vit)))
    assert "lacks layers.1.mlp.fc1.bias, layers.1.mlp.fc1.weight, which this network needs" in message


def test_unused_tensors_may_be_missing(vit: Path) -> None:
    retensor(vit, lambda tensors: [tensors.pop(n) for n in sorted(tensors) if n.startswith("pooler")])
    load_backbone(str(vit), options=BackboneOptions(pooling="mean"))


def test_missing_statistics(make_model: MakeModel, save: Save) -> None:
    folder = save(make_model("resnet"))
    retensor(folder, lambda tensors: tensors.pop("embedder.embedder.normalization.running_var"))
    assert "lacks embedder.embedder.normalization.running_var" in said(lambda: load_backbone(str(folder)))


def test_foreign_tensors(vit: Path) -> None:
    rewrite(vit, num_hidden_layers=2)
    assert "holds layers.2.attention.k_proj.bias" in (message := said(lambda: load_backbone(str(vit))))
    assert "no place for" in message


def test_tensors_of_another_shape(vit: Path) -> None:
    rewrite(vit, intermediate_size=25)
    message = said(lambda: load_backbone(str(vit)))
    assert "layers.0.mlp.fc1.bias of shape (24,), expected (25,)" in message


@pytest.mark.parametrize(
    ("family", "size", "words"),
    [
        ("vit", 30, "multiples of 8 from 8 on; choose 24 or 32"),
        ("dinov2", 0, "choose 8"),
        ("swin", 24, "multiples of 8 from 32 on; choose 32"),
        ("resnet", 8, "16 and more; choose 16"),
        ("mobilenet_v2", 31, "32 and more; choose 32"),
        ("convnext", 40, "multiples of 16 from 16 on; choose 32 or 48"),
    ],
)
def test_sizes_of_pictures(family: str, size: int, words: str) -> None:
    message = said(lambda: random_backbone(family, sizes=TINY[family], options=BackboneOptions(size=size)))
    assert f"pictures of {size} pixels do not fit this {family} network" in message
    assert words in message


@pytest.mark.parametrize("family", TINY)
def test_the_smallest_allowed_pictures_work(family: str) -> None:
    from pixelrec.items.backbones.families import FAMILIES

    config = FAMILIES[family].model_class().config_class(**TINY[family])
    least = FAMILIES[family].sizes(config).least
    backbone = random_backbone(family, sizes=TINY[family], options=BackboneOptions(size=least))
    assert backbone(torch.zeros(2, 3, least, least)).isfinite().all()


def test_unknown_options_are_refused() -> None:
    def attempt(family: str = "swin", **words: Any) -> str:
        return said(lambda: random_backbone(family, sizes=TINY[family], options=BackboneOptions(**words)))

    assert "items.pooling is 'cls', which this swin network does not have; known: mean, pooler" in attempt(
        pooling="cls"
    )
    assert "did you mean 'mean'?" in attempt(pooling="meen")
    assert "items.statistics is 'owm'; did you mean 'own'?" in attempt(statistics="owm")
    assert "items.attention is 'flash'; known: auto, eager, sdpa" in attempt(attention="flash")
    message = said(
        lambda: random_backbone(
            "siglip",
            sizes={**TINY["siglip"], "vision_use_head": False},
            options=BackboneOptions(pooling="pooler"),
        )
    )
    assert "items.pooling is pooler, and this network has none" in message


def test_sizes_of_networks() -> None:
    def attempt(**sizes: Any) -> str:
        return said(lambda: random_backbone("clip", sizes={**TINY["clip"], **sizes}))

    assert "did you mean 'hidden_size'?" in attempt(hidden_sise=3)
    assert "cannot have these sizes" in attempt(hidden_size="wide")
    assert "cannot have these sizes" in attempt(num_attention_heads=3)
    assert "cannot have these sizes" in attempt(num_attention_heads=0)
    assert "cannot have these sizes" in attempt(hidden_act="loud")
    for family, word in (("resnet", "hidden_sizes"), ("convnext", "hidden_sizes"), ("swin", "num_heads")):
        sizes = {**TINY[family], word: [8, 16], "depths": [1, 1, 1]}
        told = said(lambda family=family, sizes=sizes: random_backbone(family, sizes=sizes))  # type: ignore[misc]
        assert "depths of 3" in told and f"{word} of 2" in told, family
    assert "pictures with 1 channels" in attempt(num_channels=1)
    assert "Give items.family (beit, clip" in said(lambda: random_backbone())
    assert "did you mean 'clip'?" in said(lambda: random_backbone("clp"))


# The hub


def test_a_network_of_the_hub_is_found_in_its_cache(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--somebody--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots").mkdir()
    vit.rename(repository / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone = load_backbone("somebody/tiny")
    assert (backbone.provenance.source, backbone.provenance.revision) == ("somebody/tiny", commit)
    assert random_backbone(source="somebody/tiny").provenance.revision is None
    assert "hub cannot be reached" in said(lambda: load_backbone("somebody/else"))
    assert "items.source null" in said(lambda: random_backbone("vit", source="somebody/else"))
    assert "neither a folder here nor a model on the hub" in said(lambda: load_backbone("some body"))


@pytest.mark.parametrize("held", [WEIGHTS, "pytorch_model.bin"])
def test_only_what_is_needed_is_downloaded(held: str, vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert (name, revision) == ("somebody/tiny", "v1")
        asked.append(allow_patterns)
        return str(vit)

    if held != WEIGHTS:
        torch.save(load_file(vit / WEIGHTS), vit / held)
        (vit / WEIGHTS).unlink()
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    load_backbone("somebody/tiny", revision="v1")
    assert "model*.safetensors" in asked[0]
    assert len(asked) == (1 if held == WEIGHTS else 2)
    asked.clear()
    random_backbone(source="somebody/tiny", revision="v1")
    assert asked == [["config.json", "preprocessor_config.json"]]


# Manners


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_loading_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.utils import logging as theirs

    ViTForImageClassification(ViTConfig(**TINY["vit"])).save_pretrained(tmp_path)
    before, heard = (theirs.get_verbosity(), theirs.is_progress_bar_enabled()), Heard()
    capfd.readouterr()
    theirs.add_handler(heard)
    try:
        load_backbone(str(tmp_path))  # has a head that is left over, and lacks a pooler
        random_backbone("swin", sizes=TINY["swin"])
    finally:
        theirs.remove_handler(heard)
    out = capfd.readouterr()
    assert (out.out, out.err, heard.messages) == ("", "", [])
    assert (theirs.get_verbosity(), theirs.is_progress_bar_enabled()) == before


def test_transformers_is_imported_only_where_it_is_used() -> None:
    code = "import sys, pixelrec.items.backbones.load; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": "src"})


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.errors.find_spec", lambda _: None)
    assert "pip install 'pixelrec[pixels]'" in said(lambda: random_backbone("vit", sizes=TINY["vit"]))


@pytest.mark.parametrize("value", [10**9, 10**30, -1, 0, "x", [], [1, 2], {"a": 1}], ids=str)
@pytest.mark.parametrize("key", ["num_hidden_layers", "hidden_size", "image_size", "dtype"])
def test_odd_configurations_are_one_line_or_do_not_matter(vit: Path, key: str, value: object) -> None:
    rewrite(vit, **{key: value})
    with suppress(RecipeError):
        load_backbone(str(vit))


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 50_000, '{"a": ' + "9" * 5_000 + "}", ""])
def test_a_configuration_that_is_no_object_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, "utf-8")
    assert "config.json cannot be read" in said(lambda: load_backbone(str(tmp_path)))


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "adapter_config.json"])
def test_a_pipe_or_device_in_a_checkpoint_is_refused(vit: Path, name: str) -> None:
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (vit / name).unlink(missing_ok=True)
        make(vit / name)
        assert f"{name}: cannot be read: is a pipe or a device" in said(lambda: load_backbone(str(vit)))


@pytest.mark.parametrize(
    "source", ["~no-such-user/x", "a\0b", "x" * 5000, "/" + "x" * 5000, "~no-such-user/x.pt"]
)
def test_sources_that_are_no_path_are_one_line(source: str) -> None:
    assert "which is no path: " in said(lambda: make_network(NetworkConfig(source=source)))


def test_a_pickle_is_refused_without_advice_to_run_it(vit: Path) -> None:
    (vit / WEIGHTS).unlink()
    torch.save({"a": Path("x")}, vit / "pytorch_model.bin")
    message = said(lambda: load_backbone(str(vit)))
    assert "a pickle that names other types" in message and "weights_only" not in message
