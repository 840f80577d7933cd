"""The command that maps a scene with a trained or published model."""

from pathlib import Path
from typing import Annotated

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import (
    BandsOption,
    OutOption,
    RawOption,
    ScaleOption,
    SceneArgument,
    SensorOption,
    read_image,
)


def map_command(
    scene: SceneArgument,
    model: Annotated[Path, typer.Option(help="Folder of a trained model.")],
    out: OutOption = Path("map"),
    segments: Annotated[
        Path | None, typer.Option(help="Superpixels; made as for the training scene if not given.")
    ] = None,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
) -> None:
    """Map a scene with a trained model; it refuses other bands, units and pixel sizes."""
    from citygrain.workflows.apply import map_scene

    image = read_image(scene, bands, scale, sensor, digital_numbers)
    with show_progress("superpixels") as progress:
        city = map_scene(image, model, out, segments=segments, progress=progress)
    areas = ", ".join(f"{name} {hectares:,.0f} ha" for name, hectares in city.area_ha().items())
    console.print(f"{out / 'map.tif'}: {areas}")
