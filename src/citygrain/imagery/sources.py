"""What files of data are made from, under which licence, and who is to be named: kept beside them as ``sources.json``.

Open data are open on terms: the source is named. The record lies in the folder of the data, by file, so that whatever
is made from them can carry it on.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.imagery.references import MapProduct

__all__ = ["SOURCES", "Source", "imagery_source", "product_source", "read_sources", "source_of", "write_sources"]

SOURCES = "sources.json"
"""Name of the record."""


@dataclass(frozen=True)
class Source:
    """What a file is made from.

    Attributes
    ----------
    title : str
        ``"ESA WorldCover 2021"``.
    licence, licence_url, attribution : str
        Under which terms, and who is to be named.
    citation, doi : str
        What to cite; empty where nothing is asked for.
    product : str
        Name of the map product, see `citygrain.imagery.references.map_product`, or of the imagery.
    year : int
        Of a map product, the ground that it shows; else 0.
    """

    title: str
    licence: str
    attribution: str
    licence_url: str = ""
    citation: str = ""
    doi: str = ""
    product: str = ""
    year: int = 0

    def __str__(self) -> str:
        cited = f"{self.citation}, doi:{self.doi}" if self.citation and self.doi else self.citation
        return "; ".join(part for part in (f"{self.title}, {self.licence}", self.attribution, cited) if part)


def product_source(product: MapProduct) -> Source:
    """Return the source that a map product is.

    Examples
    --------
    >>> from citygrain.imagery.references import map_product
    >>> print(product_source(map_product("from-glc10")))
    FROM-GLC10 2017, free to download; its terms are not stated beside the tiles; FROM-GLC10, Tsinghua University; \
Gong et al. 2019, doi:10.1016/j.scib.2019.03.002
    """
    return Source(
        title=str(product),
        licence=product.licence,
        attribution=product.attribution,
        licence_url=product.licence_url,
        citation=product.citation,
        doi=product.doi,
        product=product.name,
        year=product.year,
    )


def imagery_source(product: str, years: Iterable[int]) -> Source:
    """Return the source that imagery is.

    Parameters
    ----------
    product : str
        ``"sentinel-2"``, ``"sentinel-1"``, ``"landsat"`` or ``"hls"``.
    years : iterable of int
        Years in which it was taken.

    Examples
    --------
    >>> print(imagery_source("sentinel-2", [2025, 2024, 2025]))
    Copernicus Sentinel-2, Copernicus Sentinel data terms: free, full and open; Contains modified Copernicus Sentinel \
data 2024, 2025
    """
    known = _imagery()
    if product not in known:
        raise InputError(f"imagery {product!r}", wanted=f"one of {', '.join(known)}")
    row, taken = known[product], ", ".join(map(str, sorted(set(years))))
    words = row["attribution"].format(years=taken)
    return Source(row["title"], row["licence"], " ".join(words.split()), row["licence_url"], product=product)


@cache
def _imagery() -> dict[str, dict[str, str]]:
    text = resources.files("citygrain").joinpath("data/references.json").read_text(encoding="utf-8")
    table: dict[str, dict[str, str]] = json.loads(text)["imagery"]
    return table


def write_sources(folder: Path, sources: Mapping[str, Source]) -> None:
    """Write what the files of a folder are made from; what is recorded of other files there stays.

    Parameters
    ----------
    folder : Path
        The folder.
    sources : mapping of str to Source
        By the file's name in it.

    Raises
    ------
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> from citygrain.imagery.references import map_product
    >>> folder = getfixture("tmp_path")
    >>> write_sources(folder, {"worldcover.tif": product_source(map_product("worldcover"))})
    >>> source_of(folder / "worldcover.tif").licence
    'CC BY 4.0'
    >>> source_of(folder / "other.tif") is None
    True
    """
    record, known = _record(folder), read_sources(folder) | dict(sources)
    files = dict[Source, list[str]]()
    for name in sorted(known):
        files.setdefault(known[name], []).append(name)
    rows = [{"files": names, **{k: v for k, v in asdict(one).items() if v}} for one, names in files.items()]
    write_text(folder / SOURCES, json.dumps({**record, "sources": rows}, indent=1, ensure_ascii=False) + "\n")


def read_sources(folder: Path) -> dict[str, Source]:
    """Return what is recorded of the files of a folder, by name; nothing where there is no record.

    Of a row that names no files, those count that are called as `citygrain fetch` calls them: ``s2.tif``, ``s1.tif``,
    ``worldcover.tif``.

    Raises
    ------
    InputError
        If the record is damaged.
    """
    found = dict[str, Source]()
    try:
        for row in _record(folder).get("sources", []):
            names = row["files"] if "files" in row else _usual_files(folder, row["product"])
            found |= {str(name): _source(row) for name in names}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(folder, "a source without its licence") from None
    return found


def source_of(path: Path) -> Source | None:
    """Return what is recorded of a file in its folder, or None."""
    return read_sources(Path(path).parent).get(Path(path).name)


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / SOURCES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from None
    if not isinstance(record, dict) or not isinstance(record.get("sources", []), list):
        raise _damaged(folder, "no list of sources")
    return record


def _damaged(folder: Path, reason: str) -> InputError:
    return InputError(f"{folder / SOURCES} cannot be read: {reason}", wanted="a record of sources", mend="or delete it")


def _source(row: Mapping[str, Any]) -> Source:
    product = str(row.get("product", ""))
    title = row.get("title") or _imagery().get(product, {}).get("title") or product
    words = {key: str(row.get(key) or "") for key in ("licence_url", "citation", "doi", "attribution")}
    return Source(title=title, licence=str(row["licence"]), product=product, year=int(row.get("year", 0)), **words)


def _usual_files(folder: Path, product: str) -> list[str]:
    start = {"sentinel-2": "s2", "sentinel-1": "s1"}.get(product, product)
    return sorted(path.name for path in folder.glob("*.tif") if path.name.startswith(start))
