"""From digital numbers to reflectance, decided by what is said of an image and by what its numbers show, together.

Since processing baseline 04.00 (25 January 2022) Sentinel-2 products add 1000 to every number; some catalogues take it
off again, and their flags that say so are wrong for part of their images. A tenth of reflectance too much or too little
is more than the difference between forest and city, and no map shows it. So both witnesses are heard; where they
contradict each other the image is refused, with what each said.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.scene.dark_end import ADDED

__all__ = ["Claim", "Radiometry", "baseline_claim", "baseline_in", "date_claim", "reflectance", "settle"]

_ADDING_SINCE = 4.0
_BY_HAND = 99.0
"""ESA's own sen2cor and trial products carry 99.99, whatever they do."""
_SWITCHED = datetime(2022, 1, 25, tzinfo=UTC)
_QUANTIFICATION = 10_000.0


@dataclass(frozen=True)
class Claim:
    """What one field of the metadata says of the numbers.

    Attributes
    ----------
    source : str
        The field and its value, in words.
    offset : float
        What has to be added to the numbers if it is right: 0 or -1000.
    """

    source: str
    offset: float


@dataclass(frozen=True)
class Radiometry:
    """How digital numbers become reflectance: ``(number + offset) / scale``, and who says so.

    Attributes
    ----------
    scale : float
        Numbers per unit of reflectance, 10,000 for Sentinel-2.
    offset : float
        What is added to the numbers first, -1000 or 0 for Sentinel-2.
    level : str
        ``"L1C"`` (top of atmosphere), ``"L2A"`` (surface), ``"SR"``.
    baseline : str or None
        Processing baseline, ``"05.09"``.
    by_metadata, by_data : float or None
        The offset that each of the two witnesses says; None where it does not tell.
    evidence : tuple of str
        What was said and seen, the decisive first.
    """

    scale: float
    offset: float
    level: str
    baseline: str | None = None
    by_metadata: float | None = None
    by_data: float | None = None
    evidence: tuple[str, ...] = field(default=())

    def attributes(self) -> dict[str, str | float]:
        """Return what a raster keeps of it, so that a model's card can be held against it.

        Examples
        --------
        >>> Radiometry(10_000.0, -1000.0, "L2A", "05.09", -1000.0).attributes()["radiometry"]
        '(number - 1000) / 10000, by metadata'
        """
        return {
            "level": self.level,
            "baseline": self.baseline or "",
            "number_scale": self.scale,
            "number_offset": self.offset,
            "radiometry": f"(number {_signed(self.offset)}) / {self.scale:g}, {self._decided()}",
            "evidence": "; ".join(self.evidence),
        }

    def _decided(self) -> str:
        by = [name for name, said in (("metadata", self.by_metadata), ("data", self.by_data)) if said == self.offset]
        return f"by {' and '.join(by)}" if by else "as given"


def baseline_in(product_id: str) -> str | None:
    """Return the processing baseline in the name of a Sentinel-2 product.

    Examples
    --------
    >>> baseline_in("S2A_MSIL2A_20230101T101411_N0509_R022_T33UUU_20230101T141411.SAFE"), baseline_in("s2.tif")
    ('05.09', None)
    """
    found = re.search(r"(?:^|_)N(\d\d)(\d\d)(?:_|$)", product_id)
    return f"{found[1]}.{found[2]}" if found else None


def baseline_claim(baseline: str | None) -> Claim | None:
    """Return what a processing baseline says; None where it is missing, unreadable or made by hand (99.99).

    Examples
    --------
    >>> baseline_claim("05.09").offset, baseline_claim("02.14").offset, baseline_claim("99.99")
    (-1000.0, 0.0, None)
    """
    found = re.fullmatch(r"\s*(\d{1,2})[.](\d{1,2})\s*", baseline or "")
    number = float(f"{found[1]}.{found[2]}") if found else _BY_HAND
    if number >= _BY_HAND:
        return None
    return Claim(f"processing baseline {baseline}", -ADDED if number >= _ADDING_SINCE else 0.0)


def date_claim(sensed: datetime) -> Claim | None:
    """Return what the date of an image says: from 25 January 2022 on, 1000 was added.

    An earlier date says nothing: many of those images have been processed again since.

    Examples
    --------
    >>> date_claim(datetime(2023, 5, 1, tzinfo=UTC)).offset, date_claim(datetime(2020, 5, 1, tzinfo=UTC))
    (-1000.0, None)
    """
    time = sensed if sensed.tzinfo else sensed.replace(tzinfo=UTC)
    return Claim(f"taken on {time:%Y-%m-%d}", -ADDED) if time >= _SWITCHED else None


def settle(
    name: str,
    claims: Sequence[Claim],
    seen: tuple[float | None, str],
    *,
    level: str,
    baseline: str | None = None,
    scale: float = _QUANTIFICATION,
    override: float | None = None,
) -> Radiometry:
    """Decide the offset of an image from its metadata and its data.

    Parameters
    ----------
    name : str
        The image, for messages.
    claims : sequence of Claim
        What the metadata say, the most trustworthy first; it speaks for the metadata, and those that contradict it are
        kept in the evidence.
    seen : (float or None, str)
        What the data say, as `citygrain.scene.dark_end.offset_by_data` gives it.
    level : str
        ``"L1C"`` or ``"L2A"``.
    baseline : str, optional
        Processing baseline.
    scale : float
        Numbers per unit of reflectance.
    override : float, optional
        The offset that the user gives; nothing is refused then, and the evidence says that it was given.

    Raises
    ------
    InputError
        If metadata and data contradict each other, or neither tells.

    Examples
    --------
    >>> settle("a", [Claim("processing baseline 05.09", -1000.0)], (None, "nothing dark"), level="L2A").offset
    -1000.0
    >>> settle("a", [Claim("processing baseline 05.09", -1000.0)], (0.0, "12 % lie below 800 in B04"), level="L2A")
    Traceback (most recent call last):
    citygrain.errors.InputError: a: its metadata say -1000 (processing baseline 05.09), its numbers say 0 \
(12 % lie below 800 in B04); wanted: one offset; leave it out, or say which with --offset 0 or --offset -1000
    """
    said = claims[0].offset if claims else None
    by_data, words = seen
    evidence = _evidence(claims, seen)
    if override is not None:
        return Radiometry(scale, override, level, baseline, said, by_data, (f"given: {override:g}", *evidence))
    if said is not None and by_data is not None and said != by_data:
        raise InputError(
            f"{name}: its metadata say {said:g} ({claims[0].source}), its numbers say {by_data:g} ({words})",
            wanted="one offset",
            mend="leave it out, or say which with --offset 0 or --offset -1000",
        )
    offset = by_data if said is None else said
    if offset is None:
        raise InputError(
            f"{name}: neither its metadata (no baseline, no flag) nor its numbers ({words}) tell its offset",
            wanted="0 or -1000",
            mend="say which with --offset",
        )
    return Radiometry(scale, offset, level, baseline, said, by_data, evidence)


def reflectance(
    numbers: npt.NDArray[Any], radiometry: Radiometry, *, nodata: float | None = 0
) -> npt.NDArray[np.float32]:
    """Return digital numbers as reflectance, NaN where there is none.

    Reflectance below 0 is kept: cutting it off would brighten the mean of dark ground.

    Examples
    --------
    >>> reflectance(np.array([0, 900, 3000]), Radiometry(10_000.0, -1000.0, "L2A")).round(3)
    array([  nan, -0.01,  0.2 ], dtype=float32)
    """
    values = numbers.astype(np.float32)
    missing = np.zeros(values.shape, bool) if nodata is None else values == np.float32(nodata)
    values += np.float32(radiometry.offset)  # exact: numbers are whole and small
    values /= np.float32(radiometry.scale)
    values[missing] = np.nan
    return values


def _evidence(claims: Sequence[Claim], seen: tuple[float | None, str]) -> tuple[str, ...]:
    by_data, words = seen
    first = [f"metadata {claim.offset:g}: {claim.source}" for claim in claims[:1]]
    numbers = f"numbers {by_data:g}: {words}" if by_data is not None else f"numbers do not tell: {words}"
    others = [
        f"{'also' if claim.offset == claims[0].offset else 'against it'} {claim.offset:g}: {claim.source}"
        for claim in claims[1:]
    ]
    return (*(first or ["metadata do not tell"]), numbers, *others)


def _signed(offset: float) -> str:
    return f"{'-' if offset < 0 else '+'} {abs(offset):g}"
