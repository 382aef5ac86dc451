"""A stand-in for the Hugging Face hub on this machine: repositories with one branch, in memory."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """Files by repository and path; `commits` counts what was pushed."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits = 0
        self.requests: list[str] = []

    def commit_of(self, name: str) -> str:
        content = sorted((path, sha1(data).hexdigest()) for path, data in self.files[name].items())
        return sha1(json.dumps(content).encode()).hexdigest()


@contextmanager
def serving() -> Iterator[tuple[Hub, str]]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def json(self, value: Any, status: int = 200, **headers: str) -> None:
            self.answer(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

        def absent(self, code: str) -> None:
            self.json({"error": code}, 404, X_Error_Code=code)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"POST {path}")
            if path == "/api/repos/create":
                given = json.loads(body)
                name = "/".join(filter(None, (given.get("organization"), given["name"])))
                status = 409 if name in hub.files else 200
                hub.files.setdefault(name, {})
                hub.private.setdefault(name, given.get("private") or given.get("visibility") == "private")
                self.json({"url": f"{address}/{name}", "id": name, "name": name}, status)
            elif "/preupload/" in path:
                files = json.loads(body)["files"]
                self.json(
                    {"files": [{**each, "uploadMode": "regular", "shouldIgnore": False} for each in files]}
                )
            elif "/commit/" in path:
                name = path.removeprefix("/api/models/").partition("/commit/")[0]
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    if line["key"] == "file":
                        hub.files[name][value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "deletedFile":
                        del hub.files[name][value["path"]]
                hub.commits += 1
                commit = hub.commit_of(name)
                self.json(
                    {"commitUrl": f"{address}/{name}/commit/{commit}", "commitOid": commit, "success": True}
                )
            elif path == "/api/validate-yaml":
                self.json({"errors": [], "warnings": []})
            else:
                self.absent("EntryNotFound")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            if path.startswith("/api/models/"):
                return self.listing(path.removeprefix("/api/models/"))
            name, _, rest = path.removeprefix("/").partition("/resolve/")
            if name not in hub.files:
                return self.absent("RepoNotFound")
            data = hub.files[name].get(rest.partition("/")[2])
            if data is None:
                return self.absent("EntryNotFound")
            return self.answer(data, ETag=f'"{sha1(data).hexdigest()}"', X_Repo_Commit=hub.commit_of(name))

        def listing(self, rest: str) -> None:
            name = "/".join(rest.split("/")[:2])
            if name not in hub.files:
                return self.absent("RepoNotFound")
            files, commit = hub.files[name], hub.commit_of(name)
            revision = rest.partition("/revision/")[2] or rest.partition("/tree/")[2]
            if revision not in ("", "main", commit):
                return self.absent("RevisionNotFound")
            if "/tree/" in rest:
                listed = [
                    {"type": "file", "path": each, "size": len(data), "oid": sha1(data).hexdigest()}
                    for each, data in files.items()
                ]
                return self.json(listed)
            siblings = [{"rfilename": each} for each in files]
            return self.json({"id": name, "sha": commit, "siblings": siblings, "private": hub.private[name]})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub, address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
