"""Rows shown as points: which are chosen, and what the network makes of them.

The features are what the last layer decides on (of Sen2LCZ: each of its four last layers), so that what lies together
is what the network takes for alike.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.models.card import ModelCard
from citygrain.models.classifier import spread_columns
from citygrain.models.feed import prepare
from citygrain.models.normalisation import Normalisation
from citygrain.models.precision import autocast
from citygrain.samples.samples import Samples, join_samples

__all__ = ["Points", "Seen", "choose_points", "look_at", "pixel_tables", "spread_rows"]

_BATCH = 128
_VALID_SHARE = 0.4
_MOST_COLUMNS = 1024
"""Columns of a table of raw pixels; patches with more are averaged over 2 x 2, 4 x 4, ... pixels."""


@dataclass(frozen=True)
class Points:
    """Chosen rows of a training.

    Attributes
    ----------
    samples : Samples
        The rows, in memory; training rows first.
    valid : ndarray of bool, (n,)
        Whether a row validates.
    """

    samples: Samples
    valid: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """What a network makes of n rows.

    Attributes
    ----------
    probabilities : ndarray of float32, (n, k)
        In legend order.
    features : ndarray of float32, (n, d)
        What the last layer decides on.
    """

    probabilities: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]


def choose_points(train: Samples, valid: Samples | None, number: int) -> Points:
    """Choose rows spread evenly over the classes: two fifths of them validation rows, where there are so many.

    Parameters
    ----------
    train, valid : Samples
        Rows; those without a class are not chosen.
    number : int
        How many, at most.
    """
    judges = spread_rows(valid.y, round(_VALID_SHARE * number)) if valid is not None else np.empty(0, np.int64)
    rows = spread_rows(train.y, number - len(judges))
    chosen = _in_memory(train, rows)
    if valid is not None and len(judges):
        chosen = join_samples(chosen, _in_memory(valid, judges))
    return Points(chosen, np.arange(len(chosen)) >= len(rows))


def spread_rows(y: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.int64]:
    """Return up to `number` rows with as many of each class as there are or as are due, evenly over the file.

    Examples
    --------
    >>> spread_rows(np.array([1, 1, 1, 1, 1, 1, 2, 2], np.uint8), 5).tolist()
    [0, 2, 5, 6, 7]
    """
    classes, counts = np.unique(y[y > 0], return_counts=True)
    taken, left = np.zeros(len(classes), np.int64), number
    for place, at in enumerate(np.argsort(counts, kind="stable")):  # the rarest first: what it lacks goes to the others
        taken[at] = min(counts[at], left // (len(classes) - place))
        left -= taken[at]
    rows = []
    for code, count in zip(classes, taken, strict=True):
        there = np.flatnonzero(y == code)
        rows.append(there[np.linspace(0, len(there) - 1, count).round().astype(np.int64)])
    return np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64)


def look_at(network: nn.Module, rows: npt.NDArray[np.float32], card: ModelCard) -> Seen:
    """Return what a network in evaluation mode makes of rows (n, ...), some at a time in one thread.

    No draw is taken and no weight changed.
    """
    kept: list[Tensor] = []
    lasts = _last_layers(network, len(card.present))
    hooks = [layer.register_forward_pre_hook(lambda _, given: kept.append(given[0].float())) for layer in lasts]
    normalisation, where = Normalisation.from_dict(card.normalisation), next(network.parameters()).device
    answers, features = [], []
    try:
        for start in range(0, len(rows), _BATCH):
            prepared = prepare(rows[start : start + _BATCH], normalisation, half=card.half).to(where)
            with torch.no_grad(), autocast(card.half, where.type):
                logits = network(prepared)
            answers.append(logits.float().softmax(1))
            features.append(torch.cat([part.flatten(1) for part in kept], 1))
            kept.clear()
    finally:
        for hook in hooks:
            hook.remove()
    return Seen(spread_columns(torch.cat(answers).cpu().numpy(), card), torch.cat(features).cpu().numpy())


def pixel_tables(
    rows: npt.NDArray[np.float32], card: ModelCard, bands: tuple[str, ...]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the standardised inputs of rows as tables (n, d) by name: of the named bands, and of all features.

    Patches of more than 1,024 values are averaged over squares of pixels until they have no more.
    """
    noun = "pixels" if rows.ndim == 4 else "inputs"
    chosen = {" ".join(bands): bands} if bands else {}
    if set(bands) != set(card.features):
        chosen[f"all {len(card.features)} features"] = card.features
    tables = {}
    for title, names in chosen.items():
        values, side = _pixels(rows, card, names)
        tables[f"{noun}, {title}{f', means of {side} x {side}' if side > 1 else ''}"] = values.numpy()
    return tables


def _pixels(rows: npt.NDArray[np.float32], card: ModelCard, bands: tuple[str, ...]) -> tuple[Tensor, int]:
    channels = [card.features.index(band) for band in bands]
    values = torch.from_numpy(Normalisation.from_dict(card.normalisation).apply(rows))[:, channels]
    side = 1
    while values.ndim == 4 and values[0].numel() > _MOST_COLUMNS and values.shape[2] > 1:
        values, side = functional.avg_pool2d(values, 2, ceil_mode=True), 2 * side
    return values.flatten(1), side


def _in_memory(samples: Samples, rows: npt.NDArray[np.int64]) -> Samples:
    chosen = samples[rows]
    return replace(chosen, x=np.asarray(chosen.take(np.arange(len(chosen))), np.float32))


def _last_layers(network: nn.Module, classes: int) -> list[nn.Module]:
    """Return the layers that give the classes: the last one, or each head's."""
    dense: list[nn.Module] = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return [layer for layer in dense if getattr(layer, "out_features", 0) == classes] or dense[-1:]
