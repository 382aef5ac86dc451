"""Filling templates: everything is escaped, and control characters are shown as such."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from pixelrec.console.terminal import printable
from pixelrec.reports.page import environment
from pixelrec.serving.pages.links import AbstractLinks, ServerLinks
from pixelrec.serving.shop import Shop

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> jinja2.Environment:
    return environment(TEMPLATES)


def render(template: str, values: Mapping[str, Any], links: AbstractLinks, shop: Shop) -> str:
    """A page as text; `links` and `shop` are there in every template."""
    text = _environment().get_template(template).render(**values, links=links, shop=shop)
    return printable(text, lines=True)


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page as an answer."""
    return HTMLResponse(render(template, values, ServerLinks(), request.app.state.shop), status)
