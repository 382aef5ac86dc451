"""The pinned packages are all that pixelrec and its extras install, and their files are known by digests."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M))
HASHED = (ROOT / "requirements.txt").read_text("utf-8")
ACCELERATOR = ("nvidia-", "cuda-", "triton")  # what torch needs on some machines


def direct() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]
    return [Requirement(text) for text in texts if not text.startswith("pixelrec[")]


def closure() -> set[str]:
    found: set[str] = set()
    left = direct()
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if name in found or name.startswith(ACCELERATOR):
            continue
        found.add(name)
        try:
            needs = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # an extra that is not installed
            continue
        environments = [{"extra": extra} for extra in ("", *one.extras)]
        left += [
            each
            for each in needs
            if each.marker is None or any(each.marker.evaluate(environment) for environment in environments)
        ]
    return found


def test_every_package_is_pinned() -> None:
    assert closure() <= PINNED.keys() and len(PINNED) > 60
    for one in direct():
        assert one.specifier.contains(PINNED[canonicalize_name(one.name)]), one


def test_every_file_but_those_of_torch_has_a_digest() -> None:
    blocks = re.findall(
        r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", HASHED, re.M
    )
    assert {name: version for name, version, _ in blocks} == {
        name: version for name, version in PINNED.items() if name != "torch"
    }
    assert "://" not in HASHED and not re.search(r"://", (ROOT / "constraints.txt").read_text("utf-8"))
