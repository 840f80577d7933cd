"""A server of a few lines that answers what a test tells it to: redirects, endless pages, too much."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Rude", "rude_server"]

Answer = Callable[["Rude", str], Any]


class Rude:
    """What was asked, and how to answer: `answers` by path return JSON, bytes, or an address to go to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        self.asked.append(path)
        how = self.answers.get(path.partition("?")[0])
        said = how(self, path) if how else None
        if said is None:
            return 404, {}, b"{}"
        if isinstance(said, str):
            return 302, {"Location": said}, b""
        return 200, {"Content-Type": "application/json"}, said if isinstance(said, bytes) else json.dumps(said).encode()


@contextmanager
def rude_server() -> Iterator[Rude]:
    """Run one on loopback for a while."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            status, headers, body = rude.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_POST = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        rude = Rude(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield rude
        finally:
            server.shutdown()
            thread.join()
