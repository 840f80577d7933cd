"""Train on patches that somebody else has cut, and assess a model on patches: So2Sat, folders of images, our own files.

The model card keeps how the patches were read and in which units, so that a model refuses what it was not trained on.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError, ModelMismatchError
from citygrain.files import make_folder
from citygrain.legend import LCZ
from citygrain.models.card import ModelCard
from citygrain.models.catalogue import ModelName, make_model
from citygrain.models.classifier import Classifier
from citygrain.models.devices import ONE, Devices
from citygrain.samples.folds import split_at_random, split_groups
from citygrain.samples.samples import Samples
from citygrain.sensors import SAR_FEATURES, SENTINEL2
from citygrain.tiles import Progress
from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, make_board, run_text
from citygrain.workflows.patches.patch_scores import score_rows
from citygrain.workflows.patches.patch_source import PatchSource
from citygrain.workflows.training import training_hooks

__all__ = ["assess_patches", "fitting_samples", "held_out", "how_read", "source_of", "train_patches"]

VALID_SHARE = 0.1
"""Share of the training rows that validates where nothing else is given."""

_SO2SAT_SIDE = 32  # pixels of 10 m
_LEAST_VALID = 50  # rows below which the best epoch would be chosen by chance


def train_patches(
    source: PatchSource,
    folder: Path,
    *,
    valid: PatchSource | None = None,
    model: ModelName = "sen2lcz",
    recipe: str = "default",
    epochs: int | None = None,
    options: Mapping[str, object] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    board: BoardChoice = BoardChoice(),  # noqa: B008 - frozen
    devices: Devices = ONE,
) -> ModelCard:
    """Train a model on patches and save it; an interrupted training of a network goes on from its last epoch.

    Rows are read from disk as they are needed. A network is validated on `valid`, else on the validation rows that the
    patches bring with them, else on whole groups (or rows, where none are known) held out of the training rows.

    Parameters
    ----------
    source : PatchSource
        What to learn from: its own training rows where it has a split, else all.
    folder : Path
        Gets the model.
    valid : PatchSource, optional
        Patches to validate on.
    model, recipe, epochs, options, seed
        As for `citygrain.models.catalogue.make_model`.
    progress : callable, optional
        Called with (epochs done, epochs).
    board : BoardChoice
        What is logged for TensorBoard, in ``tensorboard`` within `folder`.
    devices : Devices
        Where a network trains. Where there are several machines, the first of them alone writes.

    Raises
    ------
    InputError, ModelMismatchError
        If the patches cannot be used, or those to validate on differ.
    """
    samples = source.open()
    splits = source.splits()
    train = samples[splits["train"]] if "train" in splits else samples
    if valid is not None:
        judges: Samples | None = valid.open()
    elif "train" in splits:
        judges = samples[splits["validation"]] if "validation" in splits else None
    elif model == "forest":
        judges = None  # a forest has no epochs to choose from
    else:
        train, judges = held_out(train, seed=seed)
    checkpoint = folder / ".checkpoint"
    log = make_board(folder / FOLDER, model, samples, replace(board, texts=run_text(source.to_dict())))
    classifier = make_model(
        model,
        recipe=recipe,
        epochs=epochs,
        options=options,
        seed=seed,
        units=source.units(samples.features),
        preparation=how_read(source, samples),
        hooks=training_hooks(model, progress, checkpoint, log, devices=devices),
        devices=devices,
    )
    make_folder(folder)  # nothing is left where something above was refused
    classifier.fit(train, judges)
    if not devices.leads:
        return classifier.card
    classifier.save(folder)
    finish_board(log, classifier, train, judges)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return classifier.card


def held_out(train: Samples, *, seed: int, share: float = VALID_SHARE) -> tuple[Samples, Samples | None]:
    """Hold rows out of the training rows to validate on: whole groups where that costs no class, else rows at random.

    Parameters
    ----------
    train : Samples
        Rows to learn from.
    seed : int
        Chooses.
    share : float
        Share of the rows to hold out.

    Returns
    -------
    train : Samples
        What is left to learn from.
    valid : Samples or None
        None where fewer than 50 rows would be held out: they are too few to choose an epoch by.
    """
    if share * len(train) < _LEAST_VALID:
        return train, None
    rng = np.random.default_rng([seed, 3])
    labels = train.y > 0
    if labels.any() and (train.group[labels] >= 0).all() and len(np.unique(train.group[labels])) > 2:
        kept, valid = split_groups(train, 1 - share, rng=rng)
        if set(np.unique(kept.y)) == set(np.unique(train.y[labels])) and len(valid) >= _LEAST_VALID:
            return kept, valid
    return split_at_random(train, 1 - share, rng=rng)


def how_read(source: PatchSource, samples: Samples) -> dict[str, Any]:
    """Return what a card says of how its rows were made; what a map of cells needs is there where it is known."""
    how: dict[str, Any] = {"patches": source.to_dict(), "features": list(samples.features)}
    if len(samples.x.shape) != 4:
        return how
    side = int(samples.x.shape[-1])
    how |= {"tessellation": "grid", "window": side}
    if set(samples.features) <= {band.name for band in SENTINEL2.bands}:
        how["sensor"] = SENTINEL2.name
    widths = samples.extent[:, 2] - samples.extent[:, 0]
    if samples.legend == LCZ and side == _SO2SAT_SIDE:
        how["pixel_m2"] = 100.0  # So2Sat's patches are 320 m wide
    elif np.isfinite(widths).all() and len(widths):
        how["pixel_m2"] = round(float(np.median(widths) / side) ** 2, 3)
    return how


def source_of(card: ModelCard, path: Path, *, part: str | None = None) -> PatchSource:
    """Return patches at `path`, read as the model's training patches were."""
    how = card.preparation.get("patches")
    if how:
        return PatchSource.from_dict(path, dict(how), part=part)
    radar = [name in SAR_FEATURES for name in card.features]  # a published model: its channels tell its sensors
    sensors = (("s1",) if any(radar) else ()) + (() if all(radar) else ("s2",))
    return PatchSource(path, sensors=sensors, part=part)


def fitting_samples(card: ModelCard, samples: Samples, units: str) -> Samples:
    """Return patches as a model takes them: the channels that it was trained on, by name; all else must agree.

    Raises
    ------
    ModelMismatchError
        If channels, units, shape or classes are not those of the training.
    """
    if samples.features != card.features and set(card.features) <= set(samples.features):
        samples = samples.select(card.features)
    card.check(samples.features, units, samples.x.shape[1:])
    if [(c.code, c.name) for c in samples.legend] != [(c.code, c.name) for c in card.legend]:
        raise ModelMismatchError(
            f"patches with classes {', '.join(samples.legend.names)}",
            wanted=f"{', '.join(card.legend.names)}, as the model was trained",
        )
    return samples


def assess_patches(model: Classifier, source: PatchSource, *, seed: int = 0) -> dict[str, Any]:
    """Score a model on labelled patches.

    Parameters
    ----------
    model : Classifier
        A trained model.
    source : PatchSource
        Patches, read as those of its training (`source_of`).
    seed : int
        Draws for the intervals.

    Returns
    -------
    dict
        As `citygrain.workflows.patches.patch_scores.score_rows`.

    Raises
    ------
    InputError
        If no patch has a class.
    ModelMismatchError
        If the patches are not what the model was trained on.
    """
    opened = source.open()
    samples = fitting_samples(model.card, opened, source.units(opened.features))
    if not (samples.y > 0).any():
        raise InputError(f"{source.path} has no labels", wanted="patches with classes, to assess a model by")
    mapped: npt.NDArray[np.uint8] = model.predict(samples.x)
    rng, names = np.random.default_rng([seed, 2]), source.group_names(opened)
    return score_rows(samples.y, mapped, samples.legend, group=samples.group, names=names, rng=rng)
