"""The files of a fetch, made window by window: the composite, the radar, the map that serves as reference."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from citygrain.imagery.composite import as_numbers
from citygrain.imagery.image_set import ImageSet
from citygrain.imagery.mirror import Early, copy_area
from citygrain.imagery.observation import Observation
from citygrain.imagery.query import parse_dates
from citygrain.imagery.radiometry import Radiometry, decide_radiometry
from citygrain.imagery.reading import read_sample, witnesses
from citygrain.imagery.windows import Recipe, map_window, optical_window, reach_m
from citygrain.tiles import Progress, Tile, processors, tile_grid
from citygrain.workflows.fetching.fetch_files import write_config, write_sources
from citygrain.workflows.fetching.fetch_radar import RadarRecipe, looks_of, radar_window
from citygrain.workflows.fetching.fetch_request import FetchRequest
from citygrain.workflows.fetching.fetch_scenes import files_of, scenes_of
from citygrain.workflows.fetching.fetch_windows import (
    Arrays,
    Layer,
    Scratch,
    join_windows,
    make_windows,
    window_side,
)

__all__ = ["FetchWork"]

log = logging.getLogger(__name__)

Observer = Callable[[str, str], None]


@dataclass(frozen=True)
class FetchWork:
    """A fetch whose images are known.

    Attributes
    ----------
    request : FetchRequest
        What is asked for.
    out : Path
        Where the files go.
    sets : tuple of ImageSet
        Images by product.
    grid : GeoBox
        The grid of all files.
    scratch : Scratch
        Keeps finished windows.
    """

    request: FetchRequest
    out: Path
    sets: tuple[ImageSet, ...]
    grid: GeoBox
    scratch: Scratch

    @property
    def images(self) -> list[str]:
        """Names of the files that hold pixels."""
        return [name for each in self.sets for name in files_of(each.product, list(scenes_of(each, self.request)))]

    def make(self, tell: Observer, progress: Progress | None, *, memory: int, workers: int) -> float:
        """Make all files, and return the share of the pixels that were clear at least once.

        Raises
        ------
        InputError
            If a file cannot be read or its numbers cannot be understood.
        OutputError
            If a file cannot be written.
        """
        radiometry: dict[str, Radiometry] = {}
        seen = 0.0
        for images in sorted(self.sets, key=lambda each: each.product != "sentinel-2"):  # what may be refused, first
            tell(f"{images.product} files", "started")
            local, decided = self._copied(images, progress, workers)
            tell(images.product, "started")
            job = _Job(self, local, progress, memory, workers)
            scenes = scenes_of(local, self.request)
            if images.product == "sentinel-2":
                radiometry = decided
                seen = max(job.optical(name, chosen, decided) for name, chosen in scenes.items())
            elif images.product == "sentinel-1":
                for name, chosen in scenes.items():
                    job.radar(name, chosen)
            else:
                job.map()
            tell(images.product, f"{len(images.observations)} images")
        self._write_notes({name: asdict(each) for name, each in radiometry.items()})
        return seen

    def _copied(
        self, images: ImageSet, progress: Progress | None, workers: int
    ) -> tuple[ImageSet, dict[str, Radiometry]]:
        """Return the images as files on the disk, and how the numbers of optical ones become reflectance.

        That is decided while they are copied, by the bands that are copied first, so that a refusal costs little.
        What a killed fetch decided is kept.
        """
        optical = images.product == "sentinel-2"
        told = {one.id: one for one in images.observations}
        decided: dict[str, Any] = {}

        def decide(one: Observation) -> None:
            sample = read_sample(one, self.grid)
            decided[one.id] = asdict(decide_radiometry(told[one.id], sample, override=self.request.offset))

        around = reach_m(self.request.method, self.request.dilation)
        if images.product == "sentinel-1":
            around = self.radar_recipe().halo * abs(self.grid.affine.a)
        early = Early(witnesses(images.bands), decide) if optical and not self.scratch.noted("radiometry") else None
        folder = self.scratch.files(images.product)
        how: dict[str, Any] = {"around_m": around, "workers": workers, "progress": progress, "early": early}
        local = copy_area(images, self.grid, folder, **how)
        kept = self.scratch.note("radiometry", lambda: decided) if optical else {}
        return local, {name: Radiometry(**{**each, "evidence": tuple(each["evidence"])}) for name, each in kept.items()}

    def radar_recipe(self) -> RadarRecipe:
        """Return how radar images become one."""
        images = [one for each in self.sets if each.product == "sentinel-1" for one in each.observations]
        return RadarRecipe(self.request.radar, self.request.speckle, looks_of(images))

    def map_year(self) -> int | None:
        """Return the year of the map that serves as reference."""
        maps = [each for each in self.sets if each.product == "worldcover"]
        return max(observation.time.year for observation in maps[0].observations) if maps else None

    def _write_notes(self, radiometry: Mapping[str, Any]) -> None:
        made = {each.product: list(scenes_of(each, self.request)) for each in self.sets}
        scenes = [f"{scene}.tif" for scene in made["sentinel-2"]]
        dates = len(scenes) > 1
        if not dates:  # radar of the same days beside it
            radar = [f"{scene}.tif" for scene in made.get("sentinel-1", ())]
            scenes += [name for name in radar if name == scenes[0].replace("s2", "s1", 1)]
        count = len(next(each for each in self.sets if each.product == "sentinel-2").observations)
        request = self.request
        write_config(
            self.out / "city.toml",
            scenes=scenes,
            dates=dates,
            map_year=self.map_year(),
            title=f"{request.area.name}: {request.method} of {count} images, {request.first} to {request.last}",
        )
        write_sources(self.out / "sources.json", self.sets, radiometry, scenes=made)


@dataclass(frozen=True)
class _Job:
    """One product of a fetch."""

    work: FetchWork
    images: ImageSet
    progress: Progress | None
    memory: int
    workers: int

    def optical(self, name: str, chosen: Sequence[Observation], radiometry: Mapping[str, Radiometry]) -> float:
        """Make a composite and its counts; return the share of pixels seen."""
        request, grid = self.work.request, self.work.grid
        first, last = parse_dates(request.first, request.last)
        tiles = self._tiles(len(chosen), len(self.images.bands) + 2)
        recipe = Recipe(request.method, request.bands, radiometry, _middle(chosen, first, last), request.dilation)

        def make(tile: Tile) -> Arrays:
            made = optical_window(chosen, grid[tile.slices], recipe)
            return {name: as_numbers(made[0]), _count_of(name): np.minimum(made[1], 255).astype(np.uint8)}

        levels = sorted({each.level for each in radiometry.values()})
        tags = {"level": ", ".join(levels), "radiometry": _summary(radiometry), "method": request.method}
        layers = [
            Layer(f"{name}.tif", "uint16", request.bands, nodata=0, scale=1e-4, tags=tags),
            Layer(f"{_count_of(name)}.tif", "uint8", ("clear observations",)),
        ]
        self._write(name, make, layers, tiles)
        counts = (self.work.scratch.get_tile(name, tile)[_count_of(name)] for tile in tiles)
        return float(sum(int((count > 0).sum()) for count in counts) / np.prod(grid.shape))

    def radar(self, name: str, chosen: Sequence[Observation]) -> None:
        """Make the mean or median power over time."""
        tiles = self._tiles(len(chosen), 4)
        grid, recipe = self.work.grid, self.work.radar_recipe()

        def make(tile: Tile) -> Arrays:
            return {name: radar_window(chosen, grid[tile.slices], recipe)}

        tags = {"level": self.images.collection.level, "units": "linear power", **recipe.tags}
        layer = Layer(f"{name}.tif", "float32", ("VV", "VH"), nodata=float("nan"), tags=tags)
        self._write(name, make, [layer], tiles)

    def map(self) -> None:
        """Bring the map onto the grid."""
        tiles = self._tiles(2, 2)
        grid = self.work.grid

        def make(tile: Tile) -> Arrays:
            return {"worldcover": map_window(self.images.observations, grid[tile.slices])}

        tags = {"scheme": "worldcover", "year": str(self.work.map_year())}
        layer = Layer("worldcover.tif", "uint8", ("worldcover",), nodata=0, tags=tags)
        self._write("worldcover", make, [layer], tiles)

    def _tiles(self, observations: int, bands: int) -> list[Tile]:
        """Return the windows."""
        workers = min(self.workers, processors())
        side = window_side(observations, bands, memory=self.memory, workers=workers)
        return tile_grid((int(self.work.grid.shape[0]), int(self.work.grid.shape[1])), side)

    def _write(self, name: str, make: Callable[[Tile], Arrays], layers: Sequence[Layer], tiles: Sequence[Tile]) -> None:
        scratch, workers = self.work.scratch, min(self.workers, processors())
        make_windows(make, tiles, scratch, name=name, workers=workers, progress=self.progress)
        join_windows(self.work.out, layers, self.work.grid, tiles, scratch, name=name)


def _count_of(scene: str) -> str:
    return scene.replace("s2", "clear", 1)


def _middle(chosen: Sequence[Observation], first: datetime, last: datetime) -> datetime:
    """Return the middle of the days, or of a season's images."""
    times = [each.time for each in chosen]
    return first + (last - first) / 2 if not times else min(times) + (max(times) - min(times)) / 2


def _summary(radiometry: Mapping[str, Radiometry]) -> str:
    """Say in one line how the numbers of all images became reflectance."""
    groups: dict[str, int] = {}
    for each in radiometry.values():
        how = f"(number {each.offset:+g}) / {each.scale:g}"
        groups[how] = groups.get(how, 0) + 1
    return "; ".join(f"{how} in {count} images" for how, count in sorted(groups.items()))
