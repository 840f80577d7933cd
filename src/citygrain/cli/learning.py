"""Commands from samples to a model and the assessment of its map: sample, train, assess."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from citygrain.cli.console import console, show_progress, show_steps
from citygrain.cli.options import (
    DevicesOption,
    FormatOption,
    JsonOption,
    NodesOption,
    OutOption,
    ProjectorBandsOption,
    RecipeOption,
    StrategyOption,
    TensorBoardOption,
    configuration,
    devices_of,
    listed,
    pairs,
)
from citygrain.cli.patches import (
    AnyModelOption,
    ChannelsOption,
    NamesOption,
    PatchScaleOption,
    SensorsOption,
    SettingsOption,
    patch_source,
    recipe_settings,
)
from citygrain.cli.shelf import model_cache
from citygrain.cli.validating import (
    BlockOption,
    DesignFileOption,
    GroupFieldOption,
    MapFieldOption,
    PointsOption,
    ReferenceFieldOption,
    TableOption,
    assess_labelled,
    assess_point_table,
)
from citygrain.errors import ConfigError


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
    samples: Annotated[
        Path, typer.Argument(help="Samples of `citygrain sample` or `run`, a file of So2Sat, or a folder of patches.")
    ],
    out: OutOption = Path("model"),
    *,
    valid: Annotated[Path | None, typer.Option(help="Patches to validate on; else some of the training rows.")] = None,
    model: AnyModelOption = "cnn",
    sensors: SensorsOption = "s2",
    recipe: RecipeOption = "default",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a network; the recipe's own by default.")] = None,
    bands: ChannelsOption = None,
    names: NamesOption = None,
    scale: PatchScaleOption = 1.0,
    settings: SettingsOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws another training.")] = 0,
    tensorboard: TensorBoardOption = True,
    projector_bands: ProjectorBandsOption = None,
    devices: DevicesOption = None,
    nodes: NodesOption = None,
    strategy: StrategyOption = None,
) -> None:
    """Train a model on samples or patches; an interrupted training goes on when the same command is given again."""
    from citygrain.workflows.board import BoardChoice
    from citygrain.workflows.patch_training import train_patches

    shown = tuple(listed(projector_bands)) if projector_bands else None
    source = patch_source(samples, sensors=sensors, bands=bands, names=names, scale=scale)
    beside = source.beside(valid) if valid else None
    with show_progress("epochs") as progress:
        card = train_patches(
            source,
            out,
            valid=beside,
            model=model,
            recipe=recipe,
            epochs=epochs,
            options=recipe_settings(settings),
            seed=seed,
            progress=progress,
            board=BoardChoice(tensorboard, shown),
            devices=devices_of(devices, nodes, strategy),
        )
    console.print(f"{out}: {card.network}, {card.parameters:,} parameters, {sum(card.counts.values()):,} samples")


def assess(
    mapped: Annotated[Path | None, typer.Argument(help="Map: a raster of class codes.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Of the map: raster, polygons or points.")] = None,
    classes: Annotated[str | None, typer.Option(help="Codes and names: 1=Forest,2=Grass")] = None,
    legend: Annotated[str | None, typer.Option(help="Or a ready legend: worldcover, lcz, from-glc10, urban.")] = None,
    field: Annotated[str | None, typer.Option(help="Attribute of polygons or points that holds the class.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Instead of a map: a model's folder, or a published model; of --gap: forest.")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="Of the model: labelled patches.")] = None,
    split: Annotated[str | None, typer.Option(help="Only these of the patches: test, validation, train.")] = None,
    by_group: Annotated[bool, typer.Option("--by-group", help="Each city, polygon or block by itself, too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for figures, matrix and JSON.")] = None,
    *,
    product: Annotated[
        str | None, typer.Option(help="Or what map product the reference is: `citygrain legends` lists them.")
    ] = None,
    merge: Annotated[
        str | None, typer.Option(help="Of a product or legend: urban, finer, none, or a table (.csv).")
    ] = None,
    points: PointsOption = None,
    design: DesignFileOption = None,
    points_table: TableOption = None,
    map_field: MapFieldOption = "map",
    reference_field: ReferenceFieldOption = "reference",
    group_field: GroupFieldOption = None,
    block: BlockOption = 2000.0,
    gap: Annotated[
        Path | None, typer.Option(help="Instead: a run's folder; random against spatial folds of its samples.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Of --gap: folds.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Of --gap: how often they are dealt anew.")] = 1,
    kind: FormatOption = "png",
    as_json: JsonOption = False,
) -> None:
    """Compare a map with a reference or labelled points, or a model's answers with patches: matrix, accuracies, F1."""
    if gap is not None:
        if any(thing is not None for thing in (mapped, reference, samples)) or model not in (None, "forest"):
            raise ConfigError("--gap with a map or another model", wanted="assess --gap RUN [--model forest]")
        _assess_gap(gap, model, folds, repeats, as_json)
        return
    others = [thing is not None for thing in (reference, model, samples)]
    if points_table is not None and mapped is None and points is None and not any(others):
        fields = map_field, reference_field, group_field
        assess_point_table(
            points_table, fields=fields, block=block, classes=classes, legend=legend, out=out, as_json=as_json
        )
        return
    if points is not None and mapped is not None and points_table is None and not any(others):
        assess_labelled(
            mapped,
            points,
            design_file=design,
            classes=classes,
            legend=legend,
            field=field,
            out=out,
            as_json=as_json,
        )
        return
    of_map, of_model = mapped is not None and reference is not None, model is not None and samples is not None
    given = [thing is not None for thing in (mapped, reference, model, samples, points, points_table)]
    if of_map == of_model or sum(given) != 2:
        raise ConfigError(
            "what to assess is not clear",
            wanted="MAP --reference FILE, MAP --points FILE, --points-table FILE, or --model MODEL --samples FILE",
        )
    if of_map:
        from citygrain.accuracy.lcz import lcz_accuracies
        from citygrain.legend import LCZ
        from citygrain.workflows.comparing import assess_files
        from citygrain.workflows.references import product_figures

        names, beside = pairs(classes), Path(str(reference))
        result = assess_files(
            Path(str(mapped)), beside, classes=names, legend=legend, field=field, product=product, merge=merge
        )
        figures = {**result.to_dict(), **product_figures(product)}
        if result.legend == LCZ:
            figures["lcz"] = lcz_accuracies(result).to_dict()
    else:
        from citygrain.workflows.comparing import assess_model

        figures, result = assess_model(str(model), Path(str(samples)), part=split, cache=model_cache())
    if out is not None:
        from citygrain.workflows.comparing import write_assessment

        write_assessment(out, figures, result, name=str(mapped or model), kind=kind)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    _print_assessment(figures, result.to_csv(), by_group=by_group)
    if product is not None:
        console.print(f"agreement with {figures['reference_product']['caution']}", markup=False, soft_wrap=True)


def _print_assessment(figures: dict[str, Any], matrix: str, *, by_group: bool) -> None:
    console.print(matrix, end="", markup=False)
    for name, scores in figures["per_class"].items():
        if not scores["map_count"] + scores["reference_count"]:
            continue
        ua, pa = (_figure(scores[key]) for key in ("users_accuracy", "producers_accuracy"))
        console.print(
            f"{name}: user's accuracy {ua}, producer's accuracy {pa}, F1 {_figure(scores['f1'])}", markup=False
        )
    for line in _summary(figures, by_group=by_group):
        console.print(line, markup=False)


def _assess_gap(folder: Path, model: str | None, folds: int, repeats: int, as_json: bool) -> None:
    """Train the run's model anew on random and on spatial folds, and say what lies between."""
    from citygrain.workflows.gap import FILE, gap_lines, measure_gap

    with show_progress("trainings") as progress:
        found = measure_gap(folder, folds=folds, repeats=repeats, model="forest" if model else None, progress=progress)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for line in gap_lines(found):
        console.print(line, markup=False)
    console.print(f"{folder / FILE}; `citygrain report {folder}` shows it", markup=False)


def _summary(figures: dict[str, Any], *, by_group: bool) -> Iterator[str]:
    """Give the last lines of an assessment: the figures for all rows, and for each group."""
    if by_group:
        if not figures.get("by_group"):
            yield "no groups (cities, polygons, blocks) are known"
        for name, part in figures.get("by_group", {}).items():
            yield f"{name}: {part['count']:,} rows, overall accuracy {_figure(part['overall_accuracy'])}"
    bounds = figures.get("interval_95", {}).get("overall_accuracy")
    spread = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
    if figures.get("lcz"):
        yield ", ".join(f"{name} {_figure(value)}" for name, value in figures["lcz"].items())
    yield (
        f"overall accuracy {_figure(figures['overall_accuracy'])}{spread}, kappa {_figure(figures['kappa'])}, "
        f"macro F1 {_figure(figures['macro_f1'])}"
    )
    if bounds:
        yield f"[95 % interval], drawn from {figures['interval_of']}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
