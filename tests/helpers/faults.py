"""What can go wrong on the way to a catalogue, as rules that a test gives the server; standard library only.

Each function returns a `Fault`. `path` is a pattern such as ``*B04.tif`` or ``stac/search``, matched to what follows
the site's name; `times` is how many requests it strikes, `after` how many it lets pass before.
"""

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["Fault", "Rules", "busy", "cut", "expired", "missing", "slow", "truncated", "unavailable"]


@dataclass(frozen=True)
class Fault:
    """One rule.

    Attributes
    ----------
    kind : str
        ``status``, ``slow``, ``cut``, ``truncated`` or ``signature``.
    path : str
        Pattern of the paths that it strikes.
    times : int or None
        How many requests; None = all.
    after : int
        Requests that pass before the first one.
    status : int
        What is answered.
    retry_after : str or None
        Header beside it.
    seconds : float
        Wait before the answer.
    seconds_per_megabyte : float
        Wait between its pieces.
    length : int
        Bytes before a cut, or of a truncated file.
    uses : int
        Requests that a token is good for.
    """

    kind: str
    path: str = "*"
    times: int | None = None
    after: int = 0
    status: int = 200
    retry_after: str | None = None
    seconds: float = 0.0
    seconds_per_megabyte: float = 0.0
    length: int = 0
    uses: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def missing(path: str, *, times: int | None = None, after: int = 0) -> Fault:
    """404: not there."""
    return Fault("status", path, times, after, status=404)


def busy(path: str, *, retry_after: str | None = "1", times: int | None = 1, after: int = 0) -> Fault:
    """429: too many requests, come back in so many seconds (or at a date, or untold)."""
    return Fault("status", path, times, after, status=429, retry_after=retry_after)


def unavailable(path: str, *, status: int = 503, times: int | None = 1, after: int = 0) -> Fault:
    """503, or another answer of a server that is ill."""
    return Fault("status", path, times, after, status=status)


def slow(path: str, seconds: float = 0.0, *, per_megabyte: float = 0.0, times: int | None = None) -> Fault:
    """Answer late, or drop by drop."""
    return Fault("slow", path, times, seconds=seconds, seconds_per_megabyte=per_megabyte)


def cut(path: str, length: int = 0, *, times: int | None = 1, after: int = 0) -> Fault:
    """Close the connection after so many bytes of the body; with none the answer has only its head."""
    return Fault("cut", path, times, after, length=length)


def truncated(path: str, length: int, *, times: int | None = None) -> Fault:
    """Serve the file as if it ended there: a broken upload, told by nothing but the pixels."""
    return Fault("truncated", path, times, length=length)


def expired(path: str = "static/*.tif", *, uses: int = 5) -> Fault:
    """403 without a token, and once a token has been used so many times; the site's `tokens` gives new ones."""
    return Fault("signature", path, uses=uses)


class Rules:
    """The faults of one site, and how often each has struck."""

    def __init__(self) -> None:
        self.replace([])

    def replace(self, faults: list[dict[str, Any]]) -> None:
        """Begin anew with these."""
        self._faults = [Fault(**fault) for fault in faults]
        self._met = [0] * len(self._faults)
        self.struck = [0] * len(self._faults)

    def strike(self, path: str) -> list[Fault]:
        """Return the faults that a request meets, and count them; a refusal ends the list."""
        found: list[Fault] = []
        for number, fault in enumerate(self._faults):
            if not fnmatchcase(path, fault.path):
                continue
            self._met[number] += 1
            over = fault.times is not None and self.struck[number] >= fault.times
            if self._met[number] <= fault.after or over:
                continue
            if fault.kind != "signature":
                self.struck[number] += 1
            found.append(fault)
            if fault.kind == "status":
                break
        return found

    def refused(self, fault: Fault) -> None:
        """Count a token that was refused."""
        self.struck[self._faults.index(fault)] += 1
