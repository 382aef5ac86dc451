"""Reading published weights of CLIP's ResNets."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from math import isqrt
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pixelrec.errors import RecipeError, some_of
from pixelrec.files.digests import file_digest
from pixelrec.items.backbones.backbone import Provenance
from pixelrec.items.backbones.clip_resnet import (
    DEFAULT,
    LAYERS,
    STRIDE,
    Architecture,
    CLIPResNet,
    CLIPResNetConfig,
    ModifiedResNet,
    fitted_positions,
    unfilled,
)

VISUAL = "visual."  # prefix of the tensors of CLIP's picture encoder
POSITIONS = "attnpool.positional_embedding"
DIMENSIONS = {"conv1.weight": 4, POSITIONS: 2, "attnpool.c_proj.weight": 2}  # of tensors that show sizes
COUNTER = ".num_batches_tracked"  # of a batch norm; absent in some files, not used in others
Tensors = dict[str, Tensor]


def load_clip_resnet(path: Path, config: CLIPResNetConfig = DEFAULT) -> CLIPResNet:
    """The network with the published weights in `path`, in fp32.

    path: safetensors, or a state dict of `torch.save`, with OpenAI's names, with or without `visual.`

    Raises:
        RecipeError: no such file, no checkpoint of a CLIP ResNet; a tensor that is missing, unknown or of the
            wrong shape; unsuitable options.
    """
    tensors = read_visual(path)
    architecture = recognised(tensors, path)
    with torch.device("meta"):
        _demand_fit(ModifiedResNet(architecture, architecture.native), tensors, path)
        network = unfilled(architecture, config)
    tensors[POSITIONS] = fitted_positions(tensors[POSITIONS], network.size // STRIDE)
    counters = {name: torch.tensor(0) for name in network.state_dict() if name.endswith(COUNTER)}
    network.to_empty(device="cpu").load_state_dict(counters | tensors)
    return CLIPResNet(network, config, Provenance(str(path), f"sha256:{file_digest(path)}")).eval()


def read_visual(path: Path) -> Tensors:
    """The tensors of a checkpoint's picture encoder, without the prefix `visual.`."""
    if not path.is_file():
        raise RecipeError(f"{path}: no such file; expected weights of a CLIP ResNet, .safetensors or .pt")
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return {name.removeprefix(VISUAL): file.get_tensor(name) for name in _visual(file.keys())}
        except SafetensorError as error:
            raise RecipeError(
                f"{path}: not a readable safetensors file ({error}); copy or convert it again"
            ) from None
    found = _read_saved(path)
    return {name.removeprefix(VISUAL): found[name] for name in _visual(found)}


def _read_saved(path: Path) -> Mapping[str, Tensor]:
    if _is_torchscript(path):
        new = path.with_suffix(".safetensors").name
        raise RecipeError(
            f"{path}: a TorchScript archive, a program, not only weights; if you trust it, convert it once: "
            "safetensors.torch.save_file({name: t.contiguous() for name, t in "
            f"torch.jit.load({path.name!r}, map_location='cpu').state_dict().items() "
            f"if name.startswith({VISUAL!r})}}, {new!r})"
        )
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler may raise almost anything
        # Its own message would advise to load with less safety.
        raise RecipeError(
            f"{path}: not a checkpoint of weights alone ({type(error).__name__}); "
            "expected .safetensors, or torch.save of a state dict"
        ) from None
    mapping = isinstance(found, Mapping)
    if not mapping or not all(isinstance(n, str) and isinstance(t, Tensor) for n, t in found.items()):
        inside = f"a mapping of {some_of(map(str, found))}" if mapping else type(found).__name__
        raise RecipeError(f"{path}: holds {inside}; expected a state dict, names to tensors: save just that")
    return dict(found)


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _visual(names: Iterable[str]) -> list[str]:
    """The names with the prefix, or all names if none has it."""
    names = list(names)
    return [name for name in names if name.startswith(VISUAL)] or names


def recognised(tensors: Mapping[str, Tensor], path: Path) -> Architecture:
    """The architecture of a CLIP ResNet, from names and shapes of its tensors; `path` is for messages."""
    if "class_embedding" in tensors:
        raise RecipeError(
            f"{path}: weights of a CLIP vision transformer; expected a CLIP ResNet, such as RN50"
        )
    needed = [*DIMENSIONS, *(f"{layer}.0.conv1.weight" for layer in LAYERS)]
    if missing := [name for name in needed if name not in tensors]:
        raise RecipeError(
            f"{path}: not weights of a CLIP ResNet: no {some_of(missing)} among {len(tensors)} tensors; "
            "expected OpenAI's names, such as visual.conv1.weight"
        )
    for name, dimensions in DIMENSIONS.items():
        if tensors[name].dim() != dimensions or not tensors[name].numel():
            shape = tuple(tensors[name].shape)
            raise RecipeError(
                f"{path}: {name} has shape {shape}; expected {dimensions} dimensions, none empty"
            )
    places = len(tensors[POSITIONS]) - 1
    grid = isqrt(places)
    if grid**2 != places or not places:
        raise RecipeError(f"{path}: {POSITIONS} has {places + 1} rows; expected 1 + a square number")
    return Architecture(
        blocks=tuple(
            len({name.split(".")[1] for name in tensors if name.startswith(f"{layer}.")}) for layer in LAYERS
        ),
        width=2 * len(tensors["conv1.weight"]),
        output=len(tensors["attnpool.c_proj.weight"]),
        native=STRIDE * grid,
    )


def _blocks(names: Iterable[str], layer: str) -> int:
    return len({found[1] for name in names if (found := re.match(rf"{layer}\.(\d+)\.", name))})


def _demand_fit(network: ModifiedResNet, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises `RecipeError` unless the tensors are exactly those of `network`."""
    expected = network.state_dict()
    if missing := [name for name in expected if name not in tensors and not name.endswith(COUNTER)]:
        raise RecipeError(
            f"{path}: lacks {some_of(missing)}; the checkpoint is incomplete: copy or convert it again"
        )
    if unknown := [name for name in tensors if name not in expected]:
        raise RecipeError(f"{path}: {some_of(unknown)} is in no CLIP ResNet; expected only OpenAI's tensors")
    for name, tensor in expected.items():
        found = tensors.get(name, tensor)
        if found.shape != tensor.shape:
            raise RecipeError(
                f"{path}: {name} has shape {tuple(found.shape)}; expected {tuple(tensor.shape)}, "
                "consistent with the other tensors"
            )
        if found.is_floating_point() != tensor.is_floating_point():
            raise RecipeError(
                f"{path}: {name} is {found.dtype}; expected floating point: undo the quantisation"
            )
