"""From clusters to segments: connected parts, and fragments given to the neighbour most like them.

Clusters of SLIC may lie in many pieces. Connectivity is not local, so it is solved once on the whole raster, after
the tiles are joined; nothing here knows of tiles. All sums and means are integers: neither the order of the pixels
nor that of the bands matters, and ties go to the part that comes first in reading order.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from citygrain.segments._kernel import Edges, compiled, padded

__all__ = [
    "add_parts",
    "find_borders",
    "find_nearest",
    "follow",
    "join_nearest",
    "label_parts",
    "merge_fragments",
    "renumber",
]

FRACTION = 16
"""Means of parts are integers in this part of a feature unit."""

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@compiled
def _root(parent: Int32, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@compiled
def _join(parent: Int32, one: int, other: int) -> None:
    one, other = _root(parent, one), _root(parent, other)
    parent[max(one, other)] = min(one, other)


@compiled
def label_parts(clusters: Int32) -> tuple[Int32, int]:
    """Return the 4-connected parts of equal clusters, 1..n in reading order, 0 where the cluster is 0, and n."""
    height, width = clusters.shape
    parts = np.zeros((height, width), np.int32)
    parent = np.zeros(_count_starts(clusters) + 1, np.int32)
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
                    _join(parent, parts[y - 1, x], parts[y, x])
            elif above:
                parts[y, x] = parts[y - 1, x]
            else:
                n += 1
                parent[n] = n
                parts[y, x] = n
    return parts, _flatten(parts, parent[: n + 1])


@compiled
def _count_starts(clusters: Int32) -> int:
    """Count the pixels that differ from the ones above and to the left: no more provisional labels are needed."""
    count = 0
    for y in range(clusters.shape[0]):
        for x in range(clusters.shape[1]):
            differs = x == 0 or clusters[y, x - 1] != clusters[y, x]
            if differs and (y == 0 or clusters[y - 1, x] != clusters[y, x]):
                count += 1
    return count


@compiled
def _flatten(parts: Int32, parent: Int32) -> int:
    """Replace provisional labels by their roots, numbered 1..n in order; return n."""
    final = np.zeros(parent.size, np.int32)
    n = 0
    for node in range(1, parent.size):
        root = _root(parent, node)
        if root == node:  # a root is the least of its labels, so it comes before the others
            n += 1
            final[node] = n
        else:
            final[node] = final[root]
    for y in range(parts.shape[0]):
        for x in range(parts.shape[1]):
            parts[y, x] = final[parts[y, x]]
    return n


@compiled
def add_parts(packed: npt.NDArray[np.int16], parts: Int32, edges: Edges, sums: Int64) -> None:
    """Add a block's features, and its pixels in the last column, to the sums of the parts: (part, band + 1)."""
    rows, columns = edges
    bands = sums.shape[1] - 1
    depth = bands + bands % 2
    at = 0
    for i in range(rows.size - 1):
        for j in range(columns.size - 1):
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            n = padded(height, width)
            for p in range(height * width):
                part = parts[rows[i] + p // width, columns[j] + p % width]
                if part > 0:
                    for band in range(bands):
                        sums[part, band] += packed[at * depth + ((band >> 1) * n + p) * 2 + (band & 1)]
                    sums[part, bands] += 1
            at += n


@compiled
def find_borders(parts: Int32, sizes: Int64, limit: int) -> Int32:
    """Return pairs (border, 2) of adjacent parts of which at least one is smaller than `limit` pixels.

    A pair may come more than once, but not for each pixel of a straight border.
    """
    small = sizes < limit
    borders = np.empty((_visit_borders(parts, small, np.empty((0, 2), np.int32)), 2), np.int32)
    _visit_borders(parts, small, borders)
    return borders


@compiled
def _visit_borders(parts: Int32, small: npt.NDArray[np.bool_], borders: Int32) -> int:
    """Count the borders, to the right and below, and write them where there is room."""
    height, width = parts.shape
    count = 0
    for y in range(height):
        for x in range(width):
            here = parts[y, x]
            if here == 0:
                continue
            right = parts[y, x + 1] if x + 1 < width else here
            below = parts[y + 1, x] if y + 1 < height else here
            new_right = not (y > 0 and x + 1 < width and parts[y - 1, x] == here and parts[y - 1, x + 1] == right)
            new_below = not (x > 0 and y + 1 < height and parts[y, x - 1] == here and parts[y + 1, x - 1] == below)
            for there, new in ((right, new_right), (below, new_below)):
                if new and there != here and there != 0 and (small[here] or small[there]):  # noqa: PLR1714 - compiled
                    if count < len(borders):
                        borders[count, 0], borders[count, 1] = here, there
                    count += 1
    return count


def merge_fragments(borders: Int32, sums: Int64, smallest: int, largest: int, wanted: int) -> Int32:
    """Return for each part the one it is merged into.

    Parts below a size that doubles from 2 pixels join the adjacent part nearest in the mean features, until none
    with a neighbour is below `smallest`. While more than `wanted` parts are left, the size grows on in small steps,
    never above `largest`. Only whole steps are taken: a count to be met exactly would tie far corners of the scene.
    `sums` is used up.
    """
    parent = np.arange(len(sums), dtype=np.int32)
    sizes, means = sums[:, -1].copy(), mean_features(sums)
    count = len(sums) - 1
    for limit in _sizes(smallest, largest):
        if limit > smallest and count <= wanted:
            break
        merged = 1
        while merged > 0:
            nearest = find_nearest(borders, sizes, means, limit)
            merged = join_nearest(parent, nearest, sums, sizes, means)
            borders = borders[: follow(borders, parent)]
            count -= merged
            if limit != smallest:
                break
    return parent


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


@compiled
def mean_features(sums: Int64) -> Int32:
    """Return the mean features (part, band) of the parts."""
    bands = sums.shape[1] - 1
    means = np.zeros((sums.shape[0], bands), np.int32)
    for part in range(1, sums.shape[0]):
        for band in range(bands):
            means[part, band] = FRACTION * sums[part, band] // sums[part, bands]
    return means


@compiled
def find_nearest(borders: Int32, sizes: Int64, means: Int32, limit: int) -> Int32:
    """Return for each part of less than `limit` pixels the adjacent part with the nearest mean, 0 for the others."""
    nearest = np.zeros(sizes.size, np.int32)
    distance = np.empty(sizes.size, np.int64)
    for border in range(borders.shape[0]):
        one, other = borders[border, 0], borders[border, 1]
        if sizes[one] >= limit and sizes[other] >= limit:
            continue
        apart = np.int64(0)
        for band in range(means.shape[1]):
            apart += np.int64(means[one, band] - means[other, band]) ** 2
        for _ in range(2):
            one, other = other, one
            if sizes[one] < limit and (
                nearest[one] == 0 or apart < distance[one] or (apart == distance[one] and other < nearest[one])
            ):
                distance[one], nearest[one] = apart, other
    return nearest


@compiled
def join_nearest(parent: Int32, nearest: Int32, sums: Int64, sizes: Int64, means: Int32) -> int:
    """Join each part with its nearest, where it has one; return how many joined. The order does not matter."""
    bands = means.shape[1]
    joined = 0
    for part in range(1, nearest.size):
        if nearest[part] == 0:
            continue
        one, other = _root(parent, part), _root(parent, nearest[part])
        if one != other:
            keep, gone = min(one, other), max(one, other)
            parent[gone] = keep
            for column in range(bands + 1):
                sums[keep, column] += sums[gone, column]
            sizes[keep] = sums[keep, bands]
            for band in range(bands):
                means[keep, band] = FRACTION * sums[keep, band] // sizes[keep]
            joined += 1
    return joined


@compiled
def follow(borders: Int32, parent: Int32) -> int:
    """Replace parts by their roots, drop what is within one root, in place; return how many borders are left."""
    kept = 0
    for border in range(borders.shape[0]):
        one, other = _root(parent, borders[border, 0]), _root(parent, borders[border, 1])
        if one != other:
            borders[kept, 0], borders[kept, 1] = one, other
            kept += 1
    return kept


@compiled
def renumber(parts: Int32, parent: Int32) -> int:
    """Replace each part by its root, numbered 1..n in reading order, in place; return n."""
    final = np.zeros(parent.size, np.int32)
    n = 0
    for y in range(parts.shape[0]):
        for x in range(parts.shape[1]):
            if parts[y, x] > 0:
                root = _root(parent, parts[y, x])
                if final[root] == 0:
                    n += 1
                    final[root] = n
                parts[y, x] = final[root]
    return n
