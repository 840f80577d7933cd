"""Paint a window of the synthetic city's plan: material, cover and object of each 5-m cell.

Fields first, then woods, quarters, roads, water, and what crosses the water. Each painter is a function of position and
of the object's hash alone (apart from leaves and ripples, which are drawn), so windows fit together without a seam.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citygrain.scene.synthetic_ground import Codes, Floats, Ground, Hashes, Index, away, field_at, locate, mix
from citygrain.scene.synthetic_materials import MATERIALS, Cover
from citygrain.scene.synthetic_plan import Plan, Zone
from citygrain.tiles import Tile

__all__ = ["Canvas", "paint_tile"]

Layer = tuple[npt.NDArray[np.bool_], Codes | np.uint8, int]
"""Where, what, and as which cover something is painted."""


@dataclass(frozen=True)
class Canvas:
    """What has been painted, (rows, columns) of 5-m cells.

    Attributes
    ----------
    material, cover : ndarray of uint8
        Number in `MATERIALS`; `Cover`.
    thing : ndarray of uint32
        Hash (16 bits) of the roof, field or garden that the cell belongs to.
    soil : ndarray of float32
        Brightness of the ground below, about -1 to 1.
    """

    material: Codes
    cover: Codes
    thing: Hashes
    soil: Floats

    def put(self, where: Index | npt.NDArray[np.bool_], material: npt.ArrayLike, cover: npt.ArrayLike) -> None:
        """Paint the cells of a flat index or a mask."""
        (self.material.reshape(-1) if where.dtype != bool else self.material)[where] = material
        (self.cover.reshape(-1) if where.dtype != bool else self.cover)[where] = cover


def paint_tile(plan: Plan, tile: Tile, cell: float, rng: np.random.Generator) -> Canvas:
    """Paint the cells of `cell` metres within a window whose bounds are even numbers."""
    ground = locate(plan, tile, cell, rng)
    material, cover = np.zeros(ground.shape, np.uint8), np.zeros(ground.shape, np.uint8)
    canvas = Canvas(material, cover, ground.parcel.copy(), field_at(plan.fields["soil"], ground.y, ground.x))
    _fields(plan, ground, canvas)
    _woods(plan, ground, canvas)
    painters = {
        Zone.SUBURB: _suburb,
        Zone.ESTATE: _estate,
        Zone.DENSE: _dense,
        Zone.CORE: _dense,
        Zone.INDUSTRY: _industry,
        Zone.PARK: _park,
    }
    for zone, painter in painters.items():
        where = np.flatnonzero(ground.zone == zone)
        if where.size:
            painter(_Cells(plan, ground, where, core=zone == Zone.CORE), canvas)
    _lanes(ground, canvas)
    _lakes(plan, ground, canvas)
    _lines(plan, ground, canvas)
    return canvas


def _choose(roll: Floats, table: Mapping[str, float]) -> Codes:
    """Return materials drawn with the given weights by numbers from 0 to 1."""
    bounds = np.cumsum(list(table.values()))
    numbers = np.array([MATERIALS[name] for name in table], np.uint8)
    lookup = numbers[np.searchsorted(bounds / bounds[-1], np.linspace(0, 1, 256, endpoint=False), side="right")]
    return np.asarray(lookup.take((roll * np.float32(256)).astype(np.intp)))


_CROPS = {
    "green crop": 0.17,
    "young crop": 0.13,
    "rape": 0.06,
    "ripening crop": 0.12,
    "ripe crop": 0.13,
    "pale soil": 0.08,
    "brown soil": 0.15,
    "meadow": 0.20,
    "dry grass": 0.05,
}
_GREEN = ("green crop", "young crop", "rape")
_GRASSES = ("meadow", "dry grass", "lawn")


def _fields(plan: Plan, ground: Ground, canvas: Canvas) -> None:
    """Paint each rural parcel as one to four strips of crop, soil or grass, with hedges between some."""
    where = np.flatnonzero(ground.zone == Zone.RURAL)
    cells = _Cells(plan, ground, where)
    split = cells.roll(0) < 0.45
    strip = mix(cells.parcel, np.where(split, cells.block_u, np.int32(0)))
    material = _choose(cells.die(1, strip), _CROPS)
    cover = np.full(where.size, Cover.BARE_CROP, np.uint8)
    cover[np.isin(material, [MATERIALS[name] for name in _GREEN])] = Cover.GREEN_CROP
    cover[np.isin(material, [MATERIALS[name] for name in _GRASSES])] = Cover.MEADOW
    border = np.minimum(cells.edge, np.where(split, cells.street_u, np.float32(99)))
    hedge = (border < 4) & (cells.die(2, strip) < 0.35) & (cells.chance < 0.8)
    material[hedge], cover[hedge] = MATERIALS["broadleaf"], Cover.FOREST
    farm = (
        (cells.roll(3) < 0.10) & (plan.dice[4].take(cells.block) < 0.3) & (cells.street_u < 30) & (cells.street_v < 34)
    )
    roof = farm & (cells.fence_u > 4) & (plan.dice[4].take(cells.plot) < 0.5)
    material[farm], cover[farm] = MATERIALS["gravel"], Cover.PAVED
    material[roof], cover[roof] = MATERIALS["red roof"], Cover.FABRIC
    canvas.put(where, material, cover)
    canvas.thing.reshape(-1)[where] = strip


def _woods(plan: Plan, ground: Ground, canvas: Canvas) -> None:
    """Paint forest with a ragged edge over fields, and single copses."""
    wood = field_at(plan.fields["wood"], ground.y, ground.x) + np.float32(0.10) * (ground.chance - np.float32(0.5))
    stand = (wood > 0.62) & (ground.zone == Zone.RURAL)
    conifer = field_at(plan.fields["conifer"], ground.y, ground.x) + np.float32(0.5) * (
        plan.dice[5].take(ground.parcel) + ground.chance - np.float32(1)
    )
    canvas.put(stand, np.where(conifer[stand] > 0.25, MATERIALS["conifer"], MATERIALS["broadleaf"]), Cover.FOREST)


class _Cells:
    """The cells of one quarter, as flat arrays: borders in metres and hashes of plot, block and parcel."""

    def __init__(self, plan: Plan, ground: Ground, where: Index, *, core: bool = False) -> None:
        self.where, self.core, self._plan = where, core, plan
        u, v = ground.across.take(where), ground.along.take(where)
        self.parcel, self.chance = ground.parcel.take(where), ground.chance.take(where)
        self.street_u, self.street_v = plan.across.street.take(u), plan.along.street.take(v)
        self.fence_u, self.fence_v = plan.across.fence.take(u), plan.along.fence.take(v)
        self.edge = np.minimum(plan.across.edge.take(u), plan.along.edge.take(v))
        self.street = np.minimum(self.street_u, self.street_v)
        self.block_u = plan.across.block.take(u)
        self.block = mix(self.parcel, self.block_u, plan.along.block.take(v))
        self.plot = mix(self.block, plan.across.plot.take(u), plan.along.plot.take(v))

    def die(self, number: int, thing: Hashes) -> Floats:
        """Return the random numbers of things by their hashes."""
        return np.asarray(self._plan.dice[number].take(thing))

    def roll(self, die: int) -> Floats:
        """Return the parcel's random number."""
        return self.die(die, self.parcel)

    def block_roll(self, die: int) -> Floats:
        """Return the block's random number."""
        return self.die(die, self.block)

    def plot_roll(self, die: int) -> Floats:
        """Return the plot's random number."""
        return self.die(die, self.plot)

    def paint(self, canvas: Canvas, layers: Sequence[Layer], thing: Hashes) -> None:
        """Paint layers (mask, material, cover) over one another."""
        material, cover = np.zeros(self.where.size, np.uint8), np.zeros(self.where.size, np.uint8)
        for mask, stuff, kind in layers:
            material, cover = np.where(mask, stuff, material), np.where(mask, np.uint8(kind), cover)
        canvas.put(self.where, material, cover)
        canvas.thing.reshape(-1)[self.where] = thing


def _streets(cells: _Cells, half: float, avenue: float) -> list[Layer]:
    """Return the layers of streets, and of avenues with rows of trees along parcels."""
    road = (cells.street < half) | (cells.edge < avenue)
    trees = road & (cells.edge > avenue - 5) & (cells.roll(5) < 0.4) & (cells.chance < 0.6)
    return [(road, MATERIALS["asphalt"], Cover.PAVED), (trees, MATERIALS["broadleaf"], Cover.PAVED)]


def _suburb(cells: _Cells, canvas: Canvas) -> None:
    """Paint rows of detached houses in gardens; here and there a school or shop with a flat roof."""
    lush = cells.roll(1)
    garden = _choose(cells.plot_roll(2), {"lawn": 0.62, "dry grass": 0.2, "meadow": 0.18})
    tree = cells.chance < 0.12 + 0.38 * lush
    setback = 6 + 5 * cells.block_roll(3)
    house = (
        (cells.street_u > setback)
        & (cells.street_u < setback + 9 + 6 * cells.plot_roll(0))
        & (cells.fence_v > np.where(cells.block_roll(4) < 0.35, np.float32(0.5), np.float32(3.5)))
        & (cells.plot_roll(5) < 0.93)
    )
    roofs = _choose(cells.plot_roll(1), {"red roof": 0.62, "dark roof": 0.28, "concrete": 0.10})
    path = (cells.fence_v < 3) & (cells.street_u < setback + 4) & (cells.plot_roll(4) < 0.6)
    hall = (cells.roll(4) < 0.10) & (cells.block_roll(2) < 0.5) & (cells.street > 12)
    halls = _choose(cells.block_roll(0), {"concrete": 0.4, "dark roof": 0.3, "bright roof": 0.3})
    layers: list[Layer] = [
        (np.ones(cells.where.size, bool), garden, Cover.GARDEN),
        (tree, MATERIALS["broadleaf"], Cover.GARDEN),
        (path, MATERIALS["concrete"], Cover.PAVED),
        (house, roofs, Cover.FABRIC),
        (hall, halls, Cover.FABRIC),
        *_streets(cells, 4.5, 7),
    ]
    cells.paint(canvas, layers, cells.plot)


def _estate(cells: _Cells, canvas: Canvas) -> None:
    """Paint slabs of flats in lawns with trees and parking."""
    slab = (cells.street_u > 14) & (cells.street_u < 28) & (cells.street_v > 12)
    tower = (cells.roll(3) < 0.35) & (cells.street > 24) & (cells.fence_u > 2)
    shade = (cells.street_u >= 28) & (cells.street_u < 34) & (cells.street_v > 14) & (cells.block_roll(0) < 0.7)
    parking = (cells.street_v < 22) & (cells.block_roll(2) < 0.6)
    layers: list[Layer] = [
        (np.ones(cells.where.size, bool), MATERIALS["lawn"], Cover.GARDEN),
        (cells.chance < 0.30, MATERIALS["broadleaf"], Cover.GARDEN),
        (parking, MATERIALS["asphalt"], Cover.PAVED),
        (shade & (cells.chance < 0.6), MATERIALS["shade"], Cover.GARDEN),
        (slab | tower, _choose(cells.block_roll(1), {"concrete": 0.6, "dark roof": 0.4}), Cover.FABRIC),
        *_streets(cells, 5, 9),
    ]
    cells.paint(canvas, layers, cells.block)


def _dense(cells: _Cells, canvas: Canvas) -> None:
    """Paint closed blocks of tall houses around courtyards; in the old core narrower streets and few yards."""
    depth = 26.0 if cells.core else 20.0
    half = 3.5 if cells.core else 5.5
    roofs = _choose(
        cells.plot_roll(1),
        {"red roof": 0.55, "dark roof": 0.33, "concrete": 0.12}
        if cells.core
        else {"red roof": 0.32, "dark roof": 0.40, "concrete": 0.24, "bright roof": 0.04},
    )
    yard = _choose(cells.block_roll(2), {"concrete": 0.35, "asphalt": 0.2, "lawn": 0.25, "broadleaf": 0.2})
    inner = cells.street > depth + 6 * (cells.plot_roll(3) - np.float32(0.5))
    office = (cells.block_roll(4) < (0.05 if cells.core else 0.16)) & (cells.street > 9)
    square = (cells.block_roll(0) < 0.045) & (cells.street > half)
    square_stuff = _choose(cells.block_roll(5), {"concrete": 0.6, "lawn": 0.4})
    layers: list[Layer] = [
        (np.ones(cells.where.size, bool), roofs, Cover.FABRIC),
        (inner, yard, Cover.GARDEN),
        (office, _choose(cells.block_roll(1), {"concrete": 0.5, "dark roof": 0.3, "bright roof": 0.2}), Cover.FABRIC),
        (square, square_stuff, Cover.PAVED),
        (square & (cells.chance < 0.25), MATERIALS["broadleaf"], Cover.PAVED),
        *_streets(cells, half, 6 if cells.core else 9),
        ((cells.street_u < half) & (cells.chance < 0.45) & (cells.edge > 9), MATERIALS["shade"], Cover.PAVED),
    ]
    cells.paint(canvas, layers, np.where(office, cells.block, cells.plot).astype(np.uint32))


def _industry(cells: _Cells, canvas: Canvas) -> None:
    """Paint large halls in paved yards, with some waste ground, lawns and building sites."""
    large = cells.roll(0) < 0.3
    border = np.where(large, cells.edge, cells.street)
    thing = np.where(large, cells.parcel, cells.block).astype(np.uint32)
    hall = (border > np.where(large, np.float32(24), np.float32(12))) & (cells.die(1, thing) < 0.82)
    kinds = {"bright roof": 0.28, "concrete": 0.30, "dark roof": 0.32, "blue roof": 0.10}
    yard = _choose(cells.block_roll(3), {"asphalt": 0.42, "concrete": 0.33, "gravel": 0.25})
    site = (cells.roll(4) < 0.10) & (cells.chance < 0.97)
    waste = (cells.block_roll(5) < 0.12) & ~hall
    strip = (border < 14) & (border > 7) & (cells.roll(5) < 0.5)
    layers: list[Layer] = [
        (np.ones(cells.where.size, bool), yard, Cover.PAVED),
        (waste, MATERIALS["dry grass"], Cover.GARDEN),
        (strip, MATERIALS["lawn"], Cover.GARDEN),
        (strip & (cells.chance < 0.35), MATERIALS["broadleaf"], Cover.GARDEN),
        (hall, _choose(cells.die(2, thing), kinds), Cover.FABRIC),
        (site, MATERIALS["pale soil"], Cover.FABRIC),
        (cells.edge < 7, MATERIALS["asphalt"], Cover.PAVED),
    ]
    cells.paint(canvas, layers, thing)


def _park(cells: _Cells, canvas: Canvas) -> None:
    """Paint lawns with groups of trees, paths, playing fields and allotments."""
    grove = cells.block_roll(0) < 0.5
    trees = cells.chance < np.where(grove, np.float32(0.72), np.float32(0.10))
    pitch = (cells.block_roll(1) < 0.10) & (cells.street > 14)
    allotment = cells.roll(2) < 0.12
    hut = allotment & (cells.fence_u > 8) & (cells.fence_v > 6)
    layers: list[Layer] = [
        (np.ones(cells.where.size, bool), _choose(cells.block_roll(3), {"lawn": 0.75, "meadow": 0.25}), Cover.PARK),
        (trees, MATERIALS["broadleaf"], Cover.PARK),
        (pitch, MATERIALS["dry grass"], Cover.PARK),
        (hut, MATERIALS["red roof"], Cover.PARK),
        ((cells.street < 2.6) & (cells.block_roll(4) < 0.6), MATERIALS["gravel"], Cover.PARK),
        (cells.edge < 5, MATERIALS["asphalt"], Cover.PAVED),
    ]
    cells.paint(canvas, layers, cells.block)


def _lanes(ground: Ground, canvas: Canvas) -> None:
    """Paint the country roads between districts; in the city they are its main streets."""
    built = ground.zone != Zone.RURAL
    canvas.put((ground.lane < 4.5) | (built & (ground.lane < 9)), MATERIALS["asphalt"], Cover.PAVED)


def _lakes(plan: Plan, ground: Ground, canvas: Canvas) -> None:
    """Paint lakes with a belt of reed and trees."""
    lake = field_at(plan.fields["lake"], ground.y, ground.x)
    if lake.max() < -1:
        return
    belt = (lake > -0.25 + 0.12 * ground.chance) & (canvas.cover != Cover.FABRIC)
    canvas.put(belt, np.where(ground.chance[belt] < 0.35, MATERIALS["broadleaf"], MATERIALS["meadow"]), Cover.PARK)
    canvas.put((lake > -0.03) & (ground.chance < 0.6), MATERIALS["reed"], Cover.PARK)
    canvas.put(lake > 0, MATERIALS["lake"], Cover.WATER)
    canvas.thing[lake > 0] = 0


def _lines(plan: Plan, ground: Ground, canvas: Canvas) -> None:
    """Paint the river between its trees and meadows, then railway, motorway and main roads on their bridges."""
    river = away(plan.curves["river"], ground.x, ground.y)
    half = plan.river_width / 2
    built = (ground.zone != Zone.RURAL) & (ground.zone != Zone.PARK)
    reach = half + np.where(built, np.float32(12), np.float32(45)) + 30 * (ground.chance - np.float32(0.5))
    bank = (river < reach) & (canvas.cover != Cover.FABRIC)
    stuff = np.where(ground.chance[bank] < 0.4, MATERIALS["broadleaf"], MATERIALS["meadow"])
    canvas.put(bank, stuff, Cover.PARK)
    canvas.put(river < half, MATERIALS["river"], Cover.WATER)
    canvas.thing[river < half] = 1
    rail = away(plan.curves["rail"], ground.x, ground.y)
    canvas.put(rail < 7, MATERIALS["gravel"], Cover.PAVED)
    _radials(plan, ground, canvas)
    road = away(plan.curves["motorway"], ground.y, ground.x)
    canvas.put((road < 24) & (canvas.cover != Cover.WATER), MATERIALS["meadow"], Cover.MEADOW)
    canvas.put((road < 15) & (road > 2.5), MATERIALS["asphalt"], Cover.PAVED)
    canvas.put((road < 15) & (road <= 2.5), MATERIALS["dry grass"], Cover.PAVED)


def _radials(plan: Plan, ground: Ground, canvas: Canvas) -> None:
    """Paint the main roads out of the city, and its ring."""
    dx, dy = ground.x - np.float32(plan.centre[0]), ground.y - np.float32(plan.centre[1])
    dry = canvas.material != MATERIALS["lake"]
    spokes = 5 + int(plan.dice[0].take(0) * 3)
    for spoke in range(spokes):
        turn = 2 * np.pi * (spoke + float(plan.dice[1].take(spoke)) * 0.5) / spokes
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        on = dry & (np.abs(dx * sin - dy * cos + ground.warp) < 8) & (dx * cos + dy * sin > 0.12 * plan.radius)
        canvas.put(on, MATERIALS["asphalt"], Cover.PAVED)
    ring = dry & (np.abs(np.sqrt(dx * dx + dy * dy) + ground.warp - np.float32(0.45 * plan.radius)) < 9)
    canvas.put(ring, MATERIALS["asphalt"], Cover.PAVED)
