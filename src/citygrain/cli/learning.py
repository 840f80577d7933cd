"""Commands from samples to a model and the assessment of its map: sample, train, assess."""

import json
from pathlib import Path
from typing import Annotated

import typer

from citygrain.cli.console import console, show_progress, show_steps
from citygrain.cli.options import (
    JsonOption,
    ModelOption,
    OutOption,
    RecipeOption,
    configuration,
    listed,
    pairs,
)


def sample(
    config: Annotated[Path, typer.Argument(help="Configuration (TOML).")], out: OutOption = Path("samples.h5")
) -> None:
    """Draw balanced training patches: HDF5 in the layout of So2Sat, or MATLAB (.mat)."""
    from citygrain.samples.matlab import write_matlab
    from citygrain.samples.store import read_samples
    from citygrain.workflows.city_map import run_city_map

    folder = out.parent if out.name == "samples.h5" else out.with_suffix("")
    with show_steps() as (observer, progress):
        run_city_map(configuration(config), folder, until="samples", observer=observer, progress=progress)
    samples = read_samples(folder / "samples.h5")
    if out.suffix == ".mat":
        write_matlab(out, samples)
    counts = ", ".join(f"{name} {count}" for name, count in samples.counts().items())
    console.print(f"{out if out.suffix == '.mat' else folder / 'samples.h5'}: {counts}")


def train(
    samples: Annotated[Path, typer.Argument(help="Samples (.h5) of `citygrain sample` or `run`.")],
    out: OutOption = Path("model"),
    model: ModelOption = "cnn",
    recipe: RecipeOption = "default",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a network.")] = 10,
    bands: Annotated[str | None, typer.Option(help="Only these features: B04,B03,B02")] = None,
    seed: int = 0,
) -> None:
    """Train a model on samples."""
    from citygrain.workflows.training import train_samples

    chosen = listed(bands) if bands else None
    with show_progress("epochs") as progress:
        card = train_samples(
            samples, out, model=model, recipe=recipe, epochs=epochs, features=chosen, seed=seed, progress=progress
        )
    console.print(f"{out}: {card.network}, {card.parameters:,} parameters, {sum(card.counts.values()):,} samples")


def assess(
    mapped: Annotated[Path, typer.Argument(help="Map: a raster of class codes.")],
    reference: Annotated[Path, typer.Option(help="Raster, polygons or points.")],
    classes: Annotated[str | None, typer.Option(help="Codes and names: 1=Forest,2=Grass")] = None,
    legend: Annotated[str | None, typer.Option(help="Or a ready legend: worldcover, lcz, from-glc10, urban.")] = None,
    field: Annotated[str | None, typer.Option(help="Attribute of polygons or points that holds the class.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a map with a reference pixel by pixel: matrix, accuracies, F1."""
    from citygrain.workflows.comparing import assess_files

    result = assess_files(mapped, reference, classes=pairs(classes), legend=legend, field=field)
    if as_json:
        typer.echo(json.dumps(result.to_dict(), indent=1))
        return
    console.print(result.to_csv(), end="", markup=False)
    for name, figures in result.to_dict()["per_class"].items():
        ua, pa = (_figure(figures[key]) for key in ("users_accuracy", "producers_accuracy"))
        console.print(
            f"{name}: user's accuracy {ua}, producer's accuracy {pa}, F1 {_figure(figures['f1'])}", markup=False
        )
    console.print(
        f"overall accuracy {result.overall_accuracy:.3f}, kappa {result.kappa:.3f}, macro F1 {result.macro_f1:.3f}"
    )


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
