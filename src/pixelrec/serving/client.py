"""A client of the server for Python programs: names and results as of a recommender in memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, final

import numpy as np
import polars as pl

from pixelrec.choices import Split, as_flag, as_ids, as_list, as_path, as_text, as_whole
from pixelrec.errors import RequestError, demand_library
from pixelrec.serving.recommended_lists import RecommendedLists

if TYPE_CHECKING:
    import httpx

Ids: TypeAlias = Iterable[str | int]
Covers: TypeAlias = Sequence[Path | str] | Mapping[str, bytes]
"""Files, whose names become ids; or the bytes of pictures by id."""
_AGAIN = 0.2  # seconds until the first new attempt


@final
class Client:
    """Asks a server that `pixelrec serve` started.

    No call changes anything at the server, so one that could not connect, or found the server busy, is made
    again; not one without an answer in time.

    Args:
        url: address, such as http://127.0.0.1:8000.
        token: of the server, if it has one.
        run: name of the run to ask; by default the server's first.
        timeout: seconds until an answer.
        attempts: of each call.

    Raises:
        RequestError: from every method, with the sentence of the server, or why there was no answer.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        run: str | None = None,
        timeout: float = 35.0,
        attempts: int = 3,
    ) -> None:
        demand_library("httpx", need="the client", extra="serve")
        import httpx

        self.url, self.run = as_text(url, "url").rstrip("/"), run
        self._attempts = as_whole(attempts, "attempts")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise RequestError(f"{url!r} is no address of a server: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def runs(self) -> pl.DataFrame:
        """Columns `name`, `recipe`, `items` and `users`: the runs of the server."""
        return pl.DataFrame(self._call("GET", "/v1/runs"))

    def recommend(
        self,
        *,
        users: Ids = (),
        histories: Iterable[Ids] | Mapping[str, Ids] = (),
        k: int = 10,
        among: Ids | None = None,
        exclude: Ids | Iterable[Ids] = (),
        seen: bool = False,
    ) -> RecommendedLists:
        """The k best items for each user, or for each history; as of `RecommendationService.recommend`."""
        ids = as_ids(users, "users")
        named = as_ids(histories, "histories") if isinstance(histories, Mapping) else None
        given = histories.values() if isinstance(histories, Mapping) else histories
        lists = [as_ids(each, "a history") for each in as_list(given, "histories")]
        refused = _excluded(as_list(exclude, "exclude"))
        body = {
            **self._run,
            "k": as_whole(k, "k"),
            "among": None if among is None else as_ids(among, "among"),
            "exclude": refused,
            "seen": as_flag(seen, "seen"),
        }
        if named is None and len(ids) + len(lists) == 1 and not isinstance(next(iter(refused), ""), list):
            one = {"user": ids[0]} if ids else {"history": lists[0]}
            found = self._call("POST", "/v1/recommend", json={**body, **one})
            return RecommendedLists.of(found, [found["items"]], ids or None)
        many = {"users": ids, "histories": lists if named is None else dict(zip(named, lists, strict=True))}
        found = self._call("POST", "/v1/recommend/batch", json={**body, **many})
        names = [each["name"] for each in found["lists"]] if ids or named else None
        return RecommendedLists.of(found, [each["items"] for each in found["lists"]], names)

    def recommend_with(
        self,
        covers: Covers,
        *,
        user: str | int | None = None,
        history: Ids = (),
        k: int = 10,
        alone: bool = False,
        seen: bool = False,
    ) -> RecommendedLists:
        """The list of a user or of a history, with pictures of new items in the catalogue, or alone."""
        asked: dict[str, Any] = {"k": k, "alone": alone, "seen": seen, "item": as_ids(history, "history")}
        if user is not None:
            asked["user"] = as_ids([user], "user")[0]
        found = self._send("/v1/covers/recommend", covers, asked)
        return RecommendedLists.of(found, [found["items"]], None if user is None else [user])

    def similar(
        self,
        items: Ids = (),
        *,
        covers: Covers = (),
        k: int = 20,
        by: Literal["vector", "behaviour"] = "vector",
    ) -> pl.DataFrame:
        """The k nearest items of items, or of pictures: `query`, `rank`, `item_id`, `similarity`, …"""
        if covers:
            found = self._send("/v1/covers/similar", covers, {"k": k})
        else:
            asked = {**self._run, "items": as_ids(items, "items"), "k": k, "by": by}
            found = self._call("POST", "/v1/similar", json=asked)
        return pl.DataFrame(
            [{"query": each["item_id"], **item} for each in found["lists"] for item in each["items"]]
        )

    def vectors(self, items: Ids = (), *, covers: Covers = ()) -> np.ndarray:
        """float64[n, D]: the vectors of items, or of pictures."""
        if covers:
            found = self._send("/v1/covers/vectors", covers, {})
        else:
            found = self._call("POST", "/v1/vectors", json={**self._run, "items": as_ids(items, "items")})
        return np.array([each["vector"] for each in found["vectors"]])

    def audience(self, items: Ids = (), *, covers: Covers = (), k: int = 20) -> list[dict[str, Any]]:
        """For each item or picture: its median rank over users, and `likely`, the k most likely users."""
        if covers:
            found = self._send("/v1/covers/audience", covers, {"k": k})
        else:
            asked = {**self._run, "items": as_ids(items, "items"), "k": k}
            found = self._call("POST", "/v1/audience", json=asked)
        places: list[dict[str, Any]] = found["places"]
        return places

    def explain(
        self,
        *,
        user: str | int | None = None,
        history: Ids = (),
        items: Ids = (),
        before: Split | None = None,
        k: int = 3,
    ) -> list[dict[str, Any]]:
        """Why items, by default the k best, are recommended: `rank`, and the `events` with their changes."""
        asked: dict[str, Any] = {"items": as_ids(items, "items"), "history": as_ids(history, "history")}
        if user is not None:
            asked["user"] = as_ids([user], "user")[0]
        body = {**self._run, **asked, "before": before, "k": as_whole(k, "k")}
        found = self._call("POST", "/v1/explain", json=body)
        reasons: list[dict[str, Any]] = found["explanations"]
        return reasons

    def what_if(
        self,
        item: str | int,
        *,
        crop: Sequence[float] = (),
        blur: Sequence[float] = (),
        jpeg_quality: Sequence[int] = (),
        text: Sequence[str] = (),
        grey: bool = False,
        covers: Covers = (),
        users: int | None = None,
    ) -> pl.DataFrame:
        """An item's cover as it is, and each change or each other cover; as of `pixelrec.what_if`.

        users: looked at, as far as that takes some seconds.
        """
        shared = {"item": as_ids([item], "item")[0], **({} if users is None else {"users": users})}
        if covers:
            return pl.DataFrame(self._send("/v1/what-if/covers", covers, shared)["changes"])
        edits = {"crop": list(crop), "blur": list(blur), "jpeg_quality": list(jpeg_quality), "grey": grey}
        body = {**self._run, **shared, **edits, "text": as_list(text, "text")}
        return pl.DataFrame(self._call("POST", "/v1/what-if", json=body)["changes"])

    def items(self, search: str = "") -> pl.DataFrame:
        """Columns `item_id`, `title`, `events` and `first` of the items with some words, or of all."""
        return pl.DataFrame(list(self._parts("items", search)), infer_schema_length=None)

    def users(self, search: str = "") -> pl.DataFrame:
        """Columns `user_id` and `events` of the users whose ids begin so."""
        return pl.DataFrame(list(self._parts("users", search)), infer_schema_length=None)

    def history(self, user: str | int) -> pl.DataFrame:
        """Columns `item_id`, `title` and `time`: the events of a user, oldest first."""
        asked = {**self._run, "user": as_ids([user], "user")[0]}
        return pl.DataFrame(self._call("GET", "/v1/users/history", params=asked)["events"])

    @property
    def _run(self) -> dict[str, str]:
        return {} if self.run is None else {"run": self.run}

    def _parts(self, kind: str, search: str) -> Iterator[dict[str, Any]]:
        start: int | None = 0
        while start is not None:
            asked = {**self._run, "search": search, "start": start, "count": 500}
            found = self._call("GET", f"/v1/{kind}", params=asked)
            yield from found[kind]
            start = found["next"]

    def _send(self, path: str, covers: Covers, asked: dict[str, Any]) -> Any:
        if isinstance(covers, Mapping):
            named = list(covers.items())
        else:
            paths = [as_path(each, "covers") for each in as_list(covers, "covers")]
            named = [(path.name, _bytes(path)) for path in paths]
        files = [("cover", each) for each in named]
        return self._call("POST", path, params={**self._run, **asked}, files=files)

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        files: Sequence[tuple[str, tuple[str, bytes]]] | None = None,
    ) -> Any:
        import httpx

        for attempt in range(self._attempts):
            last = attempt + 1 == self._attempts
            try:
                answer = self._http.request(method, path, json=json, params=params, files=files)
            except httpx.ConnectError as error:
                if last:
                    reason = f"{self.url} does not answer: {error}; is the server running?"
                    raise RequestError(reason) from None
            except httpx.HTTPError as error:
                raise RequestError(f"{self.url}: {error or type(error).__name__}") from None
            else:
                if answer.status_code != 503 or last:
                    return _content(answer, self.url)
            time.sleep(_AGAIN * 2**attempt)
        raise AssertionError("the last attempt answers or raises")


def _excluded(values: Sequence[Any]) -> list[str] | list[list[str]]:
    """Ids for all requests, or lists of them for each."""
    if all(isinstance(value, str) or not isinstance(value, Iterable) for value in values):
        return as_ids(values, "exclude")
    return [as_ids(value, "exclude") for value in values]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: {error.strerror or error}; give files of pictures") from None


def _content(answer: httpx.Response, url: str) -> Any:
    """What the server says; `RequestError` with its sentence if that is an error."""
    try:
        found = answer.json()
    except ValueError:
        raise RequestError(f"{url} answers {answer.status_code}, and not as pixelrec does") from None
    if answer.is_success:
        return found
    detail = found.get("detail") if isinstance(found, dict) else None
    raise RequestError(str(detail or f"{url} answers {answer.status_code}"))
