"""What was fetched, so that it can be fetched again: images, files, what told them apart, and the versions of tools.

A lock is a JSON file. It holds no secret: addresses are written without their signatures.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.observation import Observation
from citygrain.imagery.signing import unsigned
from citygrain.imagery.transport import Transport
from citygrain.tiles import stream_tiles

__all__ = ["changes", "describe_grid", "locked_only", "make_lock", "read_lock", "request_changes", "write_lock"]

FORMAT = 1
_LIBRARIES = ("citygrain", "numpy", "rasterio", "odc-geo", "odc-stac", "pystac", "pystac-client")
_END = 65_536
"""Bytes at both ends of a file on disk that tell it apart."""
Lock = dict[str, Any]


def make_lock(
    request: Mapping[str, Any], grid: GeoBox, sources: Sequence[ImageSet], transport: Transport, *, workers: int = 8
) -> Lock:
    """Return the lock of a fetch; each file that would be read is asked for its size and its tag.

    Parameters
    ----------
    request : mapping
        What the user asked for; JSON.
    grid : GeoBox
        The grid of the results.
    sources : sequence of ImageSet
        Images and files.
    transport : Transport
        Asks.
    workers : int
        How many files are asked for at a time.

    Raises
    ------
    InputError
        If a file is not there or may not be read.
    """
    return {
        "format": FORMAT,
        "request": json.loads(json.dumps(request)),
        "grid": describe_grid(grid),
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        "sources": [_source(source, transport, workers) for source in sources],
    }


def describe_grid(grid: GeoBox) -> dict[str, Any]:
    """Return a grid as JSON.

    Examples
    --------
    >>> describe_grid(GeoBox.from_bbox((0, 0, 40, 20), "EPSG:32633", resolution=10))["shape"]
    [2, 4]
    """
    return {
        "crs": str(grid.crs),
        "transform": [float(number) for number in grid.affine[:6]],
        "shape": [int(number) for number in grid.shape],
    }


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock as readable JSON, whole or not at all."""
    write_text(path, json.dumps(lock, indent=1, ensure_ascii=False) + "\n")


def read_lock(path: Path) -> Lock | None:
    """Return the lock in a file, or None if there is no file.

    Raises
    ------
    InputError
        If it cannot be read, or is of a newer citygrain.
    """
    if not path.exists():
        return None
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        lock = None
    if isinstance(lock, dict) and "format" in lock and lock["format"] != FORMAT:
        raise InputError(f"{path} has format {_brief(lock['format'])}", wanted=str(FORMAT), mend="update citygrain")
    if not _is_lock(lock):
        raise InputError(f"{path} is no lock file", mend="remove it, or fetch into another folder")
    return dict(lock)


def _is_lock(lock: Any) -> bool:
    """Tell whether a JSON value has what is read of a lock, also after somebody has edited it."""
    try:
        files = [file for source in lock["sources"] for item in source["items"] for file in item["files"].values()]
        names = [source[key] for source in lock["sources"] for key in ("catalogue", "product")]
        names += [item["id"] for source in lock["sources"] for item in source["items"]]
        results = lock.get("results", {})
        return (
            lock["format"] == FORMAT
            and all(isinstance(each, dict) for each in (lock["request"], lock["grid"], results, *files))
            and all(isinstance(name, str) for name in (*names, *results.values()))
            and all(Path(name).name == name for name in results)
            and (not results or isinstance(lock["seen"], float | int))
        )
    except (AttributeError, KeyError, TypeError):
        return False


def locked_only(
    lock: Lock, catalogue: str, product: str, observations: Sequence[Observation]
) -> tuple[list[Observation], list[str], list[str]]:
    """Keep the images of a lock.

    Returns
    -------
    kept : list of Observation
        Those that the lock names, in the same order.
    new, gone : list of str
        Names of those that it does not name, and of those that are no longer found.
    """
    named = {
        item["id"]
        for source in lock["sources"]
        if (source["catalogue"], source["product"]) == (catalogue, product)
        for item in source["items"]
    }
    found = {observation.id for observation in observations}
    kept = [observation for observation in observations if observation.id in named]
    return kept, sorted(found - named), sorted(named - found)


def request_changes(old: Lock, request: Mapping[str, Any]) -> list[str]:
    """Say in what a request differs from that of a lock."""
    new, was = json.loads(json.dumps(request)), old["request"]
    return [
        f"{key}: {_brief(was.get(key))} then, {_brief(new.get(key))} now"
        for key in sorted({*new, *was})
        if new.get(key) != was.get(key)
    ]


def changes(old: Lock, new: Lock) -> list[str]:
    """Say image by image in what two locks differ: images that came or went, files that are not the same.

    Examples
    --------
    >>> file = {"href": "https://example.org/a.tif", "etag": "1"}
    >>> def one(file): return {"sources": [{"product": "x", "items": [{"id": "a", "files": {"B04": file}}]}]}
    >>> changes(one(file), one(file | {"etag": "2"}))
    ['a: B04 is not the same file: etag 1 then, 2 now']
    """
    was, now = _items(old), _items(new)
    said = [f"{name} is no longer there" for _, name in sorted(set(was) - set(now))]
    said += [f"{name} is new" for _, name in sorted(set(now) - set(was))]
    for key in sorted(set(was) & set(now)):
        before, after = was[key]["files"], now[key]["files"]
        for band in sorted({*before, *after}):
            said += _file_changes(key[1], band, before.get(band), after.get(band))
    return said


def _items(lock: Lock) -> dict[tuple[str, str], Any]:
    return {(source["product"], item["id"]): item for source in lock["sources"] for item in source["items"]}


def _file_changes(name: str, band: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[str]:
    if old is None or new is None:
        return [f"{name}: {band} {'came' if old is None else 'is no longer read'}"]
    for key in ("checksum", "ends", "etag", "size"):  # the first that both know decides
        if key in old and key in new:
            same = old[key] == new[key]
            return [] if same else [f"{name}: {band} is not the same file: {key} {old[key]} then, {new[key]} now"]
    return []


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _source(source: ImageSet, transport: Transport, workers: int) -> dict[str, Any]:
    files = source.files()
    prints = list(
        stream_tiles(lambda _, file: _file(source, *file, transport), files, shared=None, engine=max(2, workers))
    )
    items: dict[str, dict[str, Any]] = {}
    for (observation, band), print_ in zip(files, prints, strict=True):
        item = items.setdefault(observation.id, _about(observation))
        item["files"][band] = print_
    return {
        "product": source.product,
        "catalogue": source.catalogue.name,
        "url": source.catalogue.url,
        "collection": source.collection.id,
        "items": list(items.values()),
    }


def _about(observation: Observation) -> dict[str, Any]:
    return {
        "id": observation.id,
        "time": observation.time.isoformat(),
        "level": observation.level,
        "baseline": observation.baseline,
        "tile": observation.tile,
        "cloud": observation.cloud,
        "files": {},
    }


def _file(source: ImageSet, observation: Observation, band: str, transport: Transport) -> dict[str, Any]:
    """Return a file's address and what tells it apart."""
    asset = observation.item.assets[observation.assets[band]]
    href = source.href(observation, band)
    said: dict[str, Any] = {"asset": observation.assets[band], "href": unsigned(href)}
    if checksum := asset.extra_fields.get("file:checksum"):
        said |= {"checksum": str(checksum), "size": asset.extra_fields.get("file:size")}
        return {key: value for key, value in said.items() if value is not None}
    if "://" not in href:
        return said | _ends(Path(href))
    heads = transport.head(source.signer.sign(href), source.signer.headers(href))
    if heads.get("Content-Length"):
        said["size"] = int(heads["Content-Length"])
    if tag := heads.get("ETag"):
        said["etag"] = tag.removeprefix("W/").strip('"')
    return said


def _ends(path: Path) -> dict[str, Any]:
    """Tell a file on disk apart by its length and its ends: the header of a GeoTIFF lies at one of them."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(_END))
            file.seek(max(0, size - _END))
            digest.update(file.read(_END))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return {"size": size, "ends": digest.hexdigest()[:32]}
