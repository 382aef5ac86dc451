"""Whether a class keeps the contract, with every scoring that suits the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pixelrec.batch import DatasetSpec
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.views import VIEWS
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.options import options_of
from pixelrec.recommender import Config
from pixelrec.registry import Registry
from pixelrec.testing.contract import CONTRACT, Case, generated_spec
from pixelrec.users import USER_MODELS
from pixelrec.users.user_model import AbstractUserModel

_NAME = "class-under-test"


def check_user_model(
    chosen: type[AbstractUserModel],
    *,
    config: Config | None = None,
    items: Config | None = None,
    spec: DatasetSpec | None = None,
    reads_all_events: bool = True,
) -> None:
    """Checks that a user model, which need not be registered, keeps the contract of those of pixelrec.

    Args:
        chosen: the class.
        config: its hyper-parameters.
        items: the item encoder below it, with its `name`; by default id_table, 16 wide.
        spec: a data set with training events; by default a generated one.
        reads_all_events: whether a vector depends on every event that its view shows; false for a model that
            looks at some of them, such as the last.

    Raises:
        AssertionError: the model breaks the contract; the message says where.
        RecipeError: recipes cannot read its signature.
    """
    if chosen.view not in VIEWS:
        raise AssertionError(f"{chosen.__name__}.view is {chosen.view!r}; expected one of {', '.join(VIEWS)}")
    options_of(chosen)
    with _named(USER_MODELS, chosen) as name:
        below = items or {"name": "id_table", "width": 16}
        _check(below, {"name": name, **(config or {})}, spec, reads_all_events)


def check_item_encoder(
    chosen: type[AbstractItemEncoder],
    *,
    config: Config | None = None,
    users: Config | None = None,
    spec: DatasetSpec | None = None,
) -> None:
    """Checks that an item encoder, which need not be registered, keeps the contract of those of pixelrec.

    Args:
        chosen: the class.
        config: its hyper-parameters.
        users: the user model above it, with its `name`; by default sasrec.
        spec: a data set with training events, and with pictures if the encoder reads them; by default a
            generated one, without pictures.

    Raises:
        AssertionError: the encoder breaks the contract; the message says where.
        RecipeError: recipes cannot read its signature.
    """
    options_of(chosen)
    with _named(ITEM_ENCODERS, chosen) as name:
        _check({"name": name, **(config or {})}, users or {"name": "sasrec"}, spec)


def _check(items: Config, users: Config, spec: DatasetSpec | None, reads_all_events: bool = True) -> None:
    """Runs every check, with every scoring that suits the model."""
    model = USER_MODELS[users["name"]]
    for scoring in ["dot"] if model.looks_at_candidates else SCORINGS:
        case = Case(items, users, {"name": scoring}, spec or generated_spec(), reads_all_events)
        for name, check in CONTRACT.items():
            try:
                check(case)
            except AssertionError as error:
                title = f"{users['name']} over {items['name']}, {scoring}: {name.replace('_', ' ')}"
                raise AssertionError(f"{title}: {error}") from error


@contextmanager
def _named(known: Registry[Any], chosen: type) -> Iterator[str]:
    """Registers a class for as long as it is checked."""
    known.registered[_NAME] = chosen
    try:
        yield _NAME
    finally:
        del known.registered[_NAME]
