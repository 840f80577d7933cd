"""From clusters to connected parts, tile by tile: which pixels are one part, what they sum to, and what borders on what.

Clusters of SLIC may lie in many pieces. A tile finds its own; what lies across a seam between tiles is joined
afterwards, from the edges of the tiles alone. All sums are integers, so the order of pixels does not matter.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.segments._kernel import Edges, compiled, padded

__all__ = ["Pieces", "add_parts", "cut_pieces", "find_borders", "label_parts", "seams"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Pairs = list[Int32]


@dataclass(frozen=True)
class Pieces:
    """The connected parts of one tile, numbered 1..n in reading order within it.

    Attributes
    ----------
    sums : ndarray of int64, (part, band + 1)
        Sums of the features, and pixels.
    first : ndarray of int64, (part,)
        Number of the first pixel in reading order of the scene.
    borders : ndarray of int32, (border, 2)
        Adjacent parts.
    rim : tuple of ndarray of int32, (2, pixel)
        Clusters and parts along the top, bottom, left and right edge.
    """

    sums: Int64
    first: Int64
    borders: Int32
    rim: tuple[Int32, Int32, Int32, Int32]


def cut_pieces(
    clusters: Int32, packed: npt.NDArray[np.int16], edges: Edges, bands: int, width: int, limit: int
) -> tuple[Int32, Pieces]:
    """Return the parts of a tile's clusters as a raster, and what there is to know of them.

    Parameters
    ----------
    clusters : ndarray of int32, (y, x)
        Clusters of the tile, 0 = no data.
    packed, edges : ndarray
        Features by cells, and the cells' rows and columns in the scene.
    bands, width : int
        Bands, and columns of the scene.
    limit : int
        Borders between parts of at least so many pixels are left out.
    """
    rows, columns = edges
    parts, first = label_parts(clusters, rows[0] * width + columns[0], width)
    sums = np.zeros((first.size, bands + 1), np.int64)
    add_parts(packed, parts, (rows - rows[0], columns - columns[0]), sums)
    lines = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
    top, bottom, left, right = (np.stack([clusters[line], parts[line]]) for line in lines)
    return parts, Pieces(sums[1:], first[1:], find_borders(parts, sums[:, -1], limit), (top, bottom, left, right))


@compiled
def _root(parent: Int32, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


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
                    one, other = _root(parent, parts[y - 1, x]), _root(parent, parts[y, x])
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
        root = _root(parent, node)
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
def add_parts(packed: npt.NDArray[np.int16], parts: Int32, edges: Edges, sums: Int64) -> None:
    """Add a tile's features, and its pixels in the last column, to the sums of its parts: (part, band + 1).

    `edges` are the rows and columns of cells within the tile.
    """
    rows, columns = edges
    bands = sums.shape[1] - 1
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
                    own[bands] += 1
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


RECENT = 1 << 13
"""Pairs that are remembered."""


@compiled
def is_new(seen: Int64, one: int, other: int) -> bool:
    """Tell whether a pair is not among those remembered, and remember it; the order of the two does not count."""
    low, high = np.int64(min(one, other)), np.int64(max(one, other))
    pair = (low << 32) | high
    place = ((low * 40503) ^ (high * 2531)) & (seen.size - 1)
    if seen[place] == pair:
        return False
    seen[place] = pair
    return True


def seams(pieces: list[Pieces], offsets: Int64, across: int) -> tuple[Int32, Int32]:
    """Return what meets across the seams between tiles: pairs of one cluster, to be joined, and pairs of two.

    Parameters
    ----------
    pieces : list of Pieces
        Of the tiles, row by row.
    offsets : ndarray of int64, (tile,)
        What is added to a tile's parts to number them through the scene.
    across : int
        Tiles in a row.
    """
    same: Pairs = [np.empty((0, 2), np.int32)]
    unlike: Pairs = [np.empty((0, 2), np.int32)]
    for k, piece in enumerate(pieces):
        _, bottom, _, right = piece.rim
        if k + across < len(pieces):
            _meet((bottom, pieces[k + across].rim[0]), (offsets[k], offsets[k + across]), same, unlike)
        if (k + 1) % across:
            _meet((right, pieces[k + 1].rim[2]), (offsets[k], offsets[k + 1]), same, unlike)
    return np.concatenate(same), np.concatenate(unlike)


def _meet(lines: tuple[Int32, Int32], offsets: tuple[int, int], same: Pairs, unlike: Pairs) -> None:
    """Add the pairs of parts along two lines of pixels that lie beside each other."""
    known = (lines[0][0] > 0) & (lines[1][0] > 0)
    pairs = np.stack([line[1][known] + offset for line, offset in zip(lines, offsets, strict=True)], axis=1)
    alike = lines[0][0][known] == lines[1][0][known]
    same.append(pairs[alike].astype(np.int32))
    unlike.append(pairs[~alike].astype(np.int32))
