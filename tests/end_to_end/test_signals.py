"""Signals to real processes and output that nobody reads: no training is lost, and resumed ones are equal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from pixelrec.data.dataset import Dataset

WORDS = ["--length=5", "--items.width=8", "--users.heads=1", "--users.layers=1", "--training.batch_size=512"]
WORDS += ["--training.epochs=2"]
# Forks a child for each training, from a process that has everything imported; prints the statuses.
PROGRAM = """
import json, os, signal, sys
import pixelrec.recipe.schema, pixelrec.runs.train, torch._dynamo, torch.utils.tensorboard
from pixelrec.cli.main import main
from pixelrec.runs import validate
from pixelrec.training import loop

def signalled(module, name, number, at):
    "Makes the call number `at` of a function begin with a signal."
    function, calls = getattr(module, name), []
    def called(*words, **options):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        return function(*words, **options)
    setattr(module, name, called)

def set_up(how, where):
    if how == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    elif how == "full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    elif how == "closed":
        sys.stdout = None
        os.close(1)
    else:
        if where == "ignored":
            signal.signal(getattr(signal, how), signal.SIG_IGN)
        at = (validate, "sharded_catalogue", 2) if where == "validation" else (loop, "train_batch", 4)
        signalled(at[0], at[1], getattr(signal, how), at[2])

def in_child(words, *case):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 99
    try:
        if case:
            set_up(*case)
        status = main(words)
    finally:
        sys.stderr.flush()
        os._exit(status)

data, folder, cases, words = map(json.loads, sys.argv[1:])
start = ["train", "sasrec-id", "--data", data, *words]
found = {"whole": [in_child([*start, "--out", f"{folder}/whole"])]}
for name, case in cases.items():
    out = f"{folder}/{name}"
    found[name] = [in_child([*start, "--out", out], *case)]
    if found[name] != [0]:
        found[name].append(in_child(["train", "--resume", out]))
print(json.dumps(found))
"""
CASES = {
    "hup": (["SIGHUP", "step"], [128 + signal.SIGHUP, 0]),
    "usr1": (["SIGUSR1", "validation"], [128 + signal.SIGUSR1, 0]),
    "nohup": (["SIGHUP", "ignored"], [0]),
    "pipe": (["pipe", ""], [0]),
    "full": (["full", ""], [0]),
    "closed": (["closed", ""], [0]),
}


def content(run: Path) -> dict[str, object]:
    """All that does not depend on a clock."""
    clocks = {"seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds"}
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{k: v for k, v in json.loads(line).items() if k not in clocks} for line in lines]
    files = ("best/model.safetensors", "last/model.safetensors", "last/optimiser.safetensors")
    return {"rows": rows, **{name: (run / name).read_bytes() for name in files}}


def test_training_survives_signals_and_output_that_nobody_reads(dataset: Dataset, tmp_path: Path) -> None:
    given = [str(dataset.folder), str(tmp_path), {name: how for name, (how, _) in CASES.items()}, WORDS]
    command = [sys.executable, "-c", PROGRAM, *map(json.dumps, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = {name: statuses for name, (_, statuses) in CASES.items()}
    assert json.loads(done.stdout.splitlines()[-1]) == {"whole": [0], **expected}
    assert [line.split(str(tmp_path))[0] for line in done.stderr.splitlines()] == [
        *["pixelrec: stopped; continue with: pixelrec train --resume "] * 2,
        "pixelrec: standard output: No space left on device; the work is done, and its files are written",
    ]
    whole = content(tmp_path / "whole")
    assert len(whole["rows"]) == 2  # type: ignore[arg-type]
    for name in CASES:
        assert content(tmp_path / name) == whole, name
