"""Whether a path is a product (SAFE, Landsat, HLS, a folder of bands), decided by what it holds, not by its name."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from citygrain.errors import InputError
from citygrain.scene.archive import Archive, open_archive
from citygrain.scene.band_folder import band_files, folder_product
from citygrain.scene.hls import hls_product, is_hls
from citygrain.scene.landsat import landsat_metadata_file, landsat_product
from citygrain.scene.product import Product
from citygrain.scene.safe import safe_metadata_file, safe_product
from citygrain.sensors import SENSORS, SENTINEL2, Sensor

__all__ = ["find_product", "is_product"]

_PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_LOOKED_AT = 2000
"""Entries of a folder that are looked at: a folder of patches may have a million."""


def is_product(path: Path) -> bool:
    """Tell whether a path is a product; patches in a folder or zip are none."""
    try:
        names = _names(_inner(path)) if path.is_dir() else _packed_names(path)
    except InputError:
        return False
    try:
        return _kind(names) != "" or (path.is_dir() and _bands_of_any_sensor(_names(path)))
    except InputError:
        return True  # one that cannot be used: reading it says why


def find_product(path: Path, sensor: Sensor | None) -> Product | None:
    """Return the product at a path; None where there is none.

    Parameters
    ----------
    path : Path
        A folder, a zip or tar, or the metadata file of a product.
    sensor : Sensor or None
        Whose bands a folder of single bands holds; Sentinel-2's if nothing is said.

    Raises
    ------
    InputError
        If it is a product that cannot be used, or a zip or tar without one.
    """
    if path.is_file() and _kind([path.name]) in ("safe", "landsat"):
        path = path.absolute().parent
    if path.is_dir():
        path = _inner(path)
        names = _names(path)
        if _kind(names):
            archive = open_archive(path)
            return _product(archive) if archive else None
        found = band_files(names, sensor or SENTINEL2)
        return (
            folder_product(Archive(path.absolute(), "folder", tuple(names)), sensor or SENTINEL2, found)
            if found
            else None
        )
    if not path.name.lower().endswith(_PACKED):
        return None
    archive = open_archive(path)
    product = _product(archive) if archive else None
    if product is None:
        raise InputError(f"{path.name} holds no product", wanted="Sentinel-2 SAFE, Landsat Collection 2 or HLS")
    return product


def _kind(names: Sequence[str]) -> str:
    if safe_metadata_file(names):
        return "safe"
    if landsat_metadata_file(names):
        return "landsat"
    return "hls" if is_hls(names) else ""


def _product(archive: Archive) -> Product | None:
    safe = safe_metadata_file(archive.names)
    if safe:
        return safe_product(archive, safe)
    landsat = landsat_metadata_file(archive.names)
    if landsat:
        return landsat_product(archive, landsat)
    return hls_product(archive) if is_hls(archive.names) else None


def _packed_names(path: Path) -> Sequence[str]:
    archive = open_archive(path) if path.is_file() and path.name.lower().endswith(_PACKED) else None
    return archive.names if archive else ()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(folder.iterdir(), _LOOKED_AT) if entry.is_file())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}", wanted="a readable folder") from None


def _inner(folder: Path) -> Path:
    """Return the only SAFE in a folder, as unpacking a zip leaves it; else the folder."""
    try:
        inner = [entry for entry in islice(folder.iterdir(), _LOOKED_AT) if entry.suffix.upper() == ".SAFE"]
    except OSError:
        return folder
    return inner[0] if len(inner) == 1 and inner[0].is_dir() and not inner[0].is_symlink() else folder


def _bands_of_any_sensor(names: Sequence[str]) -> bool:
    return any(len(band_files(names, sensor)) > 1 for sensor in SENSORS.values())
