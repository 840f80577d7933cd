"""Draw pixels of a map at random, by strips of it: in each class, anywhere, on a lattice, or in blocks of ground.

Which pixels are drawn depends on the seed and the map alone, not on how it is read.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.workflows.points.map_classes import MapClasses

__all__ = ["Drawn", "draw_clusters", "draw_lattice", "draw_random", "draw_strata"]

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Pixels that were drawn.

    Attributes
    ----------
    rows, columns : ndarray of int64, (n,)
        Where they are on the map.
    codes : ndarray of uint8, (n,)
        Their classes on the map.
    cluster : ndarray of int64, (n,), optional
        Block that each was drawn in, from 0.
    cluster_pixels : ndarray of int64, (m,), optional
        Mapped pixels in each block.
    """

    rows: Numbers
    columns: Numbers
    codes: npt.NDArray[np.uint8]
    cluster: Numbers | None = None
    cluster_pixels: Numbers | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def shuffled(self, rng: np.random.Generator) -> "Drawn":
        """Return them in random order, so that whoever labels them cannot guess a class from the one before."""
        order = rng.permutation(len(self))
        cluster = None if self.cluster is None else self.cluster[order]
        return Drawn(self.rows[order], self.columns[order], self.codes[order], cluster, self.cluster_pixels)


def draw_strata(source: MapClasses, points: Numbers, *, rng: np.random.Generator) -> Drawn:
    """Draw pixels of each class without return.

    Parameters
    ----------
    source : MapClasses
        The map.
    points : ndarray of int, (k,)
        How many of each class, in legend order.
    rng : numpy.random.Generator
        Draws them.
    """
    pixels = source.pixels
    ranks = {
        int(code): np.sort(rng.choice(int(there), int(n), replace=False, shuffle=False))
        for code, there, n in zip(source.legend.values, pixels, points, strict=True)
        if n
    }
    return _of_ranks(source, ranks)


def draw_random(source: MapClasses, total: int, *, rng: np.random.Generator) -> Drawn:
    """Draw pixels anywhere on the map without return."""
    mapped = int(source.pixels.sum())
    return _of_ranks(source, {-1: np.sort(rng.choice(mapped, min(total, mapped), replace=False, shuffle=False))})


def draw_lattice(source: MapClasses, total: int, *, rng: np.random.Generator) -> Drawn:
    """Draw the mapped pixels on a square lattice with a random start; about `total` of them."""
    height, width = source.raster.shape
    step = max(1.0, np.sqrt(int(source.pixels.sum()) / total))
    start = rng.random(2) * step
    rows, columns = (
        np.floor(np.arange(first, side, step)).astype(np.int64)
        for first, side in zip(start, (height, width), strict=True)
    )
    grid = np.meshgrid(rows, columns, indexing="ij")
    at, across = grid[0].ravel(), grid[1].ravel()
    codes = source.at(at, across)
    return Drawn(at[codes > 0], across[codes > 0], codes[codes > 0])


def draw_clusters(source: MapClasses, clusters: int, *, side: int, per_cluster: int, rng: np.random.Generator) -> Drawn:
    """Draw blocks of ground at random, and mapped pixels without return in each.

    Parameters
    ----------
    source : MapClasses
        The map.
    clusters : int
        How many blocks; all of those with mapped pixels have the same chance.
    side : int
        Their side in pixels.
    per_cluster : int
        Pixels in each block; all that it has, if these are fewer.
    rng : numpy.random.Generator
        Draws them.

    Raises
    ------
    InputError
        If the map has fewer than two blocks.
    """
    height, width = source.raster.shape
    across = -(-width // side)
    sizes = np.zeros(-(-height // side) * across, np.int64)
    for tile, codes in source.windows():
        rows, columns = np.nonzero(codes)
        sizes += np.bincount((rows + tile.row) // side * across + columns // side, minlength=sizes.size)
    known = np.flatnonzero(sizes)
    if known.size < 2:
        raise InputError(f"{known.size} block of {side} pixels on the map", wanted="two or more", mend="smaller blocks")
    chosen = np.sort(rng.choice(known, min(clusters, known.size), replace=False))
    ranks = {
        int(block): np.sort(rng.choice(sizes[block], min(per_cluster, int(sizes[block])), replace=False))
        for block in chosen
    }
    drawn = _of_ranks(source, ranks, side=side)
    number = np.searchsorted(chosen, drawn.rows // side * across + drawn.columns // side)
    return Drawn(drawn.rows, drawn.columns, drawn.codes, number, sizes[chosen])


def _of_ranks(source: MapClasses, ranks: dict[int, Numbers], *, side: int = 0) -> Drawn:
    """Find pixels by their rank in reading order: among those of a code, of all codes (-1), or of a block of ground."""
    seen, found = dict.fromkeys(ranks, 0), []
    across = -(-source.raster.shape[1] // side) if side else 0
    for tile, codes in source.windows():
        flat = codes.ravel()
        rows, columns = np.divmod(np.flatnonzero(flat), codes.shape[1])
        keys = (rows + tile.row) // side * across + columns // side if side else flat[flat > 0].astype(np.int64)
        there = [key for key in ranks if not side or _meets(key // across, tile.row, tile.height, side)]
        for key in there:
            here = np.arange(len(rows)) if key == -1 else np.flatnonzero(keys == key)
            wanted = ranks[key][(ranks[key] >= seen[key]) & (ranks[key] < seen[key] + here.size)] - seen[key]
            seen[key] += here.size
            places = here[wanted]
            found.append(np.stack([rows[places] + tile.row, columns[places], codes[rows[places], columns[places]]]))
    rows, columns, drawn = np.concatenate(found, axis=1) if found else np.zeros((3, 0), np.int64)
    return Drawn(rows, columns, drawn.astype(np.uint8))


def _meets(block_row: int, top: int, height: int, side: int) -> bool:
    return block_row * side < top + height and (block_row + 1) * side > top
