"""The command that fetches imagery of an area."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from citygrain.cli.console import console, show_steps
from citygrain.cli.options import JsonOption, MemoryOption, listed
from citygrain.errors import InputError

if TYPE_CHECKING:
    from citygrain.imagery.area import Area
    from citygrain.imagery.plan import FetchPlan
    from citygrain.workflows.fetching.fetch import Fetched

__all__ = ["fetch"]

Place = Annotated[str | None, typer.Option("--place", help="Name of a place in the file of --places.")]


def fetch(
    out: Annotated[Path, typer.Option("--out", help="Folder of the result.")] = Path("data/city"),
    first: Annotated[str, typer.Option("--from", help="First day: 2025-05-01.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, included.")] = "",
    *,
    bbox: Annotated[str | None, typer.Option("--bbox", help="west,south,east,north in degrees.")] = None,
    area: Annotated[Path | None, typer.Option("--area", help="GeoJSON or GeoPackage with the outline.")] = None,
    place: Place = None,
    places: Annotated[Path | None, typer.Option("--places", help="GeoJSON, GeoPackage or CSV of places.")] = None,
    radius: Annotated[float | None, typer.Option("--radius", help="Km around a place that is a point.")] = None,
    catalogue: Annotated[
        list[str] | None,
        typer.Option("--catalogue", help="Name, https address or path; PRODUCT=NAME for a single product."),
    ] = None,
    collection: Annotated[
        list[str] | None, typer.Option("--collection", help="PRODUCT=ID, where a catalogue leaves it open.")
    ] = None,
    asset: Annotated[
        list[str] | None, typer.Option("--asset", help="BAND=KEY, where a catalogue leaves it open.")
    ] = None,
    products: Annotated[
        str, typer.Option("--products", help="Some of sentinel-2,sentinel-1,worldcover.")
    ] = "sentinel-2,sentinel-1,worldcover",
    level: Annotated[Literal["L2A", "L1C"], typer.Option("--level", help="Of Sentinel-2.")] = "L2A",
    bands: Annotated[str | None, typer.Option("--bands", help="Of Sentinel-2; the ten of 10 and 20 m.")] = None,
    resolution: Annotated[int, typer.Option("--resolution", help="Metres: 10 or 20.")] = 10,
    crs: Annotated[str | None, typer.Option("--crs", help="EPSG:32633; the area's UTM zone without it.")] = None,
    method: Annotated[
        Literal["median", "medoid", "best"], typer.Option("--method", help="Which pixel of many becomes the one.")
    ] = "median",
    seasons: Annotated[bool, typer.Option("--seasons", help="One composite for each season.")] = False,
    cloud_max: Annotated[float, typer.Option("--cloud-max", help="Percent; cloudier images are not read.")] = 60.0,
    dilation: Annotated[float, typer.Option("--dilation", help="Metres by which clouds are grown.")] = 100.0,
    radar: Annotated[Literal["mean", "median"], typer.Option("--radar", help="Radar power over the days.")] = "mean",
    speckle: Annotated[
        Literal["none", "boxcar", "lee", "refined-lee"], typer.Option("--speckle", help="Filter of each radar image.")
    ] = "none",
    offset: Annotated[
        float | None, typer.Option("--offset", help="0 or -1000, where metadata and numbers contradict each other.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Take what there is now, whatever the lock says.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Files read at a time.")] = 4,
    memory: MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch imagery of an area: a cloud-free composite, radar and a land-cover map on one grid, ready for `run`."""
    from citygrain.workflows.fetching.fetch import FetchOptions, plan_fetch
    from citygrain.workflows.fetching.fetch import fetch as fetch_area
    from citygrain.workflows.fetching.fetch_request import FetchRequest

    main, others = _catalogues(catalogue or [])
    asked: dict[str, Any] = {
        "catalogues": others,
        "collections": _pairs(collection or [], "--collection", "PRODUCT=ID"),
        "assets": _pairs(asset or [], "--asset", "BAND=KEY"),
        "level": level,
        "products": tuple(listed(products)),
        "resolution": resolution,
        "crs": crs,
        "method": method,
        "seasons": seasons,
        "cloud_max": cloud_max,
        "dilation": dilation,
        "radar": radar,
        "speckle": speckle,
        "offset": offset,
        **({"catalogue": main} if main else {}),
        **({"bands": tuple(listed(bands))} if bands else {}),
    }
    request = FetchRequest(_area(bbox, area, place, places, radius), first, last, **asked)
    options = FetchOptions(workers=workers, memory=memory, update=update, secrets=_Secrets())
    if dry_run:
        _say_plan(plan_fetch(request, options), as_json)
        return
    with show_steps() as (observer, progress):
        done = fetch_area(request, out, options, observer=observer, progress=progress)
    _say_done(done, as_json)


class _Secrets(Mapping[str, str]):
    """The environment, looked at when a secret is asked for."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Any:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def _area(bbox: str | None, file: Path | None, place: str | None, places: Path | None, radius: float | None) -> "Area":
    from citygrain.imagery.area import area_from_bbox, area_from_file
    from citygrain.imagery.places import area_of_place

    given = [each for each in (bbox, file, place) if each is not None]
    if len(given) != 1:
        raise InputError(f"{len(given)} areas", wanted="one of --bbox, --area, or --place with --places")
    if bbox is not None:
        return area_from_bbox(bbox)
    if file is not None:
        return area_from_file(file)
    if places is None:
        raise InputError(f"place {place} without a file of places", mend="give --places FILE")
    return area_of_place(str(place), places, radius_km=radius)


def _catalogues(said: Sequence[str]) -> tuple[str | None, dict[str, str]]:
    """Return the catalogue of all products and those of single ones; an address may hold ``=`` itself."""
    from citygrain.workflows.fetching.fetch_request import PRODUCTS

    single = {name: rest for each in said for name, _, rest in [each.partition("=")] if name in PRODUCTS and rest}
    main = [each for each in said if each.partition("=")[0] not in PRODUCTS]
    if len(main) > 1:
        raise InputError(f"catalogues {' and '.join(main)}", wanted="one, and PRODUCT=NAME for others")
    return (main[0] if main else None), single


def _pairs(said: Sequence[str], option: str, form: str) -> dict[str, str]:
    pairs = {}
    for each in said:
        key, equals, value = each.partition("=")
        if not (key and equals and value):
            raise InputError(f"{option} {each}", wanted=form)
        pairs[key] = value
    return pairs


def _say_plan(plan: "FetchPlan", as_json: bool) -> None:
    if as_json:
        text = {
            "items": list(plan.items),
            "left_out": list(plan.left_out),
            "grid": {"crs": str(plan.grid.crs), "shape": [int(n) for n in plan.grid.shape]},
            "bytes": plan.bytes,
            "requests": plan.requests,
            "disk_bytes": plan.disk + plan.written,
            "copies_bytes": plan.disk,
            "written_bytes": plan.written,
            "bytes_per_second": plan.rate,
            "seconds": plan.seconds,
        }
        typer.echo(json.dumps(text, indent=1))
        return
    for row in plan.items:
        cloud = "" if row["cloud"] is None else f"{row['cloud']:5.1f} % cloud"
        console.print(f"{row['time'][:16]}  {row['tile'] or '':>8}  {cloud:13}  {row['id']}", markup=False)
    for line in plan.left_out:
        console.print(line, markup=False)
    height, width = plan.grid.shape
    console.print(f"{width} x {height} pixels of {abs(plan.grid.affine.a):g} m, {plan.grid.crs}", markup=False)
    took = f", about {_span(plan.seconds)} at {_size(plan.rate)}/s" if plan.seconds and plan.rate else ""
    disk = (
        f"; {_size(plan.disk + plan.written)} of disk at most: {_size(plan.disk)} copies, the rest what is made of them"
    )
    console.print(f"about {_size(plan.bytes)} in {plan.requests} requests{took}{disk}", markup=False)


def _say_done(done: "Fetched", as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**asdict(done), "folder": str(done.folder)}, indent=1))
        return
    for line in done.said:
        console.print(line, markup=False)
    if done.reused:
        console.print(f"{done.folder} is as the lock says: nothing was to be done", markup=False)
        return
    images = ", ".join(f"{count} of {product}" for product, count in done.images.items())
    console.print(f"images: {images}; {done.seen:.1%} of the pixels were clear at least once", markup=False)
    if done.bytes is not None and done.requests is not None:
        each = (
            f"{done.bytes / done.pixels:.1f} bytes a pixel, {done.requests / done.pixels * 1e6:,.0f} requests a million"
        )
        console.print(f"{_size(done.bytes)} in {done.requests} requests: {each}", markup=False)
    console.print(f"{done.folder / 'city.toml'}", markup=False)


def _size(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
