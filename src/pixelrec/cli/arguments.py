"""A function's signature and docstring, as a command line."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from pixelrec.errors import RequestError, nearest

_METAVARS = {Path: "PATH", int: "NUMBER", str: "NAME"}


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("pixelrec ")
        raise RequestError(f"{verb}: {self._in_plain_words(message)}; see {self.prog} --help")

    def _in_plain_words(self, message: str) -> str:
        if found := re.match(r"unrecognized arguments: (\S+)", message):
            return self._unknown(found[1])
        if found := re.match(r"the following arguments are required: ([A-Z_]+)$", message):
            return f"{found[1]} is missing{self._swallowed()}"
        if found := re.match(r"argument (\S+): (?:invalid choice|invalid int value): ('.*?')", message):
            flag = found[1].rpartition("/")[2]
            return f"{flag} is {found[2]}; expected {_expected(self._option_string_actions[flag])}"
        return message.removeprefix("argument ")

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is one word too many"
        known = [option for action in self._actions for option in action.option_strings]
        option = word.partition("=")[0]
        choice = option.removeprefix("--")
        if "." in choice and "--set" in known:
            return f"unknown option {option}; a recipe's choice is given as --set {choice}=VALUE"
        return f"unknown option {option}; {nearest(option, known)}"

    def _swallowed(self) -> str:
        """Options of several words take what stands behind them."""
        greedy = [action.option_strings[-1] for action in self._actions if action.nargs == "+"]
        return f"; give it first, since {' and '.join(greedy)} take all words behind them" if greedy else ""


def _expected(action: argparse.Action) -> str:
    return f"one of {', '.join(action.choices)}" if action.choices else "a whole number"


def parse(function: Callable[..., Any], name: str, words: Sequence[str]) -> dict[str, Any]:
    """The arguments of a call of `function`, as its command line `words` say.

    What stands left of the `*` is positional; the rest are options, named with dashes.

    Raises:
        RequestError: a word is unknown, missing or of the wrong type.
    """
    return vars(parser_of(function, name).parse_args(list(words)))


def parser_of(function: Callable[..., Any], name: str) -> argparse.ArgumentParser:
    """The parser that `parse` uses."""
    text = inspect.getdoc(function) or ""
    parser = _Parser(prog=name, description=text.partition("\n\nArgs:")[0], allow_abbrev=False)
    helps = dict(re.findall(r"^    (\w+): (.*)$", text.partition("Args:\n")[2], flags=re.MULTILINE))
    hints = get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        _add(parser, parameter, hints[parameter.name], helps.get(parameter.name, ""))
    return parser


def _add(parser: argparse.ArgumentParser, parameter: inspect.Parameter, hint: Any, text: str) -> None:
    required = parameter.default is inspect.Parameter.empty
    if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        kind = _kind(hint, parameter)["type"]
        count = None if required else "?"
        parser.add_argument(parameter.name, metavar=parameter.name.upper(), type=kind, nargs=count, help=text)
        return
    flag = "--" + parameter.name.replace("_", "-")
    flags = [f"-{parameter.name}", flag] if len(parameter.name) == 1 else [flag]
    shown = "" if required or parameter.default in (None, False) else f" (default: {parameter.default})"
    settings: dict[str, Any] = {"dest": parameter.name, "help": text + shown, **_kind(hint, parameter)}
    if required:
        settings["required"] = True
    else:
        settings["default"] = parameter.default
    parser.add_argument(*flags, **settings)


def _kind(hint: Any, parameter: inspect.Parameter) -> dict[str, Any]:
    """How argparse reads a value of this type."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(part for part in get_args(hint) if part is not NoneType)
    if hint is bool:
        positive = {"action": argparse.BooleanOptionalAction}
        return positive if parameter.default else {"action": "store_true"}
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if get_origin(hint) is list:
        (kind,) = get_args(hint)
        return {"nargs": "+", "action": "extend", "type": kind, "metavar": parameter.name.upper()}
    return {"type": hint, "metavar": _METAVARS[hint]}
