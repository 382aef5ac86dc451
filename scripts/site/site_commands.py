"""The reference of the command line, from the signatures and docstrings that also make `--help`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from site_text import escaped

from pixelrec.cli.arguments import Parameter
from pixelrec.cli.main import STATUSES
from pixelrec.cli.verbs import VERBS, Verb


def command_page() -> str:
    """A section per command, in the order of `pixelrec --help`."""
    head = "# Command line\n\nEvery command is a function of [the Python API](python-verbs.md) too.\n"
    return "\n\n".join([head, *(_section(name, verb) for name, verb in VERBS.items()), _statuses()])


def _section(name: str, verb: Verb) -> str:
    known = verb.parameters()
    about = (inspect.getdoc(verb.call) or "").partition("\n\nArgs:")[0]
    places = [each for each in known if each.positional]
    options = [each for each in known if not each.positional and each.kind is not Mapping]
    overrides = [each for each in known if each.kind is Mapping]
    options.sort(key=lambda each: not each.required)
    words = [each.usage if each.required else f"[{each.usage}]" for each in places]
    words += [each.usage for each in options if each.required]
    words += ["[OPTION …]"] * any(not each.required for each in options)
    words += ["[--SECTION.WORD VALUE …]"] * bool(overrides)
    rows = [_row(each.usage, each) for each in (*places, *options)]
    rows += [_row("--SECTION.WORD VALUE", each) for each in overrides]
    usage = f"```text\npixelrec {' '.join([name, *words])}\n```"
    return f"## pixelrec {name}\n\n{escaped(about)}\n\n{usage}\n\n" + "\n".join(rows)


def _row(usage: str, each: Parameter) -> str:
    """An entry of a definition list."""
    text = escaped(each.text)
    default = f" Default: `{each.written_default}`." if each.written_default else ""
    end = "" if not text or text.endswith(".") else "."
    return f"`{usage}`\n:   {text[:1].upper()}{text[1:]}{end}{default}\n"


def _statuses() -> str:
    return f"## Exit status\n\n```text\n{STATUSES}\n```\n\n`--debug` shows where an error comes from."
