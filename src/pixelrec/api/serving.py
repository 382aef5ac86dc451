"""The verb that serves runs over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, as_dataset, as_run, checked
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
    port: int = 8000,
    on_note: Callable[[str], object] | None = None,
    console: Console | None = None,
) -> None:
    """Serve runs: pages to look at, and an HTTP interface.

    Args:
        runs: run folders; several are compared side by side.
        data: data set folder with the events of users, as in `recommend`.
        host: address to listen on; by default only this machine can connect.
        port: TCP port.
        on_note: called with the address once the server answers.
        console: for progress; without one, nothing is printed.

    Raises:
        RunError, DataError: a run or the data set is damaged.
        RequestError: the extra `serve` is not installed, or the port is taken.
    """
    demand_library("fastapi", need="the server", extra="serve")
    given = list(runs) if isinstance(runs, Iterable) else [runs]
    if not given:
        raise RequestError("serve which runs? Give at least one run folder")
    opened = [as_run(run) for run in given]
    dataset = None if data is None else as_dataset(data)
    from pixelrec.serving import server
    from pixelrec.serving.shop import Shop

    with server.listening(host, port) as at:
        with shown_on(console) as screen, activity("loading", screen) as told:
            shop = Shop.open(opened, dataset, None, told)
        server.run(shop, at, on_note or ignore)
