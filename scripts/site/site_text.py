"""Text of docstrings as Markdown, where <item_id> would be a tag of HTML."""

from __future__ import annotations

from typing import Any

import griffe


def escaped(text: str) -> str:
    """`<` as text, except in code."""
    parts = text.split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


class Escaped(griffe.Extension):
    """The same in every docstring that mkdocstrings shows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = escaped(obj.docstring.value)
