"""Running the application until it is stopped."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import final

import anyio.to_thread
import torch
import uvicorn

from pixelrec.console.progress import OnProgress, ignore
from pixelrec.errors import RequestError, option
from pixelrec.serving.access import Access
from pixelrec.serving.app import make_app
from pixelrec.serving.log import Log
from pixelrec.serving.protocol import HEADER_BYTES, bounded
from pixelrec.serving.shop import Shop

_LAST = 5  # seconds for the requests that are being answered when the server is stopped
_THREADS = 8  # for pages, each of which may compute: more would only hold more memory


def listening(host: str, port: int) -> socket.socket:
    """A socket at which connections wait; raises `RequestError` if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        at = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(
            f"cannot listen on {host}, port {port}: {reason}; choose another with {option('port', 8001)}"
        ) from None
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, which these do not;
    # without it, the body of an answer waits 40 ms for the acknowledgement of its head.
    at.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return at


@final
class Server(uvicorn.Server):
    """Of a shop, at a socket; `on_started` gets the address."""

    def __init__(
        self, shop: Shop, at: socket.socket, access: Access, log: Log, on_started: OnProgress = ignore
    ) -> None:
        config = uvicorn.Config(
            make_app(shop, access, log),
            http=bounded(shop.limits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",  # what matters is in the log of the application
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_LAST,
            backlog=1024,
        )
        super().__init__(config)
        self._at, self._on_started = at, on_started

    @property
    def address(self) -> str:
        host, port = self._at.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def answer(self) -> None:
        """Until Ctrl-C or SIGTERM, which are the ordinary end.

        Requests that have begun by then are answered, within some seconds.
        """
        _share_cores()
        with suppress(KeyboardInterrupt):
            asyncio.run(self.serve(sockets=[self._at]))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets)
        self._on_started(self.address)


def _share_cores() -> None:
    """PyTorch's threads for each computation: half of the cores, unless OMP_NUM_THREADS says otherwise.

    Several computations go on at once, and the threads of one that has ended turn idly for a while, which
    costs the next one more than a second thread brings: on two cores, a new cover takes 23 ms, not 30.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
