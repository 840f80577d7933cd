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
Table = tuple[Int64, Int32, Int64, Int32]


@dataclass
class Parts:
    """The parts of a scene, numbered through; 0 is none.

    Attributes
    ----------
    sums : ndarray of int64, (part, band + 1)
        Sums of the features, and pixels.
    means : ndarray of int32, (part, band)
        Mean features.
    first : ndarray of int64, (part,)
        Number of the first pixel in reading order.
    parent : ndarray of int32, (part,)
        The part that it has joined, itself if none.
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
    means: Int32
    first: Int64
    parent: Int32
    starts: Int64
    borders: list[Int32]
    across: Int32
    count: int

    @property
    def table(self) -> Table:
        """What the compiled loops work on."""
        return self.sums, self.means, self.first, self.parent


def gather_parts(pieces: list[Pieces], across: int) -> tuple[Parts, Int64]:
    """Number the parts of all tiles through, join those that a seam has cut; return them and the tiles' offsets.

    `across` is the number of tiles in a row; a row of tiles is a range. `pieces` is used up.
    """
    counts = [len(piece.first) for piece in pieces]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    same, unlike = seams(pieces, offsets, across)
    n, bands = int(offsets[-1]), pieces[0].sums.shape[1] - 1
    sums, first = np.zeros((n + 1, bands + 1), np.int64), np.zeros(n + 1, np.int64)
    for piece, offset, count in zip(pieces, offsets, counts, strict=False):
        sums[offset + 1 : offset + 1 + count], first[offset + 1 : offset + 1 + count] = piece.sums, piece.first
    rows = range(0, len(pieces), across)
    starts = offsets[[*rows, len(pieces)]] + 1
    borders = [
        np.concatenate([piece.borders + np.int32(offset) for piece, offset in zip(row, offsets[k:], strict=False)])
        for k, row in ((k, pieces[k : k + across]) for k in rows)
    ]
    pieces.clear()
    means = np.zeros((n + 1, bands), np.int32)
    parts = Parts(sums, means, first, np.arange(n + 1, dtype=np.int32), starts, borders, unlike, n)
    _mean_features(sums, means)
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
            found = map_tiles(partial(_choose, parts, choice, limit, largest), ranges, engine=threads)
            parts.across = np.concatenate([_follow_across(parts, largest), *found])
            _find_nearest(parts.across, parts.table, limit, choice)
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


def _choose(parts: Parts, choice: tuple[Int32, Int64], limit: int, largest: int, k: int) -> Int32:
    """Let the small parts of a range find their nearest within it; return the borders that now leave the range."""
    low, high = parts.starts[k], parts.starts[k + 1]
    kept, left = _follow(parts.borders[k], parts.table, (low, high), largest)
    parts.borders[k] = parts.borders[k][:kept]
    choice[0][low:high] = 0
    _find_nearest(parts.borders[k], parts.table, limit, choice)
    return left


def _follow_across(parts: Parts, largest: int) -> Int32:
    kept, _ = _follow(parts.across, parts.table, (0, len(parts.parent)), largest)
    return parts.across[:kept]


def _join_range(parts: Parts, choice: tuple[Int32, Int64], k: int) -> int:
    return _join_within(parts.table, choice[0], parts.starts[k], parts.starts[k + 1])


@compiled
def _mean_features(sums: Int64, means: Int32) -> None:
    bands = means.shape[1]
    for part in range(1, sums.shape[0]):
        for band in range(bands):
            means[part, band] = FRACTION * sums[part, band] // sums[part, bands]


@compiled
def _find_nearest(borders: Int32, table: Table, limit: int, choice: tuple[Int32, Int64]) -> None:
    """Note for each part of less than `limit` pixels the adjacent part with the nearest mean, if nearer than noted."""
    sums, means, first, _ = table
    nearest, distance = choice
    bands = means.shape[1]
    for border in range(borders.shape[0]):
        one, other = borders[border, 0], borders[border, 1]
        if sums[one, bands] >= limit and sums[other, bands] >= limit:
            continue
        apart = np.int64(0)
        for band in range(bands):
            apart += np.int64(means[one, band] - means[other, band]) ** 2
        for _ in range(2):
            one, other = other, one
            if sums[one, bands] < limit and (
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
    sums, means, first, parent = table
    bands = means.shape[1]
    one, other = _root(parent, one), _root(parent, other)
    if one == other:
        return 0
    keep, gone = min(one, other), max(one, other)
    parent[gone] = keep
    first[keep] = min(first[keep], first[gone])
    for column in range(bands + 1):
        sums[keep, column] += sums[gone, column]
    for band in range(bands):
        means[keep, band] = FRACTION * sums[keep, band] // sums[keep, bands]
    return 1


@compiled
def _follow(borders: Int32, table: Table, bounds: tuple[int, int], largest: int) -> tuple[int, Int32]:
    """Replace parts by their roots, in place, and drop what can no longer join; return how many borders are left.

    The second result are the borders of which an end lies outside `bounds`. Nothing outside is written to.
    """
    sums, means, _, parent = table
    low, high = bounds
    size = means.shape[1]
    left = np.empty_like(borders)
    seen = np.zeros(RECENT, np.int64)
    kept, gone = 0, 0
    for border in range(borders.shape[0]):
        one, other = _end(parent, borders[border, 0]), _end(parent, borders[border, 1])
        if one == other or min(sums[one, size], sums[other, size]) >= largest or not is_new(seen, one, other):
            continue
        if low <= min(one, other) and max(one, other) < high:
            borders[kept, 0], borders[kept, 1] = one, other
            kept += 1
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
