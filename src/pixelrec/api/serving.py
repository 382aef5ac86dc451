"""The verb that serves runs over HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, Port, as_dataset, as_run, checked
from pixelrec.choices import LogForm
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
        on_note: called with the address once the server answers.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError, DataError: a run or the data set is damaged.
        RequestError: the extra `serve` is not installed, the port is taken, or a token is missing.
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
    from pixelrec.serving.log import Log
    from pixelrec.serving.server import Server, listening
    from pixelrec.serving.shop import Shop

    with listening(host, port) as at:
        with shown_on(console) as screen, activity("loading", screen) as told:
            shop = Shop.open(opened, dataset, Limits(body=max_body << 20), told)
        Server(shop, at, access, Log(log), on_note or ignore).answer()
