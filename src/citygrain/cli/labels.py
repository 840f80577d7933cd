"""Commands about the labels themselves: which are probably wrong, and where to label next."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citygrain.cli.console import console, show_progress
from citygrain.cli.options import JsonOption, configuration, finite
from citygrain.errors import ConfigError

if TYPE_CHECKING:
    from citygrain.workflows.labels.unit_rows import UnitRows

RunArgument = Annotated[
    Path, typer.Argument(help="Output folder of a run; or a configuration (.toml) that has not been run.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Draws the folds and the forest.")]
_LINES = 10


def review(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the files; by default in the run's.")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=0, help="How many to list.")] = 20,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Find labels of the reference that are probably wrong, with reasons, for review in QGIS or Google Earth."""
    from citygrain.workflows.labels.label_review import review_labels, review_lines, write_review

    folder = out or _folder(run, "runs") / "review"
    units = _units(run, folder)
    with show_progress("folds") as progress:
        found = review_labels(units, seed=seed, progress=progress)
    written = write_review(found, folder)
    if as_json:
        typer.echo(json.dumps(found.to_dict(number) | {"files": [str(path) for path in written]}, indent=1))
        return
    for line in review_lines(found, number):
        console.print(line, markup=False)
    for path in written:
        console.print(f"{path}", markup=False)


def suggest(
    run: RunArgument,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many to rank.")] = 100,
    out: Annotated[Path | None, typer.Option("--out", help="GeoPackage; KML, JSON and a map stand beside it.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Rank units that have a label, too.")] = False,
    spacing: Annotated[
        float | None, typer.Option(min=0, callback=finite, help="Least distance in metres; a patch, if not given.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Rank superpixels by what their labels would teach, with outlines to be labelled in QGIS or Google Earth."""
    from citygrain.workflows.labels.next_labels import suggest_labels, suggestion_lines, write_suggestion

    file = out or _folder(run, "runs") / "suggest/next.gpkg"
    units = _units(run, file.parent)
    with show_progress("folds") as progress:
        found = suggest_labels(units, number, labelled_too=everything, spacing=spacing, seed=seed, progress=progress)
    written = write_suggestion(found, file)
    if as_json:
        typer.echo(json.dumps(found.to_dict() | {"files": [str(path) for path in written]}, indent=1))
        return
    for line in suggestion_lines(found, _LINES):
        console.print(line, markup=False)
    for path in written:
        console.print(f"{path}", markup=False)


def _folder(run: Path, otherwise: str) -> Path:
    """Return where files go that were given no place: into the run's folder."""
    return run if run.is_dir() else Path(otherwise)


def _units(run: Path, folder: Path) -> "UnitRows":
    """Read the units of a run, or make those of a configuration into `folder`."""
    from citygrain.workflows.labels.unit_rows import units_of_config, units_of_run

    if run.is_dir():
        return units_of_run(run)
    if run.suffix.lower() != ".toml":
        raise ConfigError(f"{run} does not exist" if not run.exists() else f"{run} is no run", wanted="a run's folder")
    return units_of_config(configuration(run), folder / "units")
