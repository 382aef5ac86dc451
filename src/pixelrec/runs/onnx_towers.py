"""The item tower and the user tower of a run as ONNX, which other programs compute without PyTorch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from pixelrec.batch import Events
from pixelrec.errors import RequestError, demand_library, first_line, option
from pixelrec.files.atomic import demand_empty, new_folder
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.recommender import Recommender
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.vectors import demand_dot_products

VERSION = 1
ABOUT, ITEMS, USER, ITEM = "serving.json", "items.npy", "user.onnx", "item.onnx"
_WEIGHTS = ".data"  # follows the name of a model whose weights do not fit into one file
_CLOSE = 1e-4  # of vectors, relative to the largest number
_EXAMPLES = 3


def export_onnx(service: RecommendationService, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Writes a folder for serving.

    | file | holds |
    |---|---|
    | `user.onnx` | `history` int64[batch, L], item numbers, left padded with 0 → `vector` float32[batch, D] |
    | `item.onnx` | `pictures` uint8[batch, S, S, 3] or `features` float32[batch, W] → `vector`; not of ids |
    | `items.npy` | float32[N + 1, D]: the vectors of the items; row 0 is padding |
    | `serving.json` | the ids of the items in order, L, and the form of pictures |

    A score is the dot product of a user's and an item's vector. Both models are compared with the recommender
    before the folder appears.

    Raises:
        RequestError: the extra is not installed, the folder is not empty, or the model cannot be exported.
    """
    for library in ("onnxscript", "onnxruntime"):
        demand_library(library, need="an export to ONNX", extra="onnx")
    if not overwrite:
        demand_empty(
            out, RequestError, f"replace its files with {option('overwrite')}, or choose another --out"
        )
    trained = demand_dot_products(service)
    recommender = service.run.recommender(service.own).cpu()
    _demand_histories(recommender)
    catalogue = recommender.catalogue(encoded=trained.catalogue.encoded.cpu())
    user, length = UserTower(recommender, catalogue.table), recommender.spec.length
    item, form = _item_tower(recommender)
    with new_folder(out, RequestError, ours=frozenset(_FILES)) as draft:
        history = torch.zeros(_EXAMPLES, length, dtype=torch.int64)
        for row in range(1, _EXAMPLES):  # beside an empty history
            history[row, -row * length // (_EXAMPLES - 1) :] = 1 + row % recommender.spec.items
        _write(user, "history", history, draft / USER, recommender)
        if item is not None:
            _write(item, form["input"], _example(form), draft / ITEM, recommender)
        np.save(draft / ITEMS, catalogue.candidates.numpy())
        about = _about(service, recommender, form if item is not None else None)
        (draft / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return [out / file for file in _FILES if (out / file).exists()]


_FILES = (ABOUT, ITEMS, USER, USER + _WEIGHTS, ITEM, ITEM + _WEIGHTS)


@final
class UserTower(nn.Module):
    """Histories of item numbers → vectors; the table of the catalogue is a part of it."""

    table: Tensor

    def __init__(self, recommender: Recommender, table: Tensor) -> None:
        super().__init__()
        self.users, self.scoring = recommender.users, recommender.scoring
        self.register_buffer("table", table)

    def forward(self, history: Tensor) -> Tensor:
        """B, L → B, D."""
        nobody, never = torch.zeros_like(history[:, 0]), torch.zeros_like(history)
        return at_least_fp32(self.scoring.users(self.users(self.table, Events(nobody, history, never))))


@final
class ItemTower(nn.Module):
    """What items are encoded from → their vectors as candidates."""

    def __init__(self, recommender: Recommender, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.items, self.users, self.scoring = recommender.items, recommender.users, recommender.scoring
        self.encode = encode

    def forward(self, given: Tensor) -> Tensor:
        encoded = self.scoring.inputs(at_least_fp32(self.encode(given)))
        return at_least_fp32(self.scoring.items(self.users.refine(encoded)))


def _demand_histories(recommender: Recommender) -> None:
    """Raises `RequestError` unless a vector depends on nothing but the items of a history."""
    users, name = recommender.users, recommender.recipe["users"]["name"]
    reasons = {
        "has a vector for each user that it was trained with, and needs no network to look it up; write them "
        "with `pixelrec export vectors --of users`": users.needs_known_user,
        "looks at regions of the pictures of the history": users.needs_regions,
        "propagates over all items": users.needs_catalogue,
        "reads the times of events": _reads_times(recommender),
    }
    if found := [reason for reason, true in reasons.items() if true]:
        raise RequestError(f"{name} cannot be exported to ONNX: it {found[0]}")


@torch.no_grad()
def _reads_times(recommender: Recommender) -> bool:
    if recommender.users.needs_known_user or recommender.users.needs_regions:
        return False
    length = recommender.spec.length
    history, nobody = torch.ones(2, length, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    table = recommender.users.refine(torch.randn(2, recommender.items.width))
    times = torch.stack([torch.zeros(length, dtype=torch.int64), torch.arange(length) * 100_000])
    first, second = recommender.users(table, Events(nobody, history, times))
    return not torch.allclose(first, second, atol=1e-5)


def _item_tower(recommender: Recommender) -> tuple[ItemTower | None, dict[str, Any]]:
    """The tower, and a description of its input; none where vectors are learned per item."""
    items = recommender.items
    with suppress(RequestError):
        form = items.picture_form()
        return ItemTower(recommender, items.unseen), {"input": "pictures", "size": form.size, "fit": form.fit}
    if items.feature_width is None:
        return None, {}
    described = {"input": "features", "width": items.feature_width, "made": items.describe()}
    return ItemTower(recommender, items.from_features), described


def _example(form: dict[str, Any]) -> Tensor:
    if form["input"] == "features":
        return torch.randn(_EXAMPLES, form["width"])
    return torch.randint(0, 256, (_EXAMPLES, form["size"], form["size"], 3), dtype=torch.uint8)


@torch.no_grad()
def _write(tower: nn.Module, name: str, example: Tensor, place: Path, recommender: Recommender) -> None:
    """Exports a tower with any number of rows, and compares it with PyTorch."""
    expected = tower.eval()(example)  # first, as networks keep constants of their first call
    described = f"{recommender.recipe['items']['name']} with {recommender.recipe['users']['name']}"
    with _quiet():
        try:
            shapes = ({0: torch.export.Dim("batch")},)
            program = torch.export.export(tower, (example,), dynamic_shapes=shapes, strict=False)
            made = torch.onnx.export(
                program, input_names=[name], output_names=["vector"], dynamo=True, verbose=False
            )
        except MemoryError:
            raise
        except Exception as error:  # four layers of PyTorch, each with errors of its own
            raise RequestError(
                f"{described} cannot be exported to ONNX: PyTorch's exporter says {_reason(error)!r}"
            ) from error
        assert made is not None, "with dynamo, a program is returned"
        made.save(place)
    for rows in (slice(None), slice(1)):
        found = _computed(place, name, example[rows].numpy())
        if not np.allclose(found, expected[rows].numpy(), rtol=0, atol=_CLOSE * float(expected.abs().max())):
            raise RequestError(f"{described} cannot be exported to ONNX: its vectors are others there")


def _computed(model: Path, name: str, given: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    vectors: np.ndarray = session.run(["vector"], {name: given})[0]
    return vectors


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(Exception(str(error)))[:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the reports of PyTorch's exporter."""
    levels = {log: log.level for log in map(logging.getLogger, ("torch.onnx", "onnxscript", "onnx_ir"))}
    try:
        for log in levels:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in levels.items():
            log.setLevel(level)


def _about(
    service: RecommendationService, recommender: Recommender, form: dict[str, Any] | None
) -> dict[str, Any]:
    ids: pl.Series = service.items["item_id"]
    return {
        "format": "pixelrec-onnx",
        "version": VERSION,
        "recipe": service.run.name,
        "weights": dict(recommender.digests),
        "length": recommender.spec.length,
        "item": form,
        "item_ids": ids.to_list(),
    }
