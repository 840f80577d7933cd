"""Local Climate Zones as other tools write them: other numbers, letters, names and colours for the same 17 classes.

The codes here are WUDAPT's, 1 to 17 (`citygrain.legend.LCZ`). So2Sat counts from 0, GeoClimate and UMEP write the land
cover types as 101 to 107, WRF adds 30 or 50; nothing in a file says which. A conversion is therefore always asked for
by the scheme's name, and a code that the scheme does not have is refused.
"""

import re
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import LCZ

__all__ = ["BUILT", "LCZ_SCHEMES", "lcz_code", "lcz_no_data", "recode_lcz"]

BUILT = 10
"""Codes 1 to 10 are the built types, 11 to 17 the land cover types."""

_LETTERS = "ABCDEFG"
_PAVED = 15
_BUILT_CODES = range(1, BUILT + 1)
_COVER_CODES = range(BUILT + 1, 18)

LCZ_SCHEMES: MappingProxyType[str, MappingProxyType[int, int]] = MappingProxyType(
    {
        "wudapt": MappingProxyType({code: code for code in range(1, 18)}),
        "so2sat": MappingProxyType({code: code - 1 for code in range(1, 18)}),
        "geoclimate": MappingProxyType(
            {code: code for code in _BUILT_CODES} | {code: code + 90 for code in _COVER_CODES}
        ),
        "wrf31": MappingProxyType({code: code + 30 for code in _BUILT_CODES} | {_PAVED: 41}),
        "wrf51": MappingProxyType({code: code + 50 for code in _BUILT_CODES} | {_PAVED: 61}),
    }
)
"""Each scheme's number for our codes.

- ``wudapt``: 1 to 17 (WUDAPT, LCZ Generator, the global map).
- ``so2sat``: 0 to 16 (So2Sat's columns, TorchGeo).
- ``geoclimate``: 1 to 10 and 101 to 107 (GeoClimate, UMEP).
- ``wrf31``: WRF's `LU_INDEX` up to version 4.4.1: 31 to 40, and 41 for LCZ E (bare rock or paved), the eleventh urban
  class of WRF's table URBPARM_LCZ.TBL.
- ``wrf51``: the same as 51 to 61, from WRF 4.4.2 on, where 31 to 40 belong to NLCD's land cover
  (github.com/wrf-model/WRF, pull request 1786).

WRF has no category for the other land cover types (A to D, F, G): they become 0, which says "not urban": the
model keeps its own land cover there. The tool w2w does the same (Demuzere et al. 2022, doi:10.21105/joss.04432), and
makes LCZ E class 11 only where its option --built-lcz lists 15; by its default E is land cover too.
"""

_NO_DATA = {"so2sat": 255}

_PALETTES = (
    "#910613 #D9081C #FF0A22 #C54F1E #FF6628 #FF985E #FDED3F #BBBBBB #FFCBAB #565656 "
    "#006A18 #00A926 #628432 #B5DA7F #000000 #FCF7B1 #656BFA",  # LCZ4r
    "#8b0101 #cc0200 #fc0001 #be4c03 #ff6602 #ff9856 #fbed08 #bcbcba #ffcca7 #57555a "
    "#006700 #05aa05 #648423 #bbdb7a #010101 #fdf6ae #6d67fd",  # GeoClimate, lczexplore
)


def lcz_no_data(scheme: str) -> int:
    """Return the number that says "no class" in a scheme: 0, but 255 in So2Sat's, where 0 is LCZ 1.

    Examples
    --------
    >>> lcz_no_data("wudapt"), lcz_no_data("so2sat")
    (0, 255)
    """
    return _NO_DATA.get(scheme, 0)


def recode_lcz(codes: npt.ArrayLike, *, to: str, source: str = "wudapt") -> npt.NDArray[np.generic]:
    """Convert LCZ codes from one scheme to another.

    Parameters
    ----------
    codes : array-like of int (of str for ``letters``), any shape
        Codes of the scheme `source`; its "no class" number (see `lcz_no_data`; "" for letters) stays without a class.
    to, source : str
        One of `LCZ_SCHEMES`, or ``letters``: "1" to "10" and "A" to "G".

    Returns
    -------
    ndarray of uint8, or of str for ``letters``, same shape
        Land cover types become 0 in WRF's schemes, see `LCZ_SCHEMES`; all else can be converted back.

    Raises
    ------
    InputError
        If a scheme is unknown, or a code is none of its own.

    Examples
    --------
    >>> recode_lcz([1, 10, 11, 17, 0], to="geoclimate").tolist()
    [1, 10, 101, 107, 0]
    >>> recode_lcz([[2, 15], [14, 0]], to="wrf51").tolist()
    [[52, 61], [0, 0]]
    >>> recode_lcz([0, 16, 255], source="so2sat", to="letters").tolist()
    ['1', 'G', '']
    """
    return _from_wudapt(_to_wudapt(np.asarray(codes), source), to)


def lcz_code(name: object) -> int | None:
    """Return the code, 1 to 17, of a Local Climate Zone as people write it; None if it is none.

    Numbers (``5``, ``5.0``, ``102``), letters, ``LCZ 5``, ``LCZ A``, names in any spelling (``Compact highrise``,
    ``open mid-rise``, ``Bush or scrub``), a number with its name, and the colours of WUDAPT, LCZ4r and GeoClimate.

    Examples
    --------
    >>> [lcz_code(name) for name in ("LCZ 5", "b", 107.0, "Compact highrise", "LCZ 8: Large low-rise", "#ff0a22")]
    [5, 12, 17, 1, 8, 3]
    >>> [lcz_code(name) for name in ("ROI", 0, "18", "2.5", "5 Open low-rise", "")]
    [None, None, None, None, None, None]
    """
    text = str(name).strip().casefold()
    if text.startswith("#"):
        return _COLORS.get(text)
    if number := re.fullmatch(r"0*([0-9]+)(?:\.(0*))?", text):
        return _SHORT.get(number[1])
    if re.fullmatch(r"[0-9.]+", text):
        return None  # 5.5 is no class, and not the fifth polygon of class 5
    parts = re.fullmatch(r"(?:lcz)?[\s_-]*(?:class)?[\s_-]*([0-9]{1,3}|[a-g])(?:[\s_:.,()\[\]-]+(.*))?", text)
    if parts is None:
        return _NAMES.get(_bare(text.removeprefix("lcz")))
    code = _SHORT.get(parts[1].lstrip("0"))
    rest = _bare(parts[2] or "")
    return code if not rest or _NAMES.get(rest) == code else None


def _to_wudapt(codes: npt.NDArray[np.generic], scheme: str) -> npt.NDArray[np.uint8]:
    if scheme == "letters":
        pairs: dict[str | int, int] = {"": 0, **{letter: code for code, letter in _letters().items()}}
        codes = np.char.upper(np.char.strip(codes.astype(str)))
    else:
        pairs = {lcz_no_data(scheme): 0, **{number: code for code, number in _numbers(scheme).items()}}
    values, inverse = np.unique(codes, return_inverse=True)
    found = values.tolist()
    strange = [value for value in found if value not in pairs]
    if strange:
        shown = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        wanted = ", ".join(str(value) for value, code in pairs.items() if code)
        raise InputError(f"{shown} in codes of scheme {scheme!r}", wanted=wanted, mend="name the scheme they are from")
    table = np.array([pairs[value] for value in found], np.uint8)
    return np.asarray(table[inverse].reshape(codes.shape))


def _from_wudapt(codes: npt.NDArray[np.uint8], scheme: str) -> npt.NDArray[np.generic]:
    if scheme == "letters":
        letters = np.array([_letters().get(code, "") for code in range(18)])
        return np.asarray(letters[codes])
    numbers = _numbers(scheme)
    table = np.array([numbers.get(code, 0) if code else lcz_no_data(scheme) for code in range(18)], np.uint8)
    return np.asarray(table[codes])


def _numbers(scheme: str) -> MappingProxyType[int, int]:
    if scheme not in LCZ_SCHEMES:
        raise InputError(f"LCZ scheme {scheme!r}", wanted=f"one of {', '.join([*LCZ_SCHEMES, 'letters'])}")
    return LCZ_SCHEMES[scheme]


def _letters() -> dict[int, str]:
    return {code: str(code) if code <= BUILT else _LETTERS[code - BUILT - 1] for code in range(1, 18)}


def _bare(text: str) -> str:
    """Return a name without what spellings differ in: hyphens, spaces, commas, "or"."""
    return "".join(word for word in re.findall(r"[a-z]+", text) if word not in ("or", "and"))


_SHORT = (
    {str(code): code for code in range(1, 18)}
    | {str(code + 90): code for code in _COVER_CODES}
    | {letter.lower(): code for code, letter in zip(_COVER_CODES, _LETTERS, strict=True)}
)
_NAMES = {_bare(c.name.casefold()): c.code for c in LCZ}
_COLORS = {c.color.casefold(): c.code for c in LCZ} | {
    color.casefold(): code for palette in _PALETTES for code, color in enumerate(palette.split(), start=1)
}
