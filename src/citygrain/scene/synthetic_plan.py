"""The plan of the synthetic city: where its centre, quarters, roads, river, fields and woods lie.

Everything is a function of the position in metres, so that the plan can be painted strip by strip for a scene of any
size, with the same small tables. A parcel is classified at its centre: quarters end at streets and woods at fields.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DISTRICT", "PERIOD", "PITCH", "Lattice", "Plan", "Zone", "draw_plan"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

PITCH = 40.0
"""Metres between the nodes of the smooth fields."""
PERIOD = 16_384
"""Metres after which the street lattice repeats."""
DISTRICT = 900.0
"""Metres between the seeds of the districts, each with its own street direction."""


class Zone:
    """What a parcel is used for."""

    RURAL, SUBURB, ESTATE, DENSE, CORE, INDUSTRY, PARK = range(7)


@dataclass(frozen=True)
class Lattice:
    """Cuts along one axis at one-metre steps: parcels, their blocks, the blocks' plots.

    Attributes
    ----------
    parcel, block, plot : ndarray of int32, (PERIOD,)
        Running number at each metre.
    to_centre : ndarray of float32, (PERIOD,)
        Metres to the parcel's centre.
    edge, street, fence : ndarray of float32, (PERIOD,)
        Metres to the nearest border of parcel, block, plot.
    """

    parcel: Ints
    block: Ints
    plot: Ints
    to_centre: Floats
    edge: Floats
    street: Floats
    fence: Floats


@dataclass(frozen=True)
class Plan:
    """The city's plan.

    Attributes
    ----------
    centre : tuple of float
        x and y of the centre in metres from the upper left corner.
    radius : float
        Radius of the built-up area in metres.
    zone : ndarray of uint8
        `Zone` on a grid of `PITCH` metres.
    fields : dict of str to ndarray of float32
        Smooth fields on the same grid: warp_x, warp_y, wood, conifer, soil, lake.
    across, along : Lattice
        The street lattice in the two directions of a district.
    seeds, turn, offset : ndarray of float32
        Position (2, rows, columns), direction (cos, sin) and lattice offset of each district.
    dice : ndarray of float32, (6, 65536)
        Uniform numbers 0 to 1 that are looked up by the hash of an object.
    curves : dict of str to ndarray of float32
        Centre line of river and railway by x, of the motorway by y, with a node each `PITCH` metres.
    river_width : float
        Metres.
    """

    centre: tuple[float, float]
    radius: float
    zone: npt.NDArray[np.uint8]
    fields: dict[str, Floats]
    across: Lattice
    along: Lattice
    seeds: Floats
    turn: Floats
    offset: Floats
    dice: Floats
    curves: dict[str, Floats]
    river_width: float


def draw_plan(size_m: tuple[float, float], rng: np.random.Generator) -> Plan:
    """Draw the plan of a city in a scene of `size_m` (height, width) metres."""
    height, width = size_m
    nodes = (int(height / PITCH) + 3, int(width / PITCH) + 3)
    radius = 0.36 * min(size_m)
    centre = (width * rng.uniform(0.46, 0.56), height * rng.uniform(0.42, 0.50))
    fields = {
        "warp_x": _smooth_noise(nodes, rng, 420, octaves=2) * 60,
        "warp_y": _smooth_noise(nodes, rng, 420, octaves=2) * 60,
        "wood": _smooth_noise(nodes, rng, 1500, octaves=5),
        "conifer": _smooth_noise(nodes, rng, 700, octaves=3),
        "soil": _smooth_noise(nodes, rng, 500, octaves=4),
    }
    curves = _curves(nodes, centre, size_m, rng)
    y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) * np.float32(PITCH) for n in nodes), indexing="ij")
    urbanity = _urbanity(x, y, centre, radius, rng)
    fields["lake"] = _lake(x, y, centre, radius, rng)
    seeds = _seeds(size_m, rng)
    angles = rng.uniform(0, np.pi / 2, seeds.shape[1:])
    return Plan(
        centre=centre,
        radius=radius,
        zone=_zones(urbanity, x, y, curves, rng),
        fields=fields,
        across=_lattice(rng, parcel=(150, 300), block=75, plot=24),
        along=_lattice(rng, parcel=(190, 420), block=120, plot=20),
        seeds=seeds,
        turn=np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32),
        offset=rng.uniform(0, PERIOD, (2, *angles.shape)).astype(np.float32),
        dice=rng.random((6, 65_536), np.float32),
        curves=curves,
        river_width=float(np.clip(radius * 0.024, 45, 130)),
    )


def _smooth_noise(nodes: tuple[int, int], rng: np.random.Generator, scale: float, *, octaves: int) -> Floats:
    """Return smooth noise of about -1 to 1 with features of `scale` metres and finer, on nodes `PITCH` apart."""
    total, amplitude = np.zeros(nodes, np.float32), 1.0
    for _ in range(octaves):
        step = max(1.0, scale / PITCH)
        coarse = rng.uniform(-1, 1, tuple(int(n / step) + 4 for n in nodes)).astype(np.float32)
        total += np.float32(amplitude) * _spread(coarse, nodes, step, rng.uniform(0, 1, 2))
        amplitude, scale = amplitude / 2, scale / 2
    return total


def _spread(coarse: Floats, nodes: tuple[int, int], step: float, shift: npt.NDArray[np.float64]) -> Floats:
    """Interpolate `coarse` with smooth weights to `nodes`."""
    for axis in (0, 1):
        at = np.arange(nodes[axis]) / step + shift[axis]
        low = at.astype(np.int64)
        part = (at - low).astype(np.float32)
        weight = part * part * (3 - 2 * part)
        weight = weight[:, None] if axis == 0 else weight[None]
        coarse = coarse.take(low, axis) * (1 - weight) + coarse.take(low + 1, axis) * weight
    return np.asarray(coarse, np.float32)


def _line(n: int, rng: np.random.Generator, scale: float, octaves: int) -> Floats:
    return _smooth_noise((n, 1), rng, scale, octaves=octaves)[:, 0]


def _curves(
    nodes: tuple[int, int], centre: tuple[float, float], size_m: tuple[float, float], rng: np.random.Generator
) -> dict[str, Floats]:
    """Draw river and railway as y(x), the motorway as x(y)."""
    height, width = size_m
    x, y = (np.arange(n, dtype=np.float32) * np.float32(PITCH) for n in (nodes[1], nodes[0]))
    side = rng.choice([-1, 1])
    river = centre[1] + side * 0.07 * height + 0.10 * height * _line(len(x), rng, 0.22 * width, 3)
    rail = centre[1] - side * 0.10 * height + (x - centre[0]) * rng.uniform(-0.5, 0.5)
    rail = rail + 0.05 * height * _line(len(x), rng, 0.4 * width, 1)
    road = centre[0] + rng.choice([-1, 1]) * 0.33 * width + (y - centre[1]) * rng.uniform(-0.25, 0.25)
    road = road + 0.06 * width * _line(len(y), rng, 0.45 * height, 1)
    return {"river": river.astype(np.float32), "rail": rail.astype(np.float32), "motorway": road.astype(np.float32)}


def _urbanity(
    x: Floats, y: Floats, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return 1 in the centre falling to 0 at the city's edge, with villages around it."""
    ragged = 0.17 * _smooth_noise((x.shape[0], x.shape[1]), rng, radius * 0.7, octaves=4)
    far = np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1])) / np.float32(radius)
    urbanity = 1 - far
    villages = 4 + int(radius / 700)
    for _ in range(villages):
        vx, vy = rng.uniform(0.03, 0.97) * x.max(), rng.uniform(0.03, 0.97) * y.max()
        size = rng.uniform(0.09, 0.20) * radius + 130
        urbanity = np.maximum(
            urbanity, 0.36 - np.hypot(x - np.float32(vx), y - np.float32(vy)) / np.float32(3.2 * size)
        )
    return np.asarray(urbanity + ragged * np.clip(1.4 * far, 0.15, 1), np.float32)


def _lake(
    x: Floats, y: Floats, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a field that is positive on the lakes: one large, a few small."""
    shore = 0.30 * _smooth_noise((x.shape[0], x.shape[1]), rng, radius * 0.3, octaves=3)
    lake = np.full(x.shape, -9, np.float32)
    corner = rng.permutation([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    for (sx, sy), size in zip(corner, (0.20, 0.075, 0.06), strict=False):
        cx = centre[0] + sx * radius * rng.uniform(0.72, 0.95)
        cy = centre[1] + sy * radius * rng.uniform(0.72, 0.95)
        stretch = rng.uniform(0.6, 1.0)
        far = np.hypot((x - np.float32(cx)) * np.float32(stretch), y - np.float32(cy))
        lake = np.maximum(lake, 1 - far / np.float32(size * radius))
    return (lake + shore).astype(np.float32)


def _zones(
    urbanity: Floats, x: Floats, y: Floats, curves: dict[str, Floats], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Divide the city into quarters by urbanity and nearness to railway and motorway."""
    shape = (x.shape[0], x.shape[1])
    reach = min(x.max(), y.max())
    works = _smooth_noise(shape, rng, reach * 0.12, octaves=2)
    near = np.minimum(np.abs(y - curves["rail"][None]), np.abs(x - curves["motorway"][:, None])) / reach
    works = works + 0.5 - 11 * near.astype(np.float32)
    estate = _smooth_noise(shape, rng, reach * 0.10, octaves=2)
    green = _smooth_noise(shape, rng, reach * 0.07, octaves=2)
    zone = np.full(shape, Zone.RURAL, np.uint8)
    zone[urbanity > 0.16] = Zone.SUBURB
    zone[(urbanity > 0.22) & (urbanity < 0.62) & (estate > 0.55)] = Zone.ESTATE
    zone[urbanity > 0.58] = Zone.DENSE
    zone[(works > 0.30) & (urbanity > 0.02) & (urbanity < 0.66)] = Zone.INDUSTRY
    zone[(green > 0.62) & (urbanity > 0.15) & (urbanity < 0.88)] = Zone.PARK
    zone[urbanity > 0.84] = Zone.CORE
    return zone


def _seeds(size_m: tuple[float, float], rng: np.random.Generator) -> Floats:
    """Return one seed in each cell of a grid with a margin of two cells, (2, rows, columns): y, x."""
    cells = tuple(int(length / DISTRICT) + 6 for length in size_m)
    corner = np.indices(cells) - 2 + rng.uniform(0.1, 0.9, (2, *cells))
    return (corner * DISTRICT).astype(np.float32)


def _lattice(rng: np.random.Generator, *, parcel: tuple[int, int], block: int, plot: int) -> Lattice:
    """Cut `PERIOD` metres into parcels, each into equal blocks, each into equal plots."""
    widths: list[int] = []
    while PERIOD - sum(widths) > 2 * parcel[1]:
        widths.append(int(rng.integers(*parcel)))
    rest = PERIOD - sum(widths)
    widths += [rest // 2, rest - rest // 2]
    return Lattice(**_cuts(np.array(widths), block, plot))


def _cuts(widths: npt.NDArray[np.int64], block: int, plot: int) -> dict[str, Any]:
    number = np.repeat(np.arange(len(widths)), widths)
    wide = widths[number].astype(np.float64)
    at = np.arange(PERIOD) - np.repeat(np.cumsum(widths) - widths, widths) + 0.5
    blocks = np.maximum(1, np.rint(wide / block))
    block_wide = wide / blocks
    nth_block = np.floor(at / block_wide)
    in_block = at - nth_block * block_wide
    plot_wide = block_wide / np.maximum(1, np.rint(block_wide / plot))
    nth_plot = np.floor(in_block / plot_wide)
    in_plot = in_block - nth_plot * plot_wide
    return {
        "parcel": number.astype(np.int32),
        "block": nth_block.astype(np.int32),
        "plot": nth_plot.astype(np.int32),
        "to_centre": (wide / 2 - at).astype(np.float32),
        "edge": np.minimum(at, wide - at).astype(np.float32),
        "street": np.minimum(in_block, block_wide - in_block).astype(np.float32),
        "fence": np.minimum(in_plot, plot_wide - in_plot).astype(np.float32),
    }
