"""Runs the code of a page in order, as a reader would, in one process that is forked for it."""

from __future__ import annotations

import io
import os
import re
import shlex
import socket
import socketserver
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from runpy import run_path
from threading import Thread
from typing import Any, final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from docs.blocks import COMMANDS, RUN, SHOWN, Block, blocks_of, commands
from docs.little_shop import names, shrink

from pixelrec.cli.main import main

ROOT = Path(__file__).parents[2]


def run_page(words: Sequence[str]) -> int:
    """The page that is the first word, in the folder that is the second."""
    page, folder = map(Path, words)
    os.chdir(folder)
    os.environ["COLUMNS"] = "80"
    sys.path.insert(0, str(folder))
    shrink()
    reader = Reader(page)
    for block in blocks_of(page):
        reader.read(block)
    return 0


@final
class Reader:
    """Somebody who types what a page shows; `names` are those of Python, `said` the output of a block."""

    def __init__(self, page: Path) -> None:
        self.text = page.read_text(encoding="utf-8")
        self.names: dict[str, Any] = {"__name__": "__main__", **names(Path.cwd())}
        self.said = ""
        self.port = _free_port()

    def read(self, block: Block) -> None:
        if block.language in SHOWN:
            return
        assert block.language in RUN, f"{block.place}: a block of {block.language!r}; is it text?"
        if block.language == "output":
            self._compare(block)
            return
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                self._run(block)
        except BaseException as error:
            raise AssertionError(f"{block.place}\n{block.code}\n{said.getvalue()}") from error
        self.said = said.getvalue()

    def _run(self, block: Block) -> None:
        if block.name:
            Path(block.name).write_text(block.code, encoding="utf-8")
        if block.language in COMMANDS:
            for command, reason in commands(block):
                if not reason:
                    self._type(command)
        elif block.language == "toml":
            _install(tomllib.loads(block.code))
        elif block.language == "yaml":
            _check_recipe(block.code)
        elif block.name and block.name.startswith("test_"):
            tests = run_path(block.name)
            [tests[name]() for name in tests if name.startswith("test_")]
        elif not (block.name and f"python {block.name}" in self.text):
            exec(compile(self._here(block.code), block.place, "exec"), self.names)

    def _here(self, text: str) -> str:
        """With the port of this page in place of the one that it shows."""
        return re.sub(r"(http://localhost):\d+", rf"\1:{self.port}", text)

    def _type(self, command: str) -> None:
        print("$", command)
        line, _, file = command.partition(" > ")
        program, *words = shlex.split(line)
        if file:
            with Path(file).open("w", encoding="utf-8") as out, redirect_stdout(out):
                self._start(program, words)
        else:
            self._start(program, words)

    def _start(self, program: str, words: list[str]) -> None:
        if program == "pixelrec" and words[-1] == "&":
            _serve(words[:-1], self.port)
        elif program == "pixelrec":
            assert main(words) == 0
        elif program == "python" and words[0] == "-c":
            exec(words[1], {"__name__": "__main__"})
        elif program == "python" and words[1:] == ["&"]:
            _serve_elsewhere(self.port)
            Thread(target=run_path, args=(words[0],), kwargs={"run_name": "__main__"}, daemon=True).start()
        elif program == "python":
            run_path(words[0], run_name="__main__")
        elif program == "curl":
            print(_answer(self._here(words[-1]), words[:-1]))
        elif program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        elif program == "pip":
            _check_extras(words)
        else:
            raise AssertionError(f"no page may show {program}: nothing runs it here")

    def _compare(self, block: Block) -> None:
        """Every line that is shown has been printed, with other numbers perhaps."""
        printed = {_shape(line) for line in self.said.splitlines()}
        for line in block.code.splitlines():
            assert _shape(line) in printed or "…" in line or not line, f"{block.place}: {line}\n{self.said}"


def _shape(line: str) -> str:
    return " ".join(re.sub(r"[+−-]?\d[\d,.:]*", "0", line).replace("epochs", "epoch").split())


def _free_port() -> int:
    with socket.socket() as some:
        some.bind(("localhost", 0))
        port: int = some.getsockname()[1]
        return port


def _serve_elsewhere(port: int) -> None:
    """Servers of this process listen there, as the port of the page may be taken."""
    begin = socketserver.TCPServer.__init__

    def begin_there(self: Any, address: tuple[str, int], *rest: Any, **options: Any) -> None:
        begin(self, (address[0], port), *rest, **options)

    socketserver.TCPServer.__init__ = begin_there  # type: ignore[method-assign, assignment]


def _serve(words: list[str], port: int) -> None:
    """`pixelrec serve` beside the page, until that is read."""
    Thread(target=main, args=([*words, "--port", str(port)],), daemon=True).start()


def _answer(url: str, words: list[str]) -> str:
    """What curl would print; words: its options before the address."""
    given = dict(zip(words[::2], words[1::2], strict=True))
    asked = Request(url)
    if text := given.pop("--json", None):
        asked.data = text.encode()
        asked.add_header("Content-Type", "application/json")
    if file := given.pop("--data-binary", None):
        asked.data = Path(file.removeprefix("@")).read_bytes()
        asked.add_header("Content-Type", "application/octet-stream")
    assert not given, f"nothing here knows curl's {', '.join(given)}"
    until = time.monotonic() + 60
    while True:
        try:
            with urlopen(asked) as answer:
                found: str = answer.read().decode()
                return found
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except URLError:
            assert time.monotonic() < until, "no answer"
            time.sleep(0.05)


def _check_recipe(text: str) -> None:
    from pixelrec.recipe.recipe import read_recipe

    Path("shown.yaml").write_text(text, encoding="utf-8")
    read_recipe("shown.yaml")


def _check_extras(words: list[str]) -> None:
    """`pip install` needs the network; that the extras exist can be seen without."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for listed in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
        assert set(listed.split(",")) <= set(extras["optional-dependencies"])


def _install(project: Any) -> None:
    """The entry points of a package, as pip leaves them."""
    info = Path("my_package-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    groups = project["project"]["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{n} = {at}\n" for n, at in points.items()) for group, points in groups
    ]
    (info / "entry_points.txt").write_text("".join(lines), encoding="utf-8")
