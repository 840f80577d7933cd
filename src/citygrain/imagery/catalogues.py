"""Open STAC catalogues by name: where they are, and what they call what we want.

The table is ``data/catalogues.json``. Whatever is not in it is opened by its URL or path, and its bands are found by
what its items say of them (`citygrain.imagery.assets`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from citygrain.errors import InputError

__all__ = ["Catalogue", "Collection", "Licence", "Signing", "catalogue_named", "catalogues", "known_collections"]


@dataclass(frozen=True)
class Licence:
    """Terms of use.

    Attributes
    ----------
    title, url : str
        Name of the licence and its text.
    attribution : str
        What whoever shows the data is to write, with the years of the data as ``{years}`` or ``{year}``.
    """

    title: str
    url: str
    attribution: str


@dataclass(frozen=True)
class Signing:
    """What a catalogue wants before it lets its files be read.

    Attributes
    ----------
    kind : str
        ``"none"``, ``"sas"`` (a token that is asked for), ``"header"`` (a secret of the user).
    tokens : str
        Where tokens are asked for.
    hosts : tuple of str
        Machines whose files are signed; ``".name"`` stands for all machines below a name. No others see a secret.
    header, prefix, variable : str
        Header that carries the secret, what stands before it, and the environment variable that holds it.
    """

    kind: str = "none"
    tokens: str = ""
    hosts: tuple[str, ...] = ()
    header: str = "Authorization"
    prefix: str = "Bearer "
    variable: str = ""


@dataclass(frozen=True)
class Collection:
    """A collection of a catalogue, in our words.

    Attributes
    ----------
    product, level : str
        What it holds: ``"sentinel-2"``, ``"L2A"``.
    id : str
        Its name in the catalogue.
    assets : mapping of str to str
        Our band names and the keys of the assets; empty if they are to be found item by item.
    licence : Licence or None
        Terms of use, if known.
    doubt : str
        What is uncertain or troublesome about it.
    """

    product: str
    level: str
    id: str
    assets: Mapping[str, str] = field(default_factory=dict)
    licence: Licence | None = None
    doubt: str = ""


@dataclass(frozen=True)
class Catalogue:
    """A STAC API or a static catalogue.

    Attributes
    ----------
    name, title : str
        Short and full name; for one that is not in the table its address.
    url : str
        Address, or path of a static catalogue's file.
    collections : tuple of Collection
        What is known of it, the preferred ones first.
    signing : Signing
        What it wants before its files may be read.
    rewrite : mapping of str to str
        Beginnings of file addresses, and what stands for them over https.
    """

    name: str
    title: str
    url: str
    collections: tuple[Collection, ...] = ()
    signing: Signing = Signing()
    rewrite: Mapping[str, str] = field(default_factory=dict)

    @property
    def products(self) -> tuple[str, ...]:
        """Products that the table knows of."""
        return tuple(dict.fromkeys(each.product for each in self.collections))

    def collection(self, product: str, level: str | None = None, called: str | None = None) -> Collection:
        """Return the collection that holds a product.

        Parameters
        ----------
        product : str
            ``"sentinel-2"``, ``"sentinel-1"``, ``"worldcover"``, ...
        level : str, optional
            ``"L1C"``; the first in the table without it.
        called : str, optional
            Name of the collection, in the user's words; one that is not in the table is taken as it is.

        Raises
        ------
        InputError
            If the catalogue has none.

        Examples
        --------
        >>> catalogue_named("earth-search").collection("sentinel-2", "L1C").id
        'sentinel-2-l1c'
        """
        fit = [
            c for c in self.collections if c.product == product and level in (None, c.level) and called in (None, c.id)
        ]
        if fit:
            return fit[0]
        if called is not None:
            return Collection(product, level or "", called, licence=_usual_licence(product))
        have = ", ".join(f"{c.product} {c.level}".strip() for c in self.collections)
        others = ", ".join(c.name for c in catalogues() if product in c.products)
        raise InputError(
            f"{self.name} has no {product}{f' {level}' if level else ''}",
            wanted=f"one of {have}" if have else "",
            mend=f"take it from another catalogue: --catalogue {product}=NAME, with NAME one of {others}"
            if others
            else "",
        )


@lru_cache(maxsize=1)
def catalogues() -> tuple[Catalogue, ...]:
    """Return the catalogues of the table.

    Examples
    --------
    >>> [catalogue.name for catalogue in catalogues()][:2]
    ['planetary-computer', 'earth-search']
    """
    table = _table("catalogues.json")
    return tuple(_catalogue(name, entry, table) for name, entry in table["catalogues"].items())


def catalogue_named(name: str) -> Catalogue:
    """Return the catalogue called `name`, or the one at that URL or path.

    Raises
    ------
    InputError
        If it is neither a known name, nor an https address, nor a file.

    Examples
    --------
    >>> catalogue_named("earth-search").url
    'https://earth-search.aws.element84.com/v1'
    >>> catalogue_named("https://stac.example.org/v1").collections
    ()
    >>> catalogue_named("earthsearch")
    Traceback (most recent call last):
    citygrain.errors.InputError: catalogue earthsearch is unknown; wanted: planetary-computer, earth-search, cdse, \
digital-earth-africa, digital-earth-australia, an https address, or the path of a catalog.json
    """
    for catalogue in catalogues():
        if name == catalogue.name or name.rstrip("/") == catalogue.url:
            return catalogue
    if "://" in name:
        return Catalogue(name, name, name)
    path = Path(name)
    path = path / "catalog.json" if path.is_dir() else path
    if path.is_file():
        return Catalogue(name, name, str(path.resolve()))
    known = ", ".join(catalogue.name for catalogue in catalogues())
    raise InputError(f"catalogue {name} is unknown", wanted=f"{known}, an https address, or the path of a catalog.json")


def known_collections(product: str, level: str | None = None) -> tuple[Collection, ...]:
    """Return all collections of the table that hold a product, whatever the catalogue.

    Examples
    --------
    >>> [collection.id for collection in known_collections("worldcover")]
    ['esa-worldcover']
    """
    return tuple(
        c for each in catalogues() for c in each.collections if c.product == product and level in (None, c.level)
    )


def _usual_licence(product: str) -> Licence | None:
    return next((each.licence for each in known_collections(product)), None)


def _licence(name: str, own: Mapping[str, Any]) -> Licence:
    """Return terms that a catalogue sets itself, or those of a product."""
    if name in own:
        return Licence(**own[name])
    known = _table("references.json")
    row = (known["imagery"] | known["products"])["hls" if name.startswith("hls") else name]
    return Licence(row["licence"], row["licence_url"], row["attribution"])


def _table(file: str) -> dict[str, Any]:
    text = resources.files("citygrain").joinpath("data", file).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _catalogue(name: str, entry: Mapping[str, Any], table: Mapping[str, Any]) -> Catalogue:
    signing = dict(entry.get("signing", {}))
    signing["hosts"] = tuple(signing.get("hosts", ()))
    collections = tuple(
        Collection(
            each["product"],
            each["level"],
            each["id"],
            table["assets"][each["assets"]],
            _licence(each.get("licence", each["product"]), table["licences"]),
            each.get("doubt", ""),
        )
        for each in entry["collections"]
    )
    return Catalogue(name, entry["title"], entry["url"], collections, Signing(**signing), entry.get("rewrite", {}))
