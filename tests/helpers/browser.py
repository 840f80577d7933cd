"""A headless Chromium for tests of pages, spoken to over a pipe in the Chrome DevTools Protocol.

Only the standard library is needed, and no port is opened::

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:6006/")
        page.wait_for("document.querySelector('svg')")
        assert page.evaluate("document.title") == "TensorBoard" and not page.errors
        page.screenshot(Path("page.png"))
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

__all__ = ["Browser", "BrowserError", "Page", "need_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--mute-audio", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--enable-unsafe-swiftshader", "--use-angle=swiftshader",  # WebGL by the processor
)  # fmt: skip


class BrowserError(RuntimeError):
    """The browser does not answer, or refuses what it is asked."""


def need_browser() -> str:
    """Return the path of Chromium; the test is skipped where there is none."""
    found = [path for name in _NAMES if (path := shutil.which(name))]
    if not found:
        pytest.skip("no chromium on the path: install Debian's package chromium")
    return found[0]


class Browser:
    """A running Chromium with a profile of its own; use it in a ``with`` block."""

    def __init__(self) -> None:
        self._sent, self._unread, self._pages = 0, b"", dict[str, Page]()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_child, self._out = os.pipe()
        self._in, from_child = os.pipe()
        flags = [*_FLAGS, f"--user-data-dir={self._profile.name}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_child} 4>&{from_child}', "bash", need_browser(), *flags, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_child, from_child),
            start_new_session=True,
        )
        os.close(to_child)
        os.close(from_child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrowserError, OSError):
            self.ask("Browser.close", wait=5)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its own children, whatever is left of them
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def open(self, url: str, *, width: int = 1280, height: int = 800, wait: float = 60) -> "Page":
        """Open a page in a new tab, and return when it is loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            page.ask(f"{domain}.enable")
        page.resize(width, height)
        page.goto(url, wait=wait)
        return page

    def ask(self, method: str, *, wait: float = 60, session: str | None = None, **values: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its result; events that come meanwhile go to their pages."""
        self._sent += 1
        number = self._sent
        message = {"id": number, "method": method, "params": values} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + wait
        while True:
            answer = self._read(end - time.monotonic(), method)
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self, seconds: float, what: str) -> dict[str, Any]:
        """Return the next message; an event is noted on its page, too."""
        end = time.monotonic() + seconds
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise BrowserError(f"{what}: no answer within {seconds:.0f} s" if not ready else f"{what}: it has gone")
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if message.get("sessionId") in self._pages and "method" in message:
            self._pages[message["sessionId"]].note(message["method"], message["params"])
        return message


class Page:
    """A tab.

    Attributes
    ----------
    errors : list of str
        Exceptions that no script caught, what was written to the console as an error, and files that did not load.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session, self._loads = browser, session, 0
        self.errors: list[str] = []

    def ask(self, method: str, **values: Any) -> dict[str, Any]:
        """Send a command of the protocol to this tab."""
        return self._browser.ask(method, session=self._session, **values)

    def goto(self, url: str, *, wait: float = 60) -> None:
        """Go to `url`, and return when it is loaded."""
        before = self._loads
        failed = self.ask("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        end = time.monotonic() + wait
        while self._loads == before:
            if time.monotonic() > end:
                raise BrowserError(f"{url} did not load within {wait:.0f} s")
            self.evaluate("0")  # events come with the answers
            time.sleep(0.05)

    def evaluate(self, expression: str, *, wait: float = 60) -> Any:
        """Return the value of a JavaScript expression (of a promise: what it comes to) as plain Python values."""
        answer = self.ask(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
            wait=wait,
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression:.200}: {_told(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, *, wait: float = 60) -> Any:
        """Evaluate until the value is true, and return it; `wait` is in seconds."""
        end = time.monotonic() + wait
        while not (value := self.evaluate(f"(() => {{ const v = ({expression}); return v instanceof Node || v }})()")):
            if time.monotonic() > end:
                raise BrowserError(f"{expression:.200}: still {value!r} after {wait:.0f} s; errors: {self.errors}")
            time.sleep(0.2)
        return value

    def resize(self, width: int, height: int, *, scale: float = 1, phone: bool = False) -> None:
        """Set the size of the page's window in CSS pixels; `phone` makes it one of a phone."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def move(self, x: float, y: float) -> None:
        """Move the pointer to a point in CSS pixels."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        """Click on a point in CSS pixels."""
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, steps: int = 8) -> None:
        """Press at one point, move to another, let go."""
        self.move(*start)
        self.ask("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], button="left", clickCount=1)
        for step in range(1, steps + 1):
            x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.ask("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1)

    def wheel(self, x: float, y: float, turn: float) -> None:
        """Turn the wheel at a point; a positive `turn` scrolls down."""
        self.ask("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=turn)

    def press(self, key: str) -> None:
        """Press a key by its name in JavaScript: ``ArrowLeft``, ``Enter``, ``Tab``, ``a``."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        values = {"key": key, "code": key, "windowsVirtualKeyCode": code.get(key, ord(key[0].upper()))}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **values, **({"text": text} if text else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **values)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what the window shows (or the `whole` page) as PNG."""
        taken = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def note(self, method: str, params: dict[str, Any]) -> None:
        """Keep an event that a test may ask about."""
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Runtime.exceptionThrown":
            self.errors.append(_told(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description", ""))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}".strip())


def _told(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])
