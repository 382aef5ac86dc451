"""Files and folders that a recipe names, as absolute paths: a recipe means the same from any folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def anchored(config: dict[str, Any]) -> dict[str, Any]:
    """A complete recipe with absolute paths of sources, features and runs to start from, if they exist."""
    start = config["training"]["warm_start"]
    if start is not None:
        place = _absolute(start, start.replace("{seed}", str(config["seed"])))
        config["training"]["warm_start"] = place
    for section in (config["items"], *config["items"].get("parts", {}).values()):
        for word in ("source", "file"):
            if isinstance(written := section.get(word), str):
                section[word] = _absolute(written, written)
    return config


def is_place(source: Any) -> bool:
    """Whether a source is, or was, a file or folder of this machine instead of a name on the hub."""
    return isinstance(source, str) and Path(source).is_absolute()


def without_places(values: Any) -> Any:
    """JSON with only the last part of each absolute path: it names no folder of this machine."""
    if isinstance(values, Mapping):
        return {key: without_places(value) for key, value in values.items()}
    if isinstance(values, list):
        return [without_places(value) for value in values]
    return Path(values).name if is_place(values) else values


def _absolute(written: str, place: str) -> str:
    try:
        return str(Path(written).absolute()) if Path(place).exists() else written
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return written


def network_words(items: Mapping[str, Any]) -> dict[str, Any]:
    """The options that shape picture networks, by dotted key, without the source of their weights."""
    shaping = ("name", "family", "pretrained", "sizes", "pooling", "size", "statistics", "frozen_pool")
    found = {key: items[key] for key in shaping if key in items}
    for part, config in items.get("parts", {}).items():
        found |= {f"parts.{part}.{key}": value for key, value in network_words(config).items()}
    return found
