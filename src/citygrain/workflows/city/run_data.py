"""What a run works on: scene, features, units and reference, in memory or, where they do not fit, read by windows."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xarray as xr

from citygrain.features.stack import compute_features
from citygrain.lazy import is_lazy
from citygrain.legend import Legend
from citygrain.samples.reference import read_reference
from citygrain.scene.codes import open_codes, read_codes
from citygrain.workflows.config import RunConfig
from citygrain.workflows.dates import join_dates, read_dates
from citygrain.workflows.memory import MemoryPlan
from citygrain.workflows.references import reference_options
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

    @property
    def streams(self) -> bool:
        """Whether the scene is read by windows, because it does not fit into memory; no result depends on it."""
        return any(is_lazy(date) for date in self.dates)

    @property
    def bounded(self) -> int | None:
        """Bytes for pixels where the scene is read by windows; None where it is in memory."""
        return self.memory.for_pixels if self.streams else None

    @cached_property
    def dates(self) -> list[xr.DataArray]:
        """The scene, or each of its dates; lazy where they do not fit into memory."""
        with self.timed("read"):
            return read_dates(self.config.scene, lazy=self._too_large)

    def _too_large(self, shape: tuple[int, ...]) -> bool:
        c, (bands, height, width) = self.config, shape
        number, features = len(c.scene.dates or [""]), len(c.features.bands or range(bands)) + len(c.features.indices)
        large = not self.memory.holds(height * width, number * bands, number * features)
        if large:
            size, limit = height * width / 1e6, self.memory.limit / 1e9
            log.info("%.1f Mpixel do not fit into %.1f GB of memory: they are read by windows", size, limit)
        return large

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
        geobox = self.features.odc.geobox if self.config.units.kind == "superpixels" else self.units.geobox
        with self.timed("reference"):
            return read_reference(Path(c.path), geobox, **reference_options(c))
