"""The picture encoder while it is trained: precision, batch norms, threads, and batches at the edge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from items.backbones.conftest import TINY
from items.test_pixels import LINES, items_of, made, tiny
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pixelrec.batch import Batch, DatasetSpec
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import Shared
from pixelrec.data.split import training_events
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.items.cache.feeds import CacheFeed, PictureFeed
from pixelrec.items.cache.policy import Frozen
from pixelrec.items.pixels import PixelEncoder
from pixelrec.recommender import Recommender

BFLOAT = torch.bfloat16


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(8, training_events(dataset))


def with_batch_norms(spec: DatasetSpec, network: str, **config: Any) -> PixelEncoder:
    """An encoder whose trained batch norms follow the batch."""
    return made(spec, tiny(network), batch_norms="batch", **config)


def norms(encoder: PixelEncoder) -> dict[str, Tensor]:
    """The running statistics of the batch norms."""
    return {n: b.clone() for n, b in encoder.backbone.named_buffers() if "running" in n}


@pytest.mark.parametrize("recompute", [False, True])
def test_recomputed_pictures_update_batch_norms_once(spec: DatasetSpec, recompute: bool) -> None:
    found = []
    for kept in (1000, 4, 0):
        torch.manual_seed(0)
        words = {"trainable": "all", "chunk": 4, "keep_activations": kept, "recompute": recompute}
        encoder = with_batch_norms(spec, "resnet", **words)
        before = norms(encoder)
        encoder.train()
        encoder(items_of(encoder, [0, *range(1, 13)])).sum().backward()
        after = norms(encoder)
        assert any(not torch.equal(before[name], after[name]) for name in before)
        counts = [b for n, b in encoder.named_buffers() if n.endswith("num_batches_tracked")]
        assert {int(count) for count in counts} == {3}, "one for each chunk"
        found.append(after)
    for other in found[1:]:
        for name, tensor in found[0].items():
            torch.testing.assert_close(other[name], tensor, msg=name)
    assert {n.momentum for n in encoder.modules() if isinstance(n, _BatchNorm)} == {0.1}


def test_no_chunk_is_left_with_a_single_picture(spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture on one place has no variance, and torch's batch norm refuses it."""
    encoder = with_batch_norms(spec, "clip_resnet", trainable=2, chunk=4, keep_activations=6).train()
    sizes: list[int] = []
    upper = type(encoder.backbone).upper
    monkeypatch.setattr(
        type(encoder.backbone), "upper", lambda self, x, b: sizes.append(len(x)) or upper(self, x, b)
    )
    for count in (2, 4, 5, 9, 13):
        sizes.clear()
        with torch.no_grad():
            table = encoder(items_of(encoder, [0, *range(1, count + 1)]))
        assert (table[1:].abs().sum(1) > 0).all()
        assert sum(sizes) == count and len(sizes) == -(-count // 4) and max(sizes) - min(sizes) <= 1
    encoder(items_of(encoder, [0, *range(1, 10)])).sum().backward()


def test_statistics_are_fitted_to_features_as_in_training(spec: DatasetSpec) -> None:
    """A batch norm with random weights divides by something else in evaluation mode."""
    encoder = with_batch_norms(spec, "resnet", trainable=2, norm="items", chunk=50)
    before = norms(encoder)
    encoder.eval().prepare(LINES.append)
    assert not encoder.training and not encoder.backbone.training
    known = norms(encoder)
    # Trained ones had no statistics, and have some now; frozen ones stay as they are.
    changed = {
        name.partition(".normalization")[0] for name in known if not torch.equal(known[name], before[name])
    }
    assert changed and not any(name.startswith("backbone.stem") for name in changed)
    encoder.prepare(LINES.append)
    assert all(torch.equal(tensor, known[name]) for name, tensor in norms(encoder).items()), "once"
    seen = []
    encoder.project.linear.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    encoder.train()
    with torch.no_grad():
        encoder(items_of(encoder, [0, *range(1, spec.items + 1)]))
    flat = torch.cat(seen)
    torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(0, correction=0), torch.ones(flat.shape[1]), atol=1e-3, rtol=0)


def test_statistics_are_fitted_once(spec: DatasetSpec) -> None:
    encoder = made(spec, norm="items")
    encoder.prepare(LINES.append)
    before = encoder.project.state_dict()["norm.mean"].clone()
    with torch.no_grad():
        for parameter in encoder.backbone.parameters():
            parameter.add_(0.1)
    encoder.prepare(LINES.append)
    assert torch.equal(encoder.project.state_dict()["norm.mean"], before) and before.any()


def a_batch(recommender: Recommender) -> Batch:
    held, items = recommender.spec.history, recommender.spec.items
    assert held is not None
    reader = Reader.over(VIEWS["next_item"], held, 8, Windowing())
    sampler = Shared(reader, items, drawn=20, correct=False)
    return next(Batcher(reader, sampler, recommender.items.load, items, Batching(4)).epoch(0))


def recommender_of(spec: DatasetSpec, **config: Any) -> Recommender:
    items = {
        "name": "pixels",
        "family": "resnet",
        "pretrained": False,
        "sizes": dict(TINY["resnet"]),
        "trainable": 1,
        "width": 16,
        "cache": "never",
        **config,
    }
    return Recommender(items, {"name": "sasrec"}, {"name": "dot"}, spec)


@pytest.mark.parametrize(
    ("training", "items", "expected"),
    [
        ("bf16", "auto", BFLOAT),
        ("bf16", "bf16", BFLOAT),
        ("bf16", "fp32", torch.float32),
        ("fp32", "auto", torch.float32),
        ("fp32", "bf16", BFLOAT),
        ("fp32", "fp32", torch.float32),
    ],
)
@pytest.mark.parametrize("kept", [0, 1000])
def test_the_network_has_its_own_precision_and_scores_stay_fp32(
    spec: DatasetSpec, training: str, items: str, expected: torch.dtype, kept: int
) -> None:
    recommender = recommender_of(spec, precision=items, keep_activations=kept, chunk=5)
    seen: set[torch.dtype] = set()
    for module in recommender.items.backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: seen.add(output.dtype))
    batch = a_batch(recommender)
    with torch.autocast("cpu", BFLOAT, enabled=training == "bf16"):
        table = recommender.items(batch.items)
        scores = recommender(batch)
    assert seen == {expected}, "below and above what is frozen"
    assert table.dtype == scores.positive.dtype == scores.negative.dtype == torch.float32
    assert (scores.positive.bfloat16().float() != scores.positive).any(), "they were rounded before"
    (scores.positive.sum() + scores.negative[scores.negative.isfinite()].sum()).backward()
    assert seen == {expected}, "also what is computed again"
    trained = [p for p in recommender.items.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in trained)


@pytest.mark.parametrize("native", [True, False])
def test_bf16_states_are_computed_in_bf16_on_capable_devices(
    spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr("pixelrec.items.cache.policy.has_bf16", lambda _device: native)
    encoder = recommender_of(spec).items
    frozen = Frozen(encoder.backbone, encoder.constant, encoder.pictures)
    some = np.array([1, 2, 3])
    exact = frozen.states(some, "fp32")
    assert torch.equal(frozen.states(some, "fp16"), exact)
    assert torch.equal(frozen.states(some, "bf16").float(), exact) != native
    assert [frozen.key(dtype).bf16 for dtype in ("fp16", "bf16", "fp32")] == [False, native, False]


@pytest.mark.parametrize("native", [True, False])
def test_fast_is_bf16_on_capable_devices_and_emulation_is_logged(
    spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr("pixelrec.numerics.precision.has_bf16", lambda _device: native)
    lines: list[str] = []
    tables = {}
    for precision in ("fp32", "bf16", "fast"):
        torch.manual_seed(0)
        recommender = recommender_of(spec, precision=precision)
        recommender.items.prepare(lines.append)
        tables[precision] = recommender.eval().items(a_batch(recommender).items)
    assert torch.equal(tables["fast"], tables["bf16" if native else "fp32"])
    assert not torch.equal(tables["bf16"], tables["fp32"])
    told = [line for line in lines if line.startswith("precision bf16 is emulated")]
    assert len(told) == (0 if native else 1)


@pytest.mark.parametrize(("items", "expected"), [("auto", False), ("bf16", True), ("fp32", False)])
def test_the_catalogue_has_the_precision_of_the_items(spec: DatasetSpec, items: str, expected: bool) -> None:
    recommender = recommender_of(spec, precision=items)
    exact = recommender_of(spec, precision="fp32")
    exact.load_state_dict(recommender.state_dict())
    found, plain = recommender.catalogue(), exact.catalogue()
    assert found.encoded.dtype == found.candidates.dtype == torch.float32
    assert torch.equal(found.encoded, plain.encoded) != expected
    torch.testing.assert_close(found.encoded, plain.encoded, rtol=0.1, atol=0.05)
    pictures = recommender.items.pictures.read(np.array([3, 4]))
    near = 1e-6 if not expected else 2e-2
    torch.testing.assert_close(recommender.unseen(pictures), found.encoded[[3, 4]], rtol=near, atol=near)


def test_padding_may_stand_anywhere(spec: DatasetSpec) -> None:
    encoder = made(spec, chunk=2).eval()
    table = encoder(items_of(encoder, [0, 5, 0, 7, 0, 0, 9, 0]))
    plain = encoder(items_of(encoder, [0, 5, 7, 9]))
    assert not table[[0, 2, 4, 5, 7]].any()
    torch.testing.assert_close(table[[1, 3, 6]], plain[1:])


@pytest.mark.parametrize("cache", ["never", "always"])
@pytest.mark.parametrize("ids", [[], [0], [0, 0, 0], [4]])
def test_few_items_or_none(spec: DatasetSpec, tmp_path: Path, ids: list[int], cache: str) -> None:
    encoder = made(spec, cache=cache, cache_folder=str(tmp_path), chunk=1000, keep_activations=0).train()
    if cache == "always":
        encoder.prepare(LINES.append)
    items = replace(items_of(encoder, [0]), ids=torch.tensor(ids, dtype=torch.int64))
    items = replace(items, payload=encoder.load(np.array(ids, np.int64)))
    table = encoder(items)
    assert table.shape == (len(ids), 6) and bool(table.any()) == (4 in ids)
    assert isinstance(encoder.feed, CacheFeed if cache == "always" else PictureFeed)
    if 4 in ids:
        table.sum().backward()


def test_item_numbers_may_have_any_integer_type(spec: DatasetSpec, tmp_path: Path) -> None:
    for cache in ("never", "always"):
        encoder = made(spec, cache=cache, cache_folder=str(tmp_path)).eval()
        encoder.prepare(LINES.append)
        items = items_of(encoder, [0, 9, 3])
        small = replace(items, payload=encoder.load(np.array([0, 9, 3], np.int32)))
        assert torch.equal(encoder(small), encoder(items))


def test_concurrent_loads_share_one_feed(
    spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny("clip")
    config = {"cache": "always", "cache_folder": str(tmp_path), "trainable": 1}
    made(spec, network, **config).prepare(LINES.append)
    encoder, opened, together = made(spec, network, **config), [], Barrier(6)
    new_feed = PixelEncoder._new_feed
    monkeypatch.setattr(
        PixelEncoder, "_new_feed", lambda self, log: opened.append(log) or new_feed(self, log)
    )

    def load(seed: int) -> bool:
        together.wait()
        ids = np.random.default_rng(seed).integers(0, spec.items + 1, 40)
        payload = encoder.load(ids)
        expected = encoder.feed.load(ids[np.flatnonzero(ids)])
        return torch.equal(payload["states"], expected["states"])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(load, range(6)))
    assert opened == [None], "opened once, and nothing is made that was not asked for"


def test_a_frozen_batch_norm_is_a_constant_in_training(spec: DatasetSpec) -> None:
    encoder = with_batch_norms(spec, "clip_resnet", trainable=1).train()
    modes = [part.training for part in encoder.backbone.parts]
    assert modes == [False] * encoder.constant + [True] * (len(modes) - encoder.constant)
    before = norms(encoder)
    encoder(items_of(encoder, [0, *range(1, 9)])).sum().backward()
    moved = {name for name, tensor in norms(encoder).items() if not torch.equal(tensor, before[name])}
    top = f"blocks.{len(encoder.backbone.blocks) - 1}."
    assert moved and all(name.startswith(top) for name in moved)


def test_loaded_weights_are_not_memory_mapped(tmp_path: Path) -> None:
    """Where they lie decides on late digits: a resumed run's are not in the file."""
    from end_to_end.pixel_runs import checkpoint

    from pixelrec.items.backbones.load import load_backbone

    source = checkpoint(tmp_path / "clip", "clip")
    network = load_backbone(str(source))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    assert all(p.data_ptr() % 64 == 0 for p in network.parameters())
    content = (source / "model.safetensors").read_bytes()
    with (source / "model.safetensors").open("r+b") as file:
        file.write(bytes(len(content)))
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())


@pytest.mark.parametrize(
    ("trainable", "cached"), [("none", True), ("none", False), (1, True), ("all", False)]
)
def test_passes_of_pictures_are_counted_by_what_is_computed(
    spec: DatasetSpec, tmp_path: Path, trainable: int | str, cached: bool
) -> None:
    cache = {"cache": "always" if cached else "never", "cache_folder": str(tmp_path)}
    found = []
    for _ in range(2):  # the second one finds the cache
        encoder = made(spec, tiny("clip"), trainable=trainable, **cache)
        encoder.prepare(lambda _: None)
        prepared = encoder.take_work()
        encoder.train()
        with torch.no_grad():
            encoder(items_of(encoder, [0, 1, 2]))
        encoder(items_of(encoder, [0, *range(1, 13)])).sum().backward()
        found.append((prepared.encodes, encoder.take_work()))
    below = encoder.backbone.frozen_fraction(encoder.constant)
    assert found[0] == found[1], "a cache counts for each training that reads it"
    made_before, work = found[0]
    assert made_before == pytest.approx(spec.items), "features of all are standardised"
    assert work.trained_encodes == pytest.approx(12 * (1 - below))
    assert work.encodes == pytest.approx(2 * (1 - below) + (0 if cached else 14 * below))
    assert encoder.take_work().encodes == 0 and (prepared.cpu_seconds > 0 or not cached)
