"""The command that makes one file of a product."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import (
    JsonOption,
    OffsetOption,
    OutOption,
    ScaleOption,
    finite,
    listed,
)
from citygrain.errors import ConfigError

ProductArgument = Annotated[
    list[Path],
    typer.Argument(
        help="Sentinel-2 SAFE (folder, zip), Landsat Collection 2 (folder, tar), HLS, or a folder of bands."
    ),
]


def scene(
    product: ProductArgument,
    out: OutOption = Path("scene.tif"),
    bands: Annotated[
        str | None, typer.Option("--bands", help="Bands in this order, masks too: B04,B08,SCL. Those of the ground.")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option("--resolution", callback=finite, help="Pixel in metres: 10 or 20. The finest.")
    ] = None,
    bbox: Annotated[str | None, typer.Option("--bbox", help="West,south,east,north in degrees; else all.")] = None,
    scale: ScaleOption = None,
    offset: OffsetOption = None,
    sensor: Annotated[str | None, typer.Option("--sensor", help="Whose bands; a product knows it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make one file of a product: named bands on one grid, as reflectance, with what is known of them."""
    from citygrain.workflows.scene_file import SceneRequest, write_scene

    request = SceneRequest(
        tuple(product), tuple(listed(bands)) if bands else None, resolution, _rectangle(bbox), scale, offset, sensor
    )
    with show_progress("windows") as progress:
        told = write_scene(request, out, progress=progress)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    for line in _lines(told):
        console.print(line, markup=False)


def _lines(told: dict[str, Any]) -> list[str]:
    known = [told.get("product", ""), told.get("baseline") and f"baseline {told['baseline']}", told.get("time")]
    lines = [", ".join([*filter(None, known), *([f"tile {told['tile']}"] if told.get("tile") else [])])]
    lines.append(f"{told['width']} x {told['height']} pixels of {told['pixel']:g}, {told['crs']}")
    lines.append(f"bands {', '.join(told['bands'])}")
    lines += [f"resampled: {part}" for part in told.get("resampling", "").split("; ") if part]
    lines += [f"reflectance = {told['radiometry']}"] if told.get("radiometry") else []
    lines += [f"  {part}" for part in told.get("evidence", "").split("; ") if part]
    return [*filter(None, lines), told["scene"]]


def _rectangle(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--bbox {text!r}", wanted="west,south,east,north in degrees: 13.2,52.4,13.6,52.6") from None
    return west, south, east, north
