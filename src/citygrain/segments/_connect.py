"""From clusters to connected pieces, block by block: a block finds its pieces and merges those that lie within.

Clusters of SLIC may lie in many pieces, most of them tiny. Connectivity is not local, but nearly: fragments that do
not touch the edge of their block are given to a neighbour at once, so that what is left to do for the whole scene is
no larger than the table of its segments. The blocks are fixed to the lattice, so the result knows nothing of tiles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.segments._merge import RECENT, is_new, merge_fragments, root_of, table_of
from citygrain.segments._pack import Edges, compiled, padded

__all__ = ["Pieces", "add_parts", "cut_pieces", "find_borders", "label_parts"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Sides = tuple[bool, bool, bool, bool]

LINES: tuple[Any, ...] = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
"""The top, bottom, left and right edge of a block."""

NO_NUMBER = 2**62
"""More parts than there can be."""


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of one block, numbered from 1.

    Attributes
    ----------
    sums : ndarray of int64, (piece, band)
        Sums of the features.
    sizes : ndarray of int64, (piece,)
        Pixels.
    first : ndarray of int64, (piece,)
        Number of the first pixel in reading order of the scene.
    borders : ndarray of int32, (border, 2)
        Adjacent pieces.
    rim : tuple of ndarray of int32, (2, pixel)
        Clusters and pieces along the top, bottom, left and right edge.
    """

    sums: Int64
    sizes: Int64
    first: Int64
    borders: Int32
    rim: tuple[Int32, Int32, Int32, Int32]


def cut_pieces(
    clusters: Int32,
    packed: npt.NDArray[np.int16],
    edges: Edges,
    shape: tuple[int, int, int],
    *,
    limits: tuple[int, int],
) -> tuple[Int32, Pieces]:
    """Return the pieces of a block as a raster, and what there is to know of them.

    Parameters
    ----------
    clusters : ndarray of int32, (y, x)
        Clusters of the block, 0 = no data.
    packed, edges : ndarray
        Features by cells, and the cells' rows and columns in the scene.
    shape : tuple of int
        Bands, rows and columns of the scene.
    limits : tuple of int
        Fragments below the first size are merged, unless they touch a neighbouring block; borders between pieces of
        the second size are left out.
    """
    rows, columns = edges
    bands, height, width = shape
    raster, first = label_parts(clusters, rows[0] * width + columns[0], width)
    waiting = np.zeros(first.size, np.bool_)
    sides = rows[0] > 0, rows[-1] < height, columns[0] > 0, columns[-1] < width
    for line, beside in zip(LINES, sides, strict=True):
        if beside:
            waiting[raster[line]] = True
    sums, sizes = np.zeros((first.size, bands), np.int64), np.zeros(first.size, np.int64)
    add_parts(packed, raster, (rows - rows[0], columns - columns[0]), (sums, sizes))
    parts = table_of(sums, sizes, first, waiting)
    borders = find_borders(raster, sizes, limits[1])
    borders = borders[: merge_fragments(borders, parts, (*limits, NO_NUMBER))]
    roots = _number_roots(raster, borders, parts[3])
    top, bottom, left, right = (np.stack([clusters[line], raster[line]]) for line in LINES)
    return raster, Pieces(sums[roots], sizes[roots], first[roots], borders.copy(), (top, bottom, left, right))


@compiled
def _number_roots(raster: Int32, borders: Int32, parent: Int32) -> Int64:
    """Give the parts that are left the numbers 1..n, in raster and borders; return which they were."""
    final, roots = np.zeros(parent.size, np.int32), np.empty(parent.size, np.int64)
    n = 0
    for part in range(1, parent.size):
        root = root_of(parent, part)
        if root == part:  # the least of its parts, so it comes before them
            roots[n] = part
            n += 1
            final[part] = n
        else:
            final[part] = final[root]
    for y in range(raster.shape[0]):
        for x in range(raster.shape[1]):
            raster[y, x] = final[raster[y, x]]
    for border in range(borders.shape[0]):
        borders[border, 0], borders[border, 1] = final[borders[border, 0]], final[borders[border, 1]]
    return roots[:n].copy()


@compiled
def label_parts(clusters: Int32, corner: int, across: int) -> tuple[Int32, Int64]:
    """Return the 4-connected parts of equal clusters, 1..n in reading order, 0 where the cluster is 0, and where.

    The second result is the number of each part's first pixel, where the tile's first has the number `corner` and
    the scene is `across` pixels wide.
    """
    height, width = clusters.shape
    parts = np.zeros((height, width), np.int32)
    parent, first = np.empty(clusters.size + 1, np.int32), np.empty(clusters.size + 1, np.int64)
    parent[0] = 0
    n = 0
    for y in range(height):
        for x in range(width):
            cluster = clusters[y, x]
            if cluster == 0:
                continue
            left = x > 0 and clusters[y, x - 1] == cluster
            above = y > 0 and clusters[y - 1, x] == cluster
            if left:
                parts[y, x] = parts[y, x - 1]
                if above and parts[y - 1, x] != parts[y, x]:
                    one, other = root_of(parent, parts[y - 1, x]), root_of(parent, parts[y, x])
                    parent[max(one, other)] = min(one, other)
            elif above:
                parts[y, x] = parts[y - 1, x]
            else:
                n += 1
                parent[n], first[n] = n, corner + y * across + x
                parts[y, x] = n
    count = _flatten(parts, parent[: n + 1], first)
    return parts, first[: count + 1].copy()


@compiled
def _flatten(parts: Int32, parent: Int32, first: Int64) -> int:
    """Replace provisional labels by their roots, numbered 1..n in order; return n."""
    final = np.zeros(parent.size, np.int32)
    n = 0
    for node in range(1, parent.size):
        root = root_of(parent, node)
        if root == node:  # a root is the least of its labels, so it comes before the others
            n += 1
            final[node], first[n] = n, first[node]
        else:
            final[node] = final[root]
    for y in range(parts.shape[0]):
        for x in range(parts.shape[1]):
            parts[y, x] = final[parts[y, x]]
    return n


@compiled
def add_parts(packed: npt.NDArray[np.int16], parts: Int32, edges: Edges, totals: tuple[Int64, Int64]) -> None:
    """Add a block's features to the sums of its parts, (part, band), and its pixels to their sizes.

    `edges` are the rows and columns of cells within the block.
    """
    rows, columns = edges
    sums, sizes = totals
    bands = sums.shape[1]
    depth = bands + bands % 2
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            n = padded(height, width)
            for y in range(height):
                for x in range(width):
                    part = parts[rows[i] + y, columns[j] + x]
                    if part == 0:
                        continue
                    own, p = sums[part], y * width + x
                    for band in range(bands):
                        own[band] += packed[at * depth + ((band >> 1) * n + p) * 2 + (band & 1)]
                    sizes[part] += 1
            at += n


@compiled
def find_borders(parts: Int32, sizes: Int64, limit: int) -> Int32:
    """Return pairs (border, 2) of adjacent parts of which at least one is smaller than `limit` pixels.

    A pair may come more than once, but seldom: the latest pairs are remembered.
    """
    height, width = parts.shape
    borders = np.empty((2 * parts.size, 2), np.int32)
    seen = np.zeros(RECENT, np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            here = parts[y, x]
            for step in range(2):
                down, right = y + step, x + 1 - step
                there = parts[down, right] if down < height and right < width else here
                if here == there or min(here, there) == 0 or min(sizes[here], sizes[there]) >= limit:
                    continue
                if is_new(seen, here, there):
                    borders[count, 0], borders[count, 1] = here, there
                    count += 1
    return borders[:count].copy()
