"""Batches for training: drawn by epoch from one seed, so that a training resumed at an epoch sees the same rows.

Rows are prepared once and indexed as one tensor where they fit in memory. Where they do not, they are read in blocks
that lie together in the file, several blocks from all over it mixed at a time: a loader that fetches single rows costs
more than the network.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from citygrain.models.augment import blend, cut_windows, jitter, move, turn_in_turn
from citygrain.models.normalisation import SEGMENT, Normalisation
from citygrain.models.recipe import Recipe
from citygrain.samples.samples import Samples

__all__ = ["Batch", "Feed", "draw_counts", "prepare", "shares", "spread_seed"]

Piece = tuple[Tensor, Tensor]
"""Values, row numbers."""
Batch = tuple[Tensor, Tensor, Tensor]
"""Values, target columns (n,) or blended labels (n, k), row weights."""

_IN_MEMORY = 2 * 2**30
"""Bytes of prepared rows up to which they are held in memory."""
_BLOCK, _MIXED = 128, 16
"""Rows of a block, and blocks that are mixed: 2,048 rows of 32 x 32 x 18 float32 take 151 MB."""
_GHOST = 1e-30
"""Weight of a row that stands in for none, where a batch has fewer rows than there are processes."""
_LEAST_WINDOW = 24
"""Pixels below which a window would show too little: 240 m of Sentinel-2."""


def prepare(x: npt.NDArray[np.float32], normalisation: Normalisation, *, half: bool) -> Tensor:
    """Return rows as the network takes them: scaled, channels last, bfloat16 if `half`."""
    rows = torch.from_numpy(normalisation.apply(np.asarray(x, np.float32)))
    if half:
        rows = rows.to(torch.bfloat16)
    return rows.contiguous(memory_format=torch.channels_last) if rows.ndim == 4 else rows


def draw_counts(columns: npt.NDArray[np.int64], sampling: float, *, offset: float = 0.0) -> npt.NDArray[np.int64]:
    """Return how often an epoch draws each row, so that rare classes come more often; the sum stays about n.

    Parameters
    ----------
    columns : ndarray of int, (n,)
        Class of each row.
    sampling : float
        0 draws each row once, 1 each class as often as any other, between them its root.
    offset : float
        0 to 1; moves the rows that come once more than their neighbours, from epoch to epoch.

    Examples
    --------
    >>> draw_counts(np.array([0, 0, 0, 0, 0, 0, 1, 1]), 1.0).tolist()
    [0, 1, 1, 0, 1, 1, 2, 2]
    """
    counts = np.bincount(columns)
    shares = np.where(counts > 0, np.maximum(counts, 1) ** (1.0 - sampling), 0.0)
    quota = np.maximum(np.rint(shares / shares.sum() * len(columns)), 1)
    times = (quota / np.maximum(counts, 1))[columns]
    order = np.argsort(columns, kind="stable")
    rank = np.empty(len(columns))
    rank[order] = np.arange(len(columns)) - (np.cumsum(counts) - counts)[columns[order]]  # 0, 1, ... in each class
    grain = 1e-9  # so that n times quota / n is not a hair below the quota
    drawn = np.floor((rank + 1) * times + offset + grain) - np.floor(rank * times + offset + grain)
    return np.asarray(drawn, np.int64)


class Feed:
    """The batches of an epoch; set `epoch` before iterating.

    Several processes that train together each have the same feed with another `share`, (which, of how many): each gets
    its part of each batch, with draws of its own. All have as many batches.

    Parameters
    ----------
    samples : Samples
        Labelled rows.
    columns : ndarray of int, (n,)
        Target column of each row.
    weights : ndarray of float, (n,)
        Weight of each row in the loss.
    normalisation : Normalisation
        Applied to each row.
    recipe : Recipe
        Batch size, augmentation, rows of an epoch.
    seed : int or None
        None gives every row once, in order, unchanged: for validation.
    half : bool
        Give bfloat16.
    """

    def __init__(
        self,
        samples: Samples,
        columns: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float32],
        *,
        normalisation: Normalisation,
        recipe: Recipe,
        seed: int | None,
        half: bool,
    ) -> None:
        self.epoch, self.share = 0, (0, 1)
        self.samples, self.normalisation, self._recipe = samples, normalisation, recipe
        self.columns, self._classes = columns, int(columns.max()) + 1
        self._targets, self._weights = torch.from_numpy(columns), torch.from_numpy(weights.astype(np.float32))
        self._seed, self._half = seed, half
        self._batch = recipe.batch if seed is not None else 512
        self._mask = samples.features.index(SEGMENT) if SEGMENT in samples.features else None
        fits = (2 if half else 4) * int(np.prod(samples.x.shape)) <= _IN_MEMORY
        self._rows = self._all() if fits else None

    def __len__(self) -> int:
        return math.ceil(int(self._times(0).sum()) / self._batch)

    def __iter__(self) -> Iterator[Batch]:
        return _one_ahead(self._batches())

    def _batches(self) -> Iterator[Batch]:
        rank, world = self.share
        rng = torch.Generator().manual_seed(spread_seed(self._seed or 0, self.epoch, *([rank] if world > 1 else [])))
        spare: Piece | None = None
        for values, index in self._pieces(self.epoch):
            if spare is not None and not len(index):
                yield *self._vary(spare[0], self._targets[spare[1]], rng), torch.full((1,), _GHOST)
                continue
            spare = values[:1], index[:1]
            targets, weights = self._targets[index], self._weights[index]
            if self._seed is None:
                yield values, targets, weights
            else:
                yield *self._vary(values, targets, rng), weights

    def __getstate__(self) -> dict[str, Any]:
        """Rows in memory travel as they are prepared, and as plain bytes: shared memory may be short."""
        state = self.__dict__ | {"_targets": None, "_weights": self._weights.numpy()}
        if self._rows is not None:
            bits = self._rows.view(torch.int16) if self._half else self._rows
            state["_rows"] = bits.movedim(1, -1).contiguous().numpy()
            state["samples"] = None  # all that is asked of them is prepared
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up what was sent."""
        self.__dict__.update(state)
        self._targets, self._weights = torch.from_numpy(self.columns), torch.from_numpy(state["_weights"])
        if state["_rows"] is not None:
            bits = torch.from_numpy(state["_rows"]).movedim(-1, 1)
            self._rows = bits.view(torch.bfloat16) if self._half else bits

    def _all(self) -> Tensor:
        """Prepare all rows, some at a time."""
        parts = []
        for start in range(0, len(self.columns), 1024):
            rows = np.asarray(self.samples.x[start : start + 1024], np.float32)
            parts.append(prepare(rows, self.normalisation, half=self._half))
        together = torch.cat(parts)
        return together.contiguous(memory_format=torch.channels_last) if together.ndim == 4 else together

    def _times(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return how often each row is drawn."""
        n = len(self.columns)
        if self._seed is None:
            return np.ones(n, np.int64)
        rounds = max(1, -(-self._recipe.least_rows // n))
        if self._recipe.sampling == 0:
            return np.full(n, rounds)
        offset = (spread_seed(self._seed, epoch) % 1009) / 1009
        return rounds * draw_counts(self.columns, self._recipe.sampling, offset=offset)

    def _pieces(self, epoch: int) -> Iterator[Piece]:
        """Give values and row numbers of each batch, in the order of the epoch."""
        rank, world = self.share
        if self._rows is not None:
            for whole in torch.split(self._order(epoch), self._batch):
                index = whole if world == 1 else whole[shares(len(whole), world)[rank]]
                yield self._rows[index], index
        elif self._seed is None:
            for rows in np.array_split(np.arange(len(self.columns)), math.ceil(len(self.columns) / self._batch)):
                yield self._take(rows), torch.from_numpy(rows)
        else:
            yield from self._mixed(epoch)

    def _order(self, epoch: int) -> Tensor:
        times = self._times(epoch)
        if self._seed is None:
            return torch.arange(len(times))
        rng = torch.Generator().manual_seed(spread_seed(self._seed, epoch) + 1)
        if self._recipe.sampling == 0:
            return torch.cat([torch.randperm(len(times), generator=rng) for _ in range(int(times[0]))])
        drawn = torch.from_numpy(np.repeat(np.arange(len(times)), times))
        return drawn[torch.randperm(len(drawn), generator=rng)]

    def _mixed(self, epoch: int) -> Iterator[Piece]:
        """Read rows in blocks, several blocks at a time, and shuffle what was read; the next are read meanwhile."""
        from citygrain.samples.stored import shuffled_blocks  # noqa: PLC0415 - HDF5 only for rows on disk

        times, (rank, world) = self._times(epoch), self.share
        rng = np.random.default_rng([self._seed or 0, epoch, *([rank] if world > 1 else [])])
        alike = rng if world == 1 else np.random.default_rng([self._seed or 0, epoch])  # in every process
        blocks = shuffled_blocks(len(self.columns), block=_BLOCK, mix=_MIXED, rng=alike)
        turns = [np.sort(rows)[shares(len(rows), world)[rank]] for rows in blocks]  # neighbours, still read in a row
        sizes: Iterable[int] = itertools.repeat(self._batch)
        if world > 1:  # as many batches as the others have
            sizes = [part.stop - part.start for part in shares(sum(int(times[t].sum()) for t in turns), len(self))]
        yield from _cut(self._read(turns, times, rng), sizes)

    def _read(
        self, turns: list[npt.NDArray[np.int64]], times: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> Iterator[Piece]:
        from citygrain.samples.stored import read_ahead  # noqa: PLC0415 - HDF5 only for rows on disk

        for order, read in read_ahead(self.samples.x, turns):
            values = prepare(read, self.normalisation, half=self._half)
            drawn = np.repeat(np.arange(len(order)), times[order])
            drawn = drawn[rng.permutation(len(drawn))]
            yield values[torch.from_numpy(drawn)], torch.from_numpy(order[drawn])

    def _take(self, index: npt.NDArray[np.int64]) -> Tensor:
        return prepare(self.samples.take(index), self.normalisation, half=self._half)

    def _vary(self, x: Tensor, target: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        recipe = self._recipe
        if recipe.augment and x.ndim == 4:
            x = turn_in_turn(x, int(torch.randint(8, (), generator=rng)))
        side = self._side(x)
        if x.ndim == 4 and side < x.shape[2]:
            x = cut_windows(x, side, rng=rng)
        elif recipe.shift > 0 and x.ndim == 4:
            x = move(x, recipe.shift, rng=rng)
        if recipe.jitter > 0:
            x = jitter(x, recipe.jitter, spared=self._mask, rng=rng)
        if recipe.mixup > 0 and len(x) > 1:
            return blend(x, target, recipe.mixup, classes=self._classes, rng=rng)
        return x, target

    def _side(self, x: Tensor) -> int:
        """Return the side in pixels of what this epoch sees of a patch."""
        recipe, whole = self._recipe, x.shape[-1]
        early = self._seed is not None and self.epoch < recipe.windowed * recipe.epochs
        return max(round(recipe.window * whole), min(_LEAST_WINDOW, whole)) if early else whole


def _one_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Give the batches in their order, each made by another thread while the one before it is trained on."""
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as beside:
        coming = beside.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = beside.submit(next, batches, None)
            yield batch


def _cut(pieces: Iterable[Piece], sizes: Iterable[int]) -> Iterator[Piece]:
    """Join pieces and cut them anew into pieces of these sizes, until none are left; the last may be shorter."""
    source, rest = iter(pieces), None
    for size in sizes:
        while rest is None or len(rest[1]) < size:
            more = next(source, None)
            if more is None:
                break
            rest = _joined([rest, more]) if rest is not None and len(rest[1]) else more
        if rest is None or (size and not len(rest[1])):
            return
        yield rest[0][:size], rest[1][:size]
        rest = rest[0][size:], rest[1][size:]


def shares(n: int, world: int) -> list[slice]:
    """Return which of n rows each of `world` processes takes: as equal parts as can be, in order.

    Examples
    --------
    >>> shares(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    bounds = [-(-n * rank // world) for rank in range(world + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(bounds)]


def _joined(pieces: list[Piece]) -> Piece:
    return torch.cat([values for values, _ in pieces]), torch.cat([index for _, index in pieces])


def spread_seed(seed: int, *numbers: int) -> int:
    """Spread (seed, epoch, ...) over 62 bits, so that neighbouring seeds and epochs share nothing."""
    return int(np.random.SeedSequence([seed, *numbers]).generate_state(1, np.uint64)[0] >> np.uint64(2))
