"""Channels of several sources side by side: the radar and the optical patches of one place."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.rows import LazyRows
from citygrain.samples.stored import StoredRows

__all__ = ["JoinedRows"]


@dataclass(frozen=True)
class JoinedRows:
    """Several sources of the same patches, channel after channel.

    Attributes
    ----------
    parts : tuple of array-like, (n, c_i, h, w) each
        Sources with the same n, h, w.

    Examples
    --------
    >>> from citygrain.rows import MappedRows
    >>> one = MappedRows(np.ones((3, 2, 4, 4), np.float32), lambda x: x, 2)
    >>> JoinedRows((one, one)).subset(np.array([2, 0]))[:1].shape
    (1, 4, 4, 4)
    """

    parts: tuple[LazyRows, ...]

    def __post_init__(self) -> None:
        shapes = [part.shape for part in self.parts]
        if len({(shape[0], *shape[2:]) for shape in shapes}) != 1:
            raise InputError(f"sources of shapes {shapes}", wanted="as many patches of the same size in each")

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, c, h, w)."""
        n, _, *rest = self.parts[0].shape
        return n, sum(part.shape[1] for part in self.parts), *rest

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def subset(self, rows: npt.NDArray[Any]) -> "JoinedRows":
        """Return the chosen rows, unread."""
        return JoinedRows(tuple(part.subset(rows) for part in self.parts))

    def __getitem__(self, rows: Any) -> npt.NDArray[np.float32]:
        picked = np.arange(len(self))[rows]
        if np.ndim(picked) == 0:
            return np.concatenate([part[int(picked)] for part in self.parts])
        out = np.empty((len(picked), *self.shape[1:]), np.float32)
        first = 0
        for part in self.parts:
            channels = out[:, first : first + part.shape[1]]
            if isinstance(part, StoredRows):
                part.fill(channels, picked)  # without a copy in between
            else:
                channels[:] = part[picked]
            first += part.shape[1]
        return out
