"""The YAML of recipes: as PyYAML reads it, but 1e-3 is a number, and a key that occurs twice is an error."""

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
    """Quotes text that `_Loader` would take for a number."""


for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))


def read_yaml(text: str, source: str) -> Any:
    """The value of a YAML text without keys that occur twice; `source` names it in messages."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, source, "", set(), set())
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # such as a 31st of February
        raise RecipeError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise RecipeError(f"{source}: nested too deeply; a recipe has sections, parts and options") from None
    finally:
        loader.dispose()


def read_value(text: str) -> Any:
    """A value as the command line gives it: as a recipe file would; what is not YAML is text."""
    try:
        return read_yaml(text, text)
    except RecipeError:
        return text


def write_yaml(values: Any) -> str:
    """As `read_yaml` reads it."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _check(node: yaml.Node, source: str, prefix: str, above: set[int], done: set[int]) -> None:
    """Refuses keys that occur twice and nodes below themselves; `done` holds the checked ones."""
    if id(node) in above:
        line = node.start_mark.line + 1
        raise RecipeError(f"{source}: the anchor in line {line} contains itself; remove the alias")
    if id(node) in done or isinstance(node, yaml.ScalarNode):
        return
    inside = above | {id(node)}
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ((None, n) for n in node.value):
        name = prefix
        if key is not None:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if name in lines:
                first = lines[name]
                where = f"in line {line}" if first == line else f"in lines {first} and {line}"
                raise RecipeError(f"{source}: {name} occurs twice, {where}; remove one")
            lines[name] = line
        _check(value, source, f"{name}.", inside, done)
    done.add(id(node))
