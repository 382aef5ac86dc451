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
from pixelrec.serving.pages.links import AbstractLinks
from pixelrec.serving.shop import Shop

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> jinja2.Environment:
    return environment(TEMPLATES)


def render(template: str, values: Mapping[str, Any], links: AbstractLinks, shop: Shop) -> str:
    """A page as text; `links`, `shop` and `chosen`, the name of the run or none, are in every template."""
    given = {"chosen": None, **values}
    text = _environment().get_template(template).render(**given, links=links, shop=shop)
    return printable(text, lines=True)


def links_of(request: Request) -> AbstractLinks:
    """Those of the server, or of the folder that it is exported to."""
    links: AbstractLinks = request.app.state.links
    return links


def page(request: Request, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page as an answer; the run of the request, if it names one, is that of all links in the frame."""
    shop: Shop = request.app.state.shop
    run = request.query_params.get("run")
    chosen = run if run in shop.runs else None
    return HTMLResponse(render(template, {"chosen": chosen, **values}, links_of(request), shop), status)
