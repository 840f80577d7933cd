"""Requests over the network: tried again when that can help, counted, and never to where they should not go.

Catalogues are asked through `Transport`, one `requests` session. Pixels are read by GDAL; `gdal_options` gives it the
same manners, and `gdal_traffic` asks it for its counts.
"""

import ctypes
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import rasterio
import rasterio._base
import requests
from requests.adapters import HTTPAdapter
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from citygrain.errors import InputError
from citygrain.imagery.addresses import is_loopback, refuse_address, refuse_redirect, shown, without_queries

__all__ = [
    "Traffic", "Transport", "forget_all", "gdal_options", "gdal_traffic", "is_loopback", "reading", "refuse_address",
    "without_queries",
]  # fmt: skip

log = logging.getLogger(__name__)

_AGAIN = (408, 429, 500, 502, 503, 504)
"""Answers after which the same request may succeed."""
_BROKEN_OFF = 3
"""How often an answer that broke off is asked for again."""
_LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is not waited for."""
_MOST_BYTES = 2**27
"""Of an answer of a catalogue: a page of 100 items has some megabytes."""


@dataclass
class Traffic:
    """What went over the network.

    Attributes
    ----------
    requests, bytes : int
        How many requests, and bytes of their answers.
    """

    requests: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, length: int) -> None:
        """Count a request whose answer had so many bytes; from any thread."""
        with self._lock:
            self.requests += 1
            self.bytes += length


class _Patience(Retry):
    """Waits as the server asks, but not for ever."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        wait = super().get_retry_after(response)
        return None if wait is None else min(wait, _LONGEST_WAIT)


class _Adapter(HTTPAdapter):
    """Reads answers of a decent size, and follows to where one may go."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        answer = super().send(request, *arguments, **options)
        try:
            if answer.is_redirect:
                refuse_redirect(str(request.url), answer.headers["location"])
            body = bytearray()
            for piece in answer.iter_content(2**16):
                body += piece
                if len(body) > _MOST_BYTES:
                    raise InputError(f"{shown(str(request.url))} answered more than {_MOST_BYTES / 1e6:.0f} MB")
        except InputError:
            answer.close()
            raise
        answer._content = bytes(body)
        return answer


class _Session(requests.Session):
    """Asks again where an answer breaks off: by then it has been handed over, and the adapter repeats no more."""

    back_off = 0.5

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        for attempt in range(_BROKEN_OFF):
            try:
                return super().send(request, **options)
            except requests.exceptions.ChunkedEncodingError:
                time.sleep(self.back_off * 2**attempt)
        return super().send(request, **options)


class Transport:
    """One session for all that is asked of catalogues.

    Parameters
    ----------
    retries : int
        How often a request is repeated.
    timeout : float
        Seconds without a word before a server counts as silent.
    back_off : float
        Seconds before the second repetition; each next one waits twice as long.

    Examples
    --------
    >>> Transport(retries=0).get_json("ftp://example.org/catalog.json")
    Traceback (most recent call last):
    citygrain.errors.InputError: address ftp://example.org/catalog.json; wanted: https, or http on this machine
    """

    def __init__(self, *, retries: int = 5, timeout: float = 30.0, back_off: float = 0.5) -> None:
        self.timeout, self.traffic = timeout, Traffic()
        self.session = _Session()
        self.session.back_off = back_off
        patience = _Patience(
            total=retries, status_forcelist=_AGAIN, allowed_methods=None, backoff_factor=back_off,
            raise_on_status=False, respect_retry_after_header=True, backoff_max=_LONGEST_WAIT,
        )  # fmt: skip
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, _Adapter(max_retries=patience, pool_maxsize=16))
        self.session.hooks["response"].append(self._count)

    def get_json(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the JSON object at an address.

        Raises
        ------
        InputError
            If it cannot be reached, is refused, or is no JSON object.
        """
        answer = self.request("GET", url, headers=headers)
        try:
            value = answer.json()
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{shown(url)} answered something else than JSON", wanted="a STAC document")
        return value

    def head(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return what a server says of a file without sending it."""
        return self.request("HEAD", url, headers=headers).headers

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """Ask, again if that can help.

        Raises
        ------
        InputError
            If there is no answer, or one that says no.
        """
        refuse_address(url)
        options.setdefault("allow_redirects", True)
        try:
            answer = self.session.request(method, url, timeout=self.timeout, **options)
        except requests.RequestException as error:
            raise InputError(unreached(url, error), mend="check the network; the same command goes on later") from None
        if answer.status_code >= 400:
            raise InputError(
                f"{shown(url)} answered {answer.status_code} {answer.reason}", mend=_advice(answer.status_code)
            )
        return answer

    def _count(self, answer: requests.Response, **_: Any) -> None:
        size = int(answer.headers.get("Content-Length") or 0) if answer.request.method != "HEAD" else 0
        self.traffic.add(size)


def unreached(url: str, error: Exception) -> str:
    """Say in a line why a server could not be reached."""
    text = str(error)
    for mark, reason in (
        ("NameResolution", "its name is unknown here: no network?"), ("refused", "it refuses the connection"),
        ("timed out", "it does not answer"), ("Max retries", "it does not answer"),
        ("unreachable", "the network is away"), ("CERTIFICATE", "its certificate is not trusted"),
    ):  # fmt: skip
        if mark in text:
            return f"{urlsplit(url).netloc.rpartition('@')[2]} cannot be reached: {reason}"
    return f"{urlsplit(url).netloc.rpartition('@')[2]} cannot be reached: {type(error).__name__}"


def _advice(status: int) -> str:
    if status in (401, 403):
        return "the catalogue wants a token, or the one it got has expired"
    if status in _AGAIN:
        return "the server is busy; the same command goes on later"
    return "check the address"


def gdal_options(*, retries: int = 5, timeout: float = 30.0, cache_bytes: int = 2**27) -> dict[str, Any]:
    """Return options by which GDAL reads ranges of remote files: only these, repeated if need be, none twice.

    Examples
    --------
    >>> gdal_options()["GDAL_DISABLE_READDIR_ON_OPEN"]
    'EMPTY_DIR'
    """
    return {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # looks for no files beside it
        "GDAL_HTTP_MAX_RETRY": retries,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_RETRY_CODES": ",".join(map(str, _AGAIN)),
        "GDAL_HTTP_TIMEOUT": max(1, round(4 * timeout)),
        "GDAL_HTTP_CONNECTTIMEOUT": max(1, round(timeout)),
        "GDAL_HTTP_LOW_SPEED_TIME": max(1, round(timeout)),
        "GDAL_HTTP_LOW_SPEED_LIMIT": 1000,
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_HTTP_MULTIPLEX": "YES",
        "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of most Cloud-Optimised GeoTIFFs
        "CPL_VSIL_CURL_CACHE_SIZE": cache_bytes,
        "CPL_VSIL_CURL_USE_HEAD": "YES",  # without it the length is asked for by beginning to read all of it
        "CPL_VSIL_NETWORK_STATS_ENABLED": "YES",
        "VSI_CACHE": "FALSE",
    }


class _Discreet(logging.Filter):
    """Cuts from what other libraries log of an address what may be secret: all that follows its question mark.

    That a request is made once more is no warning: where none succeeds, one line of ours says so.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_queries(record.getMessage()), ()
        return not (record.name == "urllib3.connectionpool" and record.msg.startswith("Retrying"))


_DISCREET = _Discreet()
for _name in ("odc.loader._rio", "rasterio._env", "rasterio._err", "rasterio._base", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_DISCREET)


@contextmanager
def reading(*, header: str | None = None) -> Iterator[None]:
    """Read remote files in this block by our options, with a header line if they want one."""
    secret = {"GDAL_HTTP_HEADERS": header} if header else {}
    with rasterio.Env(**gdal_options(), **secret):
        yield


def _gdal() -> Any:
    """Return the GDAL that rasterio brings, or None where it cannot be called."""
    try:
        library = ctypes.CDLL(rasterio._base.__file__)
        library.VSINetworkStatsGetAsSerializedJSON.restype = ctypes.c_void_p
        library.VSINetworkStatsGetAsSerializedJSON.argtypes = [ctypes.c_void_p]
        library.VSIFree.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


def gdal_traffic() -> tuple[int, int] | None:
    """Return how many requests GDAL has made in this process, and the bytes it got; None where it does not say.

    Counts begin when GDAL first reads with `gdal_options`.
    """
    library = _gdal()
    if library is None:
        return None
    pointer = library.VSINetworkStatsGetAsSerializedJSON(None)
    if not pointer:
        return 0, 0
    try:
        stats = json.loads((ctypes.cast(pointer, ctypes.c_char_p).value or b"{}").decode())
    finally:
        library.VSIFree(pointer)
    methods = stats.get("methods", {})
    return (
        sum(int(method.get("count", 0)) for method in methods.values()),
        sum(int(method.get("downloaded_bytes", 0)) for method in methods.values()),
    )


def forget_all() -> None:
    """Make GDAL forget what it knows of remote files, their absence included, before they are asked for again."""
    library = _gdal()
    if library is not None:
        library.VSICurlClearCache()
