"""Samples of any kind by one call: the content of a file or folder says what it is, not its name."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.samples.patch_folder import open_patch_folder, patch_splits
from citygrain.samples.samples import Samples
from citygrain.samples.so2sat import open_so2sat, so2sat_parts
from citygrain.samples.split import ROLES
from citygrain.samples.store import read_samples, read_table

__all__ = ["open_samples", "sample_splits"]


def open_samples(
    path: Path | str,
    *,
    sensors: Sequence[str] | None = None,
    radar: str = "features",
    part: str | None = None,
    bands: Sequence[str] | None = None,
    scale: float = 1.0,
) -> Samples:
    """Open samples of citygrain, a file or folder of So2Sat LCZ42, or a folder or zip of patches.

    Parameters
    ----------
    path : Path or str
        What to open.
    sensors, radar : optional
        For So2Sat, as for `open_so2sat`; Sentinel-2 by default.
    part : str, optional
        File of a So2Sat folder (``"training"``), or split of a patch folder (``"train"``).
    bands, scale : optional
        For a patch folder, as for `open_patch_folder`.

    Raises
    ------
    InputError
        If it is none of these, is broken, or if an option does not belong to its kind.

    Examples
    --------
    >>> open_samples("nowhere")
    Traceback (most recent call last):
    citygrain.errors.InputError: nowhere does not exist; wanted: samples (.h5), So2Sat, or a folder or zip of patches
    """
    path = Path(path)
    kind = _kind(path)
    if kind != "So2Sat" and (sensors is not None or radar != "features"):
        raise InputError(f"sensors of {path}, which is not So2Sat's", wanted="no sensors", mend="leave the option out")
    if kind != "patches" and (bands is not None or scale != 1):
        raise InputError(f"bands or scale of {path}, which names its own", wanted="neither", mend="leave them out")
    if kind == "So2Sat":
        return open_so2sat(path, sensors=sensors or ("s2",), radar=radar, part=part)
    if kind == "patches":
        return open_patch_folder(path, split=part, bands=bands, scale=scale)
    samples = read_samples(path)
    return samples if part is None else samples[_one_of(sample_splits(path), part, path)]


def sample_splits(path: Path | str) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each split that the samples bring with them: train, validation, test; empty where none.

    Patch folders tell theirs by CSV (`patch_splits`), samples of citygrain by the role of their units. The parts of
    So2Sat are files of their own.
    """
    path = Path(path)
    kind = _kind(path)
    if kind == "patches":
        return patch_splits(path)
    if kind == "So2Sat":
        return {}
    role, unit = read_table(path).get("role"), read_samples(path, on_disk=True).unit
    if role is None or not len(role) or unit.min(initial=0) < 0 or unit.max(initial=0) >= len(role):
        return {}
    names = {"train": "train", "valid": "validation", "test": "test"}
    found = {names[name]: np.flatnonzero(role[unit] == number) for number, name in enumerate(ROLES) if name in names}
    return {name: rows for name, rows in found.items() if len(rows)}


def _kind(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path} does not exist", wanted="samples (.h5), So2Sat, or a folder or zip of patches")
    if path.is_dir():
        return "So2Sat" if so2sat_parts(path) else "patches"
    if zipfile.is_zipfile(path):
        return "patches"
    try:
        with h5py.File(path) as file:
            if "features" in file.attrs:
                return "samples"
            if {"sen1", "sen2"} & set(file):
                return "So2Sat"
            there = ", ".join(sorted(file)[:8]) or "nothing"
    except (OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} cannot be opened as HDF5 or zip: {reason}", wanted="samples (.h5), So2Sat, or a zip of patches"
        ) from error
    raise InputError(f"{path} holds {there}", wanted="samples of citygrain, or sen1, sen2 and label of So2Sat")


def _one_of(splits: dict[str, npt.NDArray[np.int64]], part: str, path: Path) -> npt.NDArray[np.int64]:
    if part not in splits:
        raise InputError(f"part {part!r} of {path}", wanted=f"one of {', '.join(splits)}" if splits else "no part")
    return splits[part]
