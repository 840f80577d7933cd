"""The command that compares models on patches, and the options that commands on patches share."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from citygrain.cli.console import console, show_steps
from citygrain.cli.options import (
    DevicesOption,
    FormatOption,
    JsonOption,
    NodesOption,
    OutOption,
    RecipeOption,
    StrategyOption,
    TensorBoardOption,
    devices_of,
    finite,
    listed,
    pairs,
)
from citygrain.cli.shelf import model_cache

if TYPE_CHECKING:
    from citygrain.workflows.patches.patch_source import PatchSource

__all__ = [
    "AnyModelOption",
    "ChannelsOption",
    "NamesOption",
    "PatchScaleOption",
    "SensorsOption",
    "SettingsOption",
    "benchmark",
    "patch_source",
    "recipe_settings",
]

AnyModelOption = Annotated[
    Literal["auto", "forest", "mlp", "cnn", "resnet50", "resnet20", "sen2lcz", "fusion", "patchnet"],
    typer.Option("--model", help="The classifier."),
]
SensorsOption = Annotated[str, typer.Option("--sensors", help="Of So2Sat: s1, s2, or s1,s2.")]
ChannelsOption = Annotated[str | None, typer.Option("--bands", help="Only these channels: B04,B03,B02")]
NamesOption = Annotated[
    str | None, typer.Option("--names", help="Names of the channels of a patch folder, where its files have none.")
]
PatchScaleOption = Annotated[
    float,
    typer.Option(
        "--scale", callback=finite, help="Values of a patch folder are divided by it: 10000 gives reflectance."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting of the networks' recipes: --set mixup=0.2 --set views=1"),
]


def benchmark(
    patches: Annotated[Path, typer.Argument(help="A file of So2Sat, samples of ours, or a folder or zip of patches.")],
    *,
    models: Annotated[
        str, typer.Option(help="Names, with a recipe where it is another (mlp:course), folders, or published models.")
    ] = "forest,mlp,resnet50,sen2lcz",
    split: Annotated[
        Literal["course", "file", "group", "random"],
        typer.Option(help="course: the last 20 % are tested; file: the data's own; group: whole cities or polygons."),
    ] = "course",
    out: OutOption = Path("runs/benchmark"),
    valid: Annotated[Path | None, typer.Option(help="Another file to validate on.")] = None,
    test: Annotated[Path | None, typer.Option(help="Another file to test on; the split is file then.")] = None,
    recipe: RecipeOption = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the networks; each recipe's by default.")] = None,
    folds: Annotated[int, typer.Option(min=0, max=100, help="Folds of the splits random and group.")] = 0,
    grouped: Annotated[bool, typer.Option(help="Score on unseen groups too, where groups are known.")] = True,
    block: Annotated[
        float | None,
        typer.Option(
            callback=finite, help="Square blocks of so many metres are the groups, where coordinates are known."
        ),
    ] = None,
    sensors: SensorsOption = "s2",
    bands: ChannelsOption = None,
    names: NamesOption = None,
    scale: PatchScaleOption = 1.0,
    settings: SettingsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other splits and trainings.")] = 0,
    tensorboard: TensorBoardOption = True,
    devices: DevicesOption = None,
    nodes: NodesOption = None,
    strategy: StrategyOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do every step again.")] = False,
    kind: FormatOption = "png",
    as_json: JsonOption = False,
) -> None:
    """Train and score several models on the same patches: one table, the matrices side by side, a report."""
    from citygrain.workflows.board import BoardChoice
    from citygrain.workflows.patches.benchmark_plan import BenchmarkPlan, Contender
    from citygrain.workflows.patches.patch_benchmark import run_benchmark
    from citygrain.workflows.patches.patch_table import table_lines

    source = replace(patch_source(patches, sensors=sensors, bands=bands, names=names, scale=scale), block=block)
    plan = BenchmarkPlan(
        source,
        tuple(Contender.parse(name, recipe=recipe) for name in listed(models)),
        split="file" if test else split,
        valid=source.beside(valid) if valid else None,
        test=source.beside(test) if test else None,
        folds=folds,
        grouped=grouped,
        epochs=epochs,
        settings=recipe_settings(settings),
        seed=seed,
        cache=model_cache(),
        board=BoardChoice(tensorboard),
        devices=devices_of(devices, nodes, strategy),
    )
    with show_steps() as (observer, progress):
        table = run_benchmark(plan, out, fresh=fresh, kind=kind, observer=observer, progress=progress)
    if not table:
        console.print(f"helped to train what is in {out}", markup=False)
        return
    if as_json:
        typer.echo(json.dumps(table, indent=1))
        return
    for line in table_lines(table):
        console.print(line, markup=False)
    console.print(f"table {out / 'table.csv'}, matrices {out / f'matrices.{kind}'}, report {out / 'report.html'}")


def recipe_settings(settings: list[str] | None) -> dict[str, object]:
    """Read what ``--set`` says, each time it was given."""
    return dict(pairs(",".join(settings or [])) or {})


def patch_source(
    path: Path, *, sensors: str, bands: str | None, names: str | None, scale: float, part: str | None = None
) -> "PatchSource":
    """Read the options that say what patches are."""
    from citygrain.workflows.patches.patch_source import PatchSource

    return PatchSource(
        path,
        sensors=tuple(listed(sensors)),
        names=tuple(listed(names)) if names else None,
        bands=tuple(listed(bands)) if bands else None,
        scale=scale,
        part=part,
    )
