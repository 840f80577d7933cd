"""The model for those who name none: several are trained, and validation rows choose one of them, or their mean.

Which is best depends on the ground: with few labels a forest, with many sometimes a network, or the mean of both, which
err in different places. The rows that choose stand on ground that none was trained on; what they said is written into
the card. Where they cannot tell two apart, the simpler one is taken.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.models.card import CARD, ModelCard, read_card
from citygrain.models.classifier import CardedModel, Classifier, Embedder, labelled, same_features
from citygrain.models.normalisation import Normalisation
from citygrain.models.store import read_weights, remove_model, write_model
from citygrain.samples.samples import Samples
from citygrain.tempering import temper

__all__ = ["FORESTS", "KIND", "AutoClassifier", "candidates", "choose"]

KIND = "auto"
"""Kind of the card."""

FORESTS: dict[str, dict[str, object]] = {"forest": {}, "wide_forest": {"share": 1.0, "trees": 100}}
"""Forests among the candidates, and their settings."""

_INDEX = "members.json"
_ALL = "all"
_ALONE = "there were no validation rows to compare it with others"
_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@dataclass
class AutoClassifier(CardedModel):
    """Models that are trained on the same rows; what predicts is one of them, or the mean of all.

    Attributes
    ----------
    make : callable
        Makes a member, ready to fit, from its name (`citygrain.models.catalogue.MODELS`).
    preparation : mapping
        How the rows were made; travels in the card.
    members : mapping of str to Classifier
        The models that were trained, by name, the simplest first. Known after `fit`.
    chosen : tuple of str
        Names of those that predict; their probabilities are averaged. Known after `fit`.
    """

    make: Callable[[str], Classifier]
    preparation: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Classifier] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    _card: ModelCard | None = field(default=None, repr=False)

    def fit(self, train: Samples, valid: Samples | None = None) -> Self:
        """Train every member, and choose on the validation rows.

        Each member and the mean of all judge these rows. The most accurate wins, unless a simpler one is within one
        standard error of the difference, by groups (blocks, polygons): then that one is taken. Without such rows
        nothing can be compared, and the simplest is trained alone.

        Parameters
        ----------
        train : Samples
            Rows to learn from.
        valid : Samples, optional
            Rows on other ground, with their `group`.

        Raises
        ------
        InputError
            If there are fewer than two classes.
        ModelMismatchError
            If the validation rows differ from the training rows in features, legend or shape.
        """
        train = labelled(train)
        if valid is not None:
            same_features(train, valid)
        names = candidates(train) if valid is not None and len(valid) else candidates(train)[:1]
        self.members = {name: self.make(name) for name in names}
        for name, member in self.members.items():
            _log.info("training the %s", name)
            member.fit(train, valid)
        right = {} if valid is None or len(names) == 1 else self._right(valid)
        best, why = choose(right, valid.group) if valid is not None and right else (names[0], _ALONE)
        self.chosen = names if best == _ALL else (best,)
        _log.info("%s: %s", best, why)
        self._card = self._new_card({name: float(rows.mean()) for name, rows in right.items()}, why)
        return self

    def predict_proba(self, x: Any) -> Floats:
        """Return class probabilities (n, k) in legend order, the mean of the chosen members.

        Parameters
        ----------
        x : array-like, (n, c) or (n, c, h, w)
            Rows, read in slices.

        Raises
        ------
        ModelMismatchError
            If the rows have another shape than those of the training.
        """
        self.card.check_shape(tuple(x.shape[1:]))
        together = _mean([self.members[name].predict_proba(x) for name in self.chosen])
        return temper(together, self.card.temperature)

    def predict(self, x: Any) -> npt.NDArray[np.uint8]:
        """Return the code of the most likely class of each row, (n,)."""
        return self.legend_.codes(self.predict_proba(x).argmax(1))

    @property
    def importance_(self) -> npt.NDArray[np.float32]:
        """How much each feature of the simplest chosen member counts, (d,)."""
        return self._simplest.importance_

    def embed(self, x: Any) -> Floats:
        """Return what the simplest chosen member decides on, (n, d), for rows (n, ...), read in slices."""
        return self._simplest.embed(x)

    @property
    def _simplest(self) -> Embedder:
        member = self.members[self.chosen[0]] if self.chosen else None
        if not isinstance(member, Embedder):
            raise InputError("a model that was not trained", mend="call fit or load first")
        return member

    def save(self, folder: Path) -> None:
        """Write the chosen members into folders of their names, then ``members.json`` and ``card.json``.

        Members that an earlier training left in the folder are taken away.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        earlier = _members_in(folder)
        (folder / CARD).unlink(missing_ok=True)  # until all members are there, the folder holds no model
        for name in earlier - set(self.chosen):
            remove_model(folder / name)
        for name in self.chosen:
            self.members[name].save(folder / name)
        index = {name: _sha256(folder / name / CARD) for name in self.chosen}
        write_model(folder, self.card, json.dumps(index, indent=1).encode() + b"\n", name=_INDEX)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote.

        Raises
        ------
        InputError
            If the folder holds no such model, or a member is missing or another one.
        """
        from citygrain.models.catalogue import load_model  # noqa: PLC0415 - it knows this class too

        card = read_card(folder)
        try:
            index = json.loads(read_weights(folder, card, name=_INDEX))
        except json.JSONDecodeError:
            index = None
        if not isinstance(index, dict) or not index or not all(_plain(name) for name in index):
            raise InputError(f"{folder / _INDEX} names no members", mend="copy or train the model again")
        for name, digest in index.items():
            if _sha256(folder / name / CARD) != digest:
                raise InputError(f"the member {name!r} in {folder} is missing or another one", mend="train it again")
        members = {name: load_model(folder / name) for name in index}
        model = cls(_refuse, card.preparation, members, tuple(index))
        model._card = card
        return model

    def _right(self, valid: Samples) -> dict[str, npt.NDArray[np.bool_]]:
        """Tell which rows each member gets right, and the mean of all, from the simplest to the most elaborate."""
        probabilities = {name: member.predict_proba(valid.x) for name, member in self.members.items()}
        probabilities[_ALL] = _mean(list(probabilities.values()))
        columns = valid.legend.columns(valid.y)
        return {name: p.argmax(1) == columns for name, p in probabilities.items()}

    def _new_card(self, scores: dict[str, float], why: str) -> ModelCard:
        cards = {name: self.members[name].card for name in self.chosen}
        first = next(iter(cards.values()))
        history = [epoch for member in self.members.values() for epoch in member.history_]
        return replace(
            first,
            kind=KIND,
            network=" + ".join(card.network for card in cards.values()),
            recipe={"name": "auto", "chosen": list(self.chosen), "accuracy_of_validation": scores, "why": why},
            parameters=sum(card.parameters for card in cards.values()),
            normalisation=Normalisation.none(len(first.features)).to_dict(),  # the members have their own
            epochs=max(card.epochs for card in cards.values()),
            half=any(card.half for card in cards.values()),
            versions={name: version for card in cards.values() for name, version in card.versions.items()},
            preparation=dict(self.preparation),
            history=history,
            checksum="",
        )


def candidates(train: Samples) -> tuple[str, ...]:
    """Return the names of the models that such rows are tried with.

    Rows of statistics go to two forests and a network of rows; patches to forests of their statistics and a network
    of patches. The wide forest tries every value at each split: better where a few values tell the classes apart.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> candidates(Samples.of(np.zeros((2, 3)), [1, 4], features=("a", "b", "c"), legend=URBAN))
    ('forest', 'wide_forest', 'mlp')
    """
    if len(train.x.shape) == 2:
        return *FORESTS, "mlp"
    return *FORESTS, "cnn"


def choose(right: Mapping[str, npt.NDArray[np.bool_]], group: npt.NDArray[np.int64]) -> tuple[str, str]:
    """Return which of several models to take, and why: the simplest that is not clearly worse than the best.

    Clearly is by more than one standard error of the difference in accuracy. Rows of one group err alike, so the error
    is that of a ratio over groups (Cochran 1977, section 2.12); rows without groups stand for themselves.

    Parameters
    ----------
    right : mapping of str to ndarray of bool, (n,)
        Which rows each model gets right, from the simplest to the most elaborate.
    group : ndarray of int, (n,)
        Group of each row; -1 = none.

    Examples
    --------
    >>> forest, network = np.array([1, 1, 0, 1], bool), np.array([1, 1, 1, 1], bool)
    >>> choose({"forest": forest, "network": network}, np.array([0, 0, 1, 1]))[0]
    'forest'
    """
    accuracy = {name: float(rows.mean()) for name, rows in right.items()}
    best = max(accuracy, key=lambda name: accuracy[name])
    blocks = group if (group >= 0).all() and len(np.unique(group)) > 1 else np.arange(len(group))
    number = len(np.unique(blocks))
    told = ", ".join(f"{name} {value:.3f}" for name, value in accuracy.items())
    for name, rows in right.items():
        spread = _spread(right[best].astype(float) - rows, blocks)
        if accuracy[best] - accuracy[name] <= spread + 1e-12:  # a tie is within, whatever the rounding
            kind = "best" if name == best else "simplest that is within one standard error of the best"
            return name, f"the {kind} on {len(rows):,} validation rows in {number:,} groups (accuracy: {told})"
    return best, told  # not reached: the best is within any error of itself


def _spread(difference: npt.NDArray[np.float64], group: npt.NDArray[np.int64]) -> float:
    """Return the standard error of the mean of rows that come in groups."""
    _, place = np.unique(group, return_inverse=True)
    sums, sizes = np.bincount(place, difference), np.bincount(place)
    number, rest = len(sums), sums - difference.mean() * sizes
    return float(np.sqrt(number / max(1, number - 1) * np.square(rest).sum()) / len(difference))


def _mean(probabilities: Sequence[Floats]) -> Floats:
    total = probabilities[0].copy()
    for more in probabilities[1:]:
        total += more
    return np.asarray(total / np.float32(len(probabilities)), np.float32)


def _members_in(folder: Path) -> set[str]:
    """Return the names of the members that an index in the folder tells of, be it that of a whole model or not."""
    try:
        index = json.loads((folder / _INDEX).read_bytes())
    except (OSError, ValueError):
        return set()
    return {name for name in index if _plain(name)} if isinstance(index, dict) else set()


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _refuse(name: str) -> Classifier:
    raise InputError(f"a model that was loaded cannot be trained again as {name!r}", mend="make a new one")


def _plain(name: object) -> bool:
    """Whether a name out of a file can only be that of a folder here."""
    return isinstance(name, str) and name.isidentifier()
