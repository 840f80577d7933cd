"""A finished run, read back from its folder: the map, the units and their roles, and how it was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.card import read_card
from citygrain.samples.split import ROLES
from citygrain.samples.store import read_table
from citygrain.scene.codes import read_codes
from citygrain.workflows.config import RunConfig
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.units import NOUNS, unit_values

__all__ = ["FinishedRun", "check_inputs", "read_manifest", "read_run"]

_NEEDED = ("map.tif", "confidence.tif", "samples.h5", "model", "assessment.json")
_COLUMNS = ("role", "block", "y", "counts")


@dataclass(frozen=True)
class FinishedRun:
    """What a run left in its folder.

    Attributes
    ----------
    folder : Path
        The output folder.
    config : RunConfig
        The configuration as resolved.
    inputs : mapping of str to str
        Hash of each input by its path.
    city : ThematicMap
        The map.
    units : ndarray of int64, (h, w)
        Row of the unit at each pixel of the map, -1 = none.
    table : mapping of str to ndarray
        For each unit: `role`, `block`, `y`, and `counts` (n, k), its reference pixels by class.
    assessment : mapping
        The content of ``assessment.json``.
    """

    folder: Path
    config: RunConfig
    inputs: Mapping[str, str]
    city: ThematicMap
    units: npt.NDArray[np.int64]
    table: Mapping[str, npt.NDArray[Any]]
    assessment: Mapping[str, Any]

    @property
    def noun(self) -> str:
        """The word for a unit: superpixel, cell or pixel."""
        return NOUNS[self.config.units.kind]

    @property
    def tested(self) -> npt.NDArray[np.bool_]:
        """Units that were held out for the test, (n,)."""
        return np.asarray(self.table["role"] == ROLES.index("test"))

    def of_units(self, raster: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return each unit's value from a raster that is constant within units, (n,)."""
        return unit_values(raster, self.units, len(self.table["role"]))

    def on_map(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the raster (h, w) of the units' values; 0 where there is no unit."""
        return np.asarray(np.append(values, values.dtype.type(0))[self.units])


def read_manifest(folder: Path) -> tuple[RunConfig, dict[str, str]]:
    """Return configuration and input hashes of a run.

    Raises
    ------
    InputError
        If the folder is no run's.
    """
    try:
        record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        config = RunConfig.model_validate(record["config"])
        return config, {str(path): str(mark) for path, mark in record.get("inputs", {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder} holds no run", wanted="a folder written by `citygrain run`") from None


def read_run(folder: Path) -> FinishedRun:
    """Read a finished run.

    Parameters
    ----------
    folder : Path
        Output folder of `citygrain run` or `demo`.

    Raises
    ------
    InputError
        If the folder is no run's, the run is not finished, or its files do not fit each other.
    """
    config, inputs = read_manifest(folder)
    lacking = [name for name in _NEEDED if not (folder / name).exists()]
    if lacking:
        raise InputError(
            f"{folder} lacks {', '.join(lacking)}", wanted="a finished run", mend="give its `citygrain run` again"
        )
    city = ThematicMap.read(folder / "map.tif", read_card(folder / "model").legend)
    try:
        table = read_table(folder / "samples.h5")
        assessment = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} cannot be read: {error}", wanted="the files of a finished run") from None
    if not isinstance(assessment, dict) or not isinstance(assessment.get(NOUNS[config.units.kind]), dict):
        raise InputError(f"{folder / 'assessment.json'} holds no assessment", mend="give its `citygrain run` again")
    count = len(table.get("role", ()))
    units = _units(folder, config, city, count)
    known = set(_COLUMNS) <= set(table) and units.shape == city.codes.shape
    if not known or (units.max() + 1 != count and count != units.size):  # of pixels, the last may have no data
        raise InputError(f"the files in {folder} do not fit each other", wanted="those of one run", mend="run it again")
    return FinishedRun(folder, config, inputs, city, units, table, assessment)


def check_inputs(run: FinishedRun) -> None:
    """Refuse a run whose scene or reference is no longer what it was.

    Raises
    ------
    InputError
        If a file is missing or has changed.
    """
    for path, mark in run.inputs.items():
        if hash_file(Path(path)) != mark:
            raise InputError(f"{path} has changed since the run in {run.folder}", mend="run it again")


def _units(folder: Path, config: RunConfig, city: ThematicMap, count: int) -> npt.NDArray[np.int64]:
    """Return the row of the unit at each pixel: by label, or in reading order."""
    if config.units.kind == "superpixels":
        return np.asarray(read_codes(folder / "segments.tif").values.astype(np.int64) - 1)
    mapped = city.codes.values > 0  # no data, and only no data, has no class
    numbers = np.arange(mapped.size) if count == mapped.size else np.cumsum(mapped) - 1  # pixels; cells with data
    return np.where(mapped, numbers.reshape(mapped.shape), -1)
