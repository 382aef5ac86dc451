"""The server as a process: stopped in order, killed and started again at the same port."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from commands import Command, pixelrec

from pixelrec.serving.server import listening

PATIENT = httpx.Timeout(60)


def answers(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENT).text == "ok\n"
    return False


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as some:
        found: int = some.getsockname()[1]
        return found


def test_killed_it_starts_again_and_stopped_it_ends_in_order(run_folders: list[Path], port: int) -> None:
    words = ("serve", *run_folders, "--port", port, "--log", "json")
    first = Command(*words)
    first.wait_until(lambda: answers(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENT) as kept:
        before = kept.get("/v1/recommend", params={"item": "i3"}).json()
        first.send(signal.SIGKILL)
        assert first.end().status == -signal.SIGKILL
    second = Command(*words)
    second.wait_until(lambda: answers(port))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENT) as kept:
        assert kept.get("/v1/recommend", params={"item": "i3"}).json() == before
        second.send(signal.SIGTERM)  # with a connection open
        ended = second.end()
    assert ended.status == 0 and f"http://127.0.0.1:{port}" in ended.err
    assert '"route": "/v1/recommend", "status": 200' in ended.err and "i3" not in ended.err.split("8000")[-1]


def test_what_cannot_start_says_why_in_one_line(run_folders: list[Path], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        taken = pixelrec("serve", run_folders[0], "--port", port, status=2)
    assert taken.err.count("\n") == 1 and f"cannot listen on 127.0.0.1, port {port}" in taken.err
    wide = pixelrec("serve", run_folders[0], "--host", "0.0.0.0", status=2)
    assert wide.err.count("\n") == 1 and "PIXELREC_TOKEN" in wide.err


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """Else the body of a small answer comes 40 ms after its head."""
    with listening("127.0.0.1", 0) as at, socket.create_connection(at.getsockname()):
        accepted, _ = at.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
