"""The command line of `pixelrec train`: its own options, and every word of a recipe."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from pixelrec.errors import RequestError
from pixelrec.recipe.overrides import at
from pixelrec.recipe.recipe import read_recipe

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
    from pixelrec.recipe.schema import words

    chosen = read_recipe(recipe or "sasrec-id")
    listed = []
    for word in words(chosen.config):
        help = f"{word.help.rstrip('.')} ({word.type}; here {_written(at(chosen.config, word.key))})"
        text = textwrap.wrap(help, 78, initial_indent=" " * 8, subsequent_indent=" " * 8)
        listed += [f"  --{word.key} {word.key.rpartition('.')[2].upper()}", *text]
    return "\n".join([_OPTIONS, f"The words of {chosen.name}:\n", *listed])


def _written(value: Any) -> str:
    """As YAML and the command line write it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
