"""An item of a catalogue, looked through before anything is made of it: a server may send whatever it likes."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import pystac
import pystac.errors

from citygrain.errors import InputError

__all__ = ["cloud_of", "printable", "read_item"]

_MOST_ASSETS = 1000
_LONGEST_NAME = 250
_BROKEN = (
    AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError, pystac.STACError,
    pystac.errors.STACTypeError,
)  # fmt: skip
"""What pystac raises on JSON that is no item."""


def read_item(document: Any, address: str) -> pystac.Item:
    """Return the item that a JSON value is.

    Parameters
    ----------
    document : object
        As it was parsed.
    address : str
        Where it comes from, for messages.

    Raises
    ------
    InputError
        If it is no STAC item.

    Examples
    --------
    >>> read_item({"id": "a", "properties": None}, "https://example.org/a.json")
    Traceback (most recent call last):
    citygrain.errors.InputError: https://example.org/a.json is no STAC item: it has no properties
    """
    reason = _fault(document)
    if reason:
        raise InputError(f"{address} is no STAC item: {reason}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            item = pystac.Item.from_dict(document, href=address, preserve_dict=False)
    except _BROKEN as error:
        raise InputError(f"{address} is no STAC item: {error}") from None
    if item.bbox:
        item.bbox = [*item.bbox[:2], *item.bbox[len(item.bbox) // 2 :][:2]]  # without heights
    return item


def cloud_of(item: pystac.Item) -> float | None:
    """Return the cloudy share in percent that an item says; None if it says none, or something else than a number."""
    said = item.properties.get("eo:cloud_cover")
    if not isinstance(said, int | float) or isinstance(said, bool) or not math.isfinite(said):
        return None
    return float(said)


def printable(text: str, *, longest: int = _LONGEST_NAME) -> bool:
    r"""Tell whether a text is a name that can be shown: not empty, one line, nothing that moves a terminal's cursor.

    Examples
    --------
    >>> printable("S2B_33UUU_20250603_0_L2A"), printable("S2B\x1b[2J"), printable("")
    (True, False, False)
    """
    return 0 < len(text) <= longest and text.isprintable()


def _fault(document: Any) -> str:
    """Say what speaks against an item; nothing if nothing does."""
    if not isinstance(document, Mapping):
        return "it is no JSON object"
    name, links, geometry = document.get("id"), document.get("links", []), document.get("geometry")
    faults = {
        "its id is no name of one line": not isinstance(name, str) or not printable(name),
        "it has no properties": not isinstance(document.get("properties"), Mapping),
        "its links are no list": not isinstance(links, list) or not all(isinstance(link, Mapping) for link in links),
        "its box is not four or six numbers": not _is_box(document.get("bbox")),
        "its geometry is none": geometry is not None and not isinstance(geometry, Mapping),
    }
    return next((fault for fault, there in faults.items() if there), "") or _asset_fault(document.get("assets", {}))


def _asset_fault(assets: Any) -> str:
    if not isinstance(assets, Mapping):
        return "its assets are no JSON object"
    if len(assets) > _MOST_ASSETS:
        return f"it has {len(assets)} assets"
    for key, asset in assets.items():
        if not printable(key):
            return "an asset has no name of one line"
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            return f"its asset {key} has no address"
    return ""


def _is_box(box: Any) -> bool:
    if box is None:
        return True
    numbers = isinstance(box, list) and all(isinstance(edge, int | float) and math.isfinite(edge) for edge in box)
    return numbers and len(box) in (4, 6)
