"""A catalogue on 127.0.0.1: a process of its own, so that its libraries' warnings are not ours.

One server holds any number of sites. The same folder served again is another site with other URLs, so nothing that GDAL
keeps of the first is taken for the second.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from helpers.faults import Fault

__all__ = ["Served", "Server", "Site", "loopback", "serving"]

_NAMES = {f"STAC_FASTAPI_{what}": "made-world" for what in ("TITLE", "DESCRIPTION", "LANDING_ID", "VERSION")}
_OPENER = build_opener(ProxyHandler({}))  # whatever proxy is set


@dataclass(frozen=True)
class Served:
    """One request that a site has had: `status` 0 = the client never got a head."""

    method: str
    path: str
    query: str
    range: str | None
    status: int
    bytes: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Site:
    """A folder that is served.

    Attributes
    ----------
    server : Server
        Whose it is.
    name : str
        Its part of the path.
    """

    server: "Server"
    name: str

    @property
    def url(self) -> str:
        return f"{self.server.url}/{self.name}"

    @property
    def api(self) -> str:
        """The STAC API, for `pystac_client.Client.open`."""
        return f"{self.url}/stac"

    @property
    def catalog(self) -> str:
        """The static catalogue, with relative links."""
        return f"{self.url}/static/catalog.json"

    @property
    def absolute(self) -> str:
        """The static catalogue, with absolute links."""
        return f"{self.url}/absolute/catalog.json"

    @property
    def tokens(self) -> str:
        """Where ``/token/COLLECTION`` and ``/sign?href=URL`` are answered."""
        return f"{self.url}/sas"

    def faults(self, *faults: Fault) -> None:
        """Set the faults anew; none = all is well again."""
        self.server.control(f"{self.name}/faults", [fault.to_dict() for fault in faults])

    def struck(self) -> list[int]:
        """How often each fault has struck."""
        return list(self.server.control(f"{self.name}/struck")["struck"])

    def log(self, path: str = "*") -> list[Served]:
        """All requests of paths such as ``*.tif`` or ``stac/search``, in their order."""
        entries = self.server.control(f"{self.name}/log")["log"]
        return [
            Served(**{**entry, "faults": tuple(entry["faults"])})
            for entry in entries
            if fnmatchcase(entry["path"], path)
        ]

    def requests(self, path: str = "*") -> int:
        """How many requests there were."""
        return len(self.log(path))

    def bytes(self, path: str = "*") -> int:
        """How many bytes of bodies were sent."""
        return sum(entry.bytes for entry in self.log(path))

    def clear(self) -> None:
        """Forget the requests so far."""
        self.server.control(f"{self.name}/clear")


class Server:
    """A process that serves sites until it is closed."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            tests = Path(__file__).parents[1]
            paths = os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "helpers.stac_process", str(listening.fileno())],
                pass_fds=[listening.fileno()],
                stdin=subprocess.PIPE,
                env={**os.environ, **_NAMES, "PYTHONPATH": paths},
            )

    def serve(self, folder: Path, *, query: bool = True, page: int = 100) -> Site:
        """Serve a static catalogue's folder; `page` is the most items of one answer, `query` the extension."""
        asked = {"folder": str(folder), "name": folder.name, "query": query, "page": page}
        return Site(self, self.control("site", asked)["name"])

    def control(self, path: str, content: Any = None) -> Any:
        """Speak to the process beside its sites."""
        body = json.dumps(content).encode()
        with loopback(f"{self.url}/_control/{path}", data=body) as answer:
            return json.loads(answer.read())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


def loopback(url: str, *, method: str | None = None, data: bytes | None = None, **headers: str) -> Any:
    """Open a URL of a server of ours; an answer of 400 or more is raised as `urllib.error.HTTPError`."""
    return _OPENER.open(Request(url, data=data, headers=headers, method=method), timeout=60)  # noqa: S310


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server for a while."""
    server = Server()
    try:
        yield server
    finally:
        server.close()
