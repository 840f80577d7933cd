"""From parts to segments: fragments are given to the neighbour most like them, on tables, without the raster.

Merging goes in rounds. In a round every small part finds its nearest neighbour by the means as they were before, then
all join at once: the order does not matter, and ties go to the part that comes first in reading order.
"""

import numpy as np
import numpy.typing as npt

from citygrain.segments._pack import compiled

__all__ = ["RECENT", "Parts", "is_new", "join_pairs", "merge_fragments", "root_of", "table_of"]

FRACTION = 16
"""Means of parts are integers in this part of a feature unit."""

RECENT = 1 << 13
"""Pairs that are remembered, so that they are not looked at again."""

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Choice = tuple[Int32, Int64]

Parts = tuple[Int64, Int64, Int64, Int32, Int32, Bools, Bools]
"""A table of parts, of which 0 is none: sums of the features (part, band), pixels, number of the first pixel, the part
that it has joined (itself if none), mean features (part, band), whether the sums have changed since the means were
taken, and whether the part has to wait: it may be joined but joins none."""


def table_of(sums: Int64, sizes: Int64, first: Int64, waiting: Bools) -> Parts:
    """Return a table of parts of which none has joined another."""
    means = np.zeros(sums.shape, np.int32)
    return sums, sizes, first, np.arange(len(sizes), dtype=np.int32), means, np.ones(len(sizes), np.bool_), waiting


@compiled
def merge_fragments(borders: Int32, parts: Parts, limits: tuple[int, int, int]) -> int:
    """Merge small parts; `borders` is left with what of it still counts, return how many.

    `limits` are a smallest and a largest size and a number of parts. Parts below a size that doubles from 2 pixels
    join the adjacent part nearest in the mean features, until none that may is below the smallest. While more parts
    are left than wanted, the size grows on in small steps, never above the largest. Only whole steps are taken: a
    count to be met exactly would tie far corners of the scene.
    """
    smallest, largest, wanted = limits
    n = parts[1].size
    choice = np.zeros(n, np.int32), np.empty(n, np.int64)
    count = 0
    for part in range(1, n):
        count += parts[3][part] == part
    kept = len(borders)
    limit = min(2, smallest)
    while limit <= largest and (limit <= smallest or count > wanted):
        _take_means(parts)
        kept = _follow(borders[:kept], parts, (limit, largest), choice)
        merged = _join_chosen(parts, choice[0])
        count -= merged
        if limit < smallest:
            limit = min(2 * limit, smallest)
        elif limit > smallest or merged == 0:
            limit += limit // 16 + 1
    return kept


@compiled
def _take_means(parts: Parts) -> None:
    """Take the means of the parts that have changed."""
    sums, sizes, _, parent, means, stale, _ = parts
    for part in range(1, sizes.size):
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
def _follow(borders: Int32, parts: Parts, limits: tuple[int, int], choice: Choice) -> int:
    """Replace parts by their roots, in place, drop what can no longer join, and let the small parts choose.

    `limits` are the size below which a part chooses, and the size from which it never will. Return how many are left.
    """
    sizes, parent = parts[1], parts[3]
    seen = np.zeros(RECENT, np.int64)
    kept = 0
    for border in range(borders.shape[0]):
        one, other = root_of(parent, borders[border, 0]), root_of(parent, borders[border, 1])
        if one == other:
            continue
        smaller = min(sizes[one], sizes[other])
        if smaller >= limits[1] or not is_new(seen, one, other):
            continue
        borders[kept, 0], borders[kept, 1] = one, other
        kept += 1
        if smaller < limits[0]:
            _weigh(one, other, parts, limits[0], choice)
    return kept


@compiled
def _weigh(one: int, other: int, parts: Parts, limit: int, choice: Choice) -> None:
    """Let two adjacent parts, if smaller than `limit`, choose each other unless something nearer was found."""
    _, sizes, first, _, means, _, waiting = parts
    nearest, distance = choice
    apart = np.int64(0)
    for band in range(means.shape[1]):
        apart += np.int64(means[one, band] - means[other, band]) ** 2
    for _ in range(2):
        one, other = other, one
        if sizes[one] >= limit or waiting[one]:
            continue
        tie = nearest[one] != 0 and apart == distance[one] and first[other] < first[nearest[one]]
        if nearest[one] == 0 or apart < distance[one] or tie:
            distance[one], nearest[one] = apart, other


@compiled
def _join_chosen(parts: Parts, nearest: Int32) -> int:
    """Join all parts with what they have chosen, and forget it; return how many joined."""
    joined = 0
    for part in range(1, nearest.size):
        if nearest[part] != 0:
            joined += _join(parts, part, nearest[part])
            nearest[part] = 0
    return joined


@compiled
def join_pairs(parts: Parts, pairs: Int32) -> None:
    """Join pairs of parts, (pair, 2)."""
    for pair in range(pairs.shape[0]):
        _join(parts, pairs[pair, 0], pairs[pair, 1])


@compiled
def _join(parts: Parts, one: int, other: int) -> int:
    """Make two parts one, the lower number stays; return 0 if they were."""
    sums, sizes, first, parent, _, stale, waiting = parts
    one, other = root_of(parent, one), root_of(parent, other)
    if one == other:
        return 0
    keep, gone = min(one, other), max(one, other)
    parent[gone] = keep
    first[keep] = min(first[keep], first[gone])
    sizes[keep] += sizes[gone]
    for band in range(sums.shape[1]):
        sums[keep, band] += sums[gone, band]
    waiting[keep] |= waiting[gone]
    stale[keep] = True
    return 1


@compiled
def root_of(parent: Int32, node: int) -> int:
    """Return the part that a part has joined in the end, and shorten the way to it."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


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
