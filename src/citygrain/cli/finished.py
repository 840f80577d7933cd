"""Commands on finished work: figures of a run, two maps compared."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from citygrain.cli.console import console
from citygrain.cli.options import FormatOption, JsonOption, OutOption, finite, pairs
from citygrain.errors import ConfigError


def figures(
    folder: Annotated[Path, typer.Argument(help="Output folder of a finished run.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the figures; by default in the run's.")] = None,
    kind: FormatOption = "svg",
    as_json: JsonOption = False,
) -> None:
    """Write every figure of a finished run as a file of its own."""
    from citygrain.workflows.city.run_figures import write_run_figures

    written = write_run_figures(folder, out or folder / "figures", kind=kind)
    if as_json:
        typer.echo(json.dumps([str(path) for path in written], indent=1))
        return
    for path in written:
        console.print(f"{path}", markup=False)


def compare(
    first: Annotated[Path, typer.Argument(help="Output folder of a run, or a map (raster of class codes).")],
    second: Annotated[Path, typer.Argument(help="Another, on the same grid.")],
    out: OutOption = Path("runs/compare"),
    *,
    reference: Annotated[
        Path | None, typer.Option(help="Raster, polygons or points; by default that of the runs.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Of maps: codes and names, 1=Forest,2=Grass")] = None,
    legend: Annotated[str | None, typer.Option(help="Of maps: a ready legend: worldcover, lcz, urban.")] = None,
    field: Annotated[str | None, typer.Option(help="Attribute of polygons or points that holds the class.")] = None,
    block: Annotated[
        float, typer.Option(min=1, callback=finite, help="Of maps: side in metres of the blocks drawn again.")
    ] = 1200.0,
    kind: Annotated[
        Literal["svg", "pdf", "png"] | None, typer.Option("--format", help="Write the figures as files, too.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the blocks of the interval.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare two maps: where they differ, which is right there, and whether that is more than chance."""
    from citygrain.workflows.judging.two_maps import compare_files, compare_runs, comparison_lines

    for path in (first, second):
        if not path.exists():
            raise ConfigError(f"{path} does not exist", wanted="the folder of a run, or a map")
    if first.is_dir() != second.is_dir():
        raise ConfigError("a run and a map file", wanted="two runs or two maps", mend="give the run's map.tif")
    if first.is_dir():
        strange = {"--classes": classes, "--legend": legend, "--field": field}
        given = [name for name, value in strange.items() if value is not None]
        if given:
            raise ConfigError(f"{', '.join(given)} with two runs, which know their classes", wanted="two maps")
        found = compare_runs(first, second, out, reference=reference, kind=kind, seed=seed)
    else:
        named = pairs(classes)
        found = compare_files(
            first, second, out, reference=reference, classes=named, legend=legend, field=field, block=block, kind=kind,
            seed=seed,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found, indent=1, default=str))
        return
    for line in comparison_lines(found):
        console.print(line, markup=False)
    console.print(f"{out / 'comparison.html'}", markup=False)
