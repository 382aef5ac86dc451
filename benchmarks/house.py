"""The size and shape of the package: lines, files, loose modules, import circles, function lengths.

    python benchmarks/house.py [SOURCE …]

SOURCE is a `src/pixelrec` folder, by default the one beside this script; give two to compare them.
"""

from __future__ import annotations

import ast
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).parents[1] / "src" / "pixelrec"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def statements(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and len(body) > 1:
        body = body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1


def docstring_lines(tree: ast.AST) -> int:
    documented = (n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef))
    return sum(len((ast.get_docstring(n, clean=False) or "").splitlines()) for n in documented)


def circles(source: Path, trees: dict[Path, ast.AST]) -> int:
    """Groups of files that import each other, lazily or not: found one at a time, each then broken."""
    names = {
        ".".join(("pixelrec", *p.relative_to(source).with_suffix("").parts)).removesuffix(".__init__"): p
        for p in trees
    }
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        graph[name] = set()
        for node in ast.walk(trees[path]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pixelrec"):
                wanted = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= {w if w in names else str(node.module) for w in wanted}
        graph[name].discard(name)
    count = 0
    while True:
        try:
            list(TopologicalSorter(graph).static_order())
            return count
        except CycleError as error:
            count += 1
            for name in error.args[1]:
                graph[name] -= set(error.args[1])


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def figures(source: Path) -> dict[str, str]:
    trees: dict[Path, ast.AST] = {path: tree(path) for path in sorted(source.rglob("*.py"))}
    lengths = sorted(statements(f) for t in trees.values() for f in functions(t))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in trees)
    top = [path for path in trees if path.parent == source and not path.name.startswith("__")]
    templates = [p for p in source.rglob("*") if p.suffix in {".html", ".css"}]
    return {
        "lines of Python": f"{lines:,}",
        "of them docstrings": f"{sum(map(docstring_lines, trees.values())):,}",
        "lines of templates": f"{sum(len(p.read_text(encoding='utf-8').splitlines()) for p in templates):,}",
        "files of Python": f"{len(trees)}",
        "modules at the top": f"{len(top)}",
        "import circles": f"{circles(source, trees)}",
        "functions": f"{len(lengths):,}",
        "function lines, median": f"{median(lengths):g}",
        "function lines, p90": f"{quantiles(lengths, n=10)[-1]:g}",
        "function lines, most": f"{lengths[-1]}",
        "longest file": f"{max(len(path.read_text(encoding='utf-8').splitlines()) for path in trees)}",
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path, default=[HERE], metavar="SOURCE")
    sources = parser.parse_args().sources
    columns = [figures(source) for source in sources]
    for name in columns[0]:
        print(f"{name:<42}" + "".join(f"{column[name]:>12}" for column in columns))


if __name__ == "__main__":
    main()
