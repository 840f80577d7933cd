"""Classes of a map: code, name and colour, under the name of their scheme.

WorldCover and FROM-GLC10 use the same numbers for different classes, so a code never travels without its legend.
Probability columns follow the legend's order; code 0 means "no label" everywhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError

__all__ = [
    "CORINE",
    "DYNAMIC_WORLD",
    "ESRI_LULC",
    "FROM_GLC10",
    "LCZ",
    "URBAN",
    "URBAN_ATLAS",
    "WORLDCOVER",
    "LandClass",
    "Legend",
    "ready_legends",
]

_FALLBACK_COLORS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#bbbbbb",
    "#332288",
    "#ddcc77",
)
"""Paul Tol's bright scheme, continued: colour-blind safe, for classes whose name has no colour of its own."""


@dataclass(frozen=True)
class LandClass:
    """One class of a legend.

    Attributes
    ----------
    code : int
        Value in our rasters, 1 to 255.
    name : str
        Name in words.
    color : str
        ``#rrggbb``.
    values : tuple of str
        What the product's own files hold for it, where that is not its code: CORINE's ``("1", "111")``, Urban Atlas'
        ``("11100",)``, and ``("0",)`` for Dynamic World's water.
    """

    code: int
    name: str
    color: str
    values: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.code <= 255:
            raise InputError(f"class code {self.code} of {self.name!r}", wanted="1 to 255 (0 is no data)")
        if len(self.color) != 7 or self.color[0] != "#" or set(self.color[1:].lower()) - set("0123456789abcdef"):
            raise InputError(f"colour {self.color!r} of class {self.name!r}", wanted="#rrggbb")

    @property
    def in_files(self) -> tuple[str, ...]:
        """What files hold for it: its `values`, else its code.

        Examples
        --------
        >>> CORINE.classes[0].in_files, WORLDCOVER.classes[0].in_files
        (('1', '111'), ('10',))
        """
        return self.values or (str(self.code),)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


@dataclass(frozen=True)
class Legend:
    """The classes of a map, in the order of the probability columns.

    Attributes
    ----------
    scheme : str
        Name of the classification scheme.
    classes : tuple of LandClass
        Distinct codes, distinct names.

    Examples
    --------
    >>> URBAN.names
    ('Urban', 'Crop', 'Vegetation', 'Water')
    >>> URBAN.columns(np.array([4, 1, 0]))
    array([ 3,  0, -1])
    >>> URBAN.codes(np.array([3, 0, -1]))
    array([4, 1, 0], dtype=uint8)
    >>> len(LCZ), LCZ.color_of(17)
    (17, '#6a6aff')
    """

    scheme: str
    classes: tuple[LandClass, ...]

    def __post_init__(self) -> None:
        for what, values in (
            ("code", [c.code for c in self.classes]),
            ("name", [c.name for c in self.classes]),
        ):
            if len(set(values)) != len(values):
                raise InputError(f"legend {self.scheme!r} has a {what} twice: {values}", wanted=f"each {what} once")

    @classmethod
    def from_names(
        cls, names: Mapping[int, str], *, scheme: str = "custom", colors: Mapping[str, str] | None = None
    ) -> "Legend":
        """Make a legend from codes and names; well-known names get their usual colour.

        Parameters
        ----------
        names : mapping of int to str
            Name of each code.
        scheme : str
            Name of the scheme.
        colors : mapping of str to str, optional
            Colours by class name, ``#rrggbb``.

        Examples
        --------
        >>> Legend.from_names({1: "Forest", 4: "Water"}).colormap()[4]
        (37, 99, 181, 255)
        """
        usual = _table()["colors"]
        spare = iter(_FALLBACK_COLORS * (1 + len(names) // len(_FALLBACK_COLORS)))
        chosen = {name: (colors or {}).get(name) or usual.get(name.lower()) or next(spare) for name in names.values()}
        return cls(scheme, tuple(LandClass(code, name, chosen[name]) for code, name in sorted(names.items())))

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LandClass]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in column order."""
        return tuple(c.name for c in self.classes)

    @property
    def values(self) -> npt.NDArray[np.uint8]:
        """Class codes in column order."""
        return np.array([c.code for c in self.classes], np.uint8)

    def columns(self, codes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the column of each code, -1 for 0.

        Raises
        ------
        InputError
            If a code is neither 0 nor in the legend.
        """
        codes = np.asarray(codes).astype(np.int64)
        table = np.full(256, -2, np.int64)
        table[0] = -1
        table[self.values] = np.arange(len(self))
        columns = np.where((codes >= 0) & (codes < 256), table[np.clip(codes, 0, 255)], -2)
        if (columns == -2).any():
            strange = np.unique(codes[columns == -2]).tolist()
            raise InputError(f"codes {strange} are not in legend {self.scheme!r}", wanted=f"{self.values.tolist()}")
        return columns

    def codes(self, columns: npt.ArrayLike) -> npt.NDArray[np.uint8]:
        """Return the code of each column; -1 gives 0."""
        table: npt.NDArray[np.uint8] = np.append(self.values, np.uint8(0))
        return np.asarray(table[np.asarray(columns)])

    def code_of(self, name: str) -> int:
        """Return the code of the class called `name`."""
        for c in self.classes:
            if c.name.lower() == name.lower():
                return c.code
        raise InputError(f"class {name!r} is not in legend {self.scheme!r}", wanted=f"one of {', '.join(self.names)}")

    def name_of(self, code: int) -> str:
        """Return the name of the class with `code`."""
        return self.names[int(self.columns(np.array([code]))[0])]

    def color_of(self, code: int) -> str:
        """Return the colour of the class with `code` as ``#rrggbb``."""
        return self.classes[int(self.columns(np.array([code]))[0])].color

    def colormap(self) -> dict[int, tuple[int, int, int, int]]:
        """Return red, green, blue, alpha (0 to 255) by code; 0 is transparent."""
        return {0: (0, 0, 0, 0), **{c.code: (*c.rgb, 255) for c in self.classes}}

    def merge(self, groups: Mapping[str, Sequence[str]]) -> tuple["Legend", dict[int, int]]:
        """Merge classes into broader ones.

        Parameters
        ----------
        groups : mapping of str to sequence of str
            New name and the names that it takes in. Classes in no group fall out (they map to 0).

        Returns
        -------
        Legend
            New codes 1, 2, ... in the order given.
        dict of int to int
            New code for each old code.

        Examples
        --------
        >>> legend, recode = WORLDCOVER.merge({"Urban": ["Built-up"], "Water": ["Permanent water bodies"]})
        >>> legend.names, recode[50], recode[80], recode[10]
        (('Urban', 'Water'), 1, 2, 0)
        """
        merged = Legend.from_names(dict(enumerate(groups, start=1)), scheme=f"{self.scheme} merged")
        recode = dict.fromkeys(self.values.tolist(), 0)
        for new, old_names in enumerate(groups.values(), start=1):
            for name in old_names:
                code = self.code_of(name)
                if recode[code]:
                    raise InputError(f"class {name!r} is in two groups of the merge", wanted="each class once")
                recode[code] = new
        return merged, recode

    def to_list(self) -> list[dict[str, object]]:
        """Return the classes as plain values, for JSON."""
        return [{"code": c.code, "name": c.name, "color": c.color} for c in self.classes]

    @classmethod
    def from_list(cls, scheme: str, rows: Sequence[Mapping[str, object]]) -> "Legend":
        """Read back what `to_list` wrote.

        Examples
        --------
        >>> Legend.from_list("urban", URBAN.to_list()) == URBAN
        True
        """
        return cls(scheme, tuple(_class(row) for row in rows))


def _class(row: Mapping[str, object]) -> LandClass:
    values = row.get("values", ())
    own = tuple(str(value) for value in values) if isinstance(values, list) else ()
    return LandClass(int(str(row["code"])), str(row["name"]), str(row["color"]), own)


def _table() -> dict[str, dict[str, str]]:
    text = resources.files("citygrain").joinpath("data/legends.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, str]] = json.loads(text)
    return table


def _ready(scheme: str) -> Legend:
    rows = json.loads(resources.files("citygrain").joinpath("data/legends.json").read_text(encoding="utf-8"))
    return Legend.from_list(scheme, rows["legends"][scheme])


LCZ = _ready("lcz")
"""The 17 Local Climate Zones (Stewart & Oke 2012, doi:10.1175/BAMS-D-11-00019.1), WUDAPT codes and colours."""
WORLDCOVER = _ready("worldcover")
"""ESA WorldCover, 11 classes."""
FROM_GLC10 = _ready("from-glc10")
"""FROM-GLC10 (Gong et al. 2019, doi:10.1016/j.scib.2019.03.002), 10 classes; colours are a project palette."""
DYNAMIC_WORLD = _ready("dynamic-world")
"""Dynamic World (Brown et al. 2022, doi:10.1038/s41597-022-01307-4), 9 classes; its files count from 0, we from 1."""
ESRI_LULC = _ready("esri-lulc")
"""Esri and Impact Observatory 10 m land use / land cover (Karra et al. 2021), 9 classes and clouds as one of them."""
URBAN_ATLAS = _ready("urban-atlas")
"""Urban Atlas 2018, 27 classes: its codes of five digits are numbered 1 to 27 here. Green urban areas of 2021 (14110 to
14130, by access) are one class; orchards (25000) stand in its older legend alone."""
CORINE = _ready("corine")
"""CORINE Land Cover, the 44 classes of level 3: 1 to 44 as its raster, or 111 to 523 as its polygons write them."""
URBAN = _ready("urban")
"""Urban, crop, vegetation, water."""


def ready_legends() -> dict[str, Legend]:
    """Return the ready legends by scheme name.

    Examples
    --------
    >>> sorted(ready_legends())
    ['corine', 'dynamic-world', 'esri-lulc', 'from-glc10', 'lcz', 'urban', 'urban-atlas', 'worldcover']
    """
    ready = (LCZ, WORLDCOVER, FROM_GLC10, DYNAMIC_WORLD, ESRI_LULC, URBAN_ATLAS, CORINE, URBAN)
    return {legend.scheme: legend for legend in ready}
