"""Feature files from picture networks: the output of a layer for the picture of every item."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.choices import Fit
from pixelrec.console.progress import progress_line
from pixelrec.errors import FeatureError, RecipeError
from pixelrec.features.feature_file import ABOUT, NETWORK, FeatureFile
from pixelrec.features.feature_writer import FeatureWriter, writing
from pixelrec.images.covers import read_loose
from pixelrec.items.backbones.backbone import AbstractBackbone, Provenance
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.backbones.pooling import positions_of
from pixelrec.items.chunks import pictures_at_once
from pixelrec.items.pictures import Pictures

FEATURES = "features"
_LAYER = re.compile(r"(block|stage) (\d+)")


@final
@dataclass(frozen=True)
class Layer:
    """A layer of a network whose output describes a picture.

    Args:
        network: in evaluation mode, on its device.
        name: features, the pooled output of the network; stem; "block N" or "stage N", from 1.
        regions: a vector for each position of the layer's map instead of their mean.

    Raises:
        RecipeError: the network has no such layer, or the layer no positions.
    """

    network: AbstractBackbone
    name: str = FEATURES
    regions: bool = False

    def __post_init__(self) -> None:
        shape = self._shape  # raises for unknown layers
        if len(shape) == 2 and shape[0] == 1:
            raise RecipeError(
                f"layer {self.name!r} is computed for the class token alone, as that is this network's "
                "pooling; choose another one, such as mean"
            )
        if self.regions and len(shape) < 2:
            raise RecipeError(
                f"layer {self.name!r} has one vector per picture; regions need the map of an earlier one, "
                f"such as {self._names[-1]!r}"
            )

    @property
    def boundary(self) -> int:
        """The parts of the network up to the layer."""
        blocks, stages = len(self.network.blocks), self.network.stages
        if self.name == FEATURES:
            return blocks + 2
        if self.name == "stem":
            return 1
        match = _LAYER.fullmatch(self.name)
        number = int(match[2]) if match else 0
        if match and match[1] == "block" and 1 <= number <= blocks:
            return 1 + number
        if match and match[1] == "stage" and 1 <= number <= len(stages):
            return 1 + sum(stages[:number])
        raise RecipeError(
            f"there is no layer {self.name!r}; this network has {', '.join(self._names)}, for example"
        )

    @property
    def _names(self) -> list[str]:
        blocks, stages = len(self.network.blocks), len(self.network.stages)
        last = [f"stage {stages}"] if stages else []
        return [FEATURES, "stem", "block 1", f"block {blocks}", *last]

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.network.state_shape(self.boundary)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the vectors of one picture: W, or R, W."""
        return tuple(self._vectors(torch.zeros(1, *self._shape)).shape[1:])

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> np.ndarray:
        """n, W or n, R, W of pictures uint8 n, S, S, 3, in fp32."""
        network = self.network
        pixels = network.input.normalise(pictures.to(next(network.parameters()).device), torch.float32)
        return self._vectors(network.lower(pixels, self.boundary)).float().cpu().numpy()

    def _vectors(self, states: Tensor) -> Tensor:
        """Of states n, W; n, T, W of tokens; or n, C, H, W of maps."""
        if states.dim() == 2:
            return states
        positions = positions_of(states)
        return positions if self.regions else positions.mean(1)


def extract(
    layer: Layer,
    pictures: Pictures,
    out: Path,
    *,
    dtype: str = "float32",
    chunk: int | None = None,
    overwrite: bool = False,
) -> Extraction:
    """Writes the vectors of all items of a data set; run again, only of new or changed pictures.

    An interrupted call continues after its last chunk.

    Args:
        layer: computes the vectors.
        pictures: of the items.
        out: folder of the feature file.
        dtype: float32 or float16.
        chunk: pictures at a time; by default as many as suit the network and the device.
        overwrite: replace features of another network or layer at `out`.

    Raises:
        FeatureError: `out` holds anything else, or cannot be written.
        ImageError: an item has no picture.
    """
    pictures.demand_size(layer.network.input.size)
    pictures.demand_all()
    origin = origin_of(layer, pictures.store.fit)
    ids, digests = pictures.ids, pictures.digests
    before = _before(out, origin, np.dtype(dtype))
    known = _unchanged(before, ids, digests)
    if before is not None and len(before) == len(ids) == int((known >= 0).sum()):
        return Extraction(before, 0, len(ids))
    boundary, device = layer.boundary, next(layer.network.parameters()).device
    size = chunk or pictures_at_once(layer.network, 0, boundary, device)
    replacing = overwrite or before is not None
    with writing(
        out, ids, layer.shape, origin, pictures=digests, dtype=dtype, overwrite=replacing, resumable=True
    ) as writer:
        computed = _write(writer, layer, pictures, before, known, size)
    return Extraction(FeatureFile.open(out), computed, len(ids) - computed)


@dataclass(frozen=True)
class Extraction:
    """A feature file, the pictures that passed through the network now, and those that need not."""

    features: FeatureFile
    computed: int
    reused: int


def vectors_of(files: Sequence[Path], features: FeatureFile) -> np.ndarray:
    """Vectors of new pictures by the network that features were extracted with: n, W or n, R, W.

    Raises:
        FeatureError: the features are of another kind, or their network is missing or was changed.
        ImageError: a file is no picture.
    """
    layer, origin = _layer_of(features), features.network_origin
    size, found = pictures_at_once(layer.network, 0, layer.boundary, torch.device("cpu")), []
    for start in range(0, len(files), size):
        pictures = read_loose(files[start : start + size], size=origin["size"], fit=origin["fit"])
        found.append(layer(torch.from_numpy(pictures)))
    return np.concatenate(found)


def _layer_of(features: FeatureFile) -> Layer:
    origin, where = features.network_origin, features.folder
    if origin.get("kind") != NETWORK:
        raise FeatureError(
            f"{where} was not extracted by a picture network, so a new picture cannot be given a vector; ask "
            "for an item instead"
        )
    described = origin["network"]
    commit = Provenance(origin["source"], origin["revision"]).commit
    pooling, size, *_ = _pictures_taken(described)
    options = BackboneOptions(pooling, size)
    config = NetworkConfig(
        origin["source"],
        described["family"],
        True,
        commit,
        options=options,
        depths=described.get("depths"),
        spread=described.get("spread", True),
    )
    try:
        network = make_network(config).eval()
    except RecipeError as error:
        raise FeatureError(f"the network of {where} cannot be loaded: {error}") from error
    same = _as_json(_pictures_taken(network.describe())) == _pictures_taken(described)
    if network.provenance.revision != origin["revision"] or not same:
        raise FeatureError(
            f"{origin['source']} is not the network that {where} was extracted with: its weights or its "
            "preprocessing differ; put the old one back, or extract again"
        )
    return Layer(network, origin["layer"], origin["regions"])


def _pictures_taken(described: Mapping[str, Any]) -> list[Any]:
    """Pooling, size, and mean and deviation of colours, of a network's description."""
    inner = described if "pooling" in described else described["config"]
    return [inner[name] for name in ("pooling", "size", "mean", "std")]


def _write(
    writer: FeatureWriter,
    layer: Layer,
    pictures: Pictures,
    before: FeatureFile | None,
    known: np.ndarray,
    size: int,
) -> int:
    """Appends the missing rows in order; the number of pictures that were encoded."""
    computed, start = 0, writer.done
    with progress_line("pictures", len(known) - start) as advance:
        for rows, read in _ahead(start, known, pictures, size):
            fresh = known[rows] < 0
            if before is None:
                block = layer(read)
            else:
                block = np.array(before.vectors[np.maximum(known[rows], 0)])
                if fresh.any():
                    block[fresh] = layer(read)
            writer.append(block)
            computed += int(fresh.sum())
            for _ in rows:
                advance()
    return computed


def _ahead(
    start: int, known: np.ndarray, pictures: Pictures, size: int
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Rows in chunks, and the pictures of those that are not known; the next chunk is read meanwhile."""

    def read(rows: np.ndarray) -> Tensor:
        return pictures.read(rows[known[rows] < 0] + 1)

    chunks = [np.arange(at, min(at + size, len(known))) for at in range(start, len(known), size)]
    with ThreadPoolExecutor(1, thread_name_prefix="pictures") as pool:
        waiting = [pool.submit(read, rows) for rows in chunks[:1]]
        for rows, after in zip(chunks, [*chunks[1:], None], strict=True):
            found = waiting.pop().result()
            if after is not None:
                waiting.append(pool.submit(read, after))
            yield rows, found


def origin_of(layer: Layer, fit: Fit) -> dict[str, Any]:
    """Of a feature file of that layer, for pictures that were made square by `fit`."""
    network = layer.network
    return {
        "kind": NETWORK,
        "network": network.describe(),
        **asdict(network.provenance),
        "layer": layer.name,
        "regions": layer.regions,
        "size": network.input.size,
        "fit": fit,
    }


def _before(out: Path, origin: dict[str, Any], dtype: np.dtype[Any]) -> FeatureFile | None:
    """The features that are at `out`, if they are of the same network, layer and dtype."""
    if not (out / ABOUT).is_file():
        return None
    try:
        found = FeatureFile.open(out)
        found.verify()
    except FeatureError:
        return None
    same = dict(found.origin) == _as_json(origin) and found.vectors.dtype == dtype
    return found if same else None


def _as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def _unchanged(before: FeatureFile | None, ids: list[str], digests: list[str]) -> np.ndarray:
    """int64[N]: the row in `before` of each item whose picture is the same, else −1."""
    if before is None:
        return np.full(len(ids), -1)
    rows = before.rows_of(ids)
    then = before.pictures.to_list()
    same = [row >= 0 and then[row] == digest for row, digest in zip(rows.tolist(), digests, strict=True)]
    return np.where(same, rows, -1)
