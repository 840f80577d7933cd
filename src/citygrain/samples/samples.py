"""Samples: rows for a model, with their classes and the ground that each of them stands on.

`x` may live on disk (an HDF5 data set) or be gathered on demand; everything that slices it slices rows only.
`extent` is what makes honest splits possible: two samples share a pixel only if their extents overlap.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.rows import LazyRows, MappedRows

__all__ = ["Samples", "join_samples"]


@dataclass(frozen=True)
class Samples:
    """Rows of features with their reference classes.

    Attributes
    ----------
    x : array-like, (n, c) or (n, c, h, w)
        Features, float32, NaN = no data. NumPy, HDF5 or gathered on demand; ``x[rows]`` gives NumPy.
    y : ndarray of uint8, (n,)
        Class codes of `legend`; 0 = unlabelled.
    features : tuple of str, (c,)
        Name of each feature column or channel.
    legend : Legend
        The classes.
    group : ndarray of int, (n,)
        City or spatial block; -1 = not assigned.
    unit : ndarray of int, (n,)
        Row of the unit in its tessellation (superpixel label - 1).
    extent : ndarray of float64, (n, 4)
        Ground that the sample covers: xmin, ymin, xmax, ymax in map units, patch and unit together. NaN = unknown.
    purity : ndarray of float32, (n,)
        Share of the majority class among the unit's labelled pixels, 0 to 1; 1 where it is not known.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> samples = Samples.of(np.zeros((3, 2), np.float32), np.array([1, 4, 4]), features=("B02", "B03"), legend=URBAN)
    >>> len(samples), samples[samples.y == 4].counts()
    (3, {'Urban': 0, 'Crop': 0, 'Vegetation': 0, 'Water': 2})
    """

    x: Any
    y: npt.NDArray[np.uint8]
    features: tuple[str, ...]
    legend: Legend
    group: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    extent: npt.NDArray[np.float64]
    purity: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        n = self.x.shape[0]
        lengths = {"y": len(self.y), "group": len(self.group), "unit": len(self.unit)}
        lengths |= {"extent": len(self.extent), "purity": len(self.purity)}
        if set(lengths.values()) != {n}:
            raise InputError(f"samples of {n} rows with {lengths}", wanted="one value for each row")
        if len(self.x.shape) not in (2, 4) or self.x.shape[1] != len(self.features):
            shape, c = tuple(self.x.shape), len(self.features)
            raise InputError(f"samples of shape {shape} with {c} feature names", wanted="(n, c) or (n, c, h, w)")

    @classmethod
    def of(
        cls, x: Any, y: npt.ArrayLike, *, features: tuple[str, ...], legend: Legend, **known: npt.NDArray[Any]
    ) -> "Samples":
        """Make samples, filling what is not known: group and unit -1 and row number, extent NaN, purity 1."""
        n = x.shape[0]
        filled: dict[str, Any] = {
            "group": np.full(n, -1, np.int64),
            "unit": np.arange(n),
            "extent": np.full((n, 4), np.nan),
            "purity": np.ones(n, np.float32),
        } | known
        return cls(x, np.asarray(y).astype(np.uint8), tuple(features), legend, **filled)

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __getitem__(self, rows: npt.NDArray[Any] | slice) -> "Samples":
        """Return the chosen rows (mask, indices or slice) as Samples; rows that are read on demand stay unread."""
        index = np.arange(len(self))[rows]
        return replace(
            self,
            x=self.x.subset(index) if isinstance(self.x, LazyRows) else self.take(index),
            y=self.y[index],
            group=self.group[index],
            unit=self.unit[index],
            extent=self.extent[index],
            purity=self.purity[index],
        )

    def take(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the features of the rows in `index`, in its order, repeats allowed, as NumPy."""
        if isinstance(self.x, np.ndarray):
            return np.asarray(self.x[index])
        unique, inverse = np.unique(index, return_inverse=True)  # HDF5 wants increasing rows, each once
        if isinstance(self.x, LazyRows) and len(unique) == len(index):
            return np.asarray(self.x[index], np.float32)
        return np.asarray(self.x[unique], np.float32)[inverse]

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each class by name."""
        tally = np.bincount(self.y, minlength=256)
        return {c.name: int(tally[c.code]) for c in self.legend}

    def select(self, features: tuple[str, ...]) -> "Samples":
        """Return the samples with only the named features, in that order.

        Raises
        ------
        InputError
            If a feature is not there.
        """
        missing = [name for name in features if name not in self.features]
        if missing:
            raise InputError(f"features {missing} are not in the samples", wanted=f"from {', '.join(self.features)}")
        columns = [self.features.index(name) for name in features]
        if isinstance(self.x, LazyRows):
            chosen: Any = MappedRows(self.x, partial(_columns_of, columns=columns), len(columns))
        else:
            chosen = np.asarray(self.x[:])[:, columns]
        return replace(self, x=chosen, features=tuple(features))


def _columns_of(x: npt.NDArray[np.float32], *, columns: list[int]) -> npt.NDArray[np.float32]:
    """Return the chosen columns; a function with a name can be sent to another process."""
    return x[:, columns]


def join_samples(first: Samples, second: Samples) -> Samples:
    """Return the rows of both, in memory.

    Raises
    ------
    InputError
        If features or legends differ.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> one = Samples.of(np.zeros((1, 1), np.float32), [1], features=("B02",), legend=URBAN)
    >>> len(join_samples(one, one))
    2
    """
    if (first.features, first.legend) != (second.features, second.legend):
        raise InputError("samples with other features or classes", wanted="the same in both")
    x = np.concatenate([s.take(np.arange(len(s))) for s in (first, second)])
    return replace(
        first,
        x=x,
        y=np.concatenate([first.y, second.y]),
        group=np.concatenate([first.group, second.group]),
        unit=np.concatenate([first.unit, second.unit]),
        extent=np.concatenate([first.extent, second.extent]),
        purity=np.concatenate([first.purity, second.purity]),
    )
