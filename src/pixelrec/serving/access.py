"""Who may ask: by the name that the client used for the server, by a token, and by the page that asks."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from socket import gethostname
from typing import Self, final

from pixelrec.errors import RequestError

COOKIE = "pixelrec"
LEAST = 16  # characters of a token: it cannot be guessed then, however many tries a client has
VARIABLE = "PIXELREC_TOKEN"
_OPEN = ("/healthz", "/login", "/static/")  # without a token: they tell nothing of the runs
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@final
@dataclass(frozen=True)
class Access:
    names: frozenset[str]  # by which clients may call the server, without ports
    addresses: bool = False  # any IP address does: no page of another site can be reached by one
    token: str | None = None

    @classmethod
    def of(cls, host: str, token: str | None, names: tuple[str, ...] = ()) -> Self:
        """Of a server that listens on `host`.

        Raises:
            RequestError: others can connect and there is no token, or it is too short.
        """
        local = is_local(host)
        if token is None and not local:
            raise RequestError(
                f"anybody who reaches {host} could use the server; set the variable {VARIABLE} (token in "
                f"Python) to a secret, such as {secrets.token_urlsafe()}, or listen on 127.0.0.1"
            )
        if token is not None and (len(token) < LEAST or not token.isascii() or not token.isprintable()):
            raise RequestError(
                f"the token has {len(token)} characters; expected at least {LEAST} of ASCII, such as "
                f"{secrets.token_urlsafe()}"
            )
        known = {"localhost", host.lower(), *map(str.lower, names)}
        if not local:
            known.add(gethostname().lower())
        return cls(frozenset(known | {"127.0.0.1", "::1"}), not local, token)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """The status and the sentence for a request that is refused; none for others."""
        host = headers.get("host", "")
        if not self._knows(host):
            return 421, (
                f"this server is not {host[:100]!r}; to use it by that name, start it with --name "
                "(names in Python)"
            )
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if method not in _SAFE and (foreign or headers.get("sec-fetch-site") == "cross-site"):
            return 403, "pages of other sites may not send anything to this server"
        if self.token is None or path.startswith(_OPEN) or self._is_known(headers):
            return None
        return 401, "this server wants its token: as Authorization: Bearer TOKEN, or in the form at /login"

    def is_token(self, given: str) -> bool:
        """In a time that does not depend on how much of it is right."""
        return self.token is not None and hmac.compare_digest(_digest(given), _digest(self.token))

    @property
    def session(self) -> str:
        """The value of the cookie of people who gave the token; the token cannot be found from it."""
        return hmac.new((self.token or "").encode(), b"session", sha256).hexdigest()

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.is_token(given.strip())
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(_digest(cookie.value), _digest(self.session))

    def _knows(self, host: str) -> bool:
        name = host.lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0]
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        return name in self.names or (self.addresses and _is_address(name))


def is_local(host: str) -> bool:
    """Whether only this machine can connect to it."""
    return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
