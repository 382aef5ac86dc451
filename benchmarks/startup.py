"""The time until something happens: import and help. A recipe imports its classes, and torch with them.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

PIXELREC = [sys.executable, "-m", "pixelrec"]
CASES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import pixelrec": [sys.executable, "-c", "import pixelrec"],
    "pixelrec --help": [*PIXELREC, "--help"],
    "pixelrec prepare --help": [*PIXELREC, "prepare", "--help"],
    "pixelrec train --help": [*PIXELREC, "train", "--help"],
    "pixelrec recipes": [*PIXELREC, "recipes"],
    "pixelrec train sasrec-id --help": [*PIXELREC, "train", "sasrec-id", "--help"],
}


def seconds(command: list[str]) -> float:
    """The median of seven runs, after one that warms the disk's cache."""
    runs = []
    for _ in range(8):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        runs.append(time.perf_counter() - started)
    return median(runs[1:])


if __name__ == "__main__":
    for title, command in CASES.items():
        print(f"{title:<32} {seconds(command):6.2f} s")
