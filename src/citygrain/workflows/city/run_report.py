"""From the files of a finished run to what its report is made from."""

import json
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.grid_patches import GridPatches
from citygrain.maps.map_writer import SET_SIZE
from citygrain.models.card import read_card
from citygrain.pixel_context import PixelContext
from citygrain.samples.store import read_samples, read_table
from citygrain.scene.codes import open_codes
from citygrain.tessellation import Pixels
from citygrain.workflows.city.autocorrelation import read_autocorrelation
from citygrain.workflows.city.gap import read_gap
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.city.verdict import caveats
from citygrain.workflows.parts import few_patches
from citygrain.workflows.rasters import count_codes
from citygrain.workflows.units import NOUNS, Units

if TYPE_CHECKING:
    from citygrain.report.html import RunRecord, Whole

__all__ = ["make_record"]

MOST_SHOWN = 16_000_000
"""Pixels of a scene that a report shows; of a larger one it shows every second, third, ... row and column."""


def make_record(folder: Path, data: RunData, steps: Sequence[dict[str, Any]]) -> "RunRecord":
    """Return what the report of a finished run is made from.

    Parameters
    ----------
    folder : Path
        The run's output folder, all steps done.
    data : RunData
        Its rasters.
    steps : sequence of dict
        Name, seconds, peak_mb and reused of each step.
    """
    from citygrain.report.html import RunRecord  # noqa: PLC0415 - matplotlib only for the report

    samples, table = read_samples(folder / "samples.h5", on_disk=True), read_table(folder / "samples.h5")
    figures = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    card, units, scene = read_card(folder / "model"), data.units, data.dates[0]
    height, width = scene.shape[1:]
    view = _View(units, (height, width), max(1, ceil(sqrt(height * width / MOST_SHOWN))))
    sure = view.of_raster(open_codes(folder / "confidence.tif"))
    role = np.array([0, 1, 1, 2], np.uint8)[table["role"]]
    return RunRecord(
        title=folder.resolve().name,
        scene=scene[:, :: view.step, :: view.step].load(),
        unit=NOUNS[data.config.units.kind],
        segments=None if isinstance(units, GridPatches | PixelContext | Pixels) else view.of_raster(units.labels),
        legend=card.legend,
        reference_pixel=view.of_raster(data.reference[0]),
        reference_unit=view.of_units(table["y"]),
        map_codes=view.of_raster(open_codes(folder / "map.tif")),
        confidence=np.where(sure == 255, np.float32(np.nan), sure / np.float32(100)).astype(np.float32),
        split=view.of_units(role),
        assessment=figures,
        history=[dict(epoch) for epoch in card.history],
        patches=few_patches(samples) if len(samples.x.shape) == 4 else None,
        steps=list(steps),
        config=data.config.model_dump(),
        caveats=caveats(figures, table, data.config),
        cell=units.stride if isinstance(units, GridPatches) else 1,
        step=view.step,
        whole=_whole(folder, view) if view.step > 1 else None,
        spatial=read_autocorrelation(folder),
        gap=read_gap(folder),
        set_size=view.of_raster(open_codes(sizes)) if (sizes := folder / SET_SIZE).exists() else None,
    )


class _View:
    """The scene's pixels that a report shows: every `step`-th row and column."""

    def __init__(self, units: Units, shape: tuple[int, int], step: int) -> None:
        self.units, self.shape, self.step = units, shape, step
        self.cell = units.stride if isinstance(units, GridPatches) else 1

    def of_raster(self, raster: xr.DataArray) -> npt.NDArray[Any]:
        """Return a raster of the units' grid, (y, x), at the shown pixels; 0, or NaN, where no cell covers them."""
        if self.step == self.cell == 1 and raster.shape == self.shape:
            return np.asarray(raster.values)
        rows, columns = (np.arange(0, size, self.step) // self.cell for size in self.shape)
        there = rows < raster.shape[0], columns < raster.shape[1]
        shown = np.full((rows.size, columns.size), np.nan if raster.dtype.kind == "f" else 0, raster.dtype)
        shown[np.ix_(*there)] = raster[rows[there[0]], columns[there[1]]].values
        return shown

    def of_units(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the value of the unit at each shown pixel; 0 where there is none."""
        if isinstance(self.units, GridPatches | PixelContext | Pixels):
            return self.of_raster(self.units.scatter(values))
        return np.asarray(np.append(values.dtype.type(0), values)[self.of_raster(self.units.labels)])


def _whole(folder: Path, view: _View) -> "Whole":
    """Return what the shown pixels do not tell of the scene."""
    from citygrain.report.html import Whole  # noqa: PLC0415 - matplotlib only for the report

    return Whole(view.shape, count_codes(folder / "map.tif") * view.cell**2, len(view.units))
