"""Classes by the names that recipes use: shipped, registered in this process, or provided by a package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, final

from pixelrec.errors import RecipeError

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


@final
class Registry(Mapping[str, type[T]], Generic[T]):
    """The subclasses of `base`, by name. They are imported when they are looked up.

    kind: what the classes are, for messages. group: of entry points. shipped: addresses of the package's own.
    """

    def __init__(self, kind: str, group: str, base: type[T], shipped: Mapping[str, str]) -> None:
        self.kind, self.group, self.base = kind, group, base
        self.shipped = dict(shipped)
        self.registered: dict[str, type[T]] = {}

    def register(self, name: str, chosen: type[T]) -> None:
        """Registers a class in this process; the same class may be registered again, as notebooks do."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RecipeError(f"{name!r} cannot name a {self.kind}; expected letters, digits, - and _")
        if name in self and address(self[name]) != address(chosen):
            raise RecipeError(
                f"{self.kind} {name!r} is {address(self[name])} already; register {address(chosen)} "
                "under another name"
            )
        self.registered[name] = chosen

    @cached_property
    def installed(self) -> Mapping[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            found.setdefault(point.name, []).append(point)
        return found

    def __getitem__(self, name: str) -> type[T]:
        """Raises `RecipeError` for a name provided twice, or by a broken package."""
        points = self.installed.get(name, [])
        owners = [point.dist.name if point.dist else point.value for point in points]
        owners += ["pixelrec"] if name in self.shipped else []
        if len(owners) > 1:
            raise RecipeError(
                f"{self.kind} {name!r} is provided by {' and '.join(owners)}; one of them must rename it"
            )
        if not points or name in self.registered:
            return self.registered.get(name) or self._own(name)
        place = f"package {owners[0]}: its {self.kind} {name!r}, {points[0].value},"
        try:
            found = points[0].load()
        except Exception as error:
            raise RecipeError(f"{place} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(found, type) or not issubclass(found, self.base):
            raise RecipeError(f"{place} is no {self.base.__name__}; derive it from that class")
        return found

    def _own(self, name: str) -> type[T]:
        module, _, qualified = self.shipped[name].partition(":")
        found: type[T] = getattr(import_module(module), qualified)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.shipped, *self.registered, *self.installed]))

    def __len__(self) -> int:
        return len({*self.shipped, *self.registered, *self.installed})

    def __contains__(self, name: object) -> bool:
        return name in self.shipped or name in self.registered or name in self.installed


def address(chosen: type) -> str:
    """The definition of a class as an entry point writes it: `package.module:Class`."""
    return f"{chosen.__module__}:{chosen.__qualname__}"
