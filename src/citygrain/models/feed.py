"""Batches for training: drawn by epoch from one seed, so that a training resumed at an epoch sees the same rows.

Rows are prepared once and indexed as one tensor where they fit in memory, and read by batch where they do not: a
loader that fetches single rows costs more than the network.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from citygrain.models.augment import jitter, turn_in_turn
from citygrain.models.normalisation import SEGMENT, Normalisation
from citygrain.models.recipe import Recipe
from citygrain.samples.samples import Samples

__all__ = ["Batch", "Feed", "prepare", "spread_seed"]

Batch = tuple[Tensor, Tensor, Tensor]
"""Values, target columns, row weights."""

_IN_MEMORY = 4 * 2**30
"""Bytes of float32 up to which the rows are held in memory."""


def prepare(x: npt.NDArray[np.float32], normalisation: Normalisation, *, half: bool) -> Tensor:
    """Return rows as the network takes them: standardised, channels last, bfloat16 if `half`."""
    rows = torch.from_numpy(normalisation.apply(np.asarray(x, np.float32)))
    if half:
        rows = rows.to(torch.bfloat16)
    return rows.contiguous(memory_format=torch.channels_last) if rows.ndim == 4 else rows


class Feed:
    """The batches of an epoch; set `epoch` before iterating.

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
        self.epoch = 0
        self._samples, self._normalisation, self._recipe = samples, normalisation, recipe
        self._targets, self._weights = torch.from_numpy(columns), torch.from_numpy(weights.astype(np.float32))
        self._seed, self._half = seed, half
        self._batch = recipe.batch if seed is not None else 512
        self._mask = samples.features.index(SEGMENT) if SEGMENT in samples.features else None
        fits = 4 * int(np.prod(samples.x.shape)) <= _IN_MEMORY
        self._rows = prepare(np.asarray(samples.x[:]), normalisation, half=half) if fits else None

    def __len__(self) -> int:
        return math.ceil(len(self._order(0)) / self._batch)

    def __iter__(self) -> Iterator[Batch]:
        rng = torch.Generator().manual_seed(spread_seed(self._seed or 0, self.epoch))
        for index in torch.split(self._order(self.epoch), self._batch):
            x = self._take(index)
            if self._seed is not None:
                x = self._vary(x, rng)
            yield x, self._targets[index], self._weights[index]

    def _order(self, epoch: int) -> Tensor:
        n = len(self._samples)
        if self._seed is None:
            return torch.arange(n)
        rng = torch.Generator().manual_seed(spread_seed(self._seed, epoch) + 1)
        rounds = max(1, -(-self._recipe.least_rows // n))
        return torch.cat([torch.randperm(n, generator=rng) for _ in range(rounds)])

    def _take(self, index: Tensor) -> Tensor:
        if self._rows is not None:
            return self._rows[index]
        return prepare(self._samples.take(index.numpy()), self._normalisation, half=self._half)

    def _vary(self, x: Tensor, rng: torch.Generator) -> Tensor:
        if self._recipe.augment and x.ndim == 4:
            x = turn_in_turn(x, int(torch.randint(8, (), generator=rng)))
        if self._recipe.jitter > 0:
            x = jitter(x, self._recipe.jitter, spared=self._mask, rng=rng)
        return x


def spread_seed(seed: int, epoch: int) -> int:
    """Spread (seed, epoch) over 62 bits, so that neighbouring seeds and epochs share nothing."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(2))
