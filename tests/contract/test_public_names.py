"""`__all__` says what is there, and importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.errors import PixelrecError


def test_all_is_what_there_is() -> None:
    assert sorted(pixelrec.__all__) == pixelrec.__all__
    assert set(pixelrec.__all__) == {*pixelrec._HOME, "__version__"}
    for name in pixelrec.__all__:
        assert getattr(pixelrec, name) is not None
    assert dir(pixelrec) == pixelrec.__all__


def test_every_error_has_a_public_name() -> None:
    assert {error.__name__ for error in PixelrecError.__subclasses__()} <= set(pixelrec.__all__)


def test_no_public_name_is_a_module_too() -> None:
    """Importing a module binds it in the package, over a function of the same name."""
    modules = {path.stem for path in Path(pixelrec.__file__).parent.iterdir() if path.suffix == ".py"}
    assert not modules & set(pixelrec.__all__)


def test_public_things_say_what_they_are() -> None:
    for name in set(pixelrec.__all__) - {"__version__"}:
        assert (getattr(pixelrec, name).__doc__ or "").strip(), name


def test_importing_and_help_load_nothing_heavy() -> None:
    heavy = ("torch", "polars", "numpy", "PIL", "lmdb", "pydantic", "yaml", "jinja2", "rich")
    code = (
        "import sys, pixelrec; from pixelrec.cli.main import main; from pixelrec.cli.verbs import VERBS; "
        "[main([*name.split(), '--help']) for name in VERBS]; main(['--help']); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_training_twice_in_one_process(dataset: Dataset, tmp_path: Path) -> None:
    small = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}
    for precision in ("fp32", "bf16"):
        overrides = {**small, "training.precision": precision}
        run = pixelrec.train("sasrec-id", data=dataset.folder, out=tmp_path / precision, overrides=overrides)
        assert run.folder == tmp_path / precision
