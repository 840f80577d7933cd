"""What every model can do, whatever is inside it: the protocol, and the checks that all of them share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError, ModelMismatchError
from citygrain.legend import Legend
from citygrain.models.card import ModelCard
from citygrain.samples.samples import Samples
from citygrain.tempering import temper

__all__ = ["CardedModel", "Classifier", "Embedder", "batches", "labelled", "same_features", "spread_columns"]


@runtime_checkable
class Classifier(Protocol):
    """A model of rows: it never sees geometry. Learned names end in an underscore."""

    @property
    def legend_(self) -> Legend:
        """The classes, in the order of the probability columns."""

    @property
    def features_(self) -> tuple[str, ...]:
        """Feature names in order."""

    @property
    def history_(self) -> list[dict[str, float]]:
        """Learning curves, one mapping per epoch; empty for a forest."""

    @property
    def card(self) -> ModelCard:
        """What the model is and expects."""

    def fit(self, train: Samples, valid: Samples | None = None) -> Self:
        """Learn from labelled rows; `valid` stands on other ground and only judges."""

    def predict_proba(self, x: Any) -> npt.NDArray[np.float32]:
        """Return class probabilities (n, k) in legend order for rows (n, ...), read in slices."""

    def predict(self, x: Any) -> npt.NDArray[np.uint8]:
        """Return the code of the most likely class of each row, (n,)."""

    def save(self, folder: Path) -> None:
        """Write the card and the weights into `folder`."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote."""


@runtime_checkable
class Embedder(Protocol):
    """A model that tells what it decides on, so that rows can be compared as it sees them."""

    @property
    def importance_(self) -> npt.NDArray[np.float32]:
        """How much each of these features counts, (d,)."""

    def embed(self, x: Any) -> npt.NDArray[np.float32]:
        """Return what the model decides on, (n, d), for rows (n, ...), read in slices."""


class CardedModel:
    """What a classifier says of itself stands on its card: the one behaviour that models inherit."""

    _card: ModelCard | None

    @property
    def card(self) -> ModelCard:
        """What the model is and expects."""
        if self._card is None:
            raise InputError("a model that was not trained", mend="call fit or load first")
        return self._card

    @property
    def legend_(self) -> Legend:
        """The classes in column order."""
        return self.card.legend

    @property
    def features_(self) -> tuple[str, ...]:
        """Feature names in order."""
        return self.card.features

    @property
    def history_(self) -> list[dict[str, float]]:
        """Learning curves, one mapping per epoch; of several networks one after another, none of a forest."""
        return [dict(epoch) for epoch in self.card.history]


def labelled(samples: Samples, *, what: str = "training") -> Samples:
    """Return the rows that have a class.

    Raises
    ------
    InputError
        If there are none, or only one class is there to learn.
    """
    kept = samples if (samples.y > 0).all() else samples[samples.y > 0]
    names = [name for name, count in kept.counts().items() if count]
    if what == "training" and len(names) < 2:
        found = f"only class {names[0]!r}" if names else "no labelled row"
        raise InputError(f"{what} samples with {found}", wanted="at least two classes to tell apart")
    return kept


def same_features(train: Samples, valid: Samples) -> None:
    """Refuse validation rows that differ from the training rows in features, legend or shape.

    Raises
    ------
    ModelMismatchError
        Naming both sides.
    """
    if (train.features, train.legend) != (valid.features, valid.legend) or train.x.shape[1:] != valid.x.shape[1:]:
        raise ModelMismatchError(
            f"validation samples with {', '.join(valid.features)} of shape {valid.x.shape[1:]}",
            wanted=f"as the training samples: {', '.join(train.features)} of shape {train.x.shape[1:]}",
        )


def batches(x: Any, card: ModelCard, *, size: int) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Read rows in slices of `size`, so that `x` may live on disk or be cut on demand.

    Raises
    ------
    ModelMismatchError
        If the rows have another shape than those of the training.
    """
    card.check_shape(tuple(x.shape[1:]))
    for start in range(0, int(x.shape[0]), size):
        rows = slice(start, min(start + size, int(x.shape[0])))
        yield rows, np.asarray(x[rows], np.float32)


def spread_columns(learned: npt.NDArray[np.floating[Any]], card: ModelCard) -> npt.NDArray[np.float32]:
    """Put the columns of the learned classes into legend order; the others are 0, and each row sums to 1.

    Here the temperature of the card comes in.
    """
    spread = np.zeros((len(learned), len(card.legend)), np.float32)
    spread[:, list(card.present)] = learned / learned.sum(1, keepdims=True)
    return temper(spread, card.temperature)
