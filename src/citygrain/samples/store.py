"""Samples on disk: an HDF5 file in the layout of So2Sat LCZ42, with names, legend and ground kept beside.

``sen2`` holds patches (n, h, w, c) and ``label`` one-hot classes (n, k), so that a reader of So2Sat reads ours too.
Rows of statistics are (n, c).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.files import whole_file
from citygrain.legend import Legend
from citygrain.samples.samples import Samples
from citygrain.samples.stored import StoredRows

__all__ = ["read_samples", "read_table", "read_units", "write_samples", "write_table"]

_COLUMNS = ("group", "unit", "extent", "purity")


def write_samples(path: Path, samples: Samples, *, table: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
    """Write samples to HDF5; the file appears whole or not at all.

    Parameters
    ----------
    path : Path
        The file, ``.h5``.
    samples : Samples
        Patches or rows.
    table : mapping of str to ndarray, optional
        Further columns, one value for each unit of the tessellation, kept in group ``units``.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        _write(file, samples)
        for name, values in (table or {}).items():
            file.create_dataset(f"units/{name}", data=values)


def write_table(path: Path, table: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write columns alone, for `read_table`; the file appears whole or not at all.

    Raises
    ------
    OutputError
        If the disk is full or the folder cannot be written.
    """
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        for name, values in table.items():
            file.create_dataset(f"units/{name}", data=values)


def _write(file: h5py.File, samples: Samples) -> None:
    n, *rest = samples.x.shape
    shape = (n, *rest[1:], rest[0])  # (n, h, w, c) or (n, c)
    x = file.create_dataset("sen2", shape, np.float32)
    for start in range(0, n, 1024):
        x[start : start + 1024] = np.moveaxis(np.asarray(samples.x[start : start + 1024]), 1, -1)
    columns = samples.legend.columns(samples.y)
    file.create_dataset("label", data=(columns[:, None] == np.arange(len(samples.legend))).astype(np.uint8))
    for name in _COLUMNS:
        file.create_dataset(name, data=getattr(samples, name))
    file.attrs["features"] = json.dumps(samples.features)
    file.attrs["legend"] = json.dumps({"scheme": samples.legend.scheme, "classes": samples.legend.to_list()})


def read_samples(path: Path, *, on_disk: bool = False) -> Samples:
    """Read samples that `write_samples` wrote.

    Parameters
    ----------
    path : Path
        The file.
    on_disk : bool
        Leave patches in the file until they are asked for; see `citygrain.samples.stored.StoredRows`.

    Returns
    -------
    Samples
        In memory, or all but the patches.

    Raises
    ------
    InputError
        If the file is missing, truncated, or of another kind.
    """
    try:
        with h5py.File(path) as file:
            return _read(file, on_disk=on_disk)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", wanted="a samples file (.h5)") from None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a samples file of citygrain: {error}", wanted="a whole .h5 file") from error


def _read(file: h5py.File, *, on_disk: bool) -> Samples:
    legend = json.loads(file.attrs["legend"])
    x: StoredRows | npt.NDArray[np.float32]
    if on_disk and file["sen2"].ndim == 4:
        x = StoredRows.of(Path(file.filename), "sen2", checked=False)  # features may be infinite or missing
    else:
        x = np.moveaxis(file["sen2"][:], -1, 1)  # as it lies in the file, channels last: networks take it so
    label = file["label"][:]
    classes = Legend.from_list(str(legend["scheme"]), legend["classes"])
    columns = np.where(label.any(1), label.argmax(1), -1)
    known = {name: file[name][:] for name in _COLUMNS}
    features = tuple(str(name) for name in json.loads(file.attrs["features"]))
    return Samples.of(x, classes.codes(columns), features=features, legend=classes, **known)


def read_units(path: Path) -> npt.NDArray[np.int64]:
    """Read the unit of each row alone; the features stay on disk."""
    with h5py.File(path) as file:
        return np.asarray(file["unit"][:], np.int64)


def read_table(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the columns of group ``units``: one value for each unit of the tessellation."""
    with h5py.File(path) as file:
        return {name: values[:] for name, values in file["units"].items()} if "units" in file else {}
