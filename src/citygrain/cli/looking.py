"""Commands that look at a scene and take it apart: look, features, segment."""

import json
from pathlib import Path
from typing import Annotated

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import (
    INDICES,
    BandsOption,
    IndicesOption,
    JsonOption,
    OutOption,
    RawOption,
    ScaleOption,
    SceneArgument,
    SensorOption,
    grid_of,
    listed,
    read_image,
)


def look(
    scene: SceneArgument,
    out: OutOption = Path("look.png"),
    rgb: Annotated[str, typer.Option("--rgb", help="Three bands for red, green and blue.")] = "B04,B03,B02",
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw any three bands and every band's histogram, and print a summary."""
    from citygrain.report.figures import figure_look, save_figure
    from citygrain.scene.read import describe_scene
    from citygrain.workflows.units import choose_features

    image = read_image(scene, bands, scale, sensor, digital_numbers)
    summary = describe_scene(image)
    shown = choose_features(image, listed(rgb), sensor).band.values
    save_figure(figure_look(image, bands=[str(name) for name in shown]), out)
    if as_json:
        typer.echo(json.dumps({"bands": summary, "figure": str(out), **grid_of(image)}, indent=1))
        return
    grid = grid_of(image)
    console.print(
        f"{grid['width']} x {grid['height']} pixels of {grid['pixel']:g}, {grid['crs']}, {image.attrs['units']}"
    )
    for row in summary:
        console.print(
            f"{row['name']:>10}  median {row['median']:8.4f}   2-98 % {row['p2']:8.4f} to {row['p98']:8.4f}   "
            f"no data {100 * row['nodata_share']:.1f} %"
        )
    console.print(f"{out}")


def features(
    scene: SceneArgument,
    out: OutOption = Path("features.tif"),
    indices: IndicesOption = INDICES,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
) -> None:
    """Compute spectral indices and band maths into a GeoTIFF."""
    from citygrain.features.stack import compute_features
    from citygrain.scene.write import write_cog

    names = listed(indices)
    stack = compute_features(read_image(scene, bands, scale, sensor, digital_numbers), names)
    write_cog(out, stack.values, stack.odc.geobox, nodata=float("nan"), band_names=names)
    console.print(f"{out}: {', '.join(names)}")


def segment(
    scene: SceneArgument,
    out: OutOption = Path("segments.tif"),
    n_segments: Annotated[int | None, typer.Option(help="Number of superpixels.")] = None,
    area: Annotated[float | None, typer.Option(help="Or their area in hectares.")] = None,
    compactness: Annotated[float, typer.Option(help="Weight of closeness against likeness.")] = 0.1,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Draw outlines for several numbers and compactnesses.")
    ] = False,
    indices: IndicesOption = INDICES,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cut a scene into superpixels, or draw how number and compactness change them."""
    from citygrain.workflows.segmenting import segment_scene, sweep_scene

    image = read_image(scene, bands, scale, sensor, digital_numbers)
    names = listed(indices)
    if sweep:
        sweep_scene(image, names, n_segments or 9000, out)
        console.print(f"{out}")
        return
    if n_segments is None and area is None:
        n_segments = 9000
    with show_progress("superpixels") as progress:
        quality = segment_scene(
            image, names, out, n_segments=n_segments, area_ha=area, compactness=compactness, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(quality, indent=1))
    else:
        variation = quality["explained_variation"]
        console.print(f"{out}: {quality['n_segments']} superpixels, explained variation {variation:.3f}")
