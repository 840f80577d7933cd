"""A raster made window by window: finished windows outlast a kill, and memory does not grow with the raster."""

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from citygrain.errors import InputError
from citygrain.files import make_folder, whole_file, write_text
from citygrain.scene.cog_writer import CogWriter
from citygrain.tiles import Progress, Tile, stream_tiles

__all__ = ["Layer", "Scratch", "join_windows", "make_windows", "window_side"]

Arrays = dict[str, npt.NDArray[Any]]
_COPIES = 5
"""How often the values of a window are held at a time: read, scaled, masked, sorted."""
_BASE = 400_000_000
"""Bytes that Python and its libraries take."""


@dataclass(frozen=True)
class Layer:
    """A file of the result.

    Attributes
    ----------
    file : str
        Its name in the folder.
    dtype : str
        Of its pixels.
    bands : tuple of str
        Names of its bands.
    nodata : float or None
        Number that means no data.
    scale : float
        Of the numbers, as GDAL writes it.
    tags : mapping of str to str
        What is written beside.
    """

    file: str
    dtype: str
    bands: tuple[str, ...]
    nodata: float | None = None
    scale: float = 1.0
    tags: Mapping[str, str] = field(default_factory=dict)


class Scratch:
    """Finished windows of a fetch, in a hidden folder beside its results.

    Parameters
    ----------
    folder : Path
        Emptied if what it holds was made for something else.
    made_for : mapping
        What the windows depend on; JSON.
    """

    def __init__(self, folder: Path, made_for: Mapping[str, Any]) -> None:
        self._folder, said = folder, json.dumps(made_for, sort_keys=True)
        note = folder / "made_for.json"
        if not note.is_file() or note.read_text(encoding="utf-8") != said:
            self.clear()
            make_folder(folder)
            write_text(note, said)

    def get(self, name: str) -> Arrays | None:
        """Return the arrays of a window, or None if it is not finished."""
        path = self._folder / f"{name}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            return None

    def get_tile(self, name: str, tile: Tile) -> Arrays:
        """Return the arrays of a window that is finished.

        Raises
        ------
        InputError
            If it is not.
        """
        arrays = self.get(_key(name, tile))
        if arrays is None:
            raise InputError(f"a finished window of {name} is gone", mend="run the same command again")
        return arrays

    def put(self, name: str, arrays: Arrays) -> None:
        """Keep the arrays of a window."""
        named: Any = arrays
        with whole_file(self._folder / f"{name}.npz") as partial:
            np.savez(partial, **named)

    def files(self, name: str) -> Path:
        """Return the folder of copied files."""
        return make_folder(self._folder / name)

    def held_bytes(self) -> int:
        """Return how much disk the copied files and the finished windows take that are there."""
        there = (*self._folder.glob("*/*.tif"), *self._folder.glob("*.npz"))
        return sum(path.stat().st_size for path in there)

    def has(self, name: str) -> bool:
        """Tell whether a window is finished."""
        return (self._folder / f"{name}.npz").is_file()

    def noted(self, name: str) -> bool:
        """Tell whether a JSON value has been made."""
        return (self._folder / f"{name}.json").is_file()

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a JSON value that is made once."""
        path = self._folder / f"{name}.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        value = make()
        write_text(path, json.dumps(value))
        return json.loads(path.read_text(encoding="utf-8"))

    def clear(self) -> None:
        """Remove what is kept."""
        shutil.rmtree(self._folder, ignore_errors=True)


def window_side(observations: int, bands: int, *, memory: int, workers: int) -> int:
    """Return the side of the windows in pixels: as large as memory allows, 256 at least, 2048 at most.

    Parameters
    ----------
    observations, bands : int
        How many are held at a time, masks among them.
    memory : int
        Bytes.
    workers : int
        Windows that are made at a time.

    Raises
    ------
    InputError
        If memory does not hold the smallest windows.

    Examples
    --------
    >>> window_side(30, 12, memory=2_000_000_000, workers=1), window_side(30, 12, memory=8_000_000_000, workers=4)
    (256, 512)
    >>> window_side(5, 12, memory=8_000_000_000, workers=2)
    1536
    """
    pixels = max(0, memory - _BASE) / workers / (observations * bands * 4 * _COPIES)
    side = int(pixels**0.5) // 256 * 256
    if pixels < 128 * 128:
        need = (_BASE + 128 * 128 * observations * bands * 4 * _COPIES * workers) / 1e9
        raise InputError(
            f"{observations} images of {bands} bands and {workers} workers in {memory / 1e9:.1f} GB of memory",
            wanted=f"{need:.1f} GB", mend="give --memory, fewer --workers, or fewer images by --cloud-max",
        )  # fmt: skip
    return min(2048, max(128 if pixels < 256 * 256 else 256, side))


def make_windows(
    make: Callable[[Tile], Arrays],
    tiles: Sequence[Tile],
    scratch: Scratch,
    *,
    name: str,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Make the windows that are not finished.

    Parameters
    ----------
    make : callable
        Returns the arrays of a window.
    tiles : sequence of Tile
        All windows.
    scratch : Scratch
        Keeps them.
    name : str
        Of the raster.
    workers : int
        Threads.
    progress : callable, optional
        Called with (done, total).
    """
    missing = [tile for tile in tiles if not scratch.has(_key(name, tile))]
    done = len(tiles) - len(missing)
    if progress:
        progress(done, len(tiles))
    for _ in stream_tiles(
        lambda _, tile: scratch.put(_key(name, tile), make(tile)), missing, shared=None, engine=workers
    ):
        done += 1
        if progress:
            progress(done, len(tiles))


def join_windows(
    folder: Path, layers: Sequence[Layer], grid: GeoBox, tiles: Sequence[Tile], scratch: Scratch, *, name: str
) -> None:
    """Write finished windows as files; `layers` are named as the arrays are, without ``.tif``.

    Raises
    ------
    InputError
        If a window is missing.
    OutputError
        If a file cannot be written.
    """
    with ExitStack() as files:
        writers = {
            layer.file: files.enter_context(
                CogWriter(
                    folder / layer.file,
                    grid,
                    layer.dtype,
                    bands=len(layer.bands),
                    nodata=layer.nodata,
                    band_names=layer.bands,
                    tags=layer.tags,
                    scale=layer.scale,
                )
            )
            for layer in layers
        }
        for tile in tiles:
            arrays = scratch.get_tile(name, tile)
            for layer in layers:
                writers[layer.file].write(tile, arrays[Path(layer.file).stem])


def _key(name: str, tile: Tile) -> str:
    return f"{name}_{tile.row}_{tile.column}_{tile.height}_{tile.width}"
