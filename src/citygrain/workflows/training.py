"""Train a model from a samples file."""

from pathlib import Path
from typing import TYPE_CHECKING

from citygrain.models.card import ModelCard
from citygrain.models.catalogue import ModelName, make_model
from citygrain.samples.store import read_samples, read_table
from citygrain.tiles import Progress

if TYPE_CHECKING:
    from citygrain.models.training import Hooks

__all__ = ["train_samples", "training_hooks"]


def training_hooks(model: ModelName, progress: Progress | None, checkpoint: Path | None) -> "Hooks | None":
    """Return what looks on while a network trains; None for a forest, which needs no PyTorch."""
    if model == "forest":
        return None
    from citygrain.models.training import Hooks  # noqa: PLC0415 - PyTorch only for a network

    return Hooks(progress=progress, checkpoint=checkpoint)


def train_samples(
    path: Path,
    folder: Path,
    *,
    model: ModelName = "cnn",
    recipe: str = "default",
    epochs: int = 10,
    features: list[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ModelCard:
    """Train on a samples file and save the model; rows marked for validation validate.

    Parameters
    ----------
    path : Path
        Samples (.h5).
    folder : Path
        Gets the model.
    model, recipe, epochs, seed
        As for `citygrain.models.catalogue.make_model`.
    features : list of str, optional
        Only these features.
    progress : callable, optional
        Called with (epochs done, epochs).
    """
    samples = read_samples(path)
    if features:
        samples = samples.select(tuple(features))
    role = read_table(path).get("role")
    valid = None if role is None else samples[role[samples.unit] == 2]
    train = samples if role is None else samples[role[samples.unit] == 1]
    hooks = training_hooks(model, progress, None)
    classifier = make_model(model, recipe=recipe, epochs=epochs, seed=seed, hooks=hooks)
    classifier.fit(train, valid if valid is not None and len(valid) else None).save(folder)
    return classifier.card
