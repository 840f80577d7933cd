"""Write a map window by window: the files of `ThematicMap.write`, without ever holding the map."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.legend import Legend
from citygrain.maps.predict import MapWindow
from citygrain.maps.thematic_map import class_bands, confidence_bands, per_cent, write_styles
from citygrain.scene.cog_writer import CogWriter
from citygrain.tiles import Tile

__all__ = ["SETS", "SET_SIZE", "MapWriter", "SetFiles", "write_sets"]

SET_SIZE, SETS = "set_size.tif", "sets.tif"
"""Files of how many classes each pixel may be, and of which."""

SetFiles = Literal["none", "size", "all"]
"""Which of them are written."""


class MapWriter:
    """Writes codes and confidence as they come; at the end the files are those of `ThematicMap.write`, to the byte.

    Parameters
    ----------
    path : Path
        The map, ``.tif``; beside it come styles and ``confidence.tif``.
    geobox : GeoBox
        Grid of the map.
    legend : Legend
        The classes.
    sets : {"none", "size", "all"}
        Whether sets of classes, which come as marks, are written: ``set_size.tif`` (uint8, number of classes) and
        ``sets.tif`` (uint32, bit i is the class in column i of the legend); 0 = no data in both.

    Raises
    ------
    InputError
        At the end, if not every pixel was written.
    OutputError
        If a file cannot be written; nothing half-written stays behind.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> from citygrain.tiles import Tile
    >>> folder = getfixture("tmp_path")
    >>> grid = GeoBox.from_bbox((0, 0, 20, 10), "EPSG:32633", resolution=10)
    >>> window = MapWindow(Tile(0, 0, 1, 2), np.array([[1, 4]], np.uint8), np.array([[0.5, 1]], np.float32))
    >>> with MapWriter(folder / "map.tif", grid, URBAN) as target:
    ...     target.write(window)
    >>> sorted(file.name for file in folder.iterdir())
    ['confidence.tif', 'map.clr', 'map.qml', 'map.tif', 'map.tif.aux.xml']
    """

    def __init__(self, path: Path, geobox: GeoBox, legend: Legend, *, sets: SetFiles = "none") -> None:
        self._path, self._legend, self._ending = Path(path), legend, ExitStack()
        self._codes = CogWriter(self._path, geobox, np.uint8, **class_bands(legend))
        self._confidence = CogWriter(self._path.with_name("confidence.tif"), geobox, np.uint8, **confidence_bands())
        self._sizes = self._sets = None
        if sets != "none":
            self._sizes = CogWriter(self._path.with_name(SET_SIZE), geobox, np.uint8, **_size_bands())
        if sets == "all":
            self._sets = CogWriter(self._path.with_name(SETS), geobox, np.uint32, **_set_bands(legend))

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self._confidence)
            opened.enter_context(self._codes)
            for more in (self._sizes, self._sets):
                if more is not None:
                    opened.enter_context(more)
            self._ending = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.__exit__(kind, error, trace)
        if kind is None:
            write_styles(self._path, self._legend, bands=1)

    def write(self, window: MapWindow) -> None:
        """Write a window, each pixel of the map once."""
        self._codes.write(window.tile, window.codes)
        self._confidence.write(window.tile, per_cent(window.confidence))
        if self._sizes is not None and window.marks is not None:
            self._sizes.write(window.tile, np.bitwise_count(window.marks).astype(np.uint8))
        if self._sets is not None and window.marks is not None:
            self._sets.write(window.tile, window.marks)


def write_sets(path: Path, marks: npt.NDArray[np.uint32], geobox: GeoBox, legend: Legend, *, sets: SetFiles) -> None:
    """Write the sets of a map that is in memory, as `MapWriter` does window by window.

    Parameters
    ----------
    path : Path
        The map; the files come beside it.
    marks : ndarray of uint32, (height, width)
        Bit i is the class in column i of the legend; 0 = no data.
    geobox : GeoBox
        Grid of the map.
    legend : Legend
        The classes.
    sets : {"none", "size", "all"}
        Which files are written.
    """
    whole = Tile(0, 0, *marks.shape)
    if sets != "none":
        with CogWriter(path.with_name(SET_SIZE), geobox, np.uint8, **_size_bands()) as target:
            target.write(whole, np.bitwise_count(marks).astype(np.uint8))
    if sets == "all":
        with CogWriter(path.with_name(SETS), geobox, np.uint32, **_set_bands(legend)) as target:
            target.write(whole, marks)


def _size_bands() -> dict[str, Any]:
    return {"nodata": 0, "band_names": ["classes that it may be"]}


def _set_bands(legend: Legend) -> dict[str, Any]:
    names = json.dumps(list(legend.names), ensure_ascii=False)
    return {"nodata": 0, "band_names": ["bit mask of the classes that it may be"], "tags": {"bits": names}}
