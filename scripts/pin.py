"""Pins every package that pixelrec and its extras install: `constraints.txt` and `requirements.txt`.

python scripts/pin.py

pip resolves `.[dev]` once for this interpreter, with the index that is configured, and installs nothing.
`constraints.txt` has the version of every package. `requirements.txt` has the SHA-256 of their wheels too,
for every Python and platform of `TARGETS`, but not of torch, whose wheels differ by accelerator. To move to
newer versions, delete lines of `constraints.txt` before.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
CONSTRAINTS, REQUIREMENTS = ROOT / "constraints.txt", ROOT / "requirements.txt"
LINUX = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28", "manylinux_2_31")
PLATFORMS = {
    "Linux x86-64": [f"{name}_x86_64" for name in LINUX],
    "Linux ARM": [f"{name}_aarch64" for name in LINUX],
    "macOS ARM": ["macosx_14_0_arm64"],
}
TARGETS = [(python, platform) for python in ("3.11", "3.12", "3.13") for platform in PLATFORMS]
UNHASHED = "torch"
HEAD = "# Made by scripts/pin.py"


def main() -> None:
    found = dict(resolved("--constraint", str(CONSTRAINTS), f"{ROOT}[dev]"))
    del found["pixelrec"]
    versions = {name: package["version"].partition("+")[0] for name, package in sorted(found.items())}
    hashes = {name: {package["sha256"]} for name, package in found.items() if name != UNHASHED}
    pinned = [f"{name}=={versions[name]}" for name in hashes]
    for python, platform in TARGETS:
        tags = [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]
        only = ("--no-deps", "--only-binary=:all:", "--target", "unused", "--python-version", python)
        try:
            for name, package in resolved(*only, *tags, *pinned):
                hashes[name].add(package["sha256"])
        except subprocess.CalledProcessError as error:
            print(f"left out: Python {python} on {platform}: {error.stderr.strip().splitlines()[-1]}")
    lines = [f"{name}=={version}" for name, version in versions.items()]
    CONSTRAINTS.write_text("\n".join([HEAD, *lines, ""]), encoding="utf-8")
    lines = [
        " \\\n".join(
            [f"{name}=={versions[name]}", *(f"    --hash=sha256:{one}" for one in sorted(hashes[name]))]
        )
        for name in sorted(hashes)
    ]
    REQUIREMENTS.write_text("\n".join([f"{HEAD}; all but {UNHASHED}", *lines, ""]), encoding="utf-8")


def resolved(*words: str) -> list[tuple[str, dict[str, Any]]]:
    """Name, version and digest of what pip would install."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), *words]
        subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True)
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [
        (
            re.sub("[-_.]+", "-", each["metadata"]["name"]).lower(),
            {
                "version": each["metadata"]["version"],
                "sha256": each["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256"),
            },
        )
        for each in installs
    ]


if __name__ == "__main__":
    main()
