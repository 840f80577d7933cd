"""How much memory a run may take, and whether its scene fits."""

import contextlib
import ctypes
import gc
import os
import re
from dataclasses import dataclass

from citygrain.errors import ConfigError

__all__ = ["MemoryPlan", "memory_bytes", "release_memory"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_LEAST = 500_000_000
"""Python with its libraries takes about 300 MB before the first pixel."""
_FLOOR = 400_000_000
_FALLBACK = 8 * 2**30
"""Taken as the machine's memory where it does not tell."""


@dataclass(frozen=True)
class MemoryPlan:
    """What memory there is for a run.

    Attributes
    ----------
    limit : int
        Bytes.
    """

    limit: int

    @classmethod
    def of(cls, wish: str | None) -> "MemoryPlan":
        """Return the plan for what the user said (``"4GB"``), or for half of the machine.

        Raises
        ------
        ConfigError
            If that is no size, or too little for the libraries alone.
        """
        if wish is None:
            return cls(max(_LEAST, _physical() // 2))
        limit = memory_bytes(wish)
        if limit < _LEAST:
            raise ConfigError(f"memory = {wish!r}", wanted="at least 500MB: Python and its libraries take 300MB")
        return cls(limit)

    def holds(self, pixels: int, bands: int, features: int) -> bool:
        """Tell whether a scene is worked on as a whole.

        In memory a scene takes 4 bytes for each of its bands, 4 for each feature and 2 more for each while superpixels
        are made, and 40 for labels, reference, map and report.

        Parameters
        ----------
        pixels : int
            Rows times columns.
        bands, features : int
            How many of them.

        Examples
        --------
        >>> MemoryPlan.of("4GB").holds(12_500_000, 8, 8), MemoryPlan.of("4GB").holds(120_560_400, 10, 10)
        (True, False)
        """
        return _FLOOR + pixels * (4 * bands + 6 * features + 40) <= self.limit

    @property
    def for_pixels(self) -> int:
        """Bytes that are left for pixels beside Python and its libraries."""
        return max(self.limit - _FLOOR, self.limit // 4)


def release_memory(*, cycles: bool = False) -> None:
    """Give back what is no longer needed: pages that glibc keeps for later, and perhaps objects that hold each other.

    After a training these were 450 MB of 2,030. Looking for such objects takes a quarter of a second, since PyTorch
    has a million of its own.
    """
    if cycles:
        gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library keeps nothing, or does not tell
        ctypes.CDLL(None).malloc_trim(0)


def memory_bytes(text: str) -> int:
    """Read a size such as ``"4GB"``, ``"1.5 GiB"`` or ``"800MB"``.

    Raises
    ------
    ConfigError
        If it is none.

    Examples
    --------
    >>> memory_bytes("4GB"), memory_bytes("1.5 GiB")
    (4000000000, 1610612736)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?i?b?)\s*", text.lower())
    unit = None if match is None else _UNITS.get(match[2] if match[2].endswith("b") or not match[2] else match[2] + "b")
    if match is None or unit is None:
        raise ConfigError(f"memory = {text!r}", wanted="a size, such as 4GB or 800MB")
    return int(float(match[1]) * unit)


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return _FALLBACK
