"""Toy rows and patches for the tests of the models: three classes that differ in colour, on noisy ground."""

from typing import Any

import numpy as np

from citygrain.legend import Legend
from citygrain.samples.samples import Samples

LEGEND = Legend.from_names({2: "Forest", 5: "Crop", 7: "Urban", 9: "Water"}, scheme="toy")
BANDS = ("B02", "B03", "B04")
_COLOURS = {2: (0.1, 0.3, 0.1), 5: (0.3, 0.4, 0.2), 7: (0.4, 0.4, 0.4), 9: (0.05, 0.1, 0.02)}


def toy_rows(n: int = 90, *, codes: tuple[int, ...] = (2, 7, 9), seed: int = 0) -> Samples:
    """Rows (n, 3) of the classes `codes` in turn; Crop stays absent unless asked for."""
    rng = np.random.default_rng(seed)
    y = np.resize(codes, n)
    x = np.array([_COLOURS[code] for code in y]) + rng.normal(0, 0.05, (n, 3))
    return Samples.of(x.astype(np.float32), y, features=BANDS, legend=LEGEND)


def toy_patches(
    n: int = 90, *, size: int = 19, codes: tuple[int, ...] = (2, 7, 9), seed: int = 0, outline: bool = True
) -> Samples:
    """Patches (n, c, size, size) with a disc of the class in the middle of other ground, and its outline channel."""
    rng = np.random.default_rng(seed)
    y = np.resize(codes, n)
    offset = np.arange(size) - size // 2
    disc = (offset[:, None] ** 2 + offset**2 <= (size // 4) ** 2).astype(np.float32)
    colour = np.array([_COLOURS[code] for code in y])[:, :, None, None]
    ground = np.array([_COLOURS[code] for code in rng.permutation(y)])[:, :, None, None]
    x = colour * disc + ground * (1 - disc) + rng.normal(0, 0.05, (n, 3, size, size))
    features: tuple[str, ...] = BANDS
    if outline:
        x = np.concatenate([x, np.broadcast_to(disc, (n, 1, size, size))], 1)
        features = (*BANDS, "SEGMENT")
    return Samples.of(x.astype(np.float32), y, features=features, legend=LEGEND)


class Lazy:
    """Rows that can only be sliced, as rows on disk are; remembers the longest slice."""

    def __init__(self, x: Any) -> None:
        self._x, self.shape, self.longest = x, x.shape, 0

    def __getitem__(self, rows: slice) -> Any:
        assert isinstance(rows, slice)
        part = self._x[rows]
        self.longest = max(self.longest, len(part))
        return part
