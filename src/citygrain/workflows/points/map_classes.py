"""A map file as classes of a legend, read window by window: what its values mean, and how many pixels have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.grids import grid_of
from citygrain.legend import Legend, ready_legends
from citygrain.samples.codes import CodeTable
from citygrain.scene.codes import open_codes, read_class_names
from citygrain.tiles import Tile, block_tiles
from citygrain.workflows.parts import map_table
from citygrain.workflows.references import named_legend

__all__ = ["MapClasses", "map_classes"]

_STRIP, _PIECE = 2**21, 2**20
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class MapClasses:
    """A map that is not in memory.

    Attributes
    ----------
    path : Path
        The file.
    raster : DataArray of int, (y, x)
        Its values, lazy.
    table : CodeTable
        What they mean.
    """

    path: Path
    raster: xr.DataArray
    table: CodeTable

    @property
    def legend(self) -> Legend:
        """The classes."""
        return self.table.legend

    @property
    def geobox(self) -> GeoBox:
        """Grid of the map."""
        return grid_of(self.raster)

    @property
    def pixel_hectares(self) -> float | None:
        """Hectares of a pixel; None where the map is not in metres, and pixels differ."""
        crs = self.geobox.crs
        if crs is None or crs.units[0] not in ("metre", "m"):
            return None
        return float(abs(self.geobox.resolution.x * self.geobox.resolution.y)) / 10_000

    @property
    def strips(self) -> list[Tile]:
        """The map cut into strips of whole rows, along the blocks of its file."""
        height, width = self.raster.shape
        blocks = self.raster.encoding.get("preferred_chunks", {"y": 1})
        return block_tiles((height, width), (int(blocks["y"]), width), pixels=_STRIP)

    @cached_property
    def _meaning(self) -> tuple[npt.NDArray[np.int64], Codes, npt.NDArray[np.int64]]:
        """The values that occur, the code of each, and how many pixels have it."""
        numbers: dict[int, int] = {}
        for tile in self.strips:
            for _, part in _pieces(tile, self.raster.variable[tile.slices].values):
                values, counts = _counted(part)
                for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                    numbers[value] = numbers.get(value, 0) + count
        found = np.array(sorted(numbers), np.int64)
        codes = self.table.recode(found, file=self.path.name, names=read_class_names(self.path))
        return found, codes, np.array([numbers[value] for value in found.tolist()], np.int64)

    @property
    def pixels(self) -> npt.NDArray[np.int64]:
        """Pixels of each class in legend order, (k,)."""
        _, codes, counts = self._meaning
        by_code = np.bincount(codes, counts, 256).astype(np.int64)
        return np.asarray(by_code[self.legend.values])

    def read(self, tile: Tile) -> Codes:
        """Return the codes of a window, (height, width); 0 = no data."""
        found, codes, _ = self._meaning
        values = self.raster.variable[tile.slices].values
        if values.dtype != np.uint8:
            return np.asarray(codes[np.searchsorted(found, values)])
        table = np.zeros(256, np.uint8)
        table[found] = codes
        return np.asarray(table[values])

    def windows(self) -> Iterator[tuple[Tile, Codes]]:
        """Give the map in pieces of whole rows with their codes, from the top; each strip is read once."""
        for tile in self.strips:
            yield from _pieces(tile, self.read(tile))

    def at(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> Codes:
        """Return the codes of single pixels, (n,); 0 outside of the map. Only strips that hold one are read."""
        height, width = self.raster.shape
        codes = np.zeros(len(rows), np.uint8)
        there = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        for tile in self.strips:
            here = np.flatnonzero(there & (rows >= tile.row) & (rows < tile.row + tile.height))
            if here.size:
                codes[here] = self.read(tile)[rows[here] - tile.row, columns[here]]
        return codes

    def pixel_of(
        self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return row and column of the pixels that places (in the map's coordinates) lie in."""
        columns, rows = ~self.geobox.affine * (x, y)
        return np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)

    def centre_of(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return x and y of the middle of pixels, in the map's coordinates."""
        x, y = self.geobox.affine * (columns + 0.5, rows + 0.5)
        return np.asarray(x), np.asarray(y)


def _pieces(tile: Tile, values: npt.NDArray[Any]) -> Iterator[tuple[Tile, npt.NDArray[Any]]]:
    """Cut a strip into pieces of whole rows, small enough for arrays of eight bytes a pixel."""
    step = max(1, _PIECE // tile.width)
    for top in range(0, tile.height, step):
        part = values[top : top + step]
        yield Tile(tile.row + top, tile.column, len(part), tile.width), part


def _counted(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the values that occur and how often; bytes are counted, which is quicker than sorting them."""
    if values.dtype != np.uint8:
        found, counts = np.unique(values, return_counts=True)
        return found.astype(np.int64), counts
    counts = np.bincount(values.ravel(), minlength=256)
    return np.flatnonzero(counts), counts[counts > 0]


def map_classes(path: Path, *, classes: Mapping[str, str] | None = None, legend: str | None = None) -> MapClasses:
    """Open a map as classes.

    Parameters
    ----------
    path : Path
        Raster of class codes.
    classes : mapping of str to str, optional
        Class name by value.
    legend : str, optional
        Or the name of a ready legend. Without either the names that the map's own file gives.

    Raises
    ------
    InputError
        If the file cannot be used, or nothing says what its values mean.
    """
    raster = open_codes(path)
    if classes is None and legend is None:
        return MapClasses(path, raster, map_table(None, _own_legend(path)))
    return MapClasses(path, raster, map_table(classes, named_legend(legend)))


def _own_legend(path: Path) -> Legend:
    names = {code: name for code, name in read_class_names(path).items() if 0 < code < 256}
    if not names:
        raise InputError(
            f"{path.name} does not say what its values mean",
            wanted="names",
            mend="give --legend lcz or --classes 1=...",
        )
    for ready in ready_legends().values():
        if names == {c.code: c.name for c in ready}:
            return ready
    return Legend.from_names(names)
