"""Published files of CLIP's ResNets, whole and broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from items.backbones.clip_reading import (
    NATIVE,
    TINY,
    Weights,
    attention_pool,
    close,
    last_map,
    network_of,
    pictures,
    random_weights,
)

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.clip_checkpoint import load_clip_resnet
from pixelrec.items.backbones.clip_resnet import (
    CLIPResNet,
    CLIPResNetConfig,
    ModifiedResNet,
    fitted_positions,
)


def whole_clip(weights: Weights) -> Weights:
    """As OpenAI ships it: the picture's half under `visual.`, and the text's beside it."""
    text = {"logit_scale": torch.tensor(4.6), "ln_final.weight": torch.ones(3), "conv1.weight": torch.ones(1)}
    return {**{f"visual.{name}": tensor for name, tensor in weights.items()}, **text}


Save = Callable[[Weights, Path], Path]


def as_safetensors(weights: Weights, folder: Path) -> Path:
    safetensors.torch.save_file(weights, folder / "RN.safetensors")
    return folder / "RN.safetensors"


def as_torch_file(weights: Weights, folder: Path) -> Path:
    torch.save(weights, folder / "RN.pt")
    return folder / "RN.pt"


@pytest.mark.parametrize("save", [as_safetensors, as_torch_file])
@pytest.mark.parametrize("named", [whole_clip, dict])
def test_published_file(save: Save, named: Callable[[Weights], Weights], tmp_path: Path) -> None:
    weights = random_weights()
    path = save(named(weights), tmp_path)
    network = load_clip_resnet(path, NATIVE)
    assert network.architecture == TINY
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert network.provenance.source == str(path)
    assert str(network.provenance.revision).startswith("sha256:")
    same = network_of(weights).state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, same[name].to(tensor.dtype)), name


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    weights = {name: t.half() if t.is_floating_point() else t for name, t in random_weights().items()}
    weights = {name: t for name, t in weights.items() if not name.endswith("num_batches_tracked")}
    network = load_clip_resnet(as_safetensors(whole_clip(weights), tmp_path), NATIVE)
    assert {p.dtype for p in network.state_dict().values()} == {torch.float32, torch.int64}
    assert not any(
        t.any() for name, t in network.state_dict().items() if name.endswith("num_batches_tracked")
    )
    doubled = {name: t.double() for name, t in weights.items()} | {
        name: torch.tensor(0) for name in random_weights() if name.endswith("num_batches_tracked")
    }
    pixels = pictures()
    np.testing.assert_allclose(
        network(pixels.float()).detach().numpy(),
        network_of(doubled)(pixels).detach().numpy(),
        rtol=1e-3,
        atol=1e-4,
    )


def test_by_default_pictures_have_the_native_size(tmp_path: Path) -> None:
    network = load_clip_resnet(as_safetensors(random_weights(), tmp_path))
    assert network.input.size == network.describe()["config"]["size"] == TINY.native


def test_another_size_than_the_native(tmp_path: Path) -> None:
    weights = random_weights()
    network = load_clip_resnet(as_safetensors(weights, tmp_path), CLIPResNetConfig(size=64)).double()
    fitted = fitted_positions(weights["attnpool.positional_embedding"], 2).float().double()
    weights = {name: t.float().double() for name, t in weights.items()} | {
        "attnpool.positional_embedding": fitted
    }
    pixels = pictures(64)
    close(network(pixels), attention_pool(last_map(pixels.numpy(), weights), weights, heads=2))


def without(name: str) -> Callable[[Weights], Weights]:
    return lambda weights: {n: t for n, t in weights.items() if not n.startswith(name)}


def instead(name: str, tensor: torch.Tensor) -> Callable[[Weights], Weights]:
    return lambda weights: weights | {name: tensor}


WRONG: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "no tensor of a block": (without("layer3.1.bn2.running_mean"), r"lacks layer3\.1\.bn2\.running_mean;"),
    "no block": (without("layer3.1."), r"lacks layer3\.1\.conv1\.weight|lacks layer3\.1\.bn1"),
    "no layer": (without("layer2."), r"no layer2\.0\.conv1\.weight among \d+ tensors"),
    "no stem": (without("conv1."), r"no conv1\.weight among"),
    "no pool": (without("attnpool."), r"no attnpool\.positional_embedding, attnpool\.c_proj\.weight among"),
    "nothing": (lambda _: {}, "among 0 tensors"),
    "shape": (
        instead("layer1.0.conv2.weight", torch.ones(4, 4, 1, 1)),
        r"layer1\.0\.conv2\.weight has shape \(4, 4, 1, 1\); expected \(4, 4, 3, 3\)",
    ),
    "counter with a shape": (instead("bn1.num_batches_tracked", torch.ones(2, dtype=torch.int64)), "shape"),
    "dimensions": (
        instead("conv1.weight", torch.tensor(1.0)),
        r"conv1\.weight has shape \(\); expected 4 dim",
    ),
    "empty": (instead("conv1.weight", torch.ones(0, 3, 3, 3)), r"conv1\.weight has shape \(0, 3, 3, 3\)"),
    "no square": (instead("attnpool.positional_embedding", torch.ones(9, 128)), "9 rows; expected 1 "),
    "no place": (instead("attnpool.positional_embedding", torch.ones(1, 128)), "1 rows; expected 1 "),
    "quantised": (
        instead("layer1.0.conv2.weight", torch.ones(4, 4, 3, 3, dtype=torch.int8)),
        r"layer1\.0\.conv2\.weight is torch\.int8; expected floating point",
    ),
    "a tensor more": (
        instead("layer1.0.conv4.weight", torch.ones(1)),
        r"layer1\.0\.conv4\.weight is in no CLIP",
    ),
    "a transformer": (
        instead("class_embedding", torch.ones(4)),
        "vision transformer; expected a CLIP ResNet",
    ),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("save", [as_safetensors, as_torch_file])
def test_wrong_tensors(case: str, save: Save, tmp_path: Path) -> None:
    change, message = WRONG[case]
    path = save({f"visual.{n}": t.contiguous() for n, t in change(random_weights()).items()}, tmp_path)
    assert refusal(path).startswith(f"{path}: ")
    assert re.search(message, refusal(path))


def refusal(path: Path, config: CLIPResNetConfig = NATIVE) -> str:
    with pytest.raises(RecipeError) as caught:
        load_clip_resnet(path, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_many_missing_tensors_are_counted(tmp_path: Path) -> None:
    weights = {n: t for n, t in random_weights().items() if ".bn2." not in n}
    missing = len(random_weights()) - len(weights) - 7  # counters may be absent
    assert f"and {missing - 3} more;" in refusal(as_safetensors(weights, tmp_path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_suggested_torchscript_conversion_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clip(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = ModifiedResNet(TINY, TINY.native)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.visual.conv1(x)

    clip = Clip()
    path = tmp_path / "RN50.pt"
    torch.jit.save(torch.jit.trace(clip, torch.zeros(1, 3, 8, 8)), path)
    kind, advice = refusal(path).split("once: ")
    assert "TorchScript" in kind
    monkeypatch.chdir(tmp_path)
    exec(advice, {"safetensors": safetensors, "torch": torch})
    found = load_clip_resnet(tmp_path / "RN50.safetensors", NATIVE).state_dict()
    expected = CLIPResNet(clip.visual, NATIVE).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("name", ["RN50.pt", "RN50.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 half a zip", bytes(64)])
def test_not_a_checkpoint(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in refusal(path)
    assert "not a" in refusal(path)


def test_runs_no_code_of_a_checkpoint(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (ran,)

    torch.save({"conv1.weight": Trap()}, tmp_path / "RN50.pt")
    assert "not a checkpoint of weights alone" in refusal(tmp_path / "RN50.pt")
    assert not ran.exists()


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"epoch": 3, "state_dict": {}}, "a mapping of epoch, state_dict"),
        ([torch.ones(1)], "list"),
        (torch.ones(1), "Tensor"),
        ({3: torch.ones(1)}, "a mapping of 3"),
    ],
)
def test_not_a_state_dict(held: object, said: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "RN50.pt")
    assert f"holds {said}; expected a state dict" in refusal(tmp_path / "RN50.pt")


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "RN50.pt")
    assert "no such file" in refusal(tmp_path)


def test_unsuitable_options_are_refused(tmp_path: Path) -> None:
    path = as_safetensors(random_weights(), tmp_path)
    assert "100 pixels do not fit a CLIP ResNet" in refusal(path, CLIPResNetConfig(size=100))
    wrong = CLIPResNetConfig(pooling="cls", size=64)
    assert "'cls', which a CLIP ResNet does not have" in refusal(path, wrong)
