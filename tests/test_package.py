"""What is installed: the wheel from the sdist holds every data file, works by itself, and is typed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pixelrec"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def quietly(*words: str | Path, folder: Path) -> str:
    """What a command prints; it must succeed, and sees nothing of this repository."""
    known = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel made from it."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            copy(path, source)
    for name in ("src", "docs", "tests", "scripts"):
        copytree(ROOT / name, source / name, ignore=ignore_patterns("__pycache__", "*.egg-info"))
    quietly(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", source, folder=folder
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def bare(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel; it borrows the packages that pixelrec needs."""
    place = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    [site] = place.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    [wheel] = built.glob("*.whl")
    words = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--ignore-installed", wheel)
    quietly(sys.executable, "-m", "pip", "--python", python, "install", *words, folder=place)
    return place / "bin"


def test_the_wheel_holds_every_file_of_the_package_and_no_other(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        [scripts] = [name for name in names if name.endswith("/entry_points.txt")]
        assert "pixelrec = pixelrec.cli.main:main" in archive.read(scripts).decode()
    files = (path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {name for name in names if ".dist-info/" not in name} == {
        f"pixelrec/{path.relative_to(SOURCE)}" for path in files
    }


def test_the_sdist_can_be_tested_and_holds_nothing_else(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "LICENSE",
        "CITATION.cff",
        "SECURITY.md",
        "Makefile",
        "docs/data.md",
        "tests/conftest.py",
    } <= names
    pages = ["CHANGELOG", "CONTRIBUTING", "README", "RELEASING", "SECURITY"]
    files = "CITATION.cff LICENSE MANIFEST.in Makefile PKG-INFO constraints.txt mkdocs.yml pyproject.toml"
    tops = {f"{page}.md" for page in pages} | {
        *files.split(),
        "requirements.txt",
        "setup.cfg",
        "src",
        "docs",
        "tests",
        "scripts",
    }
    assert {name.split("/")[0] for name in names} - {""} == tops
    assert not [name for name in names if name.endswith((".pyc", ".so"))]


def test_installed_it_prepares_and_finds_its_recipes(bare: Path, tmp_path: Path) -> None:
    found = quietly(bare / "python", "-c", "import pixelrec; print(pixelrec.__file__)", folder=tmp_path)
    assert found.startswith(str(bare.parent))
    assert quietly(bare / "pixelrec", "--version", folder=tmp_path) == f"pixelrec {PROJECT['version']}\n"
    rows = "".join(f"u,i{n},{n}\n" for n in range(5))
    (tmp_path / "e.csv").write_text(f"user_id,item_id,timestamp\n{rows}")
    quietly(bare / "pixelrec", "prepare", "e.csv", "--out", "data", folder=tmp_path)
    assert (tmp_path / "data" / "manifest.json").exists()
    assert "sasrec-id" in quietly(bare / "pixelrec", "recipes", folder=tmp_path)


TYPED = """
from pathlib import Path

import pixelrec
from pixelrec import Dataset, Run


def best(events: Path, covers: Path) -> list[float]:
    data: Dataset = pixelrec.prepare(events, out="data", covers=covers, missing="grey")
    run: Run = pixelrec.train("sasrec-id", data=data, out="runs/a", overrides={"users.layers": 1})
    files: list[Path] = pixelrec.export_vectors(run, of="items", out="items.parquet")
    service = pixelrec.load(run)
    return [score for _, score, _, _ in service.recommend(users=["u17"])[0]] if files else []


reveal_type(pixelrec.evaluate)
pixelrec.load(1)
pixelrec.train("sasrec-id", data="data", out="run", nonsense=3)
"""
# The packages below are typed by others: without them, mypy takes seconds instead of minutes.
SETTINGS = """
[mypy]
strict = true
[mypy-torch.*,polars.*,numpy.*,scipy.*,rich.*,transformers.*,pydantic.*,narwhals.*,PIL.*,accelerate.*,pyarrow.*]
follow_imports = skip
"""


def test_a_typed_program_is_checked_against_it(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TYPED)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    words = (sys.executable, "-m", "mypy", "--python-executable", bare / "python", "program.py")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [line.split(":", 2)[1:] for line in done.stdout.splitlines() if line.startswith("program.py:")]
    found = [(int(line), text) for line, text in said if " error:" in text or "Revealed" in text]
    assert [line for line, _ in found] == [16, 17, 18], done.stdout
    assert "pixelrec.runs.results.EvaluationResult" in found[0][1]


def test_every_import_is_a_declared_dependency() -> None:
    extras = {name: some for name, some in PROJECT["optional-dependencies"].items() if name != "dev"}
    texts = [*PROJECT["dependencies"], *(each for some in extras.values() for each in some)]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    owners, needed = packages_distributions(), set[str]()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            for module in {name.split(".")[0] for name in modules} - {"pixelrec"}:
                needed |= {canonicalize_name(name) for name in owners.get(module, [])}
    assert needed - {"pydantic-core"} <= declared  # comes with pydantic, which demands one version of it


def test_messages_name_extras_that_there_are() -> None:
    named = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"need=.*extra=\"([\w-]+)\"", path.read_text("utf-8"))
    }
    assert len(named) >= 4 and named <= PROJECT["optional-dependencies"].keys()


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == PROJECT["version"] and cited["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
