"""From the pieces of the blocks to the segments of the scene: joined over the seams, merged, numbered."""

import numpy as np
import numpy.typing as npt

from citygrain.segments._connect import Pieces
from citygrain.segments._merge import join_pairs, merge_fragments, root_of, table_of
from citygrain.segments._pack import compiled

__all__ = ["join_blocks", "renumber"]

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Pairs = list[Int32]


def join_blocks(pieces: list[Pieces], across: int, limits: tuple[int, int, int]) -> tuple[list[Int32], int]:
    """Join the pieces of one cluster over the seams, merge fragments, number the segments.

    Parameters
    ----------
    pieces : list of Pieces
        Of the blocks, row by row; it is used up.
    across : int
        Blocks in a row.
    limits : tuple of int
        Smallest and largest size and number of segments, see `merge_fragments`.

    Returns
    -------
    list of ndarray of int32, (piece + 1,)
        For each block the segments of its pieces: 1..n in reading order of their first pixels; 0 of no piece.
    int
        Number of segments.
    """
    counts = np.array([len(piece.sizes) for piece in pieces])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    same, borders = _find_seams(pieces, offsets, across)
    borders = np.concatenate([borders, *(p.borders + np.int32(o) for p, o in zip(pieces, offsets, strict=False))])
    bands = pieces[0].sums.shape[1]
    sums = np.concatenate([np.zeros((1, bands), np.int64), *(piece.sums for piece in pieces)])
    none = np.zeros(1, np.int64)
    sizes = np.concatenate([none, *(piece.sizes for piece in pieces)])
    first = np.concatenate([none, *(piece.first for piece in pieces)])
    pieces.clear()
    parts = table_of(sums, sizes, first, np.zeros(len(sizes), np.bool_))
    join_pairs(parts, same)
    merge_fragments(borders, parts, limits)
    parent = parts[3]
    roots = np.flatnonzero(parent == np.arange(len(parent)))[1:]
    final = _number_segments(parent, roots[np.argsort(first[roots])])
    zero = np.zeros(1, np.int32)
    tables = [np.concatenate([zero, final[o + 1 : o + 1 + n]]) for o, n in zip(offsets, counts, strict=False)]
    return tables, len(roots)


def _find_seams(pieces: list[Pieces], offsets: Int64, across: int) -> tuple[Int32, Int32]:
    """Return what meets across the seams between blocks: pairs of one cluster, to be joined, and pairs of two.

    `offsets` number a block's pieces through the scene.
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
    """Add the pairs of pieces along two lines of pixels that lie beside each other."""
    known = (lines[0][0] > 0) & (lines[1][0] > 0)
    pairs = np.stack([line[1][known] + offset for line, offset in zip(lines, offsets, strict=True)], axis=1)
    alike = lines[0][0][known] == lines[1][0][known]
    same.append(pairs[alike].astype(np.int32))
    unlike.append(pairs[~alike].astype(np.int32))


@compiled
def _number_segments(parent: Int32, order: Int64) -> Int32:
    final = np.zeros(parent.size, np.int32)
    for k in range(order.size):
        final[order[k]] = k + 1
    for part in range(1, parent.size):
        final[part] = final[root_of(parent, part)]
    return final


@compiled
def renumber(raster: Int32, final: Int32) -> None:
    """Replace a block's pieces by their segments, in place."""
    for y in range(raster.shape[0]):
        for x in range(raster.shape[1]):
            raster[y, x] = final[raster[y, x]]
