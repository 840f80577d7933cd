"""Where the patches of So2Sat LCZ42 lie: city and extent, from the file that version 4 adds.

Patches overlap about sevenfold, so that only a split by city or by block of ground is honest.
Two layouts of ``*_geo.h5`` are about. The one of March 2026 names the city and gives world-file parameters; the first
one gives the patch centres, GDAL's order of parameters and no city, which is then told by where the patches cluster.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.ndimage import label as connected

from citygrain.errors import InputError

__all__ = ["SO2SAT_CITIES", "Ground", "ground_inside", "read_ground"]

SO2SAT_CITIES = (
    "amsterdam", "beijing", "berlin", "bogota", "buenosaires", "cairo", "capetown", "caracas", "changsha", "chicago",
    "cologne", "dhaka", "dongying", "hongkong", "islamabad", "istanbul", "kyoto", "lima", "lisbon", "london",
    "losangeles", "madrid", "melbourne", "milan", "nanjing", "newyork", "orangitown", "paris", "philadelphia",
    "qingdao", "quezon", "riodejaneiro", "rome", "salvador", "saopaulo", "shanghai", "shenzhen", "tokyo", "vancouver",
    "washingtondc", "wuhan", "zurich",
    "guangzhou", "jakarta", "moscow", "mumbai", "munich", "nairobi", "sanfrancisco", "santiago", "sydney", "tehran",
)  # fmt: skip
"""The 42 training cities and the 10 others, as the files spell them; a city's group is its place here."""

_PIXEL = 10.0
"""Metres."""

_CLUSTER = 25_000.0
"""Metres between patches beyond which they belong to different cities."""

_UTM = 2e7
"""Metres; no UTM coordinate is larger."""


@dataclass(frozen=True)
class Ground:
    """Ground of patches.

    Attributes
    ----------
    group : ndarray of int64, (n,)
        Number of the city or polygon.
    extent : ndarray of float64, (n, 4)
        xmin, ymin, xmax, ymax in metres of the patch's own UTM zone.
    names : dict of int to str
        Name of each group.
    """

    group: npt.NDArray[np.int64]
    extent: npt.NDArray[np.float64]
    names: dict[int, str]


def read_ground(path: Path, shape: tuple[int, ...]) -> Ground:
    """Read a geolocation companion.

    Parameters
    ----------
    path : Path
        ``training_geo.h5`` and the like, in the order of the patches.
    shape : tuple of int
        (n, c, h, w) of the patches that it belongs to.

    Returns
    -------
    Ground
        The group is the city's place in `SO2SAT_CITIES`; other cities follow from 1000 on. Where the file names no
        city, patches less than about 25 km apart share one, numbered by UTM zone.

    Raises
    ------
    InputError
        If it is not such a file, or belongs to other patches.
    """
    try:
        with h5py.File(path) as file:
            columns = {name: file[name][:] for name in ("city", "cityList", "epsg", "tfw", "coord") if name in file}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", wanted="a geolocation file of So2Sat (*_geo.h5)") from None
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read: {str(error).splitlines()[0]}", wanted="a whole *_geo.h5") from error
    if "epsg" not in columns or not {"tfw", "coord"} & set(columns):
        raise InputError(f"{path} holds {sorted(columns) or 'no known data set'}", wanted="city, epsg, tfw of So2Sat")
    numbers = all(values.dtype.kind in "fiu" for name, values in columns.items() if not name.startswith("city"))
    lengths = {name: len(values) for name, values in columns.items()}
    if not numbers or set(lengths.values()) != {shape[0]}:
        raise InputError(
            f"{path} has rows {lengths}", wanted=f"{shape[0]} of numbers, as the patches", mend="take its own companion"
        )
    extent = _extent(columns, shape, path)
    city = columns.get("city", columns.get("cityList"))
    if city is not None:
        return Ground(*_by_name(city, extent))
    return Ground(*_by_distance(np.asarray(columns["epsg"], np.int64).ravel(), extent))


def ground_inside(file: h5py.File, shape: tuple[int, ...]) -> Ground | None:
    """Return the ground that a file of patches tells itself: ``coords`` (centres, to the pixel) and ``polygon_id``."""
    n, _, height, width = shape
    extent = np.full((n, 4), np.nan)
    group = np.full(n, -1, np.int64)
    if _numbers(file, "coords", (n, 2)):
        x, y = np.asarray(file["coords"][:], np.float64).T
        half_width, half_height = width * _PIXEL / 2, height * _PIXEL / 2
        extent = np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)
    if _numbers(file, "polygon_id", (n,)) and file["polygon_id"].dtype.kind in "iu":
        group = file["polygon_id"][:].astype(np.int64)
    if not np.isfinite(extent).any() and (group < 0).all():
        return None
    return Ground(group, extent, {number: f"polygon {number}" for number in np.unique(group).tolist() if number >= 0})


def _numbers(file: h5py.File, name: str, shape: tuple[int, ...]) -> bool:
    stored = file.get(name)
    return isinstance(stored, h5py.Dataset) and stored.shape == shape and stored.dtype.kind in "fiu"


def _extent(columns: dict[str, npt.NDArray[Any]], shape: tuple[int, ...], path: Path) -> npt.NDArray[np.float64]:
    _, _, height, width = shape
    tfw = np.asarray(columns.get("tfw", np.empty((shape[0], 0))), np.float64)
    if "tfw" not in columns and columns["coord"].shape[1:] == (6,):
        centre = np.asarray(columns["coord"], np.float64)
        left, top, pixel = centre[:, 0] - width * _PIXEL / 2, centre[:, 1] + height * _PIXEL / 2, _PIXEL
    elif tfw.shape[1:] == (6,) and _is_pixel(tfw[:, [0, 3]]):  # world file: A, D, B, E, C, F
        left, top, pixel = tfw[:, 4], tfw[:, 5], _PIXEL
    elif tfw.shape[1:] == (6,) and _is_pixel(tfw[:, [1, 5]]):  # GDAL: x0, dx, 0, y0, 0, dy
        left, top, pixel = tfw[:, 0], tfw[:, 3], _PIXEL
    else:
        raise InputError(f"tfw of {path} gives no pixels of {_PIXEL:g} m", wanted="six parameters for each patch")
    extent = np.stack([left, top - height * pixel, left + width * pixel, top], axis=1)
    if not (np.abs(extent) < _UTM).all():  # NaN too
        raise InputError(f"{path} has coordinates that are no UTM metres", wanted="finite metres below 20,000 km")
    return extent


def _is_pixel(scales: npt.NDArray[np.float64]) -> bool:
    return bool((np.abs(np.abs(scales) - _PIXEL) < 0.05 * _PIXEL).all())


def _by_name(
    city: npt.NDArray[Any], extent: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], dict[int, str]]:
    texts = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in city.ravel()]
    found, inverse = np.unique([text.strip().lower() for text in texts], return_inverse=True)
    others = [name for name in found.tolist() if name not in SO2SAT_CITIES]
    numbers = [
        SO2SAT_CITIES.index(name) if name in SO2SAT_CITIES else 1000 + others.index(name) for name in found.tolist()
    ]
    return np.array(numbers, np.int64)[inverse], extent, dict(zip(numbers, found.tolist(), strict=True))


def _by_distance(
    epsg: npt.NDArray[np.int64], extent: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], dict[int, str]]:
    group = np.empty(len(epsg), np.int64)
    names: dict[int, str] = {}
    for zone in np.unique(epsg).tolist():
        rows = epsg == zone
        cells = np.floor(extent[rows][:, [3, 0]] / _CLUSTER).astype(np.int64)
        cells -= cells.min(axis=0)
        taken = np.zeros(cells.max(axis=0) + 1, bool)
        taken[tuple(cells.T)] = True
        clusters, count = connected(taken, np.ones((3, 3)))
        group[rows] = zone * 100 + clusters[tuple(cells.T)]
        names |= {zone * 100 + k: f"EPSG:{zone} city {k}" for k in range(1, count + 1)}
    return group, extent, names
