"""The command line of `pixelrec train`: its own options, and every word of a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pixelrec.errors import RequestError
from pixelrec.recipe.overrides import at
from pixelrec.recipe.recipe import hints_of, read_recipe, schema
from pixelrec.recipe.types import expected

_OPTIONS = """usage: pixelrec train RECIPE --data DATA [--out RUN] [--section.word VALUE …]
       pixelrec train --resume RUN [--data DATA]

  RECIPE                a name that `pixelrec recipes` lists, or a YAML file
  --data DATA           data set folder, as `pixelrec prepare` makes it; with
                        --resume, where it lies now, if it moved
  --out RUN             folder of the run, new or empty; by default
                        runs/<date>-<time>-<recipe>
  --resume RUN          finish a run that was interrupted, by its own recipe:
                        Ctrl-C finishes the step, saves and stops
"""


def train_options(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The verb's own options, and the recipe's words that are left."""
    found: dict[str, Any] = {"recipe": None, "data": None, "out": None, "resume": None, "help": False}
    rest = list(words)
    left: list[str] = []
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word in {"-h", "--help"}:
            found["help"] = True
        elif word in {"--data", "--out", "--resume"}:
            if not equals and not rest:
                raise RequestError(f"train: {word} has no value; expected {word} FOLDER")
            found[word.removeprefix("--")] = value if equals else rest.pop(0)
        elif found["recipe"] is None and not word.startswith("-") and not equals:
            found["recipe"] = word
        else:
            # Everything else is the recipe's; a key that stands alone has the next word as its value.
            left.append(word + equals + value)
            if word.startswith("--") and not equals and rest:
                left.append(rest.pop(0))
    return found, left


def train_help(recipe: str | None) -> str:
    """What `pixelrec train RECIPE --help` prints: its own options, and the recipe's words and values."""
    chosen = read_recipe(recipe or "sasrec-id")
    parser = schema(chosen.config)
    hints = hints_of(parser)
    for action in parser._actions:
        if action.dest in hints:
            may, value = expected(action.dest, hints[action.dest]), _written(at(chosen.config, action.dest))
            told = f"{(action.help or '').rstrip('.')} ({may}; here {value})"
            action.help, action.metavar = told.replace("%", "%%"), action.dest.rpartition(".")[2].upper()
    listed = parser.format_help().partition("options:")[2].strip("\n")
    return f"{_OPTIONS}\nThe words of {chosen.name}:\n\n{listed}"


def _written(value: Any) -> str:
    """As YAML and the command line say it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
