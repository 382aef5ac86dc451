"""Joined item encoders: the sum of their parts, and every question handed on to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import pytest
import torch
from items.backbones.conftest import TINY
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Histories, Items, Payload
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import RecipeError, RequestError
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder, Log, PictureForm
from pixelrec.items.joined import Joined
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender

SPEC = DatasetSpec(users=3, items=9, length=4)
TWO_TABLES = {"first": {"name": "id_table"}, "second": {"name": "id_table", "init": "uniform"}}


@final
class Painter(AbstractItemEncoder):
    """Stands for an encoder that sees: its vector is `shade` times the item's number, or a picture's mean."""

    def __init__(
        self,
        spec: DatasetSpec,
        source: str | None = None,
        *,
        shade: float = 1.0,
        width: int = 4,
        size: int = 2,
    ) -> None:
        super().__init__()
        self.source = source or f"read {spec.items} pictures"
        self.width, self.size = width, size
        self.shade = nn.Parameter(torch.tensor(shade))

    def prepare(self, log: Log) -> None:
        log(f"prepared at {self.shade.item():g}")

    def load(self, ids: np.ndarray) -> Payload:
        rows = np.flatnonzero(ids)
        return {"rows": torch.from_numpy(rows), "numbers": torch.from_numpy(ids[rows])}

    def forward(self, items: Items) -> Tensor:
        vectors = self.shade * items.payload["numbers"].float()[:, None].expand(-1, self.width)
        return vectors.new_zeros(len(items.ids), self.width).index_copy(0, items.payload["rows"], vectors)

    def picture_form(self) -> PictureForm:
        return PictureForm(self.size, "crop")

    def unseen(self, pictures: Tensor) -> Tensor:
        return self.shade * pictures.float().mean((1, 2, 3))[:, None].expand(-1, self.width)

    @property
    def rows_at_once(self) -> int:
        return 100 * self.size

    @property
    def expensive(self) -> bool:
        return True

    @property
    def reads(self) -> str:
        return f"pictures of {self.size}"

    def describe(self) -> dict[str, Any]:
        return {"source": self.source}

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        return cls(spec, described["source"], **config)


@pytest.fixture(autouse=True)
def _painter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ITEM_ENCODERS.registered, "painter", Painter)


def joined(parts: Mapping[str, Mapping[str, Any]], width: int | None = 4) -> Joined:
    return Joined(SPEC, parts=parts, width=width)


def items_of(encoder: AbstractItemEncoder, *ids: int) -> Items:
    return Items(torch.tensor(ids), encoder.load(np.array(ids)))


def test_the_table_is_the_sum_of_those_of_the_parts() -> None:
    made = joined({"ids": {"name": "id_table"}, "dark": {"name": "painter", "shade": 3.0}})
    rows = made.encoders["ids"].rows.weight
    table = made(items_of(made, 0, 7, 2, 0))
    assert torch.equal(table[1:3], rows[[7, 2]] + torch.tensor([[21.0], [6.0]]))
    assert not table[[0, 3]].any(), "padding is zero"


def test_parts_of_one_kind_get_each_their_own_payload() -> None:
    made = joined(
        {
            "light": {"name": "painter"},
            "lighter": {"name": "painter", "shade": 0.5},
            "li": {"name": "painter"},
        }
    )
    loaded = made.load(np.array([0, 5]))
    assert set(loaded) == {f"{part}/{key}" for part in made.encoders for key in ("rows", "numbers")}
    assert made(items_of(made, 0, 5))[1].tolist() == [12.5] * 4


def test_parts_inherit_the_width() -> None:
    assert joined({**TWO_TABLES, "third": {"name": "painter", "width": 8}}, 8).width == 8
    assert joined({"one": {"name": "painter"}, "two": {"name": "id_table", "width": 4}}, None).width == 4


@pytest.mark.parametrize(
    ("parts", "width", "says"),
    [
        (
            {"a": {"name": "id_table", "width": 8}, "b": {"name": "painter"}},
            None,
            r"a.width is 8 .*b.width is 4",
        ),
        ({"a": {"name": "id_table", "width": 8}}, 4, r"items.width is 4 and items.parts.a.width is 8"),
        ({}, 4, "items.parts is empty"),
        ({"a": {"name": "id_tabel"}}, 4, r"items.parts.a.name is 'id_tabel'.*did you mean 'id_table'"),
        ({"a": {"width": 4}}, 4, r"items.parts.a.name is 'None'"),
        ({"a": {"name": "joined", "parts": TWO_TABLES}}, 4, "other than joined"),
        ({"backbone": {"name": "id_table"}}, 4, "'backbone', a reserved name"),
        ({"items": {"name": "id_table"}}, 4, "'items', a reserved name"),
    ],
)
def test_parts_that_cannot_be_joined(parts: dict[str, dict[str, Any]], width: int | None, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        joined(parts, width)


def test_properties_are_combined_from_the_parts() -> None:
    made = joined(
        {"a": {"name": "painter", "size": 3}, "ids": {"name": "id_table"}, "b": {"name": "painter"}}
    )
    heard: list[str] = []
    made.prepare(heard.append)
    assert heard == ["a: prepared at 1", "b: prepared at 1"]
    assert made.rows_at_once == 200
    assert made.expensive and not joined(TWO_TABLES).expensive
    assert (made.reads, joined(TWO_TABLES).reads) == ("pictures of 3 pictures of 2", "")


def test_a_new_item_is_the_sum_of_the_parts_with_pictures() -> None:
    parts = {"ids": {"name": "id_table"}, "a": {"name": "painter"}, "b": {"name": "painter", "shade": 2.0}}
    made = joined(parts)
    pictures = torch.full((2, 2, 2, 3), 5, dtype=torch.uint8)
    assert made.picture_form() == PictureForm(2, "crop")
    assert made.unseen(pictures).tolist() == [[15.0] * 4] * 2
    with pytest.raises(RequestError, match="do not come from pictures"):
        joined(TWO_TABLES).unseen(pictures)
    with pytest.raises(RequestError, match=r"part a takes .*size=2.* and part c .*size=3"):
        joined({**parts, "c": {"name": "painter", "size": 3}}).unseen(pictures)


def test_a_saved_encoder_loads_without_its_sources(tmp_path: Path) -> None:
    chosen = {"name": "joined", "width": 4, "parts": {**TWO_TABLES, "seen": {"name": "painter"}}}
    made = Recommender(chosen, {"name": "sasrec"}, {"name": "dot"}, SPEC)
    made.items.encoders["seen"].source = "read once"
    made.save(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "recommender.json").read_text(encoding="utf-8"))
    assert saved["described"] == {"first": {}, "second": {}, "seen": {"source": "read once"}}
    loaded = Recommender.from_pretrained(tmp_path / "saved")
    assert loaded.items.encoders["seen"].source == "read once"
    assert torch.equal(loaded.catalogue(chunk=3).encoded, made.catalogue().encoded)


def test_ids_joined_with_pixels(dataset: Dataset, tmp_path: Path) -> None:
    words = {
        "items.name": "joined",
        "items.width": 16,
        "items.parts.ids.name": "id_table",
        "items.parts.pixels": {"name": "pixels", "family": "vit", "pretrained": False, "sizes": TINY["vit"]},
        "items.parts.pixels.trainable": 1,
    }
    spec = dataset.spec(8, training_events(dataset))
    made = build_recommender(read_recipe("sasrec-id", words), spec)
    ids, pixels = (made.items.encoders[part] for part in ("ids", "pixels"))
    some = (0, 9, 3, 0, 70)
    with torch.no_grad():
        table = made.items(items_of(made.items, *some))
        alone = [encoder(items_of(encoder, *some)) for encoder in (ids, pixels)]
        new = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
        assert torch.equal(made.items.unseen(new), pixels.unseen(new))
    assert all(vectors[[1, 2, 4]].any() for vectors in alone)
    torch.testing.assert_close(table, alone[0] + alone[1])
    made.save(tmp_path / "saved")
    loaded = Recommender.from_pretrained(tmp_path / "saved", data=spec)
    assert torch.equal(made.catalogue().encoded, loaded.catalogue().encoded)


BESIDE = {"ids": {"name": "id_table", "width": 3}, "more": {"name": "id_table", "width": 5}}


def test_concatenated_parts_stand_side_by_side() -> None:
    joined = Joined(SPEC, parts=BESIDE, combine="concat")
    items = Items(torch.tensor([0, 4, 9]), {})
    parts = [part(items) for part in joined.encoders.values()]
    assert joined.width == 8
    assert torch.equal(joined(items), torch.cat(parts, dim=1))


def test_a_head_projects_all_but_padding() -> None:
    joined = Joined(SPEC, parts=BESIDE, combine="concat", head=2, head_activation="relu")
    assert joined.project is not None
    nn.init.constant_(joined.project.linear.bias, 1.0)
    items = Items(torch.tensor([0, 4, 9]), {})
    both = torch.cat([part(items) for part in joined.encoders.values()], dim=1)
    expected = torch.relu(both @ joined.project.linear.weight.T + 1)
    assert torch.equal(joined(items)[0], torch.zeros(2))
    assert torch.allclose(joined(items)[1:], expected[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"combine": "sum", "head": 4, "width": 4}, "a head goes with concat only"),
        ({"combine": "concat", "width": 8}, "as wide as their parts together"),
    ],
)
def test_widths_of_combinations_are_explained(options: dict[str, Any], message: str) -> None:
    parts = BESIDE if options["combine"] == "concat" else TWO_TABLES
    with pytest.raises(RecipeError, match=message):
        Joined(SPEC, parts=parts, **options)


def with_events(*items: int) -> DatasetSpec:
    """Nine items, of which these have training events."""
    events = np.array(items, np.int32)
    edges = np.array([0, 0]), np.array([0, len(items)])
    return DatasetSpec(1, 9, 4, history=Histories(events, events.astype("i8"), *edges))


@pytest.mark.parametrize("bound", [0.0, 0.1, 100.0])
def test_a_delta_stays_near_the_first_part(bound: float) -> None:
    parts = {"seen": {"name": "id_table"}, "ids": {"name": "id_table", "init": "uniform"}}
    joined = Joined(with_events(2, 3), parts=parts, combine="delta", bound=bound, width=6)
    items = Items(torch.arange(10), {})
    seen, ids = (part(items) for part in joined.encoders.values())
    delta = joined(items) - seen
    assert not delta[[0, 1, *range(4, 10)]].any()  # items without training events
    lengths, most = delta[2:4].norm(dim=1), bound * seen[2:4].norm(dim=1)
    assert torch.all(lengths <= most + 1e-6)
    if bound == 100:
        assert torch.allclose(delta[2:4], ids[2:4], atol=1e-6)
    else:
        assert torch.allclose(lengths, most, atol=1e-6)
    again = Joined.rebuild(
        SPEC, joined.describe(), {"parts": parts, "combine": "delta", "bound": bound, "width": 6}
    )
    again.load_state_dict(joined.state_dict())
    assert torch.equal(again(items), joined(items))


def test_a_delta_has_two_parts() -> None:
    with pytest.raises(RecipeError, match="items.combine is delta, and items.parts are ids; expected two"):
        Joined(SPEC, parts={"ids": {"name": "id_table"}}, combine="delta")
