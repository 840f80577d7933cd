"""Addresses that may be asked: https, or http on this machine; and how they are shown, without secrets."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from citygrain.errors import InputError

__all__ = ["is_loopback", "refuse_address", "refuse_redirect", "shown", "without_queries"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine.

    Examples
    --------
    >>> is_loopback("http://127.0.0.1:8000/catalog.json"), is_loopback("http://example.org")
    (True, False)
    """
    return _parts(url).hostname in _LOOPBACK


def refuse_address(url: str) -> None:
    """Refuse addresses other than https, or http on this machine.

    Raises
    ------
    InputError
        If it is another one.
    """
    parts = _parts(url)
    fine = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    if not fine or not parts.hostname or parts.username or parts.password:
        raise InputError(f"address {shown(url)}", wanted="https, or http on this machine")


def refuse_redirect(url: str, target: str) -> None:
    """Refuse to be sent from an address to one that is not https; within this machine http is fine.

    Raises
    ------
    InputError
        If it leads from another machine onto this one, or to what is refused anyway.

    Examples
    --------
    >>> refuse_redirect("https://example.org/a", "https://example.com/a")
    >>> refuse_redirect("https://example.org/a", "http://127.0.0.1/a")
    Traceback (most recent call last):
    citygrain.errors.InputError: https://example.org/a leads to http://127.0.0.1/a; wanted: https
    """
    try:
        there = urljoin(url, target)
    except ValueError:
        there = target
    if is_loopback(there) and not is_loopback(url):
        raise InputError(f"{shown(url)} leads to {shown(there)}", wanted="https")
    refuse_address(there)


def shown(url: str) -> str:
    """Return an address without what may be secret in it: its query, a name and a password."""
    parts = _parts(url)
    start = f"{parts.scheme}://" if parts.scheme else ""
    return f"{start}{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_queries(text: str) -> str:
    """Return a text with its addresses cut at the question mark.

    Examples
    --------
    >>> without_queries("failed: 'https://example.org/a.tif?sig=abc' and /b?c=d too")
    "failed: 'https://example.org/a.tif' and /b too"
    """
    return re.sub(r"(?<=\S)\?[^\s'\"<>)]+", "", text)


def _parts(url: str) -> SplitResult:
    """Return the parts of an address; of what is none, its letters as a path."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return SplitResult("", "", url.partition("?")[0], "", "")
    return parts
