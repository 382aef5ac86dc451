"""The time until something happens: import, help, and the answer to each kind of mistake.

python benchmarks/startup.py

CPU seconds, the median of five runs after one that warms the disk's cache. A mistake in an option of
a model or encoder, or in a value, imports the classes, and torch with them; every other one needs none.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from pixelrec.data.manifest import FORMAT, VERSION
from pixelrec.runs import about

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
# Run in a folder of `make_place`. Each ends with status 2.
MISTAKES = """
trian
images chek
recipes sasrec-ids
recipes nowhere.yaml
recipes --schem
prepare nowhere.csv --out new
prepare log.csv
prepare log.csv --out data
prepare log.csv --out log.csv
prepare log.csv --out new --size 0
prepare log.csv --out new --size ٤
prepare log.csv --out new --fit strech
prepare log.csv --out new --covers nowhere
prepare log.csv --out new --items nowhere.csv
prepare log.csv --out new --item-colum id
images pack nowhere --data data
images pack covers --data nowhere
images pack covers --data full
images pack covers --data data --threads 0
images pack covers
images check nowhere
images check covers --data nowhere
features extract nowhere --source x --out new
features extract data --out new
features extract data --run nowhere --out new
features import nowhere --out new
features import log.csv --out new --by-number
features export nowhere --out new.npy
features inspect nowhere --data data
features inspect full --data nowhere
codes fit nowhere --out new
codes fit full --out new --quantiser pq
codes assign nowhere --picture log.csv
similar nowhere --item x
similar full
similar full --item x --sheet new.htm
similar full --picture nowhere
cache nowhere
cache full
cache data --unused-days x
cache data --unused-days 3
train
train sasrec-id
train sasrec-ids --data data
train nowhere.yaml --data data
train sasrec-id --data nowhere
train sasrec-id --data full
train sasrec-id --data data --out full
train sasrec-id --data data --out log.csv
train sasrec-id --dat data
train sasrec-id --data data --training.epoch 3
train sasrec-id --data data --optimiser.rate 1
train --resume
train --resume nowhere
train --resume full
train --resume run --out new
train --resume run --data nowhere
evaluate
evaluate nowhere
evaluate full
evaluate run --split tset
evaluate run --data nowhere
evaluate run --reprot
compare run
compare run nowhere
compare nowhere run
compare run full
compare run run
bench nowhere --recipes sasrec-id
bench full --recipes sasrec-id
bench data
bench data --recipes
bench data --recipes sasrec-ids
bench data --recipes sasrec-id --seeds 0
bench data --recipes sasrec-id --seeds x
bench data --recipes sasrec-id --seeds 1000000000000
bench data --recipes sasrec-id --jobs 0
bench data --recipes sasrec-id --out log.csv
recommend run
recommend run --user u --history i
recommend run --user u -k 0
recommend run --user u -k x
recommend run --user u --alone
recommend run --user u --with-cover nowhere.jpg
recommend run --user u --form jsno
recommend run --user u --out full
recommend run --user u --data nowhere
recommend nowhere --user u
recommend full --user u
report nowhere
report full
report run --beside nowhere
report run --beside full
report run --data nowhere
demo --out full
demo --out log.csv
demo --seed -1
demo --ot new
""".strip().splitlines()
FROM_SIGNATURES = (
    "train sasrec-id --data data --users.layer 3",
    "train sasrec-id --data data --training.epochs x",
)


def make_place(folder: Path) -> None:
    """What mistakes are made about: a log, covers, and folders that look like a data set and a run."""
    for name in ("covers", "data", "full", "run"):
        (folder / name).mkdir()
    (folder / "full" / "notes.txt").touch()
    (folder / "log.csv").write_text("item_id,user_id,timestamp\na,u,1\n", encoding="utf-8")
    manifest = {"format": FORMAT, "version": VERSION}
    (folder / "data" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    run = {"format": about.FORMAT, **dict.fromkeys(about.KEYS, "x")}
    (folder / "run" / "run.json").write_text(json.dumps(run), encoding="utf-8")


def seconds(command: list[str], folder: Path | None = None, status: int = 0) -> float:
    runs = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert done.returncode == status, (command, done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(runs[1:])


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[1:])  # commands run elsewhere
    for title, command in CASES.items():
        print(f"{title:<60} {seconds(command):5.2f} CPU s")
    with TemporaryDirectory() as name:
        make_place(Path(name))
        for mistake in (*MISTAKES, *FROM_SIGNATURES):
            took = seconds([*PIXELREC, *shlex.split(mistake)], Path(name), status=2)
            print(f"pixelrec {mistake:<51} {took:5.2f} CPU s", flush=True)
