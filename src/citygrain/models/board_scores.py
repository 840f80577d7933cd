"""Scores of an epoch and of a whole training, and what is known of each point, as TensorBoard lists them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.models.board_points import Points
from citygrain.models.card import ModelCard
from citygrain.models.training import as_good_as_best

__all__ = ["confusion_matrix", "f1_scores", "final_scores", "point_columns", "settings_of"]


def confusion_matrix(mapped: npt.NDArray[np.int64], reference: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    """Count columns of classes: rows = map, columns = reference, (k, k).

    Examples
    --------
    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(k * mapped + reference, minlength=k * k).reshape(k, k)


def f1_scores(matrix: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the F1 of each class, NaN for one that neither side has.

    Examples
    --------
    >>> f1_scores(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])).round(2).tolist()
    [0.67, 0.67, nan]
    """
    total = (matrix.sum(0) + matrix.sum(1)).astype(np.float64)
    scores: npt.NDArray[np.float64] = np.full(len(matrix), np.nan)
    np.divide(2.0 * np.diag(matrix), total, out=scores, where=total > 0)
    return scores


def final_scores(card: ModelCard, valid_rows: int) -> tuple[int, dict[str, float]]:
    """Return the epoch whose weights a model has (the last one, or the one that it was judged best in), and its scores.

    Parameters
    ----------
    card : ModelCard
        Of a training of one epoch or more.
    valid_rows : int
        Validation rows.
    """
    history = [dict(epoch) for epoch in card.history]
    best = len(history)
    accuracies = [epoch["valid_accuracy"] for epoch in history if "valid_accuracy" in epoch]
    if valid_rows and len(accuracies) == best and card.recipe.get("keep_best"):
        best = max(n for n in range(1, best + 1) if as_good_as_best(accuracies[:n], rows=valid_rows))
    return best, {f"final/{name.replace('_', ' ')}": value for name, value in history[best - 1].items()}


def point_columns(points: Points, probabilities: npt.NDArray[np.float32]) -> dict[str, list[Any]]:
    """Return what is known of each point, by column of the projector."""
    samples, names = points.samples, np.array(points.samples.legend.names)
    truth, mapped = samples.legend.columns(samples.y), probabilities.argmax(1)
    known: dict[str, npt.NDArray[Any]] = {
        "class": names[truth],
        "predicted class": names[mapped],
        "right or wrong": np.where(truth == mapped, "right", "wrong"),
        "confidence": probabilities.max(1).round(3),
        "split": np.where(points.valid, "validation", "training"),
        "unit": samples.unit,
    }
    if (samples.group >= 0).any():
        known["group"] = samples.group
    if np.isfinite(samples.extent).all():
        known["x"] = samples.extent[:, [0, 2]].mean(1).round(1)
        known["y"] = samples.extent[:, [1, 3]].mean(1).round(1)
    return {name: values.tolist() for name, values in known.items()}


def settings_of(card: ModelCard, rows: int) -> dict[str, float | str]:
    """Return the hyper-parameters of a training, by name."""
    told: dict[str, Any] = {"network": card.network, "seed": card.seed, "rows": rows, **card.recipe}
    told |= {"features": len(card.features), "parameters": card.parameters}
    told["learning rate"] = told.pop("rate", "none")
    return {
        name.replace("_", " "): value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
        for name, value in told.items()
    }
