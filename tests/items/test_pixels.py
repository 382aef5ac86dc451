"""The picture encoder: one vector per picture whatever the way, exact gradients, constants that stay so."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from items.backbones.conftest import TINY, shake
from torch import Tensor

from pixelrec.batch import DatasetSpec, Items
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import ImageError, PixelrecError, RecipeError, RequestError
from pixelrec.features.control import exchanged
from pixelrec.features.treatment import items_with_events
from pixelrec.images.store import PictureStore
from pixelrec.items.backbones.backbone import AbstractBackbone, Provenance
from pixelrec.items.backbones.clip_resnet import Architecture, CLIPResNet, CLIPResNetConfig, ModifiedResNet
from pixelrec.items.backbones.cnnf import CNNF
from pixelrec.items.backbones.deep import Deep
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.backbones.recomputation import fixed_statistics
from pixelrec.items.cache.feeds import CacheFeed, PictureFeed, ResidentFeed
from pixelrec.items.cache.key import DTYPES, Dtype
from pixelrec.items.cache.policy import Frozen
from pixelrec.items.pixels import PixelEncoder
from pixelrec.recommender import Recommender

SIZE = 32
LINES: list[str] = []
Make = Callable[..., PixelEncoder]


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(8, training_events(dataset))


def tiny(name: str) -> AbstractBackbone:
    """A small network of a kind; its weights make every part matter."""
    if name == "clip_resnet":
        architecture = Architecture((1, 1, 1, 1), width=16, output=24, native=SIZE)
        config = CLIPResNetConfig(size=SIZE, frozen_pool=False)
        found: AbstractBackbone = CLIPResNet(ModifiedResNet(architecture, SIZE), config).eval()
    elif name == "cnnf":
        found = CNNF(size=39, width=16, dropout=0.0).eval()
    else:
        options = BackboneOptions(size=SIZE, attention="sdpa")
        found = make_network(NetworkConfig(family=name, pretrained=False, sizes=TINY[name], options=options))
    shake(found)
    return found


def items_of(encoder: PixelEncoder, ids: list[int]) -> Items:
    return Items(torch.tensor(ids), encoder.load(np.array(ids)))


def test_an_unwritable_cache_folder_is_told_before_the_network_loads(
    spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("pixelrec.items.pixels.make_network", lambda _: pytest.fail("loaded"))
    with pytest.raises(ImageError, match="cannot write activations"):
        PixelEncoder(spec, family="vit", cache="always", cache_folder=str(tmp_path / "file" / "cache"))


def made(spec: DatasetSpec, network: AbstractBackbone | None = None, **config: Any) -> PixelEncoder:
    return PixelEncoder(spec, network or tiny("clip"), **{"width": 6, "cache": "never", **config})


def gradients(encoder: PixelEncoder, table: Tensor) -> dict[str, Tensor]:
    """Gradients of a loss with a different weight for every number of the table."""
    weight = torch.arange(1.0, table.numel() + 1, dtype=table.dtype).view_as(table).sin()
    encoder.zero_grad()
    (table * weight).sum().backward()
    return {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}


def plain(encoder: PixelEncoder, spec: DatasetSpec, ids: list[int]) -> Tensor:
    """The published way, written out: each slot's picture through the whole network, then linear and ReLU."""
    assert spec.covers is not None and spec.item_ids is not None
    store = PictureStore.open(spec.covers)
    rows = []
    for number in ids:
        if number == 0:
            rows.append(torch.zeros(encoder.width, dtype=torch.float64))
            continue
        picture = torch.from_numpy(store.read([spec.item_ids[number - 1]])).double() / 255
        mean, std = (
            torch.tensor(v).double() for v in (encoder.backbone.input.mean, encoder.backbone.input.std)
        )
        features = encoder.backbone(((picture - mean) / std).permute(0, 3, 1, 2))
        linear = encoder.project.linear
        x = (features @ linear.weight.T + linear.bias).clamp(min=0)[0]
        rows.append(x.mean(0) if x.dim() == 2 else x)
    return torch.stack(rows)


@pytest.mark.parametrize("network", ["clip", "resnet", "clip_resnet"])
def test_the_table_is_the_published_one(spec: DatasetSpec, network: str) -> None:
    published: dict[str, Any] = {"norm": "none", "activation": "relu", "init": "xavier_normal"}
    encoder = made(spec, tiny(network), trainable="all", **published).double().eval()
    ids = [0, 3, 1, 60, 119]
    torch.testing.assert_close(encoder(items_of(encoder, ids)), plain(encoder, spec, ids))


@pytest.mark.parametrize(("chunk", "kept"), [(3, 0), (3, 3), (4, 6), (2, 1000), (1, 0)])
def test_gradients_do_not_depend_on_chunks_or_recomputation(spec: DatasetSpec, chunk: int, kept: int) -> None:
    network = tiny("clip")
    whole = made(spec, network, chunk=1000, keep_activations=1000, trainable="all").double().eval()
    parts = made(spec, network, chunk=chunk, keep_activations=kept, trainable="all").double().eval()
    parts.load_state_dict(whole.state_dict())
    items = items_of(whole, [0, *range(1, 12)])
    expected, found = (gradients(e, e(items)) for e in (whole, parts))
    assert expected.keys() == found.keys() and len(found) > 20
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-12)


def test_other_activations_are_recomputed(spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made(spec, chunk=2, keep_activations=4)
    passes = []
    upper = type(encoder.backbone).upper
    monkeypatch.setattr(
        type(encoder.backbone), "upper", lambda self, x, b: passes.append(len(x)) or upper(self, x, b)
    )
    table = encoder(items_of(encoder, [0, *range(1, 9)]))
    assert passes == [2, 2, 2, 2]
    table.sum().backward()
    assert passes == [2, 2, 2, 2, 2, 2], "two chunks were kept, two were not"


def test_as_many_activations_are_kept_as_fit(spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made(spec, chunk=2, trainable="all")
    passes: list[int] = []
    upper = type(encoder.backbone).upper
    monkeypatch.setattr(
        type(encoder.backbone), "upper", lambda self, x, b: passes.append(len(x)) or upper(self, x, b)
    )

    def recomputed_of_eight(room: int) -> int:
        monkeypatch.setattr("pixelrec.items.chunks.ACTIVATION_BYTES", room)
        encoder._fitting = None
        passes.clear()
        encoder(items_of(encoder, [0, *range(1, 9)])).sum().backward()
        return (sum(passes) - 4 - 8 - 8) // 2  # to see what they keep, and for their vectors

    assert recomputed_of_eight(1 << 30) == 0, "small pictures all fit"
    items = items_of(encoder, [0, *range(1, 9)])
    inner = encoder._activation_bytes(items.payload, 8)
    assert inner == encoder._activation_bytes(items.payload, 4) > encoder.feed.row_bytes
    assert (recomputed_of_eight(int(4.5 * inner)), encoder.kept_pictures) == (2, 4)
    assert (recomputed_of_eight(1), encoder.kept_pictures) == (4, 0)


def test_measuring_activations_has_no_side_effects(spec: DatasetSpec) -> None:
    """Neither random numbers nor running statistics: a resumed run measures once more."""
    seen, known = (made(spec, tiny("resnet"), trainable="all", batch_norms="batch").train() for _ in range(2))
    known.load_state_dict(seen.state_dict())
    known._fitting = 1000
    torch.manual_seed(1)
    first = seen(items_of(seen, [0, *range(1, 9)]))
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(known(items_of(known, [0, *range(1, 9)])), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert seen._fitting is not None
    for name, tensor in seen.named_buffers():
        assert torch.equal(known.get_buffer(name), tensor), name


def test_chunks_leave_memory_for_recomputation(spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made(spec)
    before = encoder.chunk
    inner = encoder._activation_bytes(items_of(encoder, list(range(1, 9))).payload, 8)
    for pictures, expected in ((10_000, before), (40, min(before, 20)), (4, min(before, 8))):
        monkeypatch.setattr("pixelrec.items.chunks.ACTIVATION_BYTES", int((pictures + 0.5) * inner))
        encoder._fitting = None
        encoder(items_of(encoder, [0, 1, 2, 3]))
        assert encoder._fitting is None, "three say too little"
        encoder(items_of(encoder, [0, *range(1, 9)]))
        assert (encoder.chunk, encoder.kept_pictures) == (expected, pictures)


def test_cast_weights_do_not_count_as_activations(spec: DatasetSpec) -> None:
    """Autocast keeps weights in bf16 for their gradients: once, however many pictures pass."""
    encoder = made(spec, precision="bf16")
    payload = items_of(encoder, list(range(1, 25))).payload
    with encoder._autocast():
        few = encoder._activation_bytes(payload, 8)
    with encoder._autocast():
        many = encoder._activation_bytes(payload, 24)
    assert few == pytest.approx(many, rel=1e-3)


def test_batch_norm_chunks_are_the_same_on_every_device(spec: DatasetSpec) -> None:
    encoder = made(spec, tiny("resnet"), trainable="all", batch_norms="batch").train()
    before = encoder.chunk
    encoder._fitting = 3  # little memory is left
    assert encoder.chunk == before == 128
    assert encoder.eval().chunk == 8, "where they are fixed, a chunk is a matter of speed and memory"


def test_batch_norms_of_random_weights_start_with_statistics_of_the_catalogue(spec: DatasetSpec) -> None:
    """The bank's first vectors come from evaluation mode: they must be those that training computes."""
    words = {"family": "resnet", "pretrained": False, "sizes": TINY["resnet"], "trainable": "all"}
    torch.manual_seed(0)
    encoder = PixelEncoder(spec, width=6, norm="items", activation="none", cache="never", **words)
    items = items_of(encoder, list(range(1, spec.items + 1)))

    def cosines() -> Tensor:
        with torch.no_grad(), fixed_statistics(encoder):
            banked, trained = encoder.eval()(items), encoder.train()(items)
        return torch.cosine_similarity(banked[1:], trained[1:])

    assert cosines().mean() < 0.9, "or there is nothing to mend"
    encoder.prepare(LINES.append)
    assert cosines().min() > 0.99
    learnt = {name: tensor.clone() for name, tensor in encoder.named_buffers()}
    encoder.prepare(LINES.append)
    assert all(torch.equal(tensor, learnt[name]) for name, tensor in encoder.named_buffers()), "once"
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_padding_is_neither_loaded_nor_encoded(spec: DatasetSpec) -> None:
    encoder = made(spec)
    payload = encoder.load(np.array([0, 5, 7]))
    assert payload["rows"].tolist() == [1, 2] and len(payload["pictures"]) == 2
    table = encoder(items_of(encoder, [0, 5, 7]))
    assert not table[0].any() and table[1:].abs().sum() > 0
    assert encoder(items_of(encoder, [0])).shape == (1, 6)


@pytest.mark.parametrize("trainable", ["all", 2, "head", "none"])
def test_frozen_parts_are_constant(spec: DatasetSpec, trainable: int | str) -> None:
    encoder = made(spec, tiny("resnet"), trainable=trainable, batch_norms="batch").train()
    boundary = encoder.backbone.boundary
    before = {k: v.clone() for k, v in encoder.backbone.state_dict().items()}
    encoder(items_of(encoder, [0, *range(1, 9)])).sum().backward()
    for i, part in enumerate(encoder.backbone.parts):
        assert all((p.grad is not None) == (i >= boundary) for p in part.parameters())
    after = encoder.backbone.state_dict()
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    frozen = {id(b) for part in encoder.backbone.parts[:boundary] for b in part.buffers()}
    assert all(id(b) not in frozen for n, b in encoder.backbone.named_buffers() if n in moved)
    assert bool(moved) == (trainable in ("all", 2)), "batch norms of what is trained follow the batch"


@pytest.mark.parametrize(
    ("choice", "pretrained", "depends"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("batch", True, True),
        ("fixed", False, False),
    ],
)
def test_vectors_of_pretrained_networks_do_not_depend_on_the_rest_of_the_batch(
    spec: DatasetSpec, choice: str, pretrained: bool, depends: bool
) -> None:
    encoder = made(spec, tiny("resnet"), trainable="all", batch_norms=choice, pretrained=pretrained).train()
    few, many = (encoder(items_of(encoder, [0, *range(1, n)]))[1] for n in (4, 12))
    assert torch.allclose(few, many, atol=1e-5) != depends


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
@pytest.mark.parametrize("network", [*FAMILIES, "clip_resnet"])
def test_losses_and_gradients_are_the_same_from_the_cache(
    spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, dtype: Dtype
) -> None:
    backbone = tiny(network)
    config: dict[str, Any] = {"chunk": 5, "keep_activations": 5, "norm": "none"}
    config["trainable"] = 2 if len(backbone.blocks) > 2 else 1
    fresh = made(spec, backbone, **config).eval()
    cached = made(spec, backbone, cache="always", cache_dtype=dtype, cache_folder=str(tmp_path), **config)
    cached.load_state_dict(fresh.state_dict())
    cached.eval().prepare(LINES.append)
    assert isinstance(cached.feed, CacheFeed) and isinstance(fresh.feed, PictureFeed)
    ids = [0, *range(1, 20, 2)]
    # The same computation without a cache, rounded only at the boundary.
    frozen = Frozen(fresh.backbone, fresh.constant, fresh.pictures)
    rounded = frozen.states(np.array(ids[1:]), dtype).to(DTYPES[dtype]).float()
    exact = frozen.states(np.array(ids[1:]), "fp32")
    assert_near(rounded, exact, {"fp16": 1e-3, "bf16": 3e-2, "fp32": 1e-6}[dtype])
    monkeypatch.setattr(PictureFeed, "states", lambda _self, _payload, some: rounded[some])
    expected, found = (e(items_of(e, ids)) for e in (fresh, cached))
    assert_near(found, expected, 1e-5 if dtype != "bf16" else 3e-2)
    expected, found = (gradients(e, t) for e, t in ((fresh, expected), (cached, found)))
    assert expected.keys() == found.keys()
    everything = (torch.cat([g.flatten() for g in some.values()]) for some in (found, expected))
    assert_near(*everything, 1e-4 if dtype != "bf16" else 0.1)


DEEP: dict[str, Any] = {"depths": "all", "trainable": "none"}


def deep(spec: DatasetSpec, network: str = "resnet", **config: Any) -> PixelEncoder:
    return made(spec, Deep(tiny(network), "all"), **{**DEEP, **config})


@pytest.mark.parametrize("network", ["clip", "resnet"])
def test_rows_of_all_depths_are_the_same_whatever_the_way(
    spec: DatasetSpec, tmp_path: Path, network: str
) -> None:
    """From pictures or the cache, in batches of any size, as an item or as a new cover."""
    words: dict[str, Any] = {"cache": "always", "cache_dtype": "fp32", "cache_folder": str(tmp_path)}
    cached = deep(spec, network, adapters=3, **words)
    cached.prepare(LINES.append)
    torch.nn.init.normal_(cached.project.adapters.up[0].weight)  # type: ignore[union-attr, arg-type]
    assert isinstance(cached.feed, CacheFeed) and cached.feed.row_bytes == 4 * cached.backbone.width
    fresh = deep(spec, network, adapters=3)
    fresh.load_state_dict(cached.state_dict())
    ids = list(range(1, spec.items + 1))
    with torch.no_grad():
        expected = cached(items_of(cached, [0, *ids]))
        for size in (1, 7, 64):
            batches = [ids[start : start + size] for start in range(0, len(ids), size)]
            for encoder in (cached, fresh):
                found = torch.cat([encoder(items_of(encoder, some)) for some in batches])
                torch.testing.assert_close(found, expected[1:], rtol=1e-4, atol=1e-5)
        pictures = fresh.pictures.read(np.array(ids[:9]))
        torch.testing.assert_close(fresh.unseen(pictures), expected[1:10], rtol=1e-4, atol=1e-5)


def test_rows_are_standardised_over_items_with_training_events(spec: DatasetSpec) -> None:
    assert spec.history is not None
    encoder = deep(spec, adapters=3)
    encoder.prepare(LINES.append)
    with_events = np.flatnonzero(items_with_events(spec.history, spec.items))
    with torch.no_grad():
        rows = encoder.backbone(encoder.backbone.input.normalise(encoder.pictures.read(with_events)))
        standardised = encoder.project.norm(rows)
    assert len(with_events) < spec.items
    torch.testing.assert_close(standardised.mean(0), torch.zeros(rows.shape[1]), rtol=0, atol=1e-4)
    varies = rows.std(0) > 1e-4
    assert varies.sum() > 50
    deviations = standardised.std(0, correction=0)[varies]
    torch.testing.assert_close(deviations, torch.ones(len(deviations)), rtol=0, atol=1e-3)


def test_only_the_head_and_adapters_over_frozen_rows_are_trained(spec: DatasetSpec) -> None:
    with_adapters, without = deep(spec, adapters=8).train(), deep(spec).train()  # of 3, all may be dead
    without.load_state_dict(with_adapters.state_dict(), strict=False)
    items = items_of(without, list(range(9)))
    assert torch.equal(with_adapters(items), without(items)), "they start as no correction"
    for up in with_adapters.project.adapters.up:  # type: ignore[union-attr]
        torch.nn.init.normal_(up.weight)  # type: ignore[arg-type]
    found = gradients(with_adapters, with_adapters(items))
    own = {f"project.{name}" for name, _ in with_adapters.project.named_parameters()}
    assert found.keys() == own and all(gradient.any() for gradient in found.values())


def test_queries_start_as_the_mean_of_tokens_and_weight_them(spec: DatasetSpec) -> None:
    words: dict[str, Any] = {"pooling": "tokens", "trainable": "none", "width": 6}
    with_queries, without = (made(spec, tiny("clip"), queries=q, **words).train() for q in (3, 0))
    without.load_state_dict(with_queries.state_dict(), strict=False)
    ids = list(range(1, 9))
    items = items_of(without, ids)
    torch.testing.assert_close(with_queries(items), without(items))
    queries = with_queries.project.queries
    assert queries is not None and gradients(with_queries, with_queries(items))["project.queries"].any()
    torch.nn.init.normal_(queries)
    tokens = with_queries.backbone(
        with_queries.backbone.input.normalise(with_queries.pictures.read(np.array(ids)))
    )
    normalised = with_queries.project.norm(tokens)
    values = with_queries.project.linear(normalised)
    parts = []
    for number, query in enumerate(queries):
        weights = torch.softmax(normalised @ query, 1)
        parts.append((weights[:, :, None] * values[:, :, 2 * number : 2 * number + 2]).sum(1))
    torch.testing.assert_close(with_queries(items), torch.cat(parts, 1), rtol=1e-4, atol=1e-5)
    for wrong, says in (({"width": 8}, "does not divide items.width, 8"), (DEEP, "have one vector each")):
        network = tiny("clip") if "width" in wrong else Deep(tiny("clip"), "all")
        with pytest.raises(RecipeError, match=says):
            made(spec, network, **{**words, "queries": 3, **wrong})


@pytest.mark.parametrize(
    ("network", "words", "trained"),
    [("resnet", {"trainable": 1}, ".blocks.4."), ("clip", {"trainable": "none", "lora": 2}, ".blocks.0.")],
)
def test_blocks_below_rows_are_trained_from_the_cache(
    spec: DatasetSpec, tmp_path: Path, network: str, words: dict[str, Any], trained: str
) -> None:
    words = {"norm": "none", **words}
    fresh = deep(spec, network, **words)
    cached = deep(spec, network, cache="always", cache_dtype="fp32", cache_folder=str(tmp_path), **words)
    cached.load_state_dict(fresh.state_dict())
    cached.prepare(LINES.append)
    assert isinstance(cached.feed, CacheFeed)
    expected, found = (gradients(e, e(items_of(e, [0, 3, 1, 60]))) for e in (fresh.eval(), cached.eval()))
    assert expected.keys() == found.keys() and any(trained in name for name in found)
    for name in expected:
        if expected[name].any():
            assert_near(found[name], expected[name], 1e-3)


def assert_near(found: Tensor, expected: Tensor, share: float) -> None:
    """Off by at most a share of the expected length: single numbers near zero are noise."""
    off = float(((found - expected).norm() / expected.norm()).detach())
    assert off <= share, f"off by {off:.2g} of its length"


def test_a_cache_is_made_once_and_reused(spec: DatasetSpec, tmp_path: Path) -> None:
    network, seen = tiny("vit"), []
    lower = type(network).lower
    type(network).lower = lambda self, x, b=None: seen.append(len(x)) or lower(self, x, b)
    try:
        config = {"cache": "always", "cache_folder": str(tmp_path), "trainable": "head"}
        made(spec, network, **config).prepare(LINES.append)
        assert sum(seen) >= spec.items
        seen.clear()
        again = made(spec, network, **config)
        again.load(np.array([0, 1]))
        assert isinstance(again.feed, CacheFeed) and sum(seen) < 5, "verified, not computed"
    finally:
        type(network).lower = lower


def test_auto_uses_no_cache_on_a_full_disk(
    spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=1500))
    config = {"cache_folder": str(tmp_path / "cache"), "trainable": "none"}
    told: list[str] = []
    encoder = made(spec, tiny("vit"), cache="auto", **config)
    encoder.prepare(told.append)
    assert isinstance(encoder.feed, PictureFeed) and not (tmp_path / "cache").exists()
    assert any("activation cache: no, it would take" in line and "1.5 kB are free" in line for line in told)
    with pytest.raises(ImageError, match="make room"):
        made(spec, tiny("vit"), cache="always", **config).prepare(told.append)


@pytest.mark.parametrize("problem", ["too small", "damaged", "a file in the way"])
def test_an_automatic_cache_stops_no_training(spec: DatasetSpec, tmp_path: Path, problem: str):
    told: list[str] = []
    config = {"cache_folder": str(tmp_path / "cache"), "trainable": "none"}
    network = tiny("vit")
    if problem == "too small":
        with torch.no_grad():
            for parameter in network.head.parameters():
                parameter *= 1e-7
    elif problem == "damaged":
        made(spec, network, cache="always", **config).prepare(told.append)
        next((tmp_path / "cache").glob("*/states.bin")).write_bytes(b"x")
    else:
        (tmp_path / "cache").write_text("mine")
    encoder = made(spec, network, cache="auto", **config)
    encoder.prepare(told.append)
    assert isinstance(encoder.feed, PictureFeed)
    assert [line for line in told if line.startswith("activation cache: no, ")]
    with pytest.raises((ImageError, RecipeError)):
        made(spec, network, cache="always", **config).prepare(told.append)


@pytest.mark.parametrize(
    ("commit", "revision", "lines"),
    [("4d1c", None, 1), ("4d1c", "main", 0), ("sha256:1", None, 0), (None, None, 0)],
)
def test_a_network_of_the_hub_without_a_revision_is_told(
    spec: DatasetSpec, commit: str | None, revision: str | None, lines: int
):
    told: list[str] = []
    network = tiny("vit")
    network.provenance = Provenance("google/vit", commit)
    made(spec, network, revision=revision).prepare(told.append)
    expected = "google/vit of the hub is at commit 4d1c now: items.revision 4d1c pins it"
    assert [line for line in told if "commit" in line] == [expected] * lines


def test_the_whole_cache_is_verified_before_training(
    spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.items.cache.store._SAMPLED", 0)
    config = {"cache": "always", "cache_folder": str(tmp_path), "trainable": "head", "chunk": 8}
    network = tiny("vit")
    made(spec, network, **config).prepare(LINES.append)
    (states,) = tmp_path.glob("*/states.bin")
    content = bytearray(states.read_bytes())
    content[len(content) // 2 + 1] ^= 1
    states.write_bytes(content)
    assert isinstance(made(spec, network, **config).feed, CacheFeed), "a sample missed it"
    with pytest.raises(ImageError, match="another checksum"):
        made(spec, network, **config).prepare(LINES.append)


def test_states_in_device_memory_are_the_same(spec: DatasetSpec, tmp_path: Path) -> None:
    encoder = made(spec, cache="always", cache_folder=str(tmp_path)).eval()
    encoder.prepare(LINES.append)
    expected = encoder(items_of(encoder, [0, 4, 2]))
    assert isinstance(encoder.feed, CacheFeed)
    encoder._feed = ResidentFeed(encoder.feed.activations.resident("cpu"))
    assert torch.equal(encoder(items_of(encoder, [0, 4, 2])), expected)


def test_a_new_picture_needs_no_data_set(spec: DatasetSpec, tmp_path: Path) -> None:
    alone = DatasetSpec(spec.users, spec.items, spec.length)
    encoder = made(alone, cache="always", cache_folder=str(tmp_path), trainable=1).eval()
    assert encoder.unseen(torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)).shape == (2, encoder.width)


def test_a_new_picture_has_the_vector_that_it_would_have_in_the_catalogue(spec: DatasetSpec) -> None:
    encoder = made(spec, chunk=2).eval()
    form = encoder.picture_form()
    assert (form.size, form.fit) == (SIZE, "stretch")
    known = encoder(items_of(encoder, [0, 8, 9, 10]))[1:]
    torch.testing.assert_close(encoder.unseen(encoder.pictures.read(np.array([8, 9, 10]))), known)


def test_a_saved_network_does_not_need_its_source(
    spec: DatasetSpec, tmp_path: Path, make_checkpoint: Callable[[str], Path]
) -> None:
    source = make_checkpoint("clip")
    items = {"name": "pixels", "source": str(source), "width": 8, "statistics": "half", "cache": "never"}
    trained = Recommender(items, {"name": "sasrec"}, {"name": "dot"}, spec).eval()
    trained.save(tmp_path / "saved")
    (source / "model.safetensors").unlink()
    (source / "config.json").unlink()
    loaded = Recommender.from_pretrained(tmp_path / "saved", data=spec)
    assert torch.equal(trained.catalogue().table, loaded.catalogue(chunk=7).table) or torch.allclose(
        trained.catalogue().table, loaded.catalogue(chunk=7).table, atol=1e-6
    )
    described = json.loads((tmp_path / "saved" / "recommender.json").read_text())["described"]
    assert described["provenance"]["source"] == str(source)
    assert described["provenance"]["revision"].startswith("sha256:")
    assert loaded.items.describe() == trained.items.describe()


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[[str], Path]:
    def make(family: str) -> Path:
        kind = FAMILIES[family].model_class()
        kind(kind.config_class(**TINY[family])).save_pretrained(tmp_path / family)
        return tmp_path / family

    return make


def test_frozen_blocks_with_lora_are_recomputed_too(
    spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = made(spec, tiny("clip"), trainable=1, lora=2, recompute=True, keep_activations=1000).train()
    seen: list[torch.nn.Module] = []
    monkeypatch.setattr(
        "pixelrec.items.backbones.backbone.recomputed", lambda part, x: seen.append(part) or part(x)
    )
    encoder(items_of(encoder, [0, 1, 2]))
    parts = encoder.backbone.parts
    assert set(seen) >= {*parts[1:-1]} and parts[0] not in seen, "all blocks, and not the stem"


def test_lora_corrects_frozen_blocks(spec: DatasetSpec) -> None:
    encoder = made(spec, tiny("clip"), trainable=1, lora=2).double().eval()
    assert encoder.constant == 1, "only the stem stays the same"
    plain = made(spec, tiny("clip"), trainable=1).double().eval()
    plain.load_state_dict(
        {k.replace(".base_layer", ""): v for k, v in encoder.state_dict().items() if "lora_" not in k}
    )
    items = items_of(encoder, [0, 1, 2])
    torch.testing.assert_close(encoder(items), plain(items), msg="it starts at zero")
    found = gradients(encoder, encoder(items))
    below = {n for n in found if n.startswith("backbone.blocks.0.")}
    assert below and all("lora_" in n for n in below)
    assert any(n.startswith("backbone.blocks.2.") and "lora_" not in n for n in found)


def test_lora_needs_linear_layers(spec: DatasetSpec) -> None:
    with pytest.raises(
        RecipeError, match="items.lora is 4, and the frozen part of this network has no linear"
    ):
        made(spec, tiny("resnet"), trainable=1, lora=4)


def test_recomputed_blocks_give_the_same(spec: DatasetSpec) -> None:
    network = tiny("clip")
    encoders = [made(spec, network, trainable="all", recompute=word).double() for word in (False, True)]
    encoders[1].load_state_dict(encoders[0].state_dict())
    found = []
    for encoder in encoders:
        encoder.backbone.recompute = encoder is encoders[1]
        found.append(gradients(encoder, encoder(items_of(encoder, [0, 1, 2, 3]))))
    for name in found[0]:
        torch.testing.assert_close(found[1][name], found[0][name])


def test_random_networks_take_the_size_of_the_packed_pictures(spec: DatasetSpec) -> None:
    encoder = PixelEncoder(spec, family="resnet", pretrained=False, sizes=dict(TINY["resnet"]), cache="never")
    assert encoder.picture_form().size == SIZE


@pytest.mark.parametrize(
    ("change", "config", "error", "says"),
    [
        ({"covers": None}, {}, ImageError, "pack the covers of its items with `pixelrec images pack"),
        ({"covers": None, "folder": None}, {}, RequestError, "give it with --data"),
        ({}, {"cache": "always", "trainable": "all"}, RecipeError, "nothing of the network is frozen"),
        ({}, {"trainable": 9}, RecipeError, "items.trainable is 9 top blocks, and the network has 3"),
    ],
)
def test_mistakes_are_errors_before_training(
    spec: DatasetSpec, change: dict[str, Any], config: dict[str, Any], error: type[PixelrecError], says: str
) -> None:
    with pytest.raises(error, match=says):
        made(replace(spec, **change), **config).prepare(LINES.append)


def test_pictures_of_another_size_and_missing_ones(spec: DatasetSpec) -> None:
    with pytest.raises(ImageError, match=r"have 32 pixels a side, and the network takes 39: .*--size 39"):
        made(spec, tiny("cnnf"))
    assert spec.item_ids is not None
    with pytest.raises(ImageError, match="lacks pictures of 1 of the data set's 121 items: 'nobody'"):
        made(replace(spec, item_ids=[*spec.item_ids, "nobody"])).prepare(LINES.append)


def test_copies_and_pickles_compute_the_same(spec: DatasetSpec) -> None:
    encoder = made(spec).eval()
    expected = encoder(items_of(encoder, [0, 3, 1]))
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):  # noqa: S301
        assert torch.equal(other(items_of(other, [0, 3, 1])), expected)


def test_no_source_and_no_family() -> None:
    nothing = DatasetSpec(users=3, items=4, length=5)
    for config, says in [
        ({}, "which pretrained network"),
        ({"pretrained": False}, "which picture network"),
        ({"family": "rsnet", "pretrained": False}, "did you mean 'resnet'"),
        ({"source": "x", "sizes": {"a": 1}}, "leave them out"),
        ({"family": "clip_resnet"}, "needs items.source"),
        ({"source": "none.pt"}, "no such file"),
        ({"family": "cnnf", "source": "x"}, "starts from random weights"),
        ({"family": "cnnf"}, "set items.pretrained false"),
        ({"family": "cnnf", "pretrained": False, "sizes": {"depth": 1}}, "items.sizes.depth"),
        ({"family": "cnnf", "pretrained": False, "sizes": {"width": "many"}}, "items.sizes.width is 'many'"),
        ({"family": "cnnf", "pretrained": False, "sizes": {"dropout": 2.0}}, "items.sizes.dropout is 2.0"),
        (
            {"family": "cnnf", "pretrained": False, "pooling": "mean"},
            "items.pooling is 'mean', and would have no",
        ),
        (
            {"family": "clip_resnet", "pretrained": False, "source": "x.pt"},
            "items.source is 'x.pt', and would",
        ),
        ({"source": "x.pt", "sizes": {"architecture": "RN50"}}, "items.sizes is .* no effect"),
        ({"source": "x.pt", "revision": "abc"}, "items.revision is 'abc', and would have no effect"),
        ({"source": "x", "frozen_pool": True}, "items.frozen_pool is True, and would have no effect"),
        (
            {"family": "clip_resnet", "pretrained": False, "sizes": {"architecture": ["RN50"]}},
            "no CLIP ResNet is called",
        ),
    ]:
        with pytest.raises(RecipeError, match=says):
            PixelEncoder(nothing, **config)  # type: ignore[arg-type]


def test_controls_show_other_pictures(spec: DatasetSpec, tmp_path: Path) -> None:
    """Those of other items, from the same activation cache; or noise, which has a cache of its own."""
    assert spec.item_ids is not None
    spec = replace(spec, items=20, item_ids=spec.item_ids[:20])
    backbone, tables = tiny("resnet"), {}
    ids = np.arange(spec.items + 1)
    for control in ("none", "shuffled", "random"):
        torch.manual_seed(0)
        words = {"trainable": "none", "control": control, "cache": "always", "cache_folder": str(tmp_path)}
        encoder = made(spec, copy.deepcopy(backbone), **words)
        encoder.prepare(LINES.append)
        assert encoder.reads == made(spec, copy.deepcopy(backbone)).reads, "the data set has not changed"
        tables[control] = encoder(items_of(copy.deepcopy(encoder), ids.tolist())).detach()
        if control != "none":
            with pytest.raises(RequestError, match=f"items.control {control}, so it cannot judge"):
                encoder.picture_form()
    given = exchanged(spec.items)
    assert (given[1:] != ids[1:]).all() and sorted(given) == ids.tolist()
    assert torch.equal(tables["shuffled"], tables["none"][given])
    assert not torch.isclose(tables["random"][1:], tables["none"][1:]).all(1).any()
    assert len(list(tmp_path.glob("*"))) == 2
