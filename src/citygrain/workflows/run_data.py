"""What a run works on: scene, features, units and reference, in memory or, where they do not fit, read by windows."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from citygrain.features.stack import compute_features
from citygrain.legend import Legend
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import open_codes, read_codes
from citygrain.workflows.config import RunConfig
from citygrain.workflows.dates import join_dates, read_dates
from citygrain.workflows.memory import MemoryPlan
from citygrain.workflows.parts import named_legend
from citygrain.workflows.units import Units, choose_features, choose_units

__all__ = ["RunData"]

log = logging.getLogger(__name__)


@dataclass
class RunData:
    """The rasters of a run, each read or computed once, when first needed.

    Attributes
    ----------
    config : RunConfig
        The run.
    folder : Path
        Its output folder, which gets the superpixels.
    timed : callable
        Gives a context in which a step of that name is measured.
    """

    config: RunConfig
    folder: Path
    timed: Callable[[str], AbstractContextManager[None]]

    @cached_property
    def memory(self) -> MemoryPlan:
        """What memory there is."""
        return MemoryPlan.of(self.config.compute.memory)

    @cached_property
    def streams(self) -> bool:
        """Whether the scene is read by windows, because it does not fit into memory; no result depends on it."""
        found = read_dates(self.config.scene, lazy=True)
        pixels, bands = found[0].shape[1] * found[0].shape[2], len(found) * found[0].shape[0]
        streams = not self.memory.holds(pixels, bands, len(found) * len(self._names(found[0])))
        if streams:
            log.info("%d Mpixel do not fit into %.1f GB: read by windows", pixels // 10**6, self.memory.limit / 1e9)
        return streams

    @cached_property
    def dates(self) -> list[xr.DataArray]:
        """The scene, or each of its dates."""
        with self.timed("read"):
            return read_dates(self.config.scene, lazy=self.streams)

    @cached_property
    def features(self) -> xr.DataArray:
        """Bands, indices and band maths, of all dates."""
        dates = self.dates
        with self.timed("features"):
            return join_dates([compute_features(date, self._names(date)) for date in dates])

    def _names(self, date: xr.DataArray) -> list[str]:
        c = self.config.features
        bands = c.bands or [str(name) for name in date.band.values]
        return [*bands, *(index for index in c.indices if index not in bands)]

    @cached_property
    def chosen(self) -> xr.DataArray:
        """The features that the model sees."""
        return choose_features(self.features, self.config.model.bands, self.config.scene.sensor)

    @cached_property
    def units(self) -> Units:
        """What gets a class; superpixels must have been made."""
        segments = None
        if self.config.units.kind == "superpixels":
            segments = (open_codes if self.streams else read_codes)(self.folder / "segments.tif")
        return choose_units(self.features, segments, self.config)

    @cached_property
    def reference(self) -> tuple[xr.DataArray, Legend]:
        """Codes on the grid of the units (of the scene, for superpixels), and their legend."""
        c = self.config.reference
        options: dict[str, Any] = c.model_dump(exclude={"path", "legend"}) | {"legend": named_legend(c.legend)}
        geobox = self.features.odc.geobox if self.config.units.kind == "superpixels" else self.units.geobox
        with self.timed("reference"):
            return read_reference(Path(c.path), geobox, **options)
