"""Where the cells of the synthetic city lie: district, street lattice, parcel, quarter, and smooth fields there.

Positions are metres from the scene's upper left corner; everything follows from them and the plan's small tables.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from citygrain.scene.synthetic_plan import DISTRICT, PERIOD, PITCH, Plan, Zone
from citygrain.tiles import Tile

__all__ = ["Ground", "away", "field_at", "locate", "mix"]

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint32]
Index = npt.NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Ground:
    """Where the cells of a window lie: position, district, lattice metres, parcel, and free random numbers."""

    x: Floats  # (1, columns)
    y: Floats  # (rows, 1)
    across: Index
    along: Index
    lane: Floats
    zone: Codes
    parcel: Hashes
    chance: Floats  # uniform 0 to 1, one for each 10-m pixel, repeated
    warp: Floats  # metres by which streets and roads bend

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.zone.shape[0], self.zone.shape[1]


def locate(plan: Plan, tile: Tile, cell: float, rng: np.random.Generator) -> Ground:
    """Find district, lattice, parcel and quarter of each cell (of `cell` metres) in a window with even bounds."""
    y, x = _positions(tile, cell)
    warp_x, warp_y = (field_at(plan.fields[name], y, x) for name in ("warp_x", "warp_y"))
    district, lane = _districts(plan, _halved(y, 0), _halved(x, 1))
    tables = (*plan.turn, *plan.seeds, *plan.offset)
    cos, sin, seed_y, seed_x, from_u, from_v = (_double(table.reshape(-1).take(district)) for table in tables)
    dx, dy = x + warp_x - seed_x, y + warp_y - seed_y
    across, along = dx * cos + dy * sin, dy * cos - dx * sin
    u = (across + from_u).astype(np.intp) & (PERIOD - 1)
    v = (along + from_v).astype(np.intp) & (PERIOD - 1)
    parcel = mix(_double(district), plan.across.parcel.take(u), plan.along.parcel.take(v))
    mid_u, mid_v = across + plan.across.to_centre.take(u), along + plan.along.to_centre.take(v)
    zone = _nearest(plan.zone, seed_y + mid_u * sin + mid_v * cos, seed_x + mid_u * cos - mid_v * sin)
    vacant = (plan.dice[5].take(parcel) < 0.07) & (zone == Zone.SUBURB)
    zone[vacant] = np.where(plan.dice[0][parcel[vacant]] < 0.5, Zone.PARK, Zone.RURAL)
    chance = _double(rng.random((tile.height // 2, tile.width // 2), np.float32))
    return Ground(x, y, u, v, _double(lane), zone, parcel, chance, warp_x)


def _halved(at: Floats, axis: int) -> Floats:
    """Return the middle of each pair of cells along an axis."""
    pairs = np.add.reduceat(at, np.arange(0, at.shape[axis], 2), axis) / np.float32(2)
    return np.asarray(pairs, np.float32)


def _double(pixels: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """Repeat each pixel as 2 x 2 cells."""
    rows, columns = pixels.shape
    cells = np.broadcast_to(pixels[:, None, :, None], (rows, 2, columns, 2))
    return cells.reshape(2 * rows, 2 * columns)


def _districts(plan: Plan, y: Floats, x: Floats) -> tuple[Index, Floats]:
    """Return the number of the nearest seed, and the metres to the border with the next district."""
    home_row, home_column = (y / np.float32(DISTRICT)).astype(np.intp), (x / np.float32(DISTRICT)).astype(np.intp)
    first = np.full((y.shape[0], x.shape[1]), np.inf, np.float32)
    second, best = first.copy(), np.zeros(first.shape, np.intp)
    for step_row in range(1, 4):
        for step_column in range(1, 4):
            number = (home_row + step_row) * plan.seeds.shape[2] + home_column + step_column
            off_y, off_x = plan.seeds[0].take(number) - y, plan.seeds[1].take(number) - x
            far = off_y * off_y + off_x * off_x
            second = np.minimum(second, np.maximum(first, far))
            best = np.where(far < first, number, best)
            first = np.minimum(first, far)
    return best, np.asarray((np.sqrt(second) - np.sqrt(first)) / 2, np.float32)


def _nearest(field: Codes, y: Floats, x: Floats) -> Codes:
    row = np.clip((y * np.float32(1 / PITCH)).astype(np.intp), 0, field.shape[0] - 1)
    column = np.clip((x * np.float32(1 / PITCH)).astype(np.intp), 0, field.shape[1] - 1)
    return np.asarray(field.reshape(-1).take(row * field.shape[1] + column))


def field_at(field: Floats, y: Floats, x: Floats) -> Floats:
    """Interpolate a smooth field of the plan at the pixels of 2 x 2 cells at y (rows, 1) and x (1, columns)."""
    for axis, at in ((0, y[:, 0]), (1, x[0])):
        place = (at[::2] + at[1::2]) / np.float32(2 * PITCH)
        low = place.astype(np.intp)
        part = place - low.astype(np.float32)
        part = part[:, None] if axis == 0 else part[None]
        field = field.take(low, axis) * (1 - part) + field.take(low + 1, axis) * part
    return _double(field)


def _positions(tile: Tile, cell: float) -> tuple[Floats, Floats]:
    """Return y (rows, 1) and x (1, columns) of cell centres in metres."""
    y, x = (np.arange(span.start, span.stop) + 0.5 for span in tile.slices)
    return (y * cell).astype(np.float32)[:, None], (x * cell).astype(np.float32)[None]


def mix(*parts: npt.NDArray[np.generic]) -> Hashes:
    """Return a 16-bit hash of whole numbers.

    Examples
    --------
    >>> mix(np.array([1, 2]), np.array([3, 3])).tolist() == mix(np.array([1, 2]), np.array([3, 3])).tolist()
    True
    """
    total = np.zeros(1, np.uint32)
    for part in parts:
        total = (total ^ part.astype(np.uint32)) * np.uint32(0x9E3779B1)
        total = total ^ (total >> np.uint32(15))
    return np.asarray((total * np.uint32(0x85EBCA6B)) >> np.uint32(16), np.uint32)


def away(line: Floats, at: Floats, other: Floats) -> Floats:
    """Return metres from a curve `other = line(at)`, by the slope of its segments."""
    place = at / np.float32(PITCH)
    low = np.minimum(place.astype(np.intp), len(line) - 2)
    value = line[low] + (line[low + 1] - line[low]) * (place - low.astype(np.float32))
    slope = np.gradient(line)[low] / np.float32(PITCH)
    return np.asarray(np.abs(other - value) / np.sqrt(1 + slope * slope), np.float32)
