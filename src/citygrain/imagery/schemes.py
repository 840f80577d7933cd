"""Which scheme the codes of a file are in, as far as the file says so.

WorldCover and FROM-GLC10 hold the same numbers for different classes, and nothing in the numbers tells. But files
often do say it: in their tags, by the names of their classes, by their colours, by their own name. Where one does, and
another scheme is asked for, that is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from citygrain.errors import InputError
from citygrain.legend import Legend, ready_legends

__all__ = ["Evidence", "SaidBy", "named_scheme", "refuse_other_scheme", "spoken_alike"]

_WORDS = {
    "worldcover": r"world[\s_-]?cover",
    "from-glc10": r"from[\s_-]?glc",
    "dynamic-world": r"dynamic[\s_-]?world",
    "esri-lulc": r"(io|esri)[\s_-](10m[\s_-])?(annual[\s_-])?(lulc|land[\s_-]?cover)",
    "urban-atlas": r"urban[\s_-]?atlas|_ua20\d\d",
    "corine": r"corine|(^|_)clc20\d\d",
    "lcz": r"(^|[\s_-])lcz|local[\s_-]climate[\s_-]zone",
}
"""How each scheme is called in tags and file names."""
_TELLING = ("scheme", "product", "title", "copyright", "description", "tifftag_imagedescription")
"""Tags that say what a file is, the first that does counts."""
_LEAST = 4
"""Names or colours that must fit before they count as evidence."""
_ALIKE = ({"worldcover", "from-glc10"}, {"dynamic-world", "esri-lulc"})
"""Schemes with the same numbers for other classes."""
_NAME = "its name"

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Evidence:
    """What a file says of itself.

    Attributes
    ----------
    file : str
        Its name.
    tags : mapping of str to str
        Its metadata.
    names : mapping of int to str
        Class names by value.
    colors : mapping of int to (red, green, blue)
        Colour table by value.
    """

    file: str
    tags: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, Rgb] = field(default_factory=dict)


class SaidBy(NamedTuple):
    """A scheme, and what in the file says so."""

    scheme: str
    by: str


def named_scheme(evidence: Evidence) -> SaidBy | None:
    """Return the scheme that a file says its codes are in, or None where it does not say.

    Parameters
    ----------
    evidence : Evidence
        What the file says of itself.

    Examples
    --------
    >>> named_scheme(Evidence("a.tif", tags={"title": "ESA WorldCover product at 10m resolution for year 2021"}))
    SaidBy(scheme='worldcover', by="its tag title = 'ESA WorldCover product at 10m resolution for year 2021'")
    >>> named_scheme(Evidence("fromglc10v01_52_12.tif"))
    SaidBy(scheme='from-glc10', by='its name')
    >>> named_scheme(Evidence("reference.tif")) is None
    True
    """
    tags = {key.lower(): value for key, value in evidence.tags.items()}
    for key in _TELLING:
        said = _spoken(tags.get(key, ""))
        if said is not None:
            return SaidBy(said, f"its tag {key} = {tags[key][:80]!r}")
    by_name = _fitting({legend.scheme: _same_names(legend, evidence.names) for legend in ready_legends().values()})
    if by_name is not None:
        return SaidBy(by_name, "the names of its classes")
    by_color = _fitting({legend.scheme: _same_colors(legend, evidence.colors) for legend in ready_legends().values()})
    if by_color is not None:
        return SaidBy(by_color, "its colours")
    said = _spoken(evidence.file)
    return SaidBy(said, _NAME) if said is not None else None


def refuse_other_scheme(evidence: Evidence, legend: Legend) -> SaidBy | None:
    """Refuse a file that says its codes are in another scheme than the legend's; return what it says, if anything.

    Raises
    ------
    InputError
        If it names another scheme.

    Examples
    --------
    >>> from citygrain.legend import FROM_GLC10
    >>> refuse_other_scheme(Evidence("ESA_WorldCover_10m_2021_v200_N51E012_Map.tif"), FROM_GLC10)
    Traceback (most recent call last):
    citygrain.errors.InputError: ESA_WorldCover_10m_2021_v200_N51E012_Map.tif is worldcover by its name, but is read \
as from-glc10, where 10 is not 'Tree cover' but 'Cropland'; wanted: worldcover; or give classes = { code = name } if \
it holds other codes
    """
    said = named_scheme(evidence)
    if said is None or said.scheme == legend.scheme or legend.scheme not in ready_legends():
        return said
    if said.by == _NAME and {said.scheme, legend.scheme} not in _ALIKE:
        return None  # a name may tell what a file was made from
    differing = _differing(said.scheme, legend)
    raise InputError(
        f"{evidence.file} is {said.scheme} by {said.by}, but is read as {legend.scheme}{differing}",
        wanted=said.scheme,
        mend="or give classes = { code = name } if it holds other codes",
    )


def spoken_alike(legend: Legend) -> str:
    """Return what the same numbers would mean in the scheme that is easily taken for this one; empty where none is.

    Examples
    --------
    >>> from citygrain.legend import LCZ, WORLDCOVER
    >>> spoken_alike(WORLDCOVER)[:60]
    'in from-glc10 the same numbers are 10 Cropland, 20 Forest, 3'
    >>> spoken_alike(LCZ)
    ''
    """
    other = next((pair - {legend.scheme} for pair in _ALIKE if legend.scheme in pair), set[str]())
    if not other:
        return ""
    name = other.pop()
    there = {value: c.name for c in ready_legends()[name] for value in c.in_files}
    here = [value for c in legend for value in c.in_files]
    return f"in {name} the same numbers are {', '.join(f'{value} {there[value]}' for value in here if value in there)}"


def _spoken(text: str) -> str | None:
    found = [scheme for scheme, words in _WORDS.items() if re.search(words, text, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def _fitting(counts: Mapping[str, int]) -> str | None:
    """Return the one scheme that fits in enough classes; None where none or several do."""
    best = max(counts.values())
    names = [scheme for scheme, count in counts.items() if count == best]
    return names[0] if best >= _LEAST and len(names) == 1 else None


def _same_names(legend: Legend, names: Mapping[int, str]) -> int:
    own = {value: c.name.casefold() for c in legend for value in c.in_files}
    said = {str(code): name.strip().casefold() for code, name in names.items() if name.strip()}
    return len(said) if said and all(own.get(value) == name for value, name in said.items()) else 0


def _same_colors(legend: Legend, colors: Mapping[int, Rgb]) -> int:
    own = {value: c.rgb for c in legend for value in c.in_files}
    return sum(own.get(str(code)) == rgb for code, rgb in colors.items() if any(rgb))


def _differing(scheme: str, legend: Legend) -> str:
    here = {value: c.name for c in legend for value in c.in_files}
    for c in ready_legends()[scheme]:
        for value in c.in_files:
            if value in here and here[value].casefold() != c.name.casefold():
                return f", where {value} is not {c.name!r} but {here[value]!r}"
    return ""
