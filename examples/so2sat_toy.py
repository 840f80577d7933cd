"""Write files in the exact layout of So2Sat LCZ42 with patches that are generated, not So2Sat's pixels.

The tutorial needs a file that everybody has. Data sets, names, types and shapes are those of So2Sat: ``sen1`` (8 radar
channels), ``sen2`` (10 bands), ``label`` (one-hot, 17 columns), and beside it the ``*_geo.h5`` of version 4 that tells
the city. Each Local Climate Zone is painted from its share of buildings, their size and height, and its plants; each
city has an air, a season and roofs of its own; and patches of one place overlap, as those of So2Sat do. So the files
show what one has to beware of. What a model scores on them says nothing about So2Sat.

    python examples/so2sat_toy.py toy
"""

import argparse
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]
Look = tuple[Floats, Floats, float]

COARSE = [3, 4, 5, 7, 8, 9]  # bands of 20 m: B05, B06, B07, B8A, B11, B12
SPECTRA = {  # reflectance at the top of the atmosphere, B02 to B08, B8A, B11, B12
    "asphalt": [0.12, 0.11, 0.11, 0.12, 0.13, 0.14, 0.14, 0.15, 0.16, 0.15],
    "roof": [0.15, 0.16, 0.19, 0.20, 0.21, 0.22, 0.23, 0.24, 0.28, 0.26],
    "tile": [0.12, 0.13, 0.19, 0.22, 0.24, 0.25, 0.26, 0.27, 0.30, 0.26],
    "metal": [0.28, 0.28, 0.29, 0.29, 0.30, 0.30, 0.31, 0.31, 0.30, 0.27],
    "tin": [0.16, 0.16, 0.17, 0.18, 0.19, 0.20, 0.21, 0.22, 0.29, 0.28],
    "tree": [0.09, 0.08, 0.05, 0.09, 0.20, 0.25, 0.26, 0.28, 0.13, 0.06],
    "grass": [0.10, 0.11, 0.08, 0.14, 0.26, 0.31, 0.32, 0.34, 0.21, 0.12],
    "shrub": [0.11, 0.11, 0.11, 0.15, 0.20, 0.22, 0.23, 0.25, 0.25, 0.17],
    "soil": [0.13, 0.14, 0.18, 0.21, 0.23, 0.25, 0.27, 0.29, 0.36, 0.31],
    "sand": [0.18, 0.22, 0.27, 0.30, 0.32, 0.33, 0.35, 0.36, 0.45, 0.41],
    "rock": [0.15, 0.16, 0.18, 0.19, 0.20, 0.21, 0.21, 0.22, 0.25, 0.23],
    "water": [0.10, 0.08, 0.06, 0.05, 0.04, 0.04, 0.04, 0.04, 0.02, 0.01],
}
ZONES = [  # share built, side of a building in pixels, its height in metres, roof, ground, plants and their share
    (0.55, 3, 45, "roof", "asphalt", "tree", 0.04),  # 1 compact high-rise
    (0.60, 2, 18, "tile", "asphalt", "tree", 0.06),  # 2 compact midrise
    (0.65, 1, 6, "tile", "asphalt", "tree", 0.06),  # 3 compact low-rise
    (0.22, 3, 45, "roof", "grass", "tree", 0.20),  # 4 open high-rise
    (0.28, 3, 18, "roof", "grass", "tree", 0.25),  # 5 open midrise
    (0.30, 1, 6, "tile", "grass", "tree", 0.30),  # 6 open low-rise
    (0.75, 1, 3, "tin", "soil", "tree", 0.02),  # 7 lightweight low-rise
    (0.45, 7, 9, "metal", "asphalt", "grass", 0.08),  # 8 large low-rise
    (0.06, 1, 6, "tile", "grass", "tree", 0.25),  # 9 sparsely built
    (0.35, 5, 14, "tin", "asphalt", "soil", 0.25),  # 10 heavy industry
    (0.00, 1, 0, "roof", "tree", "shrub", 0.05),  # A dense trees
    (0.00, 1, 0, "roof", "grass", "tree", 0.35),  # B scattered trees
    (0.00, 1, 0, "roof", "soil", "shrub", 0.60),  # C bush, scrub
    (0.00, 1, 0, "roof", "grass", "soil", 0.05),  # D low plants
    (0.00, 1, 0, "roof", "rock", "asphalt", 0.40),  # E bare rock or paved
    (0.00, 1, 0, "roof", "sand", "soil", 0.20),  # F bare soil or sand
    (0.00, 1, 0, "roof", "water", "water", 0.00),  # G water
]
SIDE, STEP = 32, 10  # pixels of 10 m: a patch, and the way to the next one


def write_toy(folder: Path, *, seed: int = 0) -> dict[str, int]:
    """Write training, validation and testing files, and return how many patches each holds.

    Eight cities train; two others validate with their western places and test with their eastern ones, as in So2Sat.
    """
    rng = np.random.default_rng(seed)
    cities = [f"toy{k:02}" for k in range(1, 11)]
    looks = {name: _look(rng) for name in cities}
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"training": cities[:8], "validation": cities[8:], "testing": cities[8:]}
    return {part: _write(folder / f"{part}.h5", names, looks, rng) for part, names in parts.items()}


def _look(rng: np.random.Generator) -> Look:
    """Return a city's gain and haze for each band, and how green its plants are."""
    haze = rng.uniform(0, 0.05) * np.exp(-np.arange(10) / 2)
    return rng.normal(1, 0.08) * rng.normal(1, 0.015, 10), haze, rng.uniform(0.55, 1.05)


def _write(path: Path, cities: list[str], looks: dict[str, Look], rng: np.random.Generator) -> int:
    west = 420_000 if path.stem == "testing" else 400_000
    patches: list[tuple[Floats, Floats, int, str, float, float]] = []
    for name in cities:
        for zone in range(17):
            optical, radar = _place(zone, looks[name], rng)
            east, north = west + 1_000 * zone, 4_000_000 + 100_000 * int(name[-2:])
            for row, column in ((0, 0), (0, STEP), (STEP, STEP)):
                window = np.s_[row : row + SIDE, column : column + SIDE]
                patches.append((radar[window], optical[window], zone, name, east + 10 * column, north - 10 * row))
    order = rng.permutation(len(patches))
    sen1, sen2, zones, names, lefts, tops = zip(*(patches[k] for k in order), strict=True)
    with h5py.File(path, "w") as file:
        file["sen1"], file["sen2"] = np.stack(sen1), np.stack(sen2)
        file["label"] = np.eye(17)[list(zones)]
    zero, ten = np.zeros(len(order)), np.full(len(order), 10.0)
    with h5py.File(path.with_name(f"{path.stem}_geo.h5"), "w") as file:
        file["city"] = np.array([name.encode() for name in names])
        file["epsg"] = np.full((len(order), 1), 32633)
        file["tfw"] = np.stack([ten, zero, zero, -ten, lefts, tops], axis=1)
    return len(order)


def _place(zone: int, look: Look, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the reflectance (h, w, 10) and the radar channels (h, w, 8) of a place of one zone."""
    built, side, height, roof, ground, plants, share = ZONES[zone]
    shape = (SIDE + STEP, SIDE + STEP)
    share *= rng.uniform(0.5, 1.5)
    grown = ndimage.gaussian_filter(rng.standard_normal(shape), 1.2)
    green = grown > np.quantile(grown, 1 - share)
    houses = _houses(shape, built * rng.uniform(0.6, 1.25), side, rng)
    cover = np.where(houses, roof, np.where(green, plants, ground))
    gain, haze, season = look
    spectra = np.zeros((*shape, 10))
    for name in np.unique(cover):
        spectrum = np.array(SPECTRA[name]) * rng.normal(1, 0.15) * rng.normal(1, 0.05, 10)  # a place's own
        if name in ("tree", "grass", "shrub"):  # a dry season: less near infrared, more red
            spectrum = season * spectrum + (1 - season) * np.array(SPECTRA["soil"])
        spectra[cover == name] = spectrum
    spectra *= 1 + 0.12 * rng.standard_normal((*shape, 1)) * (1 + 2 * houses[..., None]) / 2
    shadow = np.roll(houses, (-round(height / 15), -round(height / 20)), (0, 1)) & ~houses
    spectra[shadow] *= 0.55
    spectra = ndimage.gaussian_filter(spectra, (0.5, 0.5, 0))
    halves = spectra[..., COARSE].reshape(shape[0] // 2, 2, shape[1] // 2, 2, 6).mean((1, 3))
    spectra[..., COARSE] = np.kron(halves, np.ones((2, 2, 1)))
    optical = np.clip(spectra * gain + haze, 0.001, 1.5)
    return np.round(optical, 4), _radar(np.where(houses, float(height), 0.0), cover, rng)


def _houses(shape: tuple[int, int], share: float, side: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    houses = np.zeros(shape, bool)
    while houses.mean() < share:
        row, column = rng.integers(-side, shape[0], 2)
        high, wide = side + rng.integers(0, 2, 2) * max(1, side // 3)
        houses[max(row, 0) : max(row + high, 0), max(column, 0) : max(column + wide, 0)] = True
    return houses


def _radar(heights: Floats, cover: npt.NDArray[np.str_], rng: np.random.Generator) -> Floats:
    """Return amplitudes with speckle, and their mean over 5 x 5 pixels in the place of the refined Lee filter."""
    plants, water = np.isin(cover, ["tree", "shrub"]), cover == "water"
    vv = np.where(water, 0.004, 0.06 + 0.04 * plants) + 0.02 * heights * rng.exponential(1, heights.shape)
    vh = np.where(water, 0.0006, 0.010 + 0.020 * plants) + 0.003 * heights
    noise = rng.standard_normal((2, *heights.shape, 2)) @ np.array([1, 1j]) / np.sqrt(2)  # (2, h, w)
    along, across = np.sqrt(vv) * noise[0], np.sqrt(vh) * (0.4 * noise[0] + 0.92 * noise[1])
    mean = [ndimage.uniform_filter(part, 5) for part in (np.abs(across) ** 2, np.abs(along) ** 2)]
    cross = across * along.conj()
    covariance = [ndimage.uniform_filter(part, 5) for part in (cross.real, cross.imag)]
    return np.stack([across.real, across.imag, along.real, along.imag, *mean, *covariance], axis=-1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="gets training.h5, validation.h5, testing.h5 and their *_geo.h5")
    for part, count in write_toy(parser.parse_args().folder).items():
        print(f"{part}.h5: {count} generated patches")  # noqa: T201 - what a script is for
