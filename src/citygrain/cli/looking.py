"""Commands that look at a scene and take it apart: look, features, segment."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import (
    INDICES,
    BandsOption,
    ClusterOption,
    IndicesOption,
    JsonOption,
    MemoryOption,
    OutOption,
    RawOption,
    ScaleOption,
    SceneArgument,
    SensorOption,
    WorkersOption,
    finite,
    grid_of,
    listed,
    read_image,
)

if TYPE_CHECKING:
    import xarray as xr


def look(
    scene: Annotated[list[Path], typer.Argument(help="A scene, a file of patches (.h5), or a folder or zip of them.")],
    out: OutOption = Path("look.png"),
    rgb: Annotated[
        str | None, typer.Option("--rgb", help="Three bands for red, green and blue; natural colours by default.")
    ] = None,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    per_class: Annotated[int, typer.Option(min=2, max=50, help="Patches drawn of each class.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the patches drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a scene and its histograms, or patches of each class, and print a summary."""
    if len(scene) == 1 and _holds_patches(scene[0]):
        _look_at_patches(scene[0], out, rgb, bands, scale, per_class, seed, as_json)
    else:
        image = read_image(scene, bands, scale, sensor, digital_numbers, lazy=_large)
        _look_at_scene(image, out, rgb or "B04,B03,B02", sensor, as_json)


def _holds_patches(path: Path) -> bool:
    """Tell patches from a scene: HDF5 files, and zips and folders that are neither Zarr nor a product."""
    from citygrain.scene.find_product import is_product

    if path.is_dir():
        return path.suffix.lower() != ".zarr" and not (path / ".zgroup").exists() and not is_product(path)
    suffix = path.suffix.lower()
    return suffix in (".h5", ".hdf5") or (suffix == ".zip" and not is_product(path))


def _large(shape: tuple[int, ...]) -> bool:
    from citygrain.workflows.memory import MemoryPlan

    return not MemoryPlan.of(None).holds(shape[1] * shape[2], shape[0], 0)


def _look_at_scene(image: "xr.DataArray", out: Path, rgb: str, sensor: str, as_json: bool) -> None:
    from citygrain.report.figures import figure_look, save_figure
    from citygrain.scene.read import describe_scene
    from citygrain.workflows.units import choose_features

    summary = describe_scene(image)
    shown = choose_features(image, listed(rgb), sensor).band.values
    save_figure(figure_look(image, bands=[str(name) for name in shown]), out)
    grid = grid_of(image)
    if as_json:
        typer.echo(json.dumps({"bands": summary, "figure": str(out), **grid}, indent=1))
        return
    console.print(
        f"{grid['width']} x {grid['height']} pixels of {grid['pixel']:g}, {grid['crs']}, {image.attrs['units']}"
    )
    for row in summary:
        console.print(
            f"{row['name']:>10}  median {row['median']:8.4f}   2-98 % {row['p2']:8.4f} to {row['p98']:8.4f}   "
            f"no data {100 * row['nodata_share']:.1f} %"
        )
    console.print(f"{out}")


def _look_at_patches(
    path: Path,
    out: Path,
    rgb: str | None,
    bands: str | None,
    scale: float | None,
    per_class: int,
    seed: int,
    as_json: bool,
) -> None:
    from citygrain.workflows.patches.patch_look import look_at_patches
    from citygrain.workflows.patches.patch_source import PatchSource

    source = PatchSource(path, names=tuple(listed(bands)) if bands else None, scale=scale or 1.0)
    chosen = tuple(listed(rgb)) if rgb else None
    about = look_at_patches(source, out, rgb=chosen, per_class=per_class, seed=seed)
    if as_json:
        typer.echo(json.dumps(about, indent=1))
        return
    shape = " x ".join(str(side) for side in about["shape"])
    console.print(f"{about['rows']:,} patches of {shape}, {about['units']}, legend {about['legend']}", markup=False)
    counts = ", ".join(f"{name} {count:,}" for name, count in about["classes"].items() if count)
    unlabelled = f", without a class {about['unlabelled']:,}" if about["unlabelled"] else ""
    console.print(f"{counts}{unlabelled}", markup=False)
    named = about["group_names"][:8] + ["..."] * (len(about["group_names"]) > 8)
    told = f" ({', '.join(named)})" if named else ""
    groups = f"{about['groups']} groups{told}" if about["groups"] else "no groups known"
    splits = ", ".join(f"{name} {count:,}" for name, count in about["splits"].items())
    console.print(f"{groups}; {f'split {splits}' if splits else 'no split of its own'}")
    console.print(f"from {about['probed']} patches spread over the file:")
    for row in about["channels"]:
        median, low, high = (f"{row[key]:10.4g}" if row[key] is not None else "-" for key in ("median", "p2", "p98"))
        console.print(
            f"{row['name']:>12}  median {median}   2-98 % {low} to {high}   missing {100 * row['missing']:.1f} %"
        )
    for figure in about["figures"].values():
        console.print(figure, markup=False)


def features(
    scene: SceneArgument,
    out: OutOption = Path("features.tif"),
    indices: IndicesOption = INDICES,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    figure: Annotated[Path | None, typer.Option("--figure", help="Draw them as maps, too: indices.svg")] = None,
) -> None:
    """Compute spectral indices and band maths into a GeoTIFF."""
    from citygrain.features.stack import compute_features
    from citygrain.scene.cog_writer import stream_cog

    names = listed(indices)
    stack = compute_features(read_image(scene, bands, scale, sensor, digital_numbers, lazy=True), names)
    with show_progress("features") as progress:
        stream_cog(out, stack, nodata=float("nan"), band_names=names, progress=progress)
    console.print(f"{out}: {', '.join(names)}")
    if figure is not None:
        from citygrain.report.figures import figure_index_maps, save_figure

        save_figure(figure_index_maps(stack), figure)
        console.print(f"{figure}", markup=False)


def segment(
    scene: SceneArgument,
    out: OutOption = Path("segments.tif"),
    n_segments: Annotated[int | None, typer.Option(help="Number of superpixels.")] = None,
    area: Annotated[float | None, typer.Option(callback=finite, help="Or their area in hectares.")] = None,
    compactness: Annotated[float, typer.Option(callback=finite, help="Weight of closeness against likeness.")] = 0.1,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Draw outlines for several numbers and compactnesses.")
    ] = False,
    indices: IndicesOption = INDICES,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    as_json: JsonOption = False,
    *,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Cut a scene into superpixels, or draw how number and compactness change them."""
    from citygrain.engines import LateEngine
    from citygrain.lazy import is_lazy
    from citygrain.workflows.memory import MemoryPlan
    from citygrain.workflows.segmenting import segment_scene, sweep_scene

    names, fits, late = listed(indices), MemoryPlan.of(memory), LateEngine(workers, cluster)

    def too_large(shape: tuple[int, ...]) -> bool:
        return sweep or not fits.holds(shape[1] * shape[2], shape[0], shape[0] + len(names))

    image = read_image(scene, bands, scale, sensor, digital_numbers, lazy=too_large)
    if sweep:
        sweep_scene(image, names, n_segments or 9000, out)
        console.print(f"{out}")
        return
    if n_segments is None and area is None:
        n_segments = 9000
    with late, show_progress("superpixels") as progress:
        quality = segment_scene(
            image, names, out, n_segments=n_segments, area_ha=area, compactness=compactness,
            memory=fits.for_pixels if is_lazy(image) else None, engine=late.engine, progress=progress,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(quality, indent=1))
    else:
        variation = quality["explained_variation"]
        console.print(f"{out}: {quality['n_segments']} superpixels, explained variation {variation:.3f}")
