"""The command line of `pixelrec train`: its own options, and every word of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pixelrec.errors import RequestError
from pixelrec.overrides import at
from pixelrec.recipe import read_recipe, schema


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
    """What `pixelrec train RECIPE --help` prints: every word of the recipe, with its value."""
    chosen = read_recipe(recipe or "sasrec-id")
    parser = schema(dict(chosen.choices))
    keys = parser.get_defaults().as_flat().__dict__
    parser.set_defaults({key: at(chosen.choices, key) for key in keys})
    words_only = parser.format_help().partition("options:")[2].splitlines()
    listed = "\n".join(line for line in words_only if "configuration file" not in line).strip("\n")
    return (
        "usage: pixelrec train RECIPE --data DATA [--out RUN] [--section.word VALUE …]\n"
        "       pixelrec train --resume RUN [--data DATA]\n\n"
        "RECIPE is a name that `pixelrec recipes` lists, or a YAML file. Ctrl-C finishes the step, saves\n"
        f"and stops; --resume goes on. The words of {chosen.name}, with their values:\n\n{listed}"
    )
