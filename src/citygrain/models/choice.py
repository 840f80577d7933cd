"""The model for those who name none: several are trained, and validation rows choose one of them, or their mean.

Which is best depends on the ground: where colour alone tells the classes apart a plain forest on mean spectra, else one
that sees more; with many labels sometimes a network, or the mean of several, which err in different places. The rows
that choose stand on ground that none was trained on; what they said is written into the card. Where they cannot tell
two apart, the simpler one is taken.
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
from citygrain.models.selection import Choice, choose, choose_crossed
from citygrain.models.statistics import own_columns
from citygrain.models.store import read_weights, remove_model, write_model
from citygrain.samples.samples import Samples
from citygrain.tempering import temper

__all__ = ["FORESTS", "KIND", "PLAIN", "AutoClassifier", "candidates"]

KIND = "auto"
"""Kind of the card."""

PLAIN = "plain_forest"
"""The simplest candidate: the forest on mean spectra that every run's score stands beside."""
FORESTS: dict[str, dict[str, object]] = {
    PLAIN: {"sees": "means", "trees": 100},
    "forest": {},
    "wide_forest": {"share": 1.0, "trees": 100},
}
"""Forests among the candidates, and their settings, the simplest first."""

_INDEX = "members.json"
_ALL = "all"
_ALONE = "forest"
"""What is taken where nothing can be compared: it sees all, which a plain one does not."""
_NO_RULE = "there were no validation rows to compare it with others"
_MOST_CROSSED = 5_000
"""Training rows up to which they are held out in turn where there are none to validate on."""
_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]


@dataclass
class AutoClassifier(CardedModel):
    """Models that are trained on the same rows; what predicts is one of them, or the mean of all but the plainest.

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
    wanted : tuple of str
        Members to train, and take together, whatever the rows say; empty = choose.
    seed : int
        Deals groups of training rows, where there are none to validate on.
    whole : callable, optional
        Returns rows on which the plain forest sees whole units, where the rows themselves show parts of them. If that
        one is taken, such rows are what predicts.
    """

    make: Callable[[str], Classifier]
    preparation: Mapping[str, Any] = field(default_factory=dict)
    members: Mapping[str, Classifier] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    seed: int = 0
    whole: Callable[[Samples], Samples] | None = None
    _card: ModelCard | None = field(default=None, repr=False)

    def fit(self, train: Samples, valid: Samples | None = None) -> Self:
        """Train every member, and choose on the validation rows.

        Each member and the mean of all but the plainest judge these rows. The most accurate wins, unless a simpler one
        is within one standard error of the difference, by groups (blocks, polygons): then that one is taken. Without
        such rows the forests are compared on whole groups of training rows, held out in turn. Where there are no
        groups either nothing can be compared, and a forest that sees all is trained alone.

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
        if self.wanted or valid is None or not len(valid):
            choice = self._without_validation(train)
            self.chosen = self.wanted or (choice.name,)
            self._train(self.chosen, train, valid)
        else:
            self._train(candidates(train), train, valid)
            choice = choose(self._right(valid), valid.group)
            self.chosen = self._together if choice.name == _ALL else (choice.name,)
        _log.info("%s: %s", choice.name, choice.why)
        self._card = self._new_card(choice)
        return self

    def as_seen(self, samples: Samples) -> Samples:
        """Return rows like those of the training as what was chosen sees them, see `whole`."""
        return self._seen(self.chosen[0], samples)

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

    def _train(self, names: Sequence[str], train: Samples, valid: Samples | None) -> None:
        self.members = {name: self.make(name) for name in names}
        for name, member in self.members.items():
            _log.info("training the %s", name)
            member.fit(self._seen(name, train), self._seen(name, valid) if valid is not None else None)

    def _without_validation(self, train: Samples) -> Choice:
        """Choose one of the forests on training rows, which cost little to train again; else one that sees all."""
        if self.wanted:
            return Choice(" + ".join(self.wanted), "it was asked for", {})
        if len(train) > _MOST_CROSSED:
            return Choice(_ALONE, f"{_NO_RULE}, and {len(train):,} training rows are too many to hold out in turn", {})
        rows = {name: self._seen(name, train) for name in candidates(train) if name in FORESTS}
        try:
            return choose_crossed(rows, self.make, rng=np.random.default_rng([self.seed, 9]))
        except InputError as error:
            return Choice(_ALONE, f"{_NO_RULE}, and training rows cannot be held out in turn: {error.came}", {})

    def _seen(self, name: str, samples: Samples) -> Samples:
        return self.whole(samples) if self.whole is not None and name == PLAIN else samples

    @property
    def _together(self) -> tuple[str, ...]:
        """Names of the members that are averaged: what sees less than the others would blur them."""
        return tuple(name for name in self.members if name != PLAIN)

    def _right(self, valid: Samples) -> dict[str, npt.NDArray[np.bool_]]:
        """Tell which rows each member gets right, and the mean of several, from the simplest to the most elaborate."""
        probabilities = {name: one.predict_proba(self._seen(name, valid).x) for name, one in self.members.items()}
        probabilities[_ALL] = _mean([probabilities[name] for name in self._together])
        columns = valid.legend.columns(valid.y)
        return {name: p.argmax(1) == columns for name, p in probabilities.items()}

    def _new_card(self, choice: Choice) -> ModelCard:
        cards = {name: self.members[name].card for name in self.chosen}
        first = next(iter(cards.values()))
        history = [epoch for member in self.members.values() for epoch in member.history_]
        return replace(
            first,
            kind=KIND,
            network=" + ".join(card.network for card in cards.values()),
            recipe={
                "name": "auto",
                "chosen": list(self.chosen),
                "accuracy_of_validation": dict(choice.accuracy),
                "why": choice.why,
            },
            parameters=sum(card.parameters for card in cards.values()),
            normalisation=Normalisation.none(len(first.features)).to_dict(),  # the members have their own
            epochs=max(card.epochs for card in cards.values()),
            half=any(card.half for card in cards.values()),
            versions={name: version for card in cards.values() for name, version in card.versions.items()},
            preparation=dict(first.preparation or self.preparation),
            history=history,
            checksum="",
        )


def candidates(train: Samples) -> tuple[str, ...]:
    """Return the names of the models that such rows are tried with.

    Rows of statistics go to forests and a network of rows; patches to forests of their statistics and a network of
    patches. The plain forest sees the unit's own mean of each feature; it is left out where rows hold nothing else. The
    wide forest tries every value at each split: better where a few values tell the classes apart.

    Examples
    --------
    >>> from citygrain.legend import URBAN
    >>> candidates(Samples.of(np.zeros((2, 3)), [1, 4], features=("a", "b", "c"), legend=URBAN))
    ('forest', 'wide_forest', 'mlp')
    """
    patches = len(train.x.shape) == 4
    more = patches or len(own_columns(train.features)) < len(train.features)
    forests = [name for name in FORESTS if more or name != PLAIN]
    return *forests, "cnn" if patches else "mlp"


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
