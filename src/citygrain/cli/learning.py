"""Commands from a scene to samples, and from samples to a model: sample, train."""

from pathlib import Path
from typing import Annotated

import typer

from citygrain.cli.console import console, show_progress, show_steps
from citygrain.cli.options import (
    DevicesOption,
    NodesOption,
    OutOption,
    ProjectorBandsOption,
    RecipeOption,
    StrategyOption,
    TensorBoardOption,
    configuration,
    devices_of,
    listed,
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


def sample(
    config: Annotated[Path, typer.Argument(help="Configuration (TOML).")], out: OutOption = Path("samples.h5")
) -> None:
    """Draw balanced training patches: HDF5 in the layout of So2Sat, or MATLAB (.mat)."""
    from citygrain.samples.matlab import write_matlab
    from citygrain.samples.store import read_samples
    from citygrain.workflows.city.city_map import run_city_map

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
    from citygrain.workflows.patches.patch_training import train_patches

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
