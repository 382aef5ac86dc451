"""The YAML of recipes: plain values as in YAML 1.2 (`010` is 10, `no` is text), and no key twice."""

from __future__ import annotations

import re
from typing import Any, final

import yaml

from pixelrec.errors import RecipeError

LARGEST = 200_000  # bytes of a recipe, and values of it with aliases resolved: a hundred times the usual
_PLAIN = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}


@final
class _Loader(yaml.SafeLoader):
    """Reads what YAML 1.1 takes for octal numbers, minutes, dates and booleans as it is written."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        return int(self.construct_scalar(node))


@final
class _Dumper(yaml.SafeDumper):
    """Quotes text that `_Loader` would take for something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _each in (_Loader, _Dumper):
    for _tag, (_pattern, _first) in _PLAIN.items():
        _each.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole)


def read_yaml(text: str, source: str, *, repeated: bool = False) -> Any:
    """The value of a YAML text; `source` names it in messages.

    repeated: of keys that occur twice, which are refused otherwise, the last counts.
    """
    if len(text) > LARGEST:
        raise RecipeError(f"{source}: {len(text):,} characters; expected a recipe of at most {LARGEST:,}")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _check(node, source, "", set(), {}, repeated) > LARGEST:
                raise RecipeError(f"{source}: its aliases stand for over {LARGEST:,} values; write fewer")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:  # such as a number of 5,000 digits
        raise RecipeError(f"{source}: not YAML: {_reason(error)}") from None
    except RecursionError:
        raise RecipeError(f"{source}: nested too deeply; a recipe has sections, parts and options") from None


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return f"{said}, in line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"the control character {chr(error.character)!r} at position {error.position}; remove it"
    return " ".join(str(error).split())


def read_value(text: str) -> Any:
    """A value as the command line gives it: as a recipe file would; what is not YAML, or empty, is text."""
    if not text.strip():
        return text
    try:
        return read_yaml(text, text)
    except RecipeError:
        return text


def write_yaml(values: Any) -> str:
    """As `read_yaml` reads it."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _check(
    node: yaml.Node, source: str, prefix: str, above: set[int], sizes: dict[int, int], repeated: bool
) -> int:
    """The number of values below a node, each alias counted as what it stands for.

    Refuses nodes below themselves and, unless `repeated`, keys that occur twice. sizes: those of the nodes
    that were checked.
    """
    if id(node) in above:
        line = node.start_mark.line + 1
        raise RecipeError(f"{source}: the anchor in line {line} contains itself; remove the alias")
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in sizes:
        return sizes[id(node)]
    inside, size = above | {id(node)}, 1
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ((None, n) for n in node.value):
        name = prefix
        if key is not None:
            name, line = f"{prefix}{key.value}", key.start_mark.line + 1
            if name in lines and not repeated:
                first = lines[name]
                where = f"in line {line}" if first == line else f"in lines {first} and {line}"
                raise RecipeError(f"{source}: {name} occurs twice, {where}; remove one")
            lines[name] = line
        size += _check(value, source, f"{name}.", inside, sizes, repeated)
    sizes[id(node)] = size
    return size
