"""The rules of the house, as code: import arrows, words that say nothing, sizes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pixelrec

SOURCE = Path(__file__).parents[2] / "src" / "pixelrec"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(f.relative_to(SOURCE)) for f in FILES]

# A room may import the rooms on the lines above it, and its own; rooms on one line may not see each other.
ORDER = [
    {"errors", "batch", "hyperparameters"},
    {"choices", "registry"},
    {"files", "console", "drawing"},
    {"images", "blocks", "numerics"},
    {"features"},
    {"data", "items", "users"},
    {"recommender", "baselines"},
    {"training", "evaluation"},
    {"recipe", "reports"},
    {"runs", "testing"},
    {"grid", "demonstration", "insight"},
    {"serving"},
    {"api"},
    {"cli", "__init__"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "pixelrec":
                yield from (alias.name for alias in node.names)
            elif node.module.startswith("pixelrec."):
                yield node.module.split(".")[1]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in LEVEL, f"{path.name} is in no room"
    for other in imported_rooms(path):
        assert other == room or LEVEL[other] < LEVEL[room], f"{room} imports {other}"


def imported_files(path: Path) -> set[str]:
    """Modules of the package that a file imports, wherever the import stands; annotations do not count."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pixelrec"):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else node.module for name in inside}
    return found


def module_of(path: Path) -> str:
    return ".".join(("pixelrec", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def test_files_import_each_other_in_no_circle() -> None:
    """Imports inside functions and under TYPE_CHECKING count too: they hide a circle and do not undo it."""
    graph = {name: imported_files(path) - {name} for name, path in MODULES.items()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"files import each other: {' → '.join(error.args[1])}")


FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc", "manager"}


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_names_say_something(path: Path) -> None:
    words = {part.lower() for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert not words & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "does it hold two nouns?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (hidden := node.args.kwarg) is not None:
            # Annotated as `P.kwargs`, it has the names and types of another function.
            assert isinstance(hidden.annotation, ast.Attribute), (
                f"{node.name}: **{hidden.arg} hides parameters"
            )
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "cPickle", "dill", "joblib"} & set(names), "no pickle"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"hasattr", "eval", "exec"}, "ask the object, don't probe it"
        if isinstance(node, ast.ClassDef):
            decorators = {d.id for d in node.decorator_list if isinstance(d, ast.Name)}
            bases = {b.id for b in node.bases if isinstance(b, ast.Name)}
            if any(b.startswith("Abstract") for b in bases):
                assert node.name.startswith("Abstract") or "final" in decorators, f"{node.name} is not @final"


def test_no_room_takes_the_name_of_a_public_function() -> None:
    """Importing `pixelrec.demo.x` would put the folder in the place of the function `pixelrec.demo`."""
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert not rooms & set(pixelrec.__all__)
