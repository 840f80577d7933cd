"""The command that maps a scene with a trained or published model."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import (
    BandsOption,
    ClusterOption,
    JsonOption,
    MemoryOption,
    OffsetOption,
    OutOption,
    RawOption,
    ScaleOption,
    SceneArgument,
    SensorOption,
    WorkersOption,
    finite,
    read_image,
)
from citygrain.cli.shelf import model_cache
from citygrain.errors import ConfigError


def map_command(
    scene: SceneArgument,
    model: Annotated[str, typer.Option(help="Folder of a trained model, or a name listed by `citygrain models`.")],
    out: OutOption = Path("map"),
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    as_json: JsonOption = False,
    *,
    segments: Annotated[
        Path | None, typer.Option(help="Superpixels, for a model of them; made as for the training scene if not given.")
    ] = None,
    date: Annotated[
        list[Path] | None,
        typer.Option(help="Another date of the same ground, all bands in one file; give it again for each. Averaged."),
    ] = None,
    grid: Annotated[
        float | None, typer.Option(callback=finite, help="Side of a cell in metres; 100 for Local Climate Zones.")
    ] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Side of a cell in pixels, instead of --grid.")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write those of every class.")] = False,
    sets: Annotated[bool, typer.Option("--sets", help="Write which classes each place may be: sets.tif.")] = False,
    applicability: Annotated[
        bool, typer.Option("--applicability", help="Write where the scene is unlike the training.")
    ] = False,
    no_filter: Annotated[bool, typer.Option("--no-filter", help="Do not filter Local Climate Zones.")] = False,
    level: Annotated[
        Literal["toa", "boa"] | None,
        typer.Option(help="Reflectance of the scene: toa = top of atmosphere (Level-1C), boa = surface (Level-2A)."),
    ] = None,
    offset: OffsetOption = None,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
    half: Annotated[
        bool, typer.Option("--half", help="A published network in bfloat16: quicker, some doubtful cells differ.")
    ] = False,
) -> None:
    """Map a scene with a model; it refuses other bands, units and pixel sizes.

    The model tells what gets a class: superpixels, or cells and pixels of a grid (published networks: 100-m cells).
    """
    from citygrain.engines import LateEngine
    from citygrain.models.shelf import find_model
    from citygrain.workflows.mapping.apply import map_scene
    from citygrain.workflows.mapping.grid_map import map_grid, maps_cells
    from citygrain.workflows.memory import MemoryPlan

    late = LateEngine(workers, cluster)
    with show_progress("bytes") as progress:
        classifier = find_model(model, cache=model_cache(), half=half, progress=progress)
    cells = maps_cells(classifier.card)
    fits = MemoryPlan.of(memory)

    def too_large(shape: tuple[int, ...]) -> bool:
        return not cells and not fits.holds(shape[1] * shape[2], shape[0], len(classifier.card.features))

    read = [
        read_image(files, bands, scale, sensor, digital_numbers, offset=offset, lazy=too_large)
        for files in (scene, *([d] for d in date or []))
    ]
    if cells:
        if segments is not None:
            raise ConfigError("--segments with a model of cells", wanted="a model of superpixels")
        if memory is not None:
            raise ConfigError("--memory with a model of cells, which holds the scene", wanted="a model of superpixels")
        if grid is not None and stride is not None:
            raise ConfigError("both --grid and --stride", wanted="one of them")
        side = grid if stride is None else stride * abs(float(read[0].odc.geobox.resolution.x))
        with late, show_progress("cells") as progress:
            city = map_grid(
                read, classifier, out, kept=Path(model), grid=side,
                lcz_filter=not no_filter, probabilities=probabilities, sets=sets, applicability=applicability,
                level=level, engine=late.engine or 1, progress=progress,
            )  # fmt: skip
        areas = city.area_ha(filtered=True)
    else:
        given = {"--date": date, "--grid": grid, "--stride": stride, "--probabilities": probabilities or None}
        strange = [name for name, value in given.items() if value is not None]
        if strange:
            raise ConfigError(f"{', '.join(strange)} with a model of superpixels", wanted="a model of cells")
        with late, show_progress("superpixels") as progress:
            areas = map_scene(
                read[0], classifier, out, kept=Path(model), segments=segments, sets=sets, applicability=applicability,
                memory=fits.for_pixels, engine=late.engine, progress=progress,
            )  # fmt: skip
    if as_json:
        record = out / "map.json"
        typer.echo(
            record.read_text(encoding="utf-8") if cells else json.dumps({"areas_ha": areas, **_outside(out)}, indent=1)
        )
        return
    there = ", ".join(f"{name} {size:,.0f} ha" for name, size in areas.items() if size)
    console.print(f"{out / 'map.tif'}: {there}", markup=False)


def _outside(out: Path) -> dict[str, float]:
    path = out / "applicability.json"
    return {"share_outside": json.loads(path.read_text(encoding="utf-8"))["share_outside"]} if path.exists() else {}
