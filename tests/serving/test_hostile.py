"""Hostile requests: each is refused or cut off in bounded memory, and the server still answers."""

from __future__ import annotations

import json
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from time import monotonic
from urllib.parse import urlsplit

import httpx
import pytest

JSON = "Content-Type: application/json"
Words = str | bytes


@pytest.fixture
def at(live: str) -> Iterator[tuple[str, int]]:
    """Where the server listens; it must be well afterwards."""
    parts = urlsplit(live)
    assert parts.hostname is not None and parts.port is not None
    yield parts.hostname, parts.port
    assert httpx.get(f"{live}/healthz", timeout=10).text == "ok\n"


def said(at: tuple[str, int], *words: Words, seconds: float = 8) -> bytes:
    """What the server says to these words until it closes the connection or an answer is there."""
    with socket.create_connection(at, timeout=seconds) as some:
        for each in words:
            with suppress(OSError):  # it has refused the rest already
                some.sendall(each.encode("latin-1") if isinstance(each, str) else each)
        return heard(some)


def heard(some: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError, TimeoutError):
        while part := some.recv(65536):
            found += part
            some.settimeout(0.1)  # the rest of an answer after which the connection stays open
    return found


def request(path: str, body: bytes = b"", *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


LONG = b'{"history": ["i3"], "among": ["' + b'", "'.join([b"i" * 20] * 500_000) + b'"]}'
BODIES: dict[str, tuple[bytes, int]] = {
    "10 MB": (LONG, 413),
    "deep": (b'{"history": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "deep objects": (b'{"history":' * 50_000 + b"1" + b"}" * 50_000, 400),
    "NaN": (b'{"history": ["i3"], "k": NaN}', 422),
    "infinite": (b'{"history": ["i3"], "k": 1e999}', 422),
    "huge": (b'{"history": ["i3"], "k": ' + b"9" * 4000 + b"}", 422),
    "too huge": (b'{"history": ["i3"], "k": ' + b"9" * 10_000 + b"}", 400),
    "negative": (b'{"history": ["i3"], "k": -9223372036854775809}', 422),
    "huge id": (b'{"history": [' + b"9" * 400 + b"]}", 422),
    "long id": (json.dumps({"history": ["x" * 1001]}).encode(), 422),
    "surrogate": (rb'{"history": ["\ud800"]}', 422),
    "zero byte": (rb'{"history": ["\u0000"]}', 422),
    "path": (b'{"history": ["../../etc/passwd"], "run": "../ids"}', 422),
    "script": (b'{"history": ["<script>alert(1)</script>"]}', 422),
    "no UTF-8": (b'{"history": ["\xff"]}', 400),
    "no JSON": (b"history=i3", 422),
    "empty": (b"", 422),
    "null": (b"null", 422),
    "a list": (b"[]", 422),
    "wrong kinds": (b'{"history": {"a": 1}, "k": [], "seen": "perhaps"}', 422),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(at: tuple[str, int], name: str) -> None:
    body, expected = BODIES[name]
    answer = said(at, request("/v1/recommend", body, JSON))
    assert status(answer) == expected, answer[:500]
    assert b"application/problem+json" in answer and b"<script>" not in answer.split(b"\r\n\r\n")[0]


def test_a_body_without_a_length_is_counted(at: tuple[str, int]) -> None:
    head = "\r\n".join(
        ["POST /v1/recommend HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", JSON, "", ""]
    )
    chunk = f"{1 << 20:x}\r\n".encode() + b" " * (1 << 20) + b"\r\n"
    assert status(said(at, head, *[chunk] * 12)) == 413


HEADS: dict[str, tuple[str, tuple[int, ...]]] = {
    "two lengths": ("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", (400,)),
    "length and chunks": (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\n",
        (400, 405),
    ),
    "chunks of chunks": ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", (400, 501)),
    "negative length": ("Content-Length: -1\r\n\r\n", (400,)),
    "length of letters": ("Content-Length: five\r\n\r\n", (400,)),
    "huge length": (f"Content-Length: {10**30}\r\n\r\n", (400, 413)),
    "folded": ("X: a\r\n b\r\n\r\n", (200, 400, 405)),
    "space before colon": ("Content-Length : 5\r\n\r\nhello", (400,)),
    "two hosts": ("Host: evil.example\r\n\r\n", (400,)),
    "long header": ("X: " + "a" * 100_000 + "\r\n\r\n", (0, 400, 405, 431)),
    "many headers": ("".join(f"X-{n}: {n}\r\n" for n in range(20_000)) + "\r\n", (0, 400, 431)),
    "zero byte": ("X: a\0b\r\n\r\n", (400,)),
    "upgrade": ("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", (200, 400, 405)),
    "upgrade to HTTP/2": ("Connection: upgrade, close\r\nUpgrade: h2c\r\n\r\n", (200, 400, 405)),
}


@pytest.mark.parametrize("name", HEADS)
def test_headers(at: tuple[str, int], name: str) -> None:
    head, expected = HEADS[name]
    answer = said(at, "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\n" + head)
    assert status(answer) in expected, answer[:300]
    assert answer.count(b"HTTP/1.1 404") == 0, "the bytes behind were taken for another request"


@pytest.mark.parametrize(
    "words", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 100, b"GET\r\n\r\n", b"x" * 100_000]
)
def test_what_is_no_http_is_refused(at: tuple[str, int], words: bytes) -> None:
    assert status(said(at, words)) in (0, 400)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "OPTIONS", "BREW"])
def test_other_methods_are_refused(at: tuple[str, int], method: str) -> None:
    assert status(said(at, request("/v1/recommend", method=method))) == 405


PATHS = (
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/%2e%2e/%2e%2e/limits.py",
    "/static//etc/passwd",
    "/static/..\\..\\app.py",
    "//evil.example/",
    "/" + "a" * 20_000,
    "/%00",
    "/%ff%fe",
    "/v1/../../etc/passwd",
)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30])
def test_no_other_file_is_served(at: tuple[str, int], path: str) -> None:
    answer = said(at, request(path, method="GET"))
    assert status(answer) in (400, 404) and b"root:" not in answer and b"import" not in answer


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '" onload="alert(1)', "\u202e../x"])
def test_what_is_sent_is_never_markup(live: str, name: str) -> None:
    answer = httpx.get(f"{live}/items", params={"q": name})
    assert answer.status_code == 200 and "<script>alert" not in answer.text
    assert 'onload="alert' not in answer.text and "\u202e" not in answer.text


def test_slow_headers_are_cut_off(at: tuple[str, int]) -> None:
    started = monotonic()
    assert said(at, "GET / HTTP/1.1\r\nHost: lo") == b""
    with socket.create_connection(at, timeout=8) as some:
        some.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert heard(some).endswith(b"ok\n")
        some.settimeout(8)
        some.sendall(b"GET /healthz HT")  # the second request of a connection may be no slower
        with suppress(ConnectionError):
            assert some.recv(1) == b""
    assert monotonic() - started < 5


def test_slow_bodies_are_cut_off(at: tuple[str, int]) -> None:
    whole = request("/v1/recommend", b" " * 100, JSON)
    assert status(said(at, whole[:-50])) == 408


def test_a_thousand_connections(at: tuple[str, int]) -> None:
    """Those beyond the limit are told so; the others are cut off, as they send nothing."""
    with ExitStack() as several:
        open_ones = [several.enter_context(socket.create_connection(at, timeout=8)) for _ in range(1000)]
        answers = [heard(some) for some in open_ones]
    refused = sum(status(answer) == 503 for answer in answers)
    assert 0 < refused < 1000 and answers.count(b"") == 1000 - refused


def test_clients_that_go_away(at: tuple[str, int]) -> None:
    for _ in range(20):
        with socket.create_connection(at, timeout=8) as some:
            some.sendall(request("/v1/recommend", b'{"history": ["i3"]}', JSON))
            some.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and little data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
