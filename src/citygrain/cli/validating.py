"""Commands about validation samples: plan and draw one, judge a map by it, judge a table of points."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from citygrain.cli.console import console, say
from citygrain.cli.options import JsonOption, finite, pairs
from citygrain.errors import ConfigError


def design(
    mapped: Annotated[Path, typer.Argument(help="Map: a raster of class codes.", metavar="MAP")],
    kind: Annotated[
        Literal["stratified", "random", "systematic", "cluster"],
        typer.Option("--design", help="By the map's classes; anywhere; on a lattice; in blocks of ground."),
    ] = "stratified",
    half_width: Annotated[
        float | None, typer.Option("--half-width", help="Wished: overall accuracy +- this, such as 0.03.")
    ] = None,
    total: Annotated[int | None, typer.Option("--total", min=2, help="Or the number of points.")] = None,
    allocation: Annotated[
        Literal["recommended", "neyman", "proportional", "equal"],
        typer.Option("--allocation", help="Of a stratified sample; all four are shown."),
    ] = "recommended",
    expected: Annotated[
        str | None, typer.Option("--expected", help="User's accuracies that you expect: Urban=0.9,Water=0.95")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="GeoPackage of the points; else they are only planned.")
    ] = None,
    *,
    block: Annotated[
        float, typer.Option("--block", min=1, help="Side of the blocks of --design cluster, metres.", callback=finite)
    ] = 1000.0,
    per_block: Annotated[int, typer.Option("--per-block", min=1, help="Points in each block.")] = 5,
    classes: Annotated[str | None, typer.Option(help="Codes and names: 1=Forest,2=Grass")] = None,
    legend: Annotated[str | None, typer.Option(help="Or a ready legend: worldcover, lcz, from-glc10, urban.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other points.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Plan a validation sample of a map, draw its points, and write them to be labelled in QGIS or Google Earth."""
    from citygrain.workflows.points.map_classes import map_classes
    from citygrain.workflows.points.sample_design import SampleWish, design_sample, design_text

    source = map_classes(mapped, classes=pairs(classes), legend=legend)
    width = 0.03 if half_width is None and total is None else half_width
    wish = SampleWish(kind, width, total, allocation, _shares(expected), block, per_block, seed)
    record = design_sample(source, wish, out)
    if as_json:
        typer.echo(json.dumps(record, indent=1))
        return
    for line in design_text(record):
        say(line)
    if out is not None:
        console.print(f"{', '.join(record['files'])}: {record['drawn']} points", markup=False)
        say(
            "Write what is there, by name or code, into the field 'reference', without looking at the map: the field "
            "'stratum' is its class, so hide it. Keep the .design.json beside the points."
        )


def assess_labelled(
    mapped: Path,
    points: Path,
    *,
    design_file: Path | None,
    classes: str | None,
    legend: str | None,
    field: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Judge a map by labelled points, and say what came of it."""
    from citygrain.workflows.city.validation_sample import write_point_assessment
    from citygrain.workflows.points.point_assessment import assess_points, judged_map

    source = judged_map(mapped, points, classes=pairs(classes), legend=legend, design=design_file)
    result = assess_points(source, points, design=design_file, field=field)
    if out is not None:
        write_point_assessment(out, result, source.legend, name=mapped.name)
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    for line in _labelled_lines(result):
        say(line)


def assess_point_table(
    table: Path,
    *,
    fields: tuple[str, str, str | None],
    block: float,
    classes: str | None,
    legend: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Judge a table of points group by group, and say what came of it."""
    from citygrain.files import write_text
    from citygrain.workflows.judging.table_assessment import TableFields, assess_table, table_text

    if not block > 0:
        raise ConfigError(f"--block {block:g}", wanted="metres, more than 0")
    figures = assess_table(table, TableFields(*fields), classes=pairs(classes), legend=legend, block=block)
    if out is not None:
        write_text(out / "assessment.json", json.dumps(figures, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    for line in table_text(figures):
        say(line)
    console.print(f"95 % intervals; blocks = {figures['interval_of']}, drawn again", markup=False)


def _shares(text: str | None) -> dict[str, float] | None:
    try:
        return None if text is None else {name: float(share) for name, share in (pairs(text) or {}).items()}
    except ValueError:
        raise ConfigError(repr(text), wanted="shares by class, such as Urban=0.9,Water=0.95") from None


def _labelled_lines(result: Mapping[str, Any]) -> Iterator[str]:
    points = result["points"]
    if result["probability_sample"]:
        yield from _adjusted_lines(result)
    else:
        counts = result["counts"]
        for name, part in counts["per_class"].items():
            if part["map_count"] + part["reference_count"]:
                ua, pa = (_plain(part[key]) for key in ("users_accuracy", "producers_accuracy"))
                yield f"{name}: user's accuracy {ua}, producer's accuracy {pa} (of these points)"
        yield f"agreement at {counts['count']} labelled points {_plain(counts['overall_accuracy'])}"
    missing = f"; not labelled: {', '.join(map(str, points['unlabelled_ids'][:20]))}" if points["unlabelled"] else ""
    more = ", ..." if points["unlabelled"] > 20 else ""
    yield f"{points['labelled']} of {points['drawn']} points labelled{missing}{more}"
    yield from result["notes"]


def _adjusted_lines(result: Mapping[str, Any]) -> Iterator[str]:
    from citygrain.report.area_rows import spoken_range

    adjusted, mapped = result["area_adjusted"], result["mapped"]
    hectares = adjusted["total_hectares"] is not None
    wide = max(len(name) for name in adjusted["per_class"])
    unit, digits, times = ("ha", 0, 1.0) if hectares else ("%", 1, 100.0)
    head, users_head = f"area, {unit}", "user's accuracy"
    yield f"{'':<{wide}}  {'on the map':>10}  {head:<30}  {users_head:<20}  producer's accuracy".rstrip()
    for name, part in adjusted["per_class"].items():
        area = spoken_range(part["area_hectares"] if hectares else part["area_share"], digits=digits, times=times)
        on_map = mapped[name]["hectares" if hectares else "share"] * times
        users, producers = (spoken_range(part[key]) for key in ("users_accuracy", "producers_accuracy"))
        yield f"{name:<{wide}}  {on_map:>10,.{digits}f}  {area:<30}  {users:<20}  {producers}"
    sample, overall = result["design"], spoken_range(adjusted["overall_accuracy"], digits=3)
    yield f"overall accuracy {overall}, area-adjusted; {sample['name']} sample of {sample['map']}"


def _plain(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
