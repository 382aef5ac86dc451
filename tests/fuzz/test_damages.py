"""Files of the product, damaged at random, are refused in one line or the damage has no effect.

The damages are the same in every run, a few of each file; `benchmarks/bad_input.py` tries many more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.trials import FAILURES

SEED = 20
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A verdict for each damage that was tried, in a process that has not yet used PyTorch or Polars."""
    folder = tmp_path_factory.mktemp("fuzz")
    command = [sys.executable, "-m", "fuzz.server", folder, str(SEED)]
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "POLARS_MAX_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_damaged_files_are_refused_in_a_line_or_have_no_effect(verdicts: list[dict[str, Any]]) -> None:
    failed = [verdict for verdict in verdicts if verdict["kind"] in FAILURES]
    assert not failed, "\n".join(" | ".join(verdict.values()) for verdict in failed)


def test_every_file_is_tried_and_most_damages_are_noticed(verdicts: list[dict[str, Any]]) -> None:
    assert len(verdicts) > 90
    assert all(verdict["kind"] != "not possible" for verdict in verdicts)
    assert sum(verdict["kind"] == "refused" for verdict in verdicts) > len(verdicts) / 2
