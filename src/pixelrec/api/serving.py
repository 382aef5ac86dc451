"""The verb that serves runs over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, Port, as_dataset, as_run, checked
from pixelrec.choices import LogForm, as_path, as_whole
from pixelrec.console.progress import activity, ignore, shown_on
from pixelrec.errors import RequestError, demand_library

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.runs.run import Run


@checked
def serve(
    runs: Run | Place | Sequence[Run | Place],
    *,
    data: Dataset | Place | None = None,
    host: str = "127.0.0.1",
    port: Port = 8000,
    token: str | None = None,
    names: Sequence[str] = (),
    max_body: int = 8,
    log: LogForm = "off",
    export: Place | None = None,
    users: int = 20,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> None:
    """Serve runs: pages to look at, and an HTTP interface.

    Args:
        runs: run folders; several are compared side by side.
        data: data set folder with the events of users, as in `recommend`.
        host: address to listen on; by default only this machine can connect. Any other needs a token.
        port: TCP port; 0 is any free one.
        token: secret of at least 16 characters that clients must send. Other users of the machine can read
            it in the list of processes: the variable PIXELREC_TOKEN is better.
        names: further names by which clients reach the server, such as that of a reverse proxy.
        max_body: MB of a request, such as of a cover, at most.
        log: a line on standard error for each request: its route, status and time.
        export: write the pages to this folder, which opens from disk, instead of serving them.
        users: number of users in the exported folder, drawn at random.
        on_note: called with the address once the server answers, or with the first page that was written.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError, DataError: a run or the data set is damaged.
        RequestError: the extra `serve` is not installed, the port is taken, a token is missing, or the
            exported folder would replace other files.
    """
    demand_library("fastapi", need="the server", extra="serve")
    from pixelrec.serving.access import VARIABLE, Access

    access = Access.of(host, token or os.environ.get(VARIABLE) or None, tuple(names))
    given = list(runs) if isinstance(runs, Iterable) else [runs]
    if not given:
        raise RequestError("serve which runs? Give at least one run folder")
    opened = [as_run(run) for run in given]
    dataset = None if data is None else as_dataset(data)
    from pixelrec.serving.limits import Limits
    from pixelrec.serving.shop import Shop

    limits = Limits(body=max_body << 20)
    if export is not None:
        from pixelrec.serving.export import demand_place, write_site

        demand_place(as_path(export, "export"))
        with shown_on(console) as screen, activity("loading", screen) as told:
            shop = Shop.open(opened, dataset, limits, told)
            first = write_site(shop, as_path(export, "export"), as_whole(users, "users"), told)
        (on_note or ignore)(str(first))
        return
    from pixelrec.serving.log import Log
    from pixelrec.serving.server import Server, listening

    with listening(host, port) as at:
        with shown_on(console) as screen, activity("loading", screen) as told:
            shop = Shop.open(opened, dataset, limits, told)
        Server(shop, at, access, Log(log), on_note or ignore).answer()
