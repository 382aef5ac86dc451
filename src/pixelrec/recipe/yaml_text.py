"""The YAML of recipes: as PyYAML has it, but 1e-3 is a number, and a word that stands twice is an error."""

from __future__ import annotations

import re
from typing import Any, final

import yaml

from pixelrec.errors import RecipeError

_EXPONENT = re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$")  # YAML 1.1, which PyYAML reads, wants 1.0e-3


@final
class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number."""


@final
class _Dumper(yaml.SafeDumper):
    """Quotes a text that `_Loader` would take for a number."""


for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def read_yaml(text: str, source: str) -> Any:
    """What `text` says; `source` names it in messages.

    Raises:
        RecipeError: it is not YAML, or a key stands in it twice.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_doubles(node, source)
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # such as of a day that no month has
        raise RecipeError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def write_yaml(values: Any) -> str:
    """As `read_yaml` reads it."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _refuse_doubles(top: yaml.Node, source: str) -> None:
    waiting, seen = [("", top)], set()
    while waiting:
        prefix, node = waiting.pop()
        if not isinstance(node, yaml.MappingNode) or id(node) in seen:  # an alias may lead back
            continue
        seen.add(id(node))
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if name in lines:
                raise RecipeError(f"{source}: {name} stands twice, {_where(lines[name], line)}; remove one")
            lines[name] = line
            waiting.append((f"{name}.", value))


def _where(first: int, second: int) -> str:
    return f"in line {first}" if first == second else f"in lines {first} and {second}"
