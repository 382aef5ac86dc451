"""The words of a command line as the arguments of a function, by its signature and docstring.

What stands left of the `*` is positional, unless it must be a list; the rest are options. `--option=VALUE` is
the same as `--option VALUE`; a list takes the words up to the next option. What may be one value or a list of
them is positional, and takes all words that no option does.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, final, get_args, get_origin, get_type_hints

from pixelrec.errors import RequestError, nearest
from pixelrec.recipe.options import parameter_texts
from pixelrec.recipe.unknown import TOP

SUPPLIED = ("console", "on_packed", "on_note")  # parameters that are no words of the command line
# Classes that a command line names by a path or a name, so that nothing heavy is imported for their sake.
NAMED: Mapping[str, type] = {
    "IntoFrame": object,
    "Run": Path,
    "Dataset": Path,
    "FeatureFile": Path,
    "Recipe": str,
}
_VALUES = {Path: "PATH", int: "NUMBER", float: "NUMBER", str: "NAME"}
_INDENT = 26


@final
@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, as the command line has it."""

    name: str  # in the signature
    flag: str  # such as --time-unit; of a positional one, RUN
    kind: type  # Path, int, float, str or bool; Mapping for every other --section.word VALUE
    values: tuple[str, ...]  # all that are allowed; empty for any
    many: bool  # a list
    positional: bool
    default: Any  # `inspect.Parameter.empty` where it is required
    text: str  # of help

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def flags(self) -> list[str]:
        """All ways to write it: `--no-report` only where a report is written by default."""
        if self.kind is bool:
            return [self.flag, "--no-" + self.flag[2:]] if self.default else [self.flag]
        return [self.flag]

    @property
    def usage(self) -> str:
        """As help shows it: "--user NAME …"."""
        if self.kind is bool and self.default is True:
            return f"--[no-]{self.flag[2:]}"
        if self.positional:
            return f"{self.flag} …" if self.many else self.flag
        if self.kind is bool:
            return self.flag
        return f"{self.flag} {'|'.join(self.values) or _VALUES[self.kind]}{' …' if self.many else ''}"

    @property
    def written_default(self) -> str:
        """The default for help; empty where it goes without saying."""
        if self.required or self.default in (None, ()) or self.default is False:
            return ""
        return "yes" if self.default is True else str(self.default)

    def read(self, word: str) -> Any:
        """The value of a word, or a `RequestError`."""
        if self.values and word not in self.values:
            raise RequestError(f"{self.flag} is {word!r}; expected one of {', '.join(self.values)}")
        if self.kind is int and not re.fullmatch(r"[-+]?[0-9]{1,30}", word):
            raise RequestError(f"{self.flag} is {word!r}; expected a whole number")
        if self.kind is float and not re.fullmatch(r"[-+]?([0-9]{1,30}\.?[0-9]*|\.[0-9]+)", word):
            raise RequestError(f"{self.flag} is {word!r}; expected a number")
        return self.kind(word)


def parameters(
    function: Callable[..., Any], renames: Mapping[str, str] | None = None, *, keywords_only: bool = False
) -> list[Parameter]:
    """The parameters of a function that the command line gives, in the order of its signature.

    Args:
        function: its annotations may be names that are imported for type checkers only, if `NAMED` has them.
        renames: parameter → the name of its option, where that is another.
        keywords_only: leave out the others.
    """
    signature = inspect.signature(function).parameters
    given = {name: each for name, each in signature.items() if name not in SUPPLIED}
    if keywords_only:
        given = {name: each for name, each in given.items() if each.kind is each.KEYWORD_ONLY}
    # Only these annotations are evaluated: what a function returns is of no concern here.
    annotations = SimpleNamespace(__annotations__={name: each.annotation for name, each in given.items()})
    hints = get_type_hints(annotations, {**inspect.unwrap(function).__globals__, **NAMED})
    texts, found = parameter_texts(function), []
    for name, each in given.items():
        kind, values, many = _kind(hints[name])
        written = (renames or {}).get(name, name).replace("_", "-")
        positional = each.kind is not each.KEYWORD_ONLY and (not many or _may_be_one(hints[name]))
        flag = written.upper() if positional else f"{'-' if len(written) == 1 else '--'}{written}"
        text = texts.get(name, "").removesuffix(".")
        found.append(Parameter(name, flag, kind, values, many, positional, each.default, text))
    return found


def _kind(hint: Any) -> tuple[type, tuple[str, ...], bool]:
    """What one value is, the values it may have, and whether there may be several."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        hint = next((part for part in parts if get_origin(part) is Sequence), parts[0])
    if get_origin(hint) is Literal:
        return str, get_args(hint), False
    if get_origin(hint) is Sequence:
        kind, values, _ = _kind(get_args(hint)[0])
        return kind, values, True
    return get_origin(hint) or hint, (), False


def _may_be_one(hint: Any) -> bool:
    """Whether a parameter that may be a list may be a single value as well."""
    union = get_origin(hint) in (Union, UnionType)
    return union and any(get_origin(part) is not Sequence and part is not NoneType for part in get_args(hint))


def parse(
    name: str, known: Sequence[Parameter], words: Sequence[str], *, partly: bool = False
) -> dict[str, Any]:
    """The values of the words after the verb `name`, by parameter.

    Raises:
        RequestError: a word is unknown, missing or of the wrong type; with `partly` it is left out instead.
    """
    reader = _Reader(known, list(words))
    try:
        reader.read_all()
    except RequestError as error:
        if not partly:
            raise RequestError(f"{name}: {error}; see pixelrec {name} --help") from None
    return reader.found


@final
class _Reader:
    """Takes words from the left and finds out what they are values of."""

    def __init__(self, known: Sequence[Parameter], words: list[str]) -> None:
        self.words, self.known = words, known
        self.options = {flag: each for each in known if not each.positional for flag in each.flags}
        self.places = [each for each in known if each.positional]
        self.rest = next((each for each in known if each.kind is Mapping), None)  # takes what has no option
        self.found: dict[str, Any] = {}

    def read_all(self) -> None:
        while self.words:
            word = self.words.pop(0)
            flag, equals, value = word.partition("=")
            if flag in self.options:
                self._option(self.options[flag], flag, value if equals else None)
            elif self.rest is not None and self._is_override(flag):
                from pixelrec.recipe.yaml_text import read_value

                overrides = self.found.setdefault(self.rest.name, {})
                overrides[flag[2:]] = read_value(value if equals else self._next(flag))
            elif word.startswith("-") and len(word) > 1:
                raise RequestError(f"unknown option {flag}; {nearest(flag, self.options)}")
            elif free := [each for each in self.places if each.many or each.name not in self.found]:
                value = free[0].read(word)
                self.found[free[0].name] = (
                    [*self.found.get(free[0].name, ()), value] if free[0].many else value
                )
            else:
                takes = ", or an option as --section.word VALUE" if self.rest is not None else ""
                raise RequestError(f"{word!r} is one word too many{takes}")

        for each in self.known:
            if each.required and each.name not in self.found:
                lists = [other.flag for other in self.known if other.many and other.name in self.found]
                hint = f"; give it first, as {' and '.join(lists)} takes all words behind it" if lists else ""
                raise RequestError(f"{each.flag} is missing{hint if each.positional else ''}")

    def _option(self, option: Parameter, flag: str, value: str | None) -> None:
        if option.kind is bool:
            if value is not None:
                raise RequestError(f"{flag} takes no value, not {value!r}")
            self.found[option.name] = not flag.startswith("--no-")
        elif not option.many:
            self.found[option.name] = option.read(self._next(flag) if value is None else value)
        else:
            words = [self._next(flag) if value is None else value]
            while value is None and self.words and not self._begins_an_option(self.words[0]):
                words.append(self.words.pop(0))
            self.found[option.name] = [*self.found.get(option.name, ()), *map(option.read, words)]

    def _next(self, flag: str) -> str:
        if not self.words or self._begins_an_option(self.words[0]):
            raise RequestError(f"{flag} has no value; expected {flag} VALUE, or {flag}=VALUE")
        return self.words.pop(0)

    def _begins_an_option(self, word: str) -> bool:
        """An id may begin with one dash, as long as it is no option."""
        return word.partition("=")[0] in self.options or word.startswith("--")

    def _is_override(self, flag: str) -> bool:
        """A word that is nearly an option is a slip."""
        slip = "." not in flag and flag[2:] not in TOP
        slip = slip and bool(get_close_matches(flag, self.options, n=1, cutoff=0.75))
        return flag.startswith("--") and len(flag) > 2 and not slip


def help_text(name: str, about: str, known: Sequence[Parameter]) -> str:
    """What `pixelrec VERB --help` prints, 80 columns wide."""
    places = [each for each in known if each.positional]
    overrides = [each for each in known if each.kind is Mapping]
    options = [each for each in known if not each.positional and each.kind is not Mapping]
    options.sort(key=lambda each: not each.required)
    usage = [f"usage: pixelrec {name}"]
    usage += [each.usage if each.required else f"[{each.usage}]" for each in places]
    usage += [each.usage for each in options if each.required]
    usage += ["[OPTION …]"] if any(not each.required for each in options) else []
    usage += ["[--SECTION.WORD VALUE …]"] if overrides else []
    first = textwrap.fill(" ".join(usage), 80, subsequent_indent=" " * 7, break_on_hyphens=False)
    rows = [entry(each.usage, each.text, each.written_default) for each in (*places, *options)]
    rows += [entry("--SECTION.WORD VALUE", each.text) for each in overrides]
    return "\n".join([first, "", about, "", *rows])


def entry(usage: str, text: str, default: str = "") -> str:
    """An option and its explanation, in two columns."""
    if default:
        shown = f"[default: {default}]"
        text += " " + (shown if len(shown) > 30 else shown.replace(" ", "\u00a0"))  # on one line
    body = textwrap.wrap(text, 80 - _INDENT, break_long_words=False, break_on_hyphens=False) or [""]
    first, below = f"  {usage}", [" " * _INDENT + line for line in body]
    if len(first) < _INDENT - 1:
        below[0] = f"{first:<{_INDENT}}{body[0]}"
    else:
        below.insert(0, first)
    return "\n".join(below).replace("\u00a0", " ")


def summary(function: Callable[..., Any]) -> str:
    """The docstring before its `Args:`, wrapped to 80 columns."""
    text = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0]
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 80) for part in text.split("\n\n"))
