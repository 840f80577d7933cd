"""The server's own process: catalogues over HTTP, by API and as files, with faults and a log of all requests.

    python -m helpers.stac_process FILE_DESCRIPTOR

It serves on a socket that its parent has opened, and ends when its parent does. Under ``/SITE/`` lie ``stac`` (the
API), ``static`` (files as they are), ``absolute`` (the same with absolute links) and ``sas`` (tokens, as the Planetary
Computer gives them); ``/_control`` is for the tests.
"""

import asyncio
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin

import uvicorn

from helpers.faults import Fault, Rules
from helpers.stac_backend import stac_app

Scope = dict[str, Any]
Send = Callable[[Scope], Awaitable[None]]

_PIECE = 1 << 16
_TYPES = {".json": "application/json", ".tif": "image/tiff; application=geotiff; profile=cloud-optimized"}


class CutError(Exception):
    """The connection ends here."""


@dataclass
class Site:
    """One folder under its own name, with its faults, tokens and log."""

    folder: Path
    app: Any
    rules: Rules = field(default_factory=Rules)
    tokens: dict[str, int] = field(default_factory=dict)
    log: list[Scope] = field(default_factory=list)


@dataclass
class Answer:
    """Sends one response, piece by piece, as the faults allow, and counts it."""

    send: Send
    entry: Scope
    faults: list[Fault]

    async def __call__(self, message: Scope) -> None:
        if message["type"] == "http.response.start":
            self.entry["status"] = message["status"]
            await self.send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        for start in range(0, max(len(body), 1), _PIECE):
            piece = body[start : start + _PIECE]
            await self._piece(piece, more or start + _PIECE < len(body))

    async def _piece(self, piece: bytes, more: bool) -> None:
        for fault in self.faults:
            await asyncio.sleep(fault.seconds_per_megabyte * len(piece) / 1e6)
            left = fault.length - self.entry["bytes"]
            if fault.kind == "cut" and len(piece) >= max(left, 0):
                await self._out(piece[: max(left, 0)], True)
                raise CutError
        await self._out(piece, more)

    async def _out(self, piece: bytes, more: bool) -> None:
        self.entry["bytes"] += len(piece)
        await self.send({"type": "http.response.body", "body": piece, "more_body": more})

    async def plain(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send a whole answer; names of headers with underscores."""
        named = {"content_length": str(len(body)), "content_type": "application/json"} | headers
        listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]
        await self({"type": "http.response.start", "status": status, "headers": listed})
        await self({"type": "http.response.body", "body": b"" if self.entry["method"] == "HEAD" else body})

    async def content(self, content: Any, status: int = 200) -> None:
        await self.plain(status, json.dumps(content).encode())


class Application:
    """The whole server."""

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        name, _, path = scope["path"].lstrip("/").partition("/")
        entry = {"method": scope["method"], "path": path, "status": 0, "bytes": 0, "faults": []}
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        entry |= {"range": headers.get("range"), "query": scope["query_string"].decode()}
        if name == "_control":
            await self._control(path, await _body(receive), Answer(send, entry, []))
        elif name not in self.sites:
            await Answer(send, entry, []).content({"detail": f"no site {name}"}, 404)
        else:
            site = self.sites[name]
            site.log.append(entry)
            await self._serve(site, Answer(send, entry, site.rules.strike(path)), scope, receive, headers)

    async def _serve(self, site: Site, answer: Answer, scope: Scope, receive: Any, headers: dict[str, str]) -> None:
        entry, path = answer.entry, answer.entry["path"]
        for fault in answer.faults:
            if fault.kind == "signature" and _signed(site, entry["query"], fault):
                continue
            entry["faults"].append(fault.kind)
            await asyncio.sleep(fault.seconds)
            if fault.kind == "signature":
                site.rules.refused(fault)
                await answer.plain(403, _EXPIRED, content_type="application/xml")
                return
            if fault.kind == "status":
                told = {"retry_after": fault.retry_after} if fault.retry_after is not None else {}
                await answer.plain(fault.status, json.dumps({"detail": "as the test wants it"}).encode(), **told)
                return
        room, _, rest = path.partition("/")
        base = f"http://{headers.get('host', '127.0.0.1')}{scope['path'][: -len(path) or None]}"
        if room == "stac":
            root = scope.get("root_path", "") + scope["path"][: -len(path)] + "stac"
            await site.app(
                {**scope, "root_path": root, "path": scope["path"] + ("/" if path == "stac" else "")}, receive, answer
            )
        elif room == "sas":
            await _sas(site, answer, rest)
        elif room in ("static", "absolute"):
            await _file(site, answer, unquote(rest), headers, base if room == "absolute" else None)
        else:
            await answer.content({"detail": "there are stac, static, absolute and sas"}, 404)

    async def _control(self, path: str, body: bytes, answer: Answer) -> None:
        """``site`` makes one; ``NAME/faults`` sets rules; ``NAME/log`` and ``NAME/struck`` tell; ``NAME/clear``."""
        if path == "site":
            asked = json.loads(body)
            name = f"{len(self.sites):03d}-{asked['name']}"
            folder = Path(asked["folder"])
            self.sites[name] = Site(folder, stac_app(folder, query=asked["query"], page=asked["page"]))
            await answer.content({"name": name})
            return
        name, _, verb = path.partition("/")
        site = self.sites[name]
        if verb == "faults":
            site.rules.replace(json.loads(body))
        elif verb == "clear":
            site.log.clear()
        await answer.content({"log": site.log if verb == "log" else [], "struck": site.rules.struck})


_EXPIRED = b"""<?xml version="1.0" encoding="utf-8"?>
<Error><Code>AuthenticationFailed</Code><Message>Signature not valid in the specified time frame</Message></Error>"""


def _signed(site: Site, query: str, fault: Fault) -> bool:
    """Whether a request carries a token that still holds; it is used up by one."""
    token = parse_qs(query).get("sig", [""])[0]
    if token not in site.tokens:
        return False
    site.tokens[token] += 1
    return site.tokens[token] <= fault.uses


async def _sas(site: Site, answer: Answer, rest: str) -> None:
    """``token/COLLECTION`` and ``sign?href=...`` as the Planetary Computer answers them."""
    token = secrets.token_hex(8)
    site.tokens[token] = 0
    expiry = f"{datetime.now(UTC) + timedelta(minutes=45):%Y-%m-%dT%H:%M:%SZ}"
    signature = f"se={expiry.replace(':', '%3A')}&sp=rl&sv=2021-06-08&sr=c&sig={token}"
    if rest.startswith("token/"):
        await answer.content({"msft:expiry": expiry, "token": signature})
        return
    href = parse_qs(answer.entry["query"]).get("href", [""])[0]
    if rest != "sign" or not href:
        await answer.content({"detail": "token/COLLECTION or sign?href=URL"}, 404)
        return
    await answer.content({"msft:expiry": expiry, "href": f"{href}{'&' if '?' in href else '?'}{signature}"})


async def _file(site: Site, answer: Answer, name: str, headers: dict[str, str], base: str | None) -> None:
    """Serve a file, whole or a range of it."""
    path = (site.folder / name).resolve()
    if not path.is_relative_to(site.folder.resolve()) or not path.is_file():
        await answer.content({"detail": "no such file"}, 404)
        return
    stat = path.stat()
    whole = _absolute(path.read_bytes(), f"{base}absolute/{name}") if base and path.suffix == ".json" else None
    size = stat.st_size if whole is None else len(whole)
    size = min([size, *(fault.length for fault in answer.faults if fault.kind == "truncated")])
    tag = f'"{size:x}-{stat.st_mtime_ns:x}"'
    told = {"etag": tag, "last_modified": formatdate(stat.st_mtime, usegmt=True), "accept_ranges": "bytes"}
    told["content_type"] = _TYPES.get(path.suffix, "application/octet-stream")
    wanted = _range(headers.get("range", ""), size)
    if headers.get("if-none-match") == tag:
        await answer.plain(304, **told)
    elif wanted is None or headers.get("if-range", tag) != tag:
        await answer.plain(200, (whole or path.read_bytes())[:size], **told)
    elif wanted.start >= size:
        await answer.plain(416, content_range=f"bytes */{size}", **told)
    else:
        spoken = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
        body = _part(path, wanted) if whole is None else whole[wanted.start : wanted.stop]
        await answer.plain(206, body, content_range=spoken, **told)


def _part(path: Path, wanted: range) -> bytes:
    with path.open("rb") as file:
        file.seek(wanted.start)
        return file.read(len(wanted))


def _range(header: str, length: int) -> range | None:
    """What ``bytes=3-9``, ``bytes=3-`` or ``bytes=-7`` ask for; None = the whole, as for several ranges."""
    unit, _, spoken = header.partition("=")
    first, dash, last = spoken.strip().partition("-")
    if unit.strip() != "bytes" or not dash or "," in spoken or not (first + last).isdigit():
        return None
    if not first:
        return range(max(length - int(last), 0), length)
    return range(int(first), min(int(last) + 1, length) if last else length)


def _absolute(body: bytes, url: str) -> bytes:
    content = json.loads(body)
    for link in [*content.get("links", []), *content.get("assets", {}).values()]:
        link["href"] = urljoin(url, link["href"])
    return json.dumps(content).encode()


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _end_with_parent() -> None:
    """The parent holds the other end of our standard input for as long as it lives."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(descriptor: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    listening = socket.socket(fileno=descriptor)
    config = uvicorn.Config(Application(), lifespan="off", log_level="critical", access_log=False)  # type: ignore[arg-type]
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(int(sys.argv[1]))
