"""Commands for Local Climate Zones: areas, recode."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citygrain.cli.console import console
from citygrain.cli.options import BandsOption, JsonOption, RawOption, ScaleOption, SensorOption, read_image

if TYPE_CHECKING:
    from citygrain.samples.area_checks import AreaChecks


def areas(
    file: Annotated[Path, typer.Argument(help="Training areas: KML, KMZ, GeoPackage or GeoJSON.")],
    scene: Annotated[
        list[Path] | None, typer.Option(help="A scene, to find areas that look like another class.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Draw a map of the areas: areas.png")] = None,
    field: Annotated[str | None, typer.Option(help="Attribute that holds the class.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer (folder of KML), where there are several.")] = None,
    bands: BandsOption = None,
    scale: ScaleOption = None,
    sensor: SensorOption = "sentinel-2",
    digital_numbers: RawOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check training areas: number, size, shape, overlap, and with a scene their spectra."""
    from citygrain.workflows.labels.areas import check_area_file

    image = read_image(scene, bands, scale, sensor, digital_numbers) if scene else None
    checks = check_area_file(file, scene=image, figure=out, field=field, layer=layer)
    if as_json:
        typer.echo(json.dumps(checks.to_dict(), indent=1))
        return
    for line in _table(checks):
        console.print(line, markup=False)
    if out is not None:
        console.print(f"{out}", markup=False)


def recode(
    mapped: Annotated[Path, typer.Argument(help="Map of Local Climate Zones (GeoTIFF).")],
    to: Annotated[str, typer.Option(help="wudapt, so2sat, geoclimate, wrf31 (WRF before 4.4.2) or wrf51 (since).")],
    out: Annotated[Path, typer.Option("--out", help="The new map (.tif).")],
    source: Annotated[str, typer.Option("--from", help="Scheme of the map's codes.")] = "wudapt",
    band: Annotated[int, typer.Option(min=1, help="Band with the codes; the LCZ Generator's filtered one is 2.")] = 1,
) -> None:
    """Write a map of Local Climate Zones with the codes of another scheme."""
    from citygrain.maps.recode import recode_map

    counts = recode_map(mapped, out, to=to, source=source, band=band)
    console.print(f"{out}: {', '.join(f'{code} ({count:,})' for code, count in counts.items())}", markup=False)


def _table(checks: "AreaChecks") -> list[str]:
    from citygrain.samples.area_checks import FLAGS

    lines = [f"{'LCZ':>3}  {'class':<22} {'areas':>5} {'total ha':>9} {'least':>8} {'median':>8} {'most':>8}  flags"]
    for row in checks.classes.to_dict("records"):
        sizes = " ".join(f"{row[key] / 1e4:8.1f}" for key in ("min_m2", "median_m2", "max_m2"))
        lines.append(
            f"{row['code']:>3}  {row['name']:<22} {row['count']:>5} {row['total_m2'] / 1e4:9.1f} {sizes}  "
            f"{', '.join(row['flags'])}"
        )
    flagged = [row for row in checks.flagged.to_dict("records") if set(row["flags"]) - {"large"}]
    lines += [f"polygon {row['polygon']} (LCZ {row['code']}): {row['notes']}" for row in flagged]
    used = [flag for flag in FLAGS if any(flag in flags for flags in checks.classes["flags"])]
    return lines + [f"{flag}: {FLAGS[flag]}" for flag in used]
