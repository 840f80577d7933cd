"""Commands of the shelf: which models there are, and weights of Keras made one of them."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from citygrain.cli.console import console
from citygrain.cli.options import JsonOption, OutOption

if TYPE_CHECKING:
    from citygrain.models.card import ModelCard
    from citygrain.models.shelf import PublishedModel

__all__ = ["import_keras_command", "model_cache", "models"]


def model_cache() -> Path | None:
    """Return the folder for published files that CITYGRAIN_CACHE names, or None for the usual one."""
    named = os.environ.get("CITYGRAIN_CACHE")
    return Path(named) if named else None


def models(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of models, or folders of such folders.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the published models, and those in the folders given."""
    from citygrain.models.download import cache_folder
    from citygrain.models.shelf import published_models

    cache = model_cache() or cache_folder()
    rows = [_published(model, cache) for model in published_models().values()]
    rows += [_own(folder, card) for folder, card in _cards(folders or [])]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        console.print(f"{row['name']}: {row['title']}", markup=False, style="bold")
        _show(_told(row))


def import_keras_command(
    file: Annotated[Path, typer.Argument(help="Weights that Keras 2 saved (.h5, .hdf5).")],
    network: Annotated[Literal["sen2lcz", "resnet20"], typer.Option(help="The network that they belong to.")],
    out: OutOption = Path("model"),
    sensor: Annotated[
        Literal["s2", "s1"], typer.Option(help="s2: the ten bands of So2Sat; s1: its seven radar features.")
    ] = "s2",
) -> None:
    """Make a model of weights that Keras saved; a published file is known by its checksum and gets its whole card."""
    from citygrain.models.keras_weights import import_keras
    from citygrain.models.shelf import recognise
    from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL2

    known = recognise(file)
    if known is not None and known.network == network:
        model = known.load(file)
    elif sensor == "s1":
        model = import_keras(file, network, features=SAR_FEATURES, units="radar features")
    else:
        model = import_keras(file, network, features=SO2SAT_SENTINEL2)
    model.save(out)
    what = f"published as {known.name}, {known.licence}" if known is not None else "not a file of the shelf"
    console.print(f"{out}: {network}, {model.card.parameters:,} parameters, {what}", markup=False)


def _show(told: dict[str, str]) -> None:
    """Show a table on a terminal; whole lines when piped, so that they can be searched."""
    if not console.is_terminal:
        for key, value in told.items():
            console.print(f"  {key:<12} {value}", markup=False)
        return
    table = Table(box=None, show_header=False, pad_edge=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in told.items():
        table.add_row(key, Text(value))
    console.print(table, soft_wrap=False)


def _cards(folders: list[Path]) -> "list[tuple[Path, ModelCard]]":
    from citygrain.models.card import CARD, read_card

    found: list[Path] = []
    for folder in folders:
        within = [] if (folder / CARD).exists() else sorted(path.parent for path in folder.glob(f"*/{CARD}"))
        found += within or [folder]  # a folder without any is named by read_card
    return [(folder, read_card(folder)) for folder in found]


def _published(model: "PublishedModel", cache: Path) -> dict[str, Any]:
    path = cache / model.file
    return {**model.to_dict(), "path": str(path), "fetched": path.is_file()}


def _own(folder: Path, card: "ModelCard") -> dict[str, Any]:
    taken = card.recipe.get("chosen")
    choice = f"{' and '.join(map(str, taken))}: {card.recipe.get('why')}" if isinstance(taken, list) else ""
    judged = [epoch["valid_accuracy"] for epoch in card.history if "valid_accuracy" in epoch and not choice]
    scores = {"data": "its own validation rows", "overall_accuracy": judged[-1]} if judged else {}
    rows = sum(card.counts.values())
    return {
        "name": str(folder),
        "title": card.origin.get("title", f"{card.network} of recipe {card.recipe.get('name', 'unknown')}"),
        "network": card.network,
        "choice": choice,
        "features": list(card.features),
        "shape": list(card.input_shape),
        "units": card.units,
        "level": card.origin.get("level", ""),
        "training": card.origin.get("training", f"{rows:,} rows of {len(card.present)} classes"),
        "not_for": card.origin.get("not_for", ""),
        "level_effect": card.origin.get("level_effect", ""),
        "scores": card.origin.get("scores") or scores,
        "licence": card.licence,
        "parameters": card.parameters,
        "path": str(folder),
        "fetched": True,
    }


def _told(row: dict[str, Any]) -> dict[str, str]:
    """Return what a line each says of a model; nothing of what is not known."""
    scores = {key: value for key, value in row["scores"].items() if key != "data" and isinstance(value, float)}
    figures = ", ".join(f"{key.replace('_', ' ')} {value:.4f}" for key, value in scores.items())
    told = {
        "network": row["network"],
        "chosen": row.get("choice", ""),
        "input": f"{', '.join(row['features'])} ({', '.join(part for part in (row['units'], row['level']) if part)})",
        "trained on": row["training"],
        "not for": row["not_for"],
        "scores": f"{figures}; {row['scores']['data']}" if figures else "none published" if "url" in row else "",
        "caution": row.get("level_effect", ""),
        "licence": ", ".join(part for part in (row["licence"], row.get("holder", "")) if part),
        "paper": f"{row['paper']}, doi {row['doi']}" if "paper" in row else "",
        "source": row.get("url", ""),
        "sha256": row.get("sha256", ""),
        "file": f"{row['path']}{'' if row['fetched'] else ' (fetched when first used)'}",
    }
    return {key: value for key, value in told.items() if value}
