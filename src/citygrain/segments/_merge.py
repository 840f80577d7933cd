"""From parts to segments: fragments are given to the neighbour most like them, on tables, without the raster.

Merging goes in rounds. In a round every small part finds its nearest neighbour by the means as they were before, then
all join at once: the order does not matter, and ties go to the part that comes first in reading order. So the tables
can be worked on by ranges, side by side; only what borders on another range is done in one piece.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from citygrain.segments._connect import RECENT, Pieces, _root, is_new, seams
from citygrain.segments._kernel import compiled
from citygrain.tiles import map_tiles

__all__ = ["Parts", "gather_parts", "merge_fragments", "number_parts", "renumber"]

FRACTION = 16
"""Means of parts are integers in this part of a feature unit."""

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Choice = tuple[Int32, Int64]
Table = tuple[Int64, Int64, Int32, Int64, Int32, npt.NDArray[np.bool_]]


@dataclass
class Parts:
    """The parts of a scene, numbered through; 0 is none.

    Attributes
    ----------
    sums : ndarray of int64, (part, band)
        Sums of the features.
    sizes : ndarray of int64, (part,)
        Pixels.
    means : ndarray of int32, (part, band)
        Mean features.
    first : ndarray of int64, (part,)
        Number of the first pixel in reading order.
    parent : ndarray of int32, (part,)
        The part that it has joined, itself if none.
    stale : ndarray of bool, (part,)
        Whether the sums have changed since the means were taken.
    starts : ndarray of int64, (range + 1,)
        Where the ranges begin that are worked on side by side.
    borders : list of ndarray of int32, (border, 2)
        Adjacent parts, within each range.
    across : ndarray of int32, (border, 2)
        Adjacent parts of two ranges.
    count : int
        Parts left.
    """

    sums: Int64
    sizes: Int64
    means: Int32
    first: Int64
    parent: Int32
    stale: npt.NDArray[np.bool_]
    starts: Int64
    borders: list[Int32]
    across: Int32
    count: int

    @property
    def table(self) -> Table:
        """What the compiled loops work on."""
        return self.sums, self.sizes, self.means, self.first, self.parent, self.stale


def gather_parts(pieces: list[Pieces], across: int) -> tuple[Parts, Int64]:
    """Join the parts that a seam between tiles has cut; return all parts, and what numbers a tile's through the scene.

    `across` is the number of tiles in a row; a row of tiles is a range. `pieces` is used up.
    """
    counts = [len(piece.first) for piece in pieces]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    same, unlike = seams(pieces, offsets, across)
    n, bands = int(offsets[-1]) + 1, pieces[0].sums.shape[1] - 1
    sums, sizes, first = np.zeros((n, bands), np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for piece, offset, count in zip(pieces, offsets, counts, strict=False):
        own = slice(offset + 1, offset + 1 + count)
        sums[own], sizes[own], first[own] = piece.sums[:, :-1], piece.sums[:, -1], piece.first
    rows = range(0, len(pieces), across)
    starts = offsets[[*rows, len(pieces)]] + 1
    borders = [
        np.concatenate([piece.borders + np.int32(offset) for piece, offset in zip(row, offsets[k:], strict=False)])
        for k, row in ((k, pieces[k : k + across]) for k in rows)
    ]
    pieces.clear()
    means, parent, stale = np.zeros((n, bands), np.int32), np.arange(n, dtype=np.int32), np.ones(n, bool)
    parts = Parts(sums, sizes, means, first, parent, stale, starts, borders, unlike, n - 1)
    parts.count -= _join_pairs(parts.table, same)
    return parts, offsets[:-1]


def merge_fragments(parts: Parts, smallest: int, largest: int, wanted: int, threads: int) -> None:
    """Merge small parts.

    Parts below a size that doubles from 2 pixels join the adjacent part nearest in the mean features, until none
    with a neighbour is below `smallest`. While more than `wanted` parts are left, the size grows on in small steps,
    never above `largest`. Only whole steps are taken: a count to be met exactly would tie far corners of the scene.
    """
    n = len(parts.parent)
    choice = np.zeros(n, np.int32), np.empty(n, np.int64)
    ranges = range(len(parts.borders))
    for limit in _sizes(smallest, largest):
        if limit > smallest and parts.count <= wanted:
            break
        merged = 1
        while merged > 0:
            left = map_tiles(partial(_choose, parts, choice, limit, largest), ranges, engine=threads)
            parts.across = np.concatenate([parts.across, *left])
            kept, _ = _follow(parts.across, parts.table, (0, n), (limit, largest), choice)
            parts.across = parts.across[:kept]
            merged = sum(map_tiles(partial(_join_range, parts, choice), ranges, engine=threads))
            merged += _join_across(parts.across, parts.table, choice[0])
            parts.count -= merged
            if limit != smallest:
                break


def _sizes(smallest: int, largest: int) -> Iterator[int]:
    """Yield sizes that double up to `smallest` and then grow by a sixteenth up to `largest`."""
    limit = min(2, smallest)
    while limit < smallest:
        yield limit
        limit *= 2
    limit = smallest
    while limit <= largest:
        yield limit
        limit += limit // 16 + 1


def _choose(parts: Parts, choice: Choice, limit: int, largest: int, k: int) -> Int32:
    """Let the small parts of a range find their nearest within it; return the borders that now leave the range."""
    bounds = parts.starts[k], parts.starts[k + 1]
    _take_means(parts.table, bounds)
    choice[0][slice(*bounds)] = 0
    kept, left = _follow(parts.borders[k], parts.table, bounds, (limit, largest), choice)
    parts.borders[k] = parts.borders[k][:kept]
    return left


def _join_range(parts: Parts, choice: Choice, k: int) -> int:
    return _join_within(parts.table, choice[0], parts.starts[k], parts.starts[k + 1])


@compiled
def _take_means(table: Table, bounds: tuple[int, int]) -> None:
    """Take the means of the parts of a range that have changed."""
    sums, sizes, means, _, parent, stale = table
    for part in range(bounds[0], bounds[1]):
        if stale[part]:
            stale[part] = False
            if parent[part] == part:
                _divide(sums[part], sizes[part], means[part])


@compiled
def _divide(sums: Int64, size: int, means: Int32) -> None:
    """Write the means, rounded down: by doubles, several at a time, and mended where the quotient was rounded up."""
    divisor = np.float64(size)
    for band in range(means.size):
        dividend = np.float64(FRACTION * sums[band])
        quotient = np.floor(dividend / divisor)
        means[band] = np.int32(quotient - 1.0 if quotient * divisor > dividend else quotient)


@compiled
def _follow(
    borders: Int32, table: Table, bounds: tuple[int, int], limits: tuple[int, int], choice: Choice
) -> tuple[int, Int32]:
    """Replace parts by their roots, in place, drop what can no longer join, and let the small parts choose.

    Return how many borders are left, and those of which an end lies outside `bounds`: nothing outside is written to.
    `limits` are the size below which a part chooses, and the size from which it never will.
    """
    _, sizes, _, _, parent, _ = table
    low, high = bounds
    left = np.empty_like(borders)
    seen = np.zeros(RECENT, np.int64)
    kept, gone = 0, 0
    for border in range(borders.shape[0]):
        one, other = _end(parent, borders[border, 0]), _end(parent, borders[border, 1])
        if one == other:
            continue
        smaller = min(sizes[one], sizes[other])
        if smaller >= limits[1] or not is_new(seen, one, other):
            continue
        if low <= min(one, other) and max(one, other) < high:
            borders[kept, 0], borders[kept, 1] = one, other
            kept += 1
            if smaller < limits[0]:
                _weigh(one, other, table, limits[0], choice)
        else:
            left[gone, 0], left[gone, 1] = one, other
            gone += 1
    return kept, left[:gone].copy()


@compiled
def _end(parent: Int32, node: int) -> int:
    """Return the root, and leave the way to it as it is: others may be reading it."""
    while parent[node] != node:
        node = parent[node]
    return node


@compiled
def _weigh(one: int, other: int, table: Table, limit: int, choice: Choice) -> None:
    """Let two adjacent parts, if smaller than `limit`, choose each other unless something nearer was found."""
    _, sizes, means, first, _, _ = table
    nearest, distance = choice
    apart = np.int64(0)
    for band in range(means.shape[1]):
        apart += np.int64(means[one, band] - means[other, band]) ** 2
    for _ in range(2):
        one, other = other, one
        if sizes[one] < limit and (
            nearest[one] == 0
            or apart < distance[one]
            or (apart == distance[one] and first[other] < first[nearest[one]])
        ):
            distance[one], nearest[one] = apart, other


@compiled
def _join_within(table: Table, nearest: Int32, low: int, high: int) -> int:
    """Join the parts of a range with their nearest if that lies in it too; return how many joined."""
    joined = 0
    for part in range(low, high):
        if low <= nearest[part] < high:
            joined += _join(table, part, nearest[part])
            nearest[part] = 0
    return joined


@compiled
def _join_across(borders: Int32, table: Table, nearest: Int32) -> int:
    """Join the parts that have chosen one of another range."""
    joined = 0
    for border in range(borders.shape[0]):
        for end in range(2):
            part = borders[border, end]
            if nearest[part] != 0:
                joined += _join(table, part, nearest[part])
                nearest[part] = 0
    return joined


@compiled
def _join_pairs(table: Table, pairs: Int32) -> int:
    joined = 0
    for pair in range(pairs.shape[0]):
        joined += _join(table, pairs[pair, 0], pairs[pair, 1])
    return joined


@compiled
def _join(table: Table, one: int, other: int) -> int:
    """Make two parts one, the lower number stays; return 0 if they were."""
    sums, sizes, _, first, parent, stale = table
    one, other = _root(parent, one), _root(parent, other)
    if one == other:
        return 0
    keep, gone = min(one, other), max(one, other)
    parent[gone] = keep
    first[keep] = min(first[keep], first[gone])
    sizes[keep] += sizes[gone]
    for band in range(sums.shape[1]):
        sums[keep, band] += sums[gone, band]
    stale[keep] = True
    return 1


@compiled
def _number_roots(parent: Int32, order: Int64) -> Int32:
    final = np.zeros(parent.size, np.int32)
    for k in range(order.size):
        final[order[k]] = k + 1
    for part in range(1, parent.size):
        final[part] = final[_root(parent, part)]
    return final


def number_parts(parts: Parts) -> Int32:
    """Return the segment of each part: 1..n in reading order of their first pixels."""
    roots = np.flatnonzero(parts.parent == np.arange(len(parts.parent)))[1:]
    return _number_roots(parts.parent, roots[np.argsort(parts.first[roots])])


@compiled
def renumber(parts: Int32, final: Int32, offset: int) -> None:
    """Replace a tile's parts by their segments, in place; `offset` numbers them through the scene."""
    for y in range(parts.shape[0]):
        for x in range(parts.shape[1]):
            part = parts[y, x]
            parts[y, x] = final[part + offset] if part > 0 else 0
