"""The units of a run as rows of statistics with their labels: what a review and a suggestion work on.

Whatever model a run has, labels are judged by a forest on statistics: it trains in seconds, so that it can be trained
again for each fold.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import ConfigError, InputError
from citygrain.excerpt import Excerpt
from citygrain.grid_patches import GridPatches
from citygrain.grids import ground_of, raster_like
from citygrain.legend import Legend
from citygrain.models.statistics import patch_statistics
from citygrain.pixel_context import PixelContext
from citygrain.samples.apart import centre_blocks
from citygrain.samples.draw import majority, unit_counts
from citygrain.samples.polygons import polygon_ids
from citygrain.samples.samples import Samples
from citygrain.samples.vector import is_vector
from citygrain.tessellation import STATISTICS, Pixels, SegmentStatistics
from citygrain.workflows.city.autocorrelation import FILE as VARIOGRAM
from citygrain.workflows.city.autocorrelation import with_block
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.finished_run import read_manifest
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config import RunConfig, SamplesConfig
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.parts import most_common
from citygrain.workflows.references import reference_options
from citygrain.workflows.units import NOUNS, number_units, strip_tiles
from citygrain.zones import ZoneTable, zone_table

__all__ = ["UnitRows", "units_of_config", "units_of_run"]

_BATCH = 1024


@dataclass(frozen=True)
class UnitRows:
    """The n units of a run.

    Attributes
    ----------
    data : RunData
        Scene, features and reference.
    samples : Samples
        Statistics (n, c), labels by majority (0 = none), extents, purity; `group` is the polygon of the reference where
        it has polygons (-1 = none), else the block of the unit's centre.
    counts : ndarray of int64, (n, k)
        Reference pixels of each class.
    polygons : DataArray of int32, (y, x), or None
        Number of the reference's polygon at each pixel, 0 = none.
    """

    data: RunData
    samples: Samples
    counts: npt.NDArray[np.int64]
    polygons: xr.DataArray | None

    @property
    def config(self) -> RunConfig:
        """The run."""
        return self.data.config

    @property
    def noun(self) -> str:
        """The word for a unit."""
        return NOUNS[self.config.units.kind]

    @property
    def legend(self) -> Legend:
        """The classes."""
        return self.samples.legend

    @cached_property
    def labels(self) -> xr.DataArray:
        """Number of the unit at each pixel of its grid, from 1; 0 = none."""
        return _labels(self.data)

    @cached_property
    def table(self) -> ZoneTable:
        """Boxes, areas and centres of the units, in pixels."""
        return zone_table(Excerpt.of(self.labels))

    @cached_property
    def centres(self) -> npt.NDArray[np.float64]:
        """Easting and northing of each unit in map units, (n, 2)."""
        return _centres(self.table, self.labels)

    @cached_property
    def looks(self) -> npt.NDArray[np.float32]:
        """The statistics with missing values filled by the column's median, (n, c)."""
        x = np.array(self.samples.x, np.float32)
        x[~np.isfinite(x)] = np.nan
        there = np.isfinite(x).any(0)
        median = np.zeros(x.shape[1], np.float32)
        median[there] = np.nanmedian(x[:, there], axis=0)
        return np.where(np.isnan(x), median, x)


def units_of_run(folder: Path) -> UnitRows:
    """Read the units of a run from its folder; superpixels must have been made.

    Raises
    ------
    InputError
        If the folder is no run's, or scene or reference have changed since.
    """
    config, inputs = read_manifest(folder)
    for path in [*config.scene.paths, Path(config.reference.path)]:
        if str(path) in inputs and hash_file(path) != inputs[str(path)]:
            raise InputError(f"{path} has changed since the run in {folder}", mend="run it again")
    if config.units.kind == "superpixels" and not (folder / "segments.tif").exists():
        raise InputError(f"{folder} has no superpixels yet", mend="give its `citygrain run` again")
    return _unit_rows(config, folder)


def units_of_config(config: RunConfig, folder: Path) -> UnitRows:
    """Make the units of a configuration that has not been run; superpixels and manifest go into `folder`."""
    run_city_map(config, folder, until="segments")
    return _unit_rows(config, folder)


def _unit_rows(config: RunConfig, folder: Path) -> UnitRows:
    if config.units.kind == "pixels":
        raise ConfigError("[units] kind = 'pixels'", wanted="superpixels or cells, of which each can be looked at")
    data = RunData(config, folder, lambda _: nullcontext())
    reference, legend = data.reference
    x, names = _statistics(data)
    counts = unit_counts(data.units, reference, legend)
    codes, purity = majority(counts, legend)
    codes[~np.isfinite(x).any(1)] = 0
    samples = Samples.of(x, codes, features=names, legend=legend, extent=data.units.extents(), purity=purity)
    polygons = _polygons(data)
    found = UnitRows(data, samples, counts, polygons)
    if polygons is not None:
        strips = ((data.units.parts(t), polygons.values[t.slices]) for t in strip_tiles(polygons.shape))
        group = most_common(strips, len(samples))
    else:
        group = centre_blocks(found.centres, _side(config, folder))
    return replace(found, samples=replace(samples, group=group))


def _side(config: RunConfig, folder: Path) -> float:
    """Return the side of the blocks in metres: as given, as chosen for the run, or the usual one before that."""
    given = config.samples.block
    if given == "auto" and (folder / VARIOGRAM).exists():
        given = with_block(config, folder).samples.block
    return float(SamplesConfig.model_fields["block"].default if given == "auto" else given)


def _statistics(data: RunData) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Return mean and deviation of each feature inside the unit and around it, (n, 4 c), and their names."""
    units, features = data.units, data.chosen
    names = [str(name) for name in features.band.values]
    columns = tuple(f"{name} {statistic}" for statistic in STATISTICS for name in names)
    if not isinstance(units, GridPatches):
        if isinstance(units, Pixels | PixelContext):
            raise InputError("pixels as units", wanted="superpixels or cells")
        return np.asarray(SegmentStatistics(units.labels, units.window).rows(features)[:]), columns
    rows = units.rows(features)
    parts = [
        patch_statistics(np.nan_to_num(rows[start : start + _BATCH]), tuple(names))
        for start in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(parts), columns


def _labels(data: RunData) -> xr.DataArray:
    if isinstance(data.units, GridPatches | PixelContext | Pixels):
        return raster_like((number_units(data.units) + 1).astype(np.int32), data.units.geobox)
    return data.units.labels


def _centres(table: ZoneTable, labels: xr.DataArray) -> npt.NDArray[np.float64]:
    boxes = np.column_stack([table.centres, table.centres + 1])
    ground = ground_of(boxes, labels.odc.geobox)
    return np.asarray((ground[:, :2] + ground[:, 2:]) / 2)


def _polygons(data: RunData) -> xr.DataArray | None:
    c = data.config.reference
    if not is_vector(Path(c.path)):
        return None
    o = reference_options(c)
    legend, ignore = o["legend"], o["ignore"]
    return polygon_ids(c.path, data.units.geobox, field=o["field"], layer=c.layer, legend=legend, ignore=ignore)
