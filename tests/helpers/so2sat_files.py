"""Files in the layouts of So2Sat LCZ42 with made-up patches: data sets, types and shapes are those of the originals."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

UTM = {"berlin": 32633, "munich": 32632, "newyork": 32618, "philadelphia": 32618}
ORIGIN = {"berlin": (380000, 5820000), "munich": (690000, 5330000), "newyork": (585000, 4510000)}
ORIGIN["philadelphia"] = (485000, 4420000)


def write_so2sat(
    path: Path,
    n: int = 60,
    *,
    seed: int = 0,
    sen1: bool = True,
    sen2: bool = True,
    label: str = "onehot",
    dtype: npt.DTypeLike = np.float64,
    chunks: int | None = None,
) -> npt.NDArray[np.int64]:
    """Write a file of version 1 or 2 and return its LCZ codes, 1 to 17: every class in turn, told by reflectance."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 17 + 1
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:

        def store(name: str, values: npt.NDArray[Any]) -> None:
            stored = values.astype(dtype) if name != "label" else values
            size = (chunks, *values.shape[1:]) if chunks else None
            file.create_dataset(name, data=stored, chunks=size, compression="gzip" if chunks else None)

        if sen1:
            store("sen1", radar(n, rng))
        if sen2:
            level = (codes / 40)[:, None, None, None]
            store("sen2", level + 0.05 * rng.random((n, 32, 32, 10)))
        if label == "onehot":
            store("label", np.eye(17)[codes - 1])
        elif label in ("0-16", "1-17"):
            store("label", codes - (label == "0-16"))
    return codes


def radar(n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return (n, 32, 32, 8) speckle with the heavy tails and the exact zeros of the originals."""
    amplitude = 0.3 * rng.standard_normal((n, 32, 32, 4))
    amplitude[rng.random(amplitude.shape) < 1e-4] *= 10_000
    amplitude[0, :2] = 0
    vh, vv = amplitude[..., 0] + 1j * amplitude[..., 1], amplitude[..., 2] + 1j * amplitude[..., 3]
    cross = 0.5 * vh * vv.conj()
    return np.concatenate([amplitude, np.stack([abs(vh) ** 2, abs(vv) ** 2, cross.real, cross.imag], axis=-1)], axis=-1)


def write_geo(path: Path, n: int = 60, *, layout: str = "2026", cities: tuple[str, ...] = tuple(UTM)) -> list[str]:
    """Write a geolocation companion of version 4 and return the city of each patch: cities in turn, 100 m apart."""
    names = [cities[i % len(cities)] for i in range(n)]
    left = np.array([ORIGIN[name][0] + 100 * (i // len(cities)) for i, name in enumerate(names)], float)
    top = np.array([ORIGIN[name][1] for name in names], float)
    zero, ten = np.zeros(n), np.full(n, 10.0)
    with h5py.File(path, "w") as file:
        file["epsg"] = np.array([UTM[name] for name in names])[:, None]
        if layout == "2026":  # world-file order A, D, B, E, C, F
            file["city"] = np.array([name.encode() for name in names])
            file["tfw"] = np.stack([ten, zero, zero, -ten, left, top], axis=1)
        else:  # the first release: GDAL's order, patch centres, no city
            file["tfw"] = np.stack([left, ten, zero, top, zero, ten], axis=1)
            file["coord"] = np.stack([left + 160, top - 160, zero, zero, zero, zero], axis=1)
    return names
