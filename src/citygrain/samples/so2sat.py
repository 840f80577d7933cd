"""So2Sat LCZ42 as samples: 32 x 32 patches of Sentinel-1 and -2 with one of 17 Local Climate Zones, left on disk.

A file of So2Sat is a gather that somebody else has already done. All its versions open alike: 1 and 2 (``training.h5``,
``validation.h5``, ``testing.h5``), the course's subset, the folders of version 3, and version 4 with its coordinates.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.features.sar import so2sat_sar
from citygrain.legend import LCZ
from citygrain.rows import LazyRows, MappedRows
from citygrain.samples.joined import JoinedRows
from citygrain.samples.samples import Samples
from citygrain.samples.so2sat_ground import Ground, ground_inside, read_ground
from citygrain.samples.stored import StoredRows
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL1, SO2SAT_SENTINEL2

__all__ = ["city_names", "open_so2sat", "so2sat_parts"]

_DATA_SETS = {"s1": ("sen1", SO2SAT_SENTINEL1), "s2": ("sen2", SO2SAT_SENTINEL2)}
_PROBED = 32
_ALIASES = {"train": "training", "valid": "validation", "val": "validation", "test": "testing"}


def open_so2sat(
    path: Path | str,
    *,
    sensors: Sequence[str] = ("s2",),
    radar: str = "features",
    geo: Path | str | None = None,
    part: str | None = None,
    first_label: int | None = None,
) -> Samples:
    """Open a file of So2Sat LCZ42, without reading its patches.

    Parameters
    ----------
    path : Path or str
        The file, or the folder that it lies in.
    sensors : sequence of str
        ``"s1"``, ``"s2"`` or both. The channels of Sentinel-1 come first.
    radar : str
        ``"features"``: the seven of `citygrain.features.sar.so2sat_sar`; ``"raw"``: the eight of the file.
    geo : Path or str, optional
        Geolocation companion of version 4; taken from beside the file (``training_geo.h5``) where there is one.
    part : str, optional
        Which file of a folder: ``"training"``, ``"random/testing"``; see `so2sat_parts`.
    first_label : int, optional
        Integer labels start at 0, or at 1 (then 0 is unlabelled). Needed only where the labels leave it open.

    Returns
    -------
    Samples
        ``x`` float32 (n, c, 32, 32), read when rows are asked for: reflectance 0 to 1 for Sentinel-2. Codes 1 to 17 of
        legend ``LCZ``; 0 where a file has no labels. `group` is the city or polygon and `extent` the ground, where
        the file or its companion tell them (`city_names`).

    Raises
    ------
    InputError
        If the file is missing, truncated or of another kind, if its data sets do not fit each other, if labels are
        ambiguous, or if patches hold nothing but NaN. Thirty-two patches are looked at here, the others when read.

    Examples
    --------
    >>> open_so2sat("nowhere/training.h5")
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere/training.h5 does not exist; wanted: a file of So2Sat LCZ42 (.h5)
    """
    chosen = _checked_sensors(sensors, radar)
    path = _file_of(Path(path), part)
    try:
        with h5py.File(path) as file:
            _refuse_foreign(file, path, chosen)
            rows = {sensor: _patches(path, sensor) for sensor in chosen}
            n = _common_length(path, file, rows)
            y = _labels(file["label"], path, first_label) if "label" in file else np.zeros(n, np.uint8)
            ground = _ground(file, path, geo, rows[chosen[0]].shape)
    except (OSError, KeyError) as error:  # KeyError: a link that leads nowhere
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read as HDF5: {reason}", wanted="a whole file of So2Sat", mend="download it again"
        ) from error
    parts: list[LazyRows] = []
    features: tuple[str, ...] = ()
    for sensor, stored in rows.items():
        made = sensor == "s1" and radar == "features"
        parts.append(MappedRows(stored, so2sat_sar, len(SAR_FEATURES)) if made else stored)
        features += SAR_FEATURES if made else _DATA_SETS[sensor][1]
    x: Any = parts[0] if len(parts) == 1 else JoinedRows(tuple(parts))
    known = {"group": ground.group, "extent": ground.extent} if ground else {}
    return Samples.of(x, y, features=features, legend=LCZ, **known)


def city_names(path: Path | str, *, geo: Path | str | None = None, part: str | None = None) -> dict[int, str]:
    """Return the name of each group (city, or polygon) of a file; empty where it tells none.

    Parameters
    ----------
    path, geo, part
        As for `open_so2sat`.
    """
    path = _file_of(Path(path), part)
    try:
        with h5py.File(path) as file:
            name = "sen2" if "sen2" in file else "sen1"
            ground = _ground(file, path, geo, StoredRows.of(path, name).shape)
    except (OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as So2Sat: {reason}", wanted="a whole file") from error
    return ground.names if ground else {}


def so2sat_parts(folder: Path | str) -> dict[str, Path]:
    """Return the files of a So2Sat folder by name: ``training``, or ``random/training`` one level down.

    Companions (``*_geo.h5``) are no parts. Other HDF5 files than So2Sat's are not told apart here.
    """
    folder = Path(folder)
    found = [*sorted(folder.glob("*.h5")), *sorted(folder.glob("*/*.h5"))]
    parts = [path for path in found if not path.stem.endswith("_geo") and not path.name.startswith(".")]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in parts}


def _checked_sensors(sensors: Sequence[str], radar: str) -> tuple[str, ...]:
    asked = (sensors,) if isinstance(sensors, str) else tuple(sensors)
    if not asked or not set(asked) <= set(_DATA_SETS):
        raise InputError(f"sensors {list(asked)}", wanted="s1, s2, or both")
    if radar not in ("features", "raw"):
        raise InputError(f"radar = {radar!r}", wanted="features or raw")
    return tuple(sensor for sensor in _DATA_SETS if sensor in asked)


def _file_of(path: Path, part: str | None) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist", wanted="a file of So2Sat LCZ42 (.h5)")
    if path.is_file():
        if part is not None and path.stem != part:
            raise InputError(f"part {part!r} of {path}, which is a file", wanted="a folder, or no part")
        return path
    parts = so2sat_parts(path)
    if part is None and len(parts) == 1:
        return next(iter(parts.values()))
    *above, last = (part or "").split("/")
    name = "/".join([*above, _ALIASES.get(last, last)])
    if name not in parts:
        asked = f"{path} has no part {part!r}" if part else f"{path} is a folder of several files"
        raise InputError(asked, wanted=f"part = one of {', '.join(parts) or 'none: no .h5 is there'}")
    return parts[name]


def _refuse_foreign(file: h5py.File, path: Path, sensors: tuple[str, ...]) -> None:
    if "features" in file.attrs:
        raise InputError(f"{path} is a samples file of citygrain, not So2Sat's", mend="open it with read_samples")
    missing = [_DATA_SETS[sensor][0] for sensor in sensors if _DATA_SETS[sensor][0] not in file]
    if missing:
        there = ", ".join(sorted(file)[:8]) or "nothing"
        raise InputError(f"{path} has no {' and no '.join(missing)} (it holds {there})", wanted="data sets of So2Sat")


def _patches(path: Path, sensor: str) -> StoredRows:
    name, channels = _DATA_SETS[sensor]
    rows = StoredRows.of(path, name)
    if rows.patch[0] != len(channels) or 0 in rows.shape:
        wanted = f"(n, 32, 32, {len(channels)}): {', '.join(channels)}"
        n, c, height, width = rows.shape
        raise InputError(f"{name} of {path} has shape {(n, height, width, c)}", wanted=wanted)
    rows[np.unique(np.linspace(0, len(rows) - 1, _PROBED).astype(np.int64))]  # refuses NaN and inf
    return rows


def _common_length(path: Path, file: h5py.File, rows: dict[str, StoredRows]) -> int:
    names = [name for name in ("sen1", "sen2", "label") if isinstance(file.get(name), h5py.Dataset)]
    lengths = {name: file[name].shape[0] if file[name].shape else 0 for name in names}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"the data sets of {path} differ in length: {told}", wanted="one row for each patch")
    sides = {stored.patch[1:] for stored in rows.values()}
    if len(sides) != 1:
        raise InputError(f"sen1 and sen2 of {path} have patches of {sorted(sides)} pixels", wanted="the same size")
    return len(next(iter(rows.values())))


def _labels(stored: h5py.Dataset, path: Path, first: int | None) -> npt.NDArray[np.uint8]:
    """Return codes 1 to 17, 0 = unlabelled, of one-hot rows or of integers."""
    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "fiub" or stored.size > 64 * stored.shape[0]:
        what = f"{stored.dtype} {stored.shape}" if isinstance(stored, h5py.Dataset) else "a group"
        raise InputError(f"label of {path} is {what}", wanted="(n, 17) one-hot or (n,) integers")
    label = np.asarray(stored[:])
    if label.ndim == 2 and label.shape[1] == len(LCZ):
        if not ((label == 0) | (label == 1)).all() or ((label != 0).sum(axis=1) > 1).any():
            raise InputError(f"label of {path} is not one-hot", wanted="one 1 and sixteen 0 in each row")
        return LCZ.codes(np.where(label.any(axis=1), label.argmax(axis=1), -1))
    if label.size != len(label) or not (label == np.rint(label)).all():
        raise InputError(f"label of {path} has shape {label.shape}", wanted="(n, 17) one-hot or (n,) integers")
    return _integer_labels(label.ravel().astype(np.int64), path, first)


def _integer_labels(label: npt.NDArray[np.int64], path: Path, first: int | None) -> npt.NDArray[np.uint8]:
    low, high = int(label.min()), int(label.max())
    last = len(LCZ)
    if first is None:
        if (low == 0) == (high == last):  # neither tells, or both do
            raise InputError(
                f"labels {low} to {high} of {path} may be 0-16 or 1-17", wanted="first_label", mend="give it as 0 or 1"
            )
        first = 0 if low == 0 else 1
    if first not in (0, 1) or low < 0 or high > last - 1 + first:
        raise InputError(f"labels {low} to {high} of {path} with first_label = {first}", wanted="0-16 or 1-17")
    return (label + (1 - first)).astype(np.uint8)


def _ground(file: h5py.File, path: Path, geo: Path | str | None, shape: tuple[int, ...]) -> Ground | None:
    beside = path.with_name(f"{path.stem}_geo.h5")
    if geo is not None or beside.is_file():
        return read_ground(Path(geo) if geo is not None else beside, shape)
    return ground_inside(file, shape)
