"""The command that judges: a map by a reference or by labelled points, a table of points, a model, a split.

It has one job for each way in which something can be judged; each option belongs to one or a few of them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from citygrain.cli.console import say, show_progress
from citygrain.cli.options import JsonOption, finite, pairs
from citygrain.cli.shelf import model_cache
from citygrain.cli.validating import assess_labelled, assess_point_table
from citygrain.errors import ConfigError

_REFERENCE = "A map and a reference (MAP --reference FILE)"
_POINTS = "A map and labelled points (MAP --points FILE)"
_TABLE = "A table of points (--points-table FILE)"
_MODEL = "A model and labelled patches (--model MODEL --samples FILE)"
_GAP = "What a random split would have claimed (--gap RUN)"
_SHARED = "Of several jobs"


@dataclass(frozen=True)
class _Job:
    """One way to judge: what it takes, and how it is asked for."""

    usage: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]


_JOBS = (
    _Job("--gap RUN", ("gap",), ("model", "folds", "repeats")),
    _Job(
        "--points-table FILE",
        ("points_table",),
        ("map_field", "reference_field", "group_field", "block", "classes", "legend", "out"),
    ),
    _Job("MAP --points FILE", ("mapped", "points"), ("design", "field", "classes", "legend", "out")),
    _Job(
        "MAP --reference FILE",
        ("mapped", "reference"),
        ("field", "product", "merge", "block", "classes", "legend", "out", "kind"),
    ),
    _Job("--model MODEL --samples FILE", ("model", "samples"), ("split", "by_group", "out", "kind")),
)
_SUBJECTS = ("mapped", "reference", "points", "points_table", "samples", "gap")
_FLAGS = {"mapped": "MAP", "kind": "--format"}


def assess(
    context: typer.Context,
    mapped: Annotated[Path | None, typer.Argument(help="Map: a raster of class codes.", metavar="MAP")] = None,
    *,
    reference: Annotated[
        Path | None, typer.Option(help="Raster, polygons or points.", rich_help_panel=_REFERENCE)
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(help="Attribute of the polygons or points that holds the class.", rich_help_panel=_REFERENCE),
    ] = None,
    product: Annotated[
        str | None,
        typer.Option(
            help="What map product the reference is: `citygrain legends` lists them.", rich_help_panel=_REFERENCE
        ),
    ] = None,
    merge: Annotated[
        str | None,
        typer.Option(help="Of a product or legend: urban, finer, none, or a table (.csv).", rich_help_panel=_REFERENCE),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            "--points", help="Those of `citygrain design`, or others; takes --field, too.", rich_help_panel=_POINTS
        ),
    ] = None,
    design: Annotated[
        Path | None,
        typer.Option(
            "--design", help="How they were drawn; the .design.json beside them by default.", rich_help_panel=_POINTS
        ),
    ] = None,
    points_table: Annotated[
        Path | None, typer.Option("--points-table", help="CSV, also .gz.", rich_help_panel=_TABLE)
    ] = None,
    map_field: Annotated[
        str, typer.Option("--map-field", help="Column with the mapped class.", rich_help_panel=_TABLE)
    ] = "map",
    reference_field: Annotated[
        str, typer.Option("--reference-field", help="Column with the reference class.", rich_help_panel=_TABLE)
    ] = "reference",
    group_field: Annotated[
        str | None, typer.Option("--group-field", help="Column with the city or the like.", rich_help_panel=_TABLE)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A model's folder, or a published model; with --gap: forest, instead of the run's.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Labelled patches.", rich_help_panel=_MODEL)] = None,
    split: Annotated[
        str | None, typer.Option(help="Only these: test, validation, train.", rich_help_panel=_MODEL)
    ] = None,
    by_group: Annotated[
        bool,
        typer.Option("--by-group", help="Each city, polygon or block by itself, too.", rich_help_panel=_MODEL),
    ] = False,
    gap: Annotated[
        Path | None,
        typer.Option(help="A run's folder; random against spatial folds of its samples.", rich_help_panel=_GAP),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.", rich_help_panel=_GAP)] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How often they are dealt anew.", rich_help_panel=_GAP)] = 1,
    classes: Annotated[
        str | None, typer.Option(help="Codes and names: 1=Forest,2=Grass", rich_help_panel=_SHARED)
    ] = None,
    legend: Annotated[
        str | None,
        typer.Option(help="Or a ready legend: worldcover, lcz, from-glc10, urban.", rich_help_panel=_SHARED),
    ] = None,
    block: Annotated[
        float | None,
        typer.Option(
            "--block",
            callback=finite,
            rich_help_panel=_SHARED,
            help="Side in metres of the ground drawn again as one: 2000 for a table; for a reference of polygons whole "
            "polygons, else 1200.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for figures, matrix and JSON.", rich_help_panel=_SHARED)
    ] = None,
    kind: Annotated[
        Literal["svg", "pdf", "png"],
        typer.Option("--format", help="Of the figures; svg and pdf are vector files.", rich_help_panel=_SHARED),
    ] = "png",
    as_json: JsonOption = False,
) -> None:
    """Judge a map, a table of points or a model: matrix, accuracies and F1, with 95 % intervals.

    There are five jobs; the heading of each says how it is asked for, and an option of another one is refused.
    """
    given = [str(param.name) for param in context.command.params if _said(context, str(param.name))]
    _refuse_what_makes_no_sense(given)
    if block is not None and not block > 0:
        raise ConfigError(f"--block {block:g}", wanted="metres, more than 0")
    named: dict[str, Any] = {"classes": classes, "legend": legend}
    if gap is not None:
        _assess_gap(gap, model, folds, repeats, as_json)
    elif points_table is not None:
        fields = map_field, reference_field, group_field
        side = 2000.0 if block is None else block
        assess_point_table(points_table, fields=fields, block=side, **named, out=out, as_json=as_json)
    elif points is not None and mapped is not None:
        assess_labelled(mapped, points, design_file=design, **named, field=field, out=out, as_json=as_json)
    else:
        if mapped is not None and reference is not None:
            from citygrain.workflows.judging.map_assessment import assess_map

            figures, result = assess_map(
                mapped, reference, classes=pairs(classes), legend=legend, field=field, product=product, merge=merge,
                block=block,
            )  # fmt: skip
        else:
            from citygrain.workflows.patches.comparing import assess_model

            figures, result = assess_model(str(model), Path(str(samples)), part=split, cache=model_cache())
        if out is not None:
            from citygrain.workflows.patches.comparing import write_assessment

            write_assessment(out, figures, result, name=str(mapped or model), kind=kind)
        if as_json:
            typer.echo(json.dumps(figures, indent=1))
            return
        for line in (*result.to_csv().splitlines(), *_lines(figures, by_group=by_group)):
            say(line)


def _said(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"  # typer brings a click of its own


def _refuse_what_makes_no_sense(given: list[str]) -> None:
    """Refuse options that no single job takes, in one line."""
    subjects = {name for name in given if name in _SUBJECTS}
    job = next((job for job in _JOBS if set(job.needs) <= set(given) and subjects <= set(job.needs)), None)
    if job is None:
        raise ConfigError("what to assess is not clear", wanted=", ".join(job.usage for job in _JOBS))
    strange = [_flag(name) for name in given if name not in (*job.needs, *job.takes, "as_json")]
    if strange:
        known = ", ".join(map(_flag, (*job.takes, "as_json")))
        raise ConfigError(f"{', '.join(strange)} with {job.usage}", wanted=f"of {known} what you need")


def _flag(name: str) -> str:
    return _FLAGS.get(name, "--" + name.removeprefix("as_").replace("_", "-"))


def _assess_gap(folder: Path, model: str | None, folds: int, repeats: int, as_json: bool) -> None:
    """Train the run's model anew on random and on spatial folds, and say what lies between."""
    from citygrain.workflows.city.gap import FILE, gap_lines, measure_gap

    if model not in (None, "forest"):
        raise ConfigError("--gap with another model", wanted="assess --gap RUN [--model forest]")
    with show_progress("trainings") as progress:
        found = measure_gap(folder, folds=folds, repeats=repeats, model="forest" if model else None, progress=progress)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for line in gap_lines(found):
        say(line)
    say(f"{folder / FILE}; citygrain report {folder} shows it")


def _lines(figures: Mapping[str, Any], *, by_group: bool) -> Iterator[str]:
    """Say each class, each group if asked for, the figures of all, what was drawn, and what they leave out."""
    for name, scores in figures["per_class"].items():
        if scores["map_count"] + scores["reference_count"]:
            spans = scores.get("interval_95", {})
            users, producers, f1 = (
                _figure(scores, spans, key) for key in ("users_accuracy", "producers_accuracy", "f1")
            )
            yield f"{name}: user's accuracy {users}, producer's accuracy {producers}, F1 {f1}"
    if by_group:
        if not figures.get("by_group"):
            yield "no groups (cities, polygons, blocks) are known"
        for name, part in figures.get("by_group", {}).items():
            yield f"{name}: {part['count']:,} rows, overall accuracy {_figure(part, {}, 'overall_accuracy')}"
    spans = figures.get("interval_95", {})
    if figures.get("lcz"):
        yield ", ".join(f"{name} {_figure(figures['lcz'], spans, name)}" for name in figures["lcz"])
    names = {"overall_accuracy": "overall accuracy", "kappa": "kappa", "macro_f1": "macro F1"}
    yield ", ".join(f"{words} {_figure(figures, spans, name)}" for name, words in names.items())
    if spans:
        yield f"[95 % interval], drawn from {figures['interval_of']}"
    if "reference_product" in figures:
        yield f"agreement with {figures['reference_product']['caution']}"
    yield from figures.get("notes", [])


def _figure(values: Mapping[str, Any], spans: Mapping[str, Any], name: str) -> str:
    if values[name] is None:
        return "undefined"
    bounds = spans.get(name)
    return f"{values[name]:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")
