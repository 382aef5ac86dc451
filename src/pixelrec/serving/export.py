"""The pages of a sample of users as a folder that opens from disk, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np

from pixelrec.console.numbers import plural
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import RequestError
from pixelrec.files.atomic import new_folder
from pixelrec.serving.app import make_app
from pixelrec.serving.evaluated_users import EvaluatedUsers
from pixelrec.serving.limits import Limits
from pixelrec.serving.pages.export_links import ExportLinks
from pixelrec.serving.pages.links import Query, ServerLinks
from pixelrec.serving.pages.user_selection import Selection
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

MARK = "site.json"  # by which an exported folder is known
_STATIC = ("shop.css", "icon.svg")
_PATIENCE = 3600.0  # seconds for the map of a run, and for a page


def write_site(shop: Shop, out: Path, users: int, on_progress: OnProgress = ignore) -> Path:
    """Writes the pages of users drawn at random (seed 0), of the items on them, and of all runs.

    Returns the first page. The same runs give the same bytes. Raises `RequestError` where the place cannot be
    written, or holds anything but an earlier export.
    """
    demand_place(out)
    sample = {name: sample_of(run, users) for name, run in shop.runs.items()}
    shown = replace(shop, sample=frozenset().union(*sample.values()), limits=Limits(seconds=_PATIENCE))
    links = ExportLinks(shop.first.name, set(shop.first.service.items["item_id"]))
    for page, query in _pages(shown, sample):
        links.add(page, query)
    with new_folder(out, RequestError) as folder:
        with ThreadPoolExecutor(1) as apart:  # the thread of a notebook has a loop already
            apart.submit(lambda: asyncio.run(_write(shown, links, folder, on_progress))).result()
        about = {"runs": list(shop.runs), "users": users}
        (folder / MARK).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return out / "index.html"


def sample_of(run: ServedRun, users: int) -> frozenset[str]:
    """Evaluated ones, if there are any: the same of all runs on the same users."""
    found = EvaluatedUsers.of(run)
    if found is not None:
        ids = found.table["user_id"]
    elif run.dataset is not None:
        ids = run.dataset.user_ids
    else:
        return frozenset()
    drawn = np.random.default_rng(0).permutation(len(ids))[:users]
    return frozenset(ids.gather(drawn).to_list())


def _pages(shop: Shop, sample: dict[str, frozenset[str]]) -> Iterable[tuple[str, Query]]:
    """All pages but those of items, which are found on them."""
    yield "home", {}
    for name, run in shop.runs.items():
        found = Selection(name).users(shop)
        for show in ["all"] if found is None else found.filters:
            yield "users", {"run": name, **({} if show == "all" else {"show": show})}
        for user in sorted(sample[name]):
            yield "user", {"id": user, "run": name}
        if not run.run.is_blend:
            yield "atlas", {"run": name}


def demand_place(out: Path) -> None:
    """Raises `RequestError` for a folder with anything but an earlier export."""
    if not out.exists() or (out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))):
        return
    state = "is no folder" if not out.is_dir() else "holds files, and is no earlier export"
    raise RequestError(f"{out} {state}; choose a new or an empty folder")


async def _write(shop: Shop, links: ExportLinks, folder: Path, on_progress: OnProgress) -> None:
    app = make_app(shop)
    app.state.links = links
    for run in shop.runs.values():
        if not run.run.is_blend:
            on_progress(f"map of {run.name}")
            run.atlas.ready(_PATIENCE)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", timeout=None)
    async with client:
        first = dict(links.pages)
        await _write_answers(client, first, folder, on_progress)
        links.close()
        items = {file: page for file, page in links.pages.items() if file not in first}
        await _write_answers(client, items, folder, on_progress)
        (folder / "pictures").mkdir()
        await _write_answers(client, links.pictures, folder, on_progress)
        (folder / "static").mkdir()
        static: dict[str, tuple[str, Query]] = {file: (file, {}) for file in map(links.static, _STATIC)}
        await _write_answers(client, static, folder, on_progress)


async def _write_answers(
    client: httpx.AsyncClient, files: Mapping[str, tuple[str, Query]], folder: Path, on_progress: OnProgress
) -> None:
    for done, (file, (page, query)) in enumerate(files.items(), 1):
        address = ServerLinks().to(page, query)
        answer = await client.get(address)
        if answer.status_code != 200:
            raise RequestError(f"{address} cannot be exported: status {answer.status_code}")
        (folder / file).write_bytes(answer.content)
        on_progress(f"{done:,} of {plural(len(files), 'file')}: {file}")
