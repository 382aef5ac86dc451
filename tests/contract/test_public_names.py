"""`__all__` says what is there, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pixelrec


def test_all_is_what_there_is() -> None:
    assert sorted(pixelrec.__all__) == pixelrec.__all__
    assert set(pixelrec.__all__) == {*pixelrec._HOME, "__version__"}
    for name in pixelrec.__all__:
        assert getattr(pixelrec, name) is not None
    assert dir(pixelrec) == pixelrec.__all__


def test_public_things_say_what_they_are() -> None:
    for name in set(pixelrec.__all__) - {"__version__"}:
        assert (getattr(pixelrec, name).__doc__ or "").strip(), name


def test_importing_and_help_load_nothing_heavy() -> None:
    heavy = ("torch", "polars", "numpy", "matplotlib", "PIL", "lmdb", "jsonargparse", "accelerate", "rich")
    code = (
        "import sys, pixelrec; from pixelrec.cli import main; main(['--help']); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
