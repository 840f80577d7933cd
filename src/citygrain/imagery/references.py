"""Map products that can be a reference: what they are, where they are kept, on which terms, and how right they are.

A map product is no ground truth. What is known of its own accuracy is kept beside its licence, so that a run can say
both wherever it says how well a map agrees with it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from citygrain.errors import InputError
from citygrain.imagery.tile_names import Bounds, TileScheme, tile_names
from citygrain.legend import Legend, ready_legends

__all__ = ["MapProduct", "PublishedAccuracy", "StacSource", "map_product", "map_products"]


@dataclass(frozen=True)
class PublishedAccuracy:
    """How right a product was found to be.

    Attributes
    ----------
    overall : float
        Overall accuracy, 0 to 1.
    of : str
        What was looked at.
    citation, doi : str
        Who says so.
    at_least : bool
        Whether it is a specification, not a finding.
    """

    overall: float
    of: str
    citation: str
    doi: str = ""
    at_least: bool = False

    def __str__(self) -> str:
        how = "at least" if self.at_least else "about"
        return f"{how} {100 * self.overall:.0f} % right ({self.of}; {self.citation})"


@dataclass(frozen=True)
class StacSource:
    """Where a catalogue keeps a product.

    Attributes
    ----------
    collection : str
        Its collection there.
    asset : str
        Key of the asset with the classes.
    """

    collection: str
    asset: str


@dataclass(frozen=True)
class MapProduct:
    """An edition of a map product.

    Attributes
    ----------
    name : str
        How it is called in a configuration, ``"worldcover"``.
    title : str
        How people call it.
    year : int
        The ground that it shows.
    legend : Legend
        Its classes.
    merge : str
        Column of its merge table that is taken if none is named, ``"none"`` for its own classes.
    resolution : float or None
        Side of its pixels in metres; None for polygons.
    nodata : int
        What its rasters hold where there is no class.
    licence, licence_url, attribution, citation, doi : str
        Under which terms, and who is to be named how.
    accuracy : tuple of PublishedAccuracy
        What is known of its accuracy, the producer's word first; may be empty.
    accuracy_words : str
        What to say where no figure is known.
    catalogues : mapping of str to StacSource
        By name of the catalogue.
    tiles : TileScheme or None
        Files that can be read without a catalogue.
    fields : tuple of str
        Attributes of its polygons that hold the class, in any capitals.
    ignore : tuple of str
        Values of its files that are no class.
    how : str
        How to get it, in words.
    """

    name: str
    title: str
    year: int
    legend: Legend
    merge: str
    resolution: float | None
    nodata: int
    licence: str
    licence_url: str
    attribution: str
    citation: str
    doi: str
    accuracy: tuple[PublishedAccuracy, ...]
    accuracy_words: str
    catalogues: Mapping[str, StacSource]
    tiles: TileScheme | None
    fields: tuple[str, ...]
    ignore: tuple[str, ...]
    how: str

    def __str__(self) -> str:
        return f"{self.title} {self.year}"

    @property
    def caution(self) -> str:
        """The product with its own accuracy, as it stands beside the accuracy of a map.

        Examples
        --------
        >>> map_product("worldcover").caution
        'ESA WorldCover 2021, itself about 77 % right (the whole world, its validation report; Zanaga et al. 2022)'
        """
        if not self.accuracy:
            return f"{self}, of unknown accuracy here: {self.accuracy_words}"
        return f"{self}, itself {self.accuracy[0]}"

    def tile_urls(self, bounds: Bounds) -> dict[str, str]:
        """Return the address of each tile that meets an area, by the tile's name.

        Parameters
        ----------
        bounds : (float, float, float, float)
            West, south, east and north in degrees; west is greater than east across the antimeridian.

        Raises
        ------
        InputError
            If the product has no open tiles.

        Examples
        --------
        >>> list(map_product("worldcover").tile_urls((13.2, 52.4, 13.6, 52.6)))
        ['ESA_WorldCover_10m_2021_v200_N51E012_Map']
        >>> list(map_product("from-glc10").tile_urls((13.2, 51.9, 14.1, 52.6)))
        ['fromglc10v01_50_12', 'fromglc10v01_50_14', 'fromglc10v01_52_12', 'fromglc10v01_52_14']
        """
        if self.tiles is None:
            raise InputError(f"{self} has no tiles that can be read by their address", mend=self.how)
        return {name: self.tiles.url.format(name=name) for name in tile_names(self.tiles, bounds)}

    def to_dict(self) -> dict[str, Any]:
        """Return what a report says of it, as plain values."""
        return {
            "product": self.name,
            "title": str(self),
            "year": self.year,
            "licence": self.licence,
            "licence_url": self.licence_url,
            "attribution": self.attribution,
            "citation": self.citation,
            "doi": self.doi,
            "accuracy": [
                {
                    "overall": one.overall,
                    "at_least": one.at_least,
                    "of": one.of,
                    "citation": one.citation,
                    "doi": one.doi,
                }
                for one in self.accuracy
            ],
            "caution": self.caution,
        }


def map_product(name: str, year: int | None = None) -> MapProduct:
    """Return a product by name.

    Parameters
    ----------
    name : str
        One of `map_products`.
    year : int, optional
        Its edition; the newest, if not given.

    Raises
    ------
    InputError
        If there is no such product, or not of that year.

    Examples
    --------
    >>> map_product("worldcover", 2020).doi
    '10.5281/zenodo.5571936'
    >>> map_product("worldcover", 1999)
    Traceback (most recent call last):
    citygrain.errors.InputError: worldcover of 1999; wanted: one of 2020, 2021
    """
    known = _editions()
    if name.lower() not in known:
        raise InputError(
            f"product {name!r}", wanted=f"one of {', '.join(known)}", mend="`citygrain legends` lists them"
        )
    editions = known[name.lower()]
    if year is not None and year not in editions:
        raise InputError(f"{name} of {year}", wanted=f"one of {', '.join(map(str, editions))}")
    return editions[max(editions) if year is None else year]


def map_products() -> dict[str, MapProduct]:
    """Return the newest edition of each product, by name.

    Examples
    --------
    >>> sorted(map_products())
    ['corine', 'dynamic-world', 'esri-lulc', 'from-glc10', 'lcz-map', 'urban-atlas', 'worldcover']
    """
    return {name: editions[max(editions)] for name, editions in _editions().items()}


@cache
def _editions() -> dict[str, dict[int, MapProduct]]:
    text = resources.files("citygrain").joinpath("data/references.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = json.loads(text)["products"]
    legends = ready_legends()
    return {
        name: {int(year): _product(name, int(year), row | own, legends) for year, own in row["editions"].items()}
        for name, row in table.items()
    }


def _product(name: str, year: int, row: Mapping[str, Any], legends: Mapping[str, Legend]) -> MapProduct:
    plain = ("title", "merge", "resolution", "nodata", "licence", "licence_url", "citation", "doi", "how")
    return MapProduct(
        name=name,
        year=year,
        legend=legends[row["legend"]],
        attribution=row["attribution"].format(year=year),
        accuracy=tuple(PublishedAccuracy(**figures) for figures in row["accuracy"]),
        accuracy_words=row.get("accuracy_words", ""),
        catalogues={place: StacSource(**source) for place, source in row["catalogues"].items()},
        tiles=TileScheme(**row["tiles"]) if "tiles" in row else None,
        fields=tuple(row.get("fields", ())),
        ignore=tuple(row.get("ignore", ())),
        **{key: row[key] for key in plain},
    )
