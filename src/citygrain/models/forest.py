"""Forests of decision trees: the strong plain answer that every network has to beat.

Trees are saved by skops, which stores data and no code, in an archive whose bytes depend on the trees alone.
"""

import functools
import io
import itertools
import json
import math
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from citygrain.errors import InputError
from citygrain.models.card import ModelCard, read_card
from citygrain.models.classifier import CardedModel, batches, labelled, same_features, spread_columns
from citygrain.models.normalisation import Normalisation, learn_normalisation
from citygrain.models.statistics import CENTRE, own_means, patch_statistics
from citygrain.models.store import read_weights, write_model
from citygrain.samples.samples import Samples

__all__ = ["ForestClassifier"]

_WEIGHTS = "forest.skops"
_TRUSTED = ["sklearn.tree._tree.Tree"]
"""Types besides plain data that a forest's file may hold; anything else is refused."""
_BATCH = 1_024
_TREES = {"course": 100, "default": 300}
_SEES = ("all", "means")


@dataclass
class ForestClassifier(CardedModel):
    """A forest on rows of statistics, or on patches.

    With the recipe ``"course"`` it is scikit-learn's random forest of 100 trees on the values as they are, patches
    flattened. With ``"default"`` it is 300 extremely randomised trees on standardised rows, patches reduced to mean
    and deviation over the superpixel and the patch, classes balanced by the root of their counts.

    Attributes
    ----------
    recipe : str
        ``"default"`` or ``"course"``.
    seed : int
        Source of every draw.
    threads : int or None
        Threads of the training; None = 1. The result does not depend on it.
    units : str
        Units of the features.
    preparation : mapping
        How the rows were made; travels in the card.
    licence : str
        Licence of the model.
    trees : int
        Number of trees; 0 = the recipe's own.
    share : float
        Share of the values that are tried at each split, above 0 to 1; 0 = their root, as usual. All of them suit
        ground whose classes a few values tell apart; the root suits noisy labels.
    sees : str
        ``"all"``, or ``"means"``: the unit's own mean of each feature and nothing else
        (`citygrain.models.statistics.own_means`); with the default recipe.
    """

    recipe: str = "default"
    seed: int = 0
    threads: int | None = None
    units: str = "reflectance"
    preparation: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "unspecified"
    trees: int = 0
    share: float = 0.0
    sees: str = "all"
    _card: ModelCard | None = field(default=None, repr=False)
    _forest: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.recipe not in _TREES:
            raise InputError(f"recipe {self.recipe!r} of a forest", wanted=f"one of {', '.join(_TREES)}")
        if not 0 <= self.share <= 1 or self.trees < 0:
            raise InputError(
                f"a forest with share = {self.share}, trees = {self.trees}", wanted="share from 0 to 1, trees from 0"
            )
        if self.sees not in (_SEES if self.recipe == "default" else _SEES[:1]):
            raise InputError(f"a forest of recipe {self.recipe!r} that sees {self.sees!r}", wanted=" or ".join(_SEES))
        self.trees = self.trees or _TREES[self.recipe]

    def fit(self, train: Samples, valid: Samples | None = None) -> Self:
        """Grow the trees; `valid` is checked but not used.

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
        scaling = self._scaling(train)
        card = self._new_card(train, scaling)
        rows = np.concatenate([self._rows(values, card) for _, values in batches(train.x, card, size=_BATCH)])
        weights = _weights(train) if self.recipe == "default" else None
        self._forest = self._plant().fit(rows, train.legend.columns(train.y), sample_weight=weights)
        nodes = sum(int(tree.tree_.node_count) for tree in self._forest.estimators_)
        self._card = self._new_card(train, scaling, parameters=nodes)
        return self

    def predict_proba(self, x: Any) -> npt.NDArray[np.float32]:
        """Return class probabilities (n, k) in legend order.

        Parameters
        ----------
        x : array-like, (n, c) or (n, c, h, w)
            Rows, read in slices; values that are not finite count as missing.

        Raises
        ------
        ModelMismatchError
            If the rows have another shape than those of the training.
        """
        card = self.card
        out = np.zeros((int(x.shape[0]), len(card.legend)), np.float32)
        for rows, values in batches(x, card, size=_BATCH):
            out[rows] = spread_columns(self._shares(self._rows(values, card)), card)
        return out

    def _shares(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return scikit-learn's own `predict_proba`, without what it does around each tree.

        That takes as long as a thousand rows, and changes Python's warnings while it does: not for several threads.
        """
        rows = np.ascontiguousarray(rows)
        trees = self._forest.estimators_
        total = np.zeros((len(rows), len(self._forest.classes_)))
        for tree in trees:  # in this order, and so in the same bits
            total += tree.tree_.predict(rows)
        return total / len(trees)

    def predict(self, x: Any) -> npt.NDArray[np.uint8]:
        """Return the code of the most likely class of each row, (n,)."""
        return self.legend_.codes(self.predict_proba(x).argmax(1))

    @property
    def importance_(self) -> npt.NDArray[np.float32]:
        """Mean decrease of impurity by each value that the trees see, (d,); they sum to 1."""
        self.card  # noqa: B018 - says so where it was not trained
        return np.asarray(self._forest.feature_importances_, np.float32)

    def embed(self, x: Any) -> npt.NDArray[np.float32]:
        """Return what the trees see of each row, (n, d): scaled, patches as statistics.

        Parameters
        ----------
        x : array-like, (n, c) or (n, c, h, w)
            Rows, read in slices.
        """
        card = self.card
        parts = [self._rows(values, card) for _, values in batches(x, card, size=_BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.importance_)), np.float32)

    def save(self, folder: Path) -> None:
        """Write ``card.json`` and ``forest.skops`` into `folder`.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        card = self.card
        self._forest.set_params(n_jobs=1)  # how it was computed is no part of what it is
        write_model(folder, card, _settle(_skops().dumps(self._forest)), name=_WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote.

        Raises
        ------
        InputError
            If the folder holds no forest, it is damaged, or its file holds types that we do not trust.
        """
        card = read_card(folder)
        data = read_weights(folder, card, name=_WEIGHTS)
        skops = _skops()
        try:
            forest = skops.loads(data, trusted=_TRUSTED)
            if not isinstance(forest, RandomForestClassifier | ExtraTreesClassifier):  # skops trusts scikit-learn
                raise InputError(f"{folder / _WEIGHTS} holds a {type(forest).__name__}", wanted="trees only")
            sees = str(card.recipe.get("sees", "all"))
            model = cls(
                str(card.recipe["name"]), card.seed, None, card.units, card.preparation, card.licence, sees=sees
            )
            model.trees, model.share = len(forest.estimators_), float(card.recipe.get("share", 0.0))
        except skops.exceptions.UntrustedTypesFoundException:
            strange = set(skops.get_untrusted_types(data=data)) - set(_TRUSTED)
            raise InputError(f"{folder / _WEIGHTS} holds {', '.join(sorted(strange))}", wanted="trees only") from None
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"the forest in {folder} is damaged: {error}", mend="train it again") from None
        model._card, model._forest = card, forest
        return model

    def _plant(self) -> Any:
        settings: dict[str, Any] = {"n_estimators": self.trees, "random_state": self.seed, "n_jobs": self.threads or 1}
        if self.share:
            settings["max_features"] = self.share
        if self.recipe == "course":
            return RandomForestClassifier(**settings)
        return ExtraTreesClassifier(**settings, min_samples_leaf=2)

    def _scaling(self, train: Samples) -> Normalisation:
        if self.recipe == "course":
            return Normalisation.none(len(train.features))
        if self.sees == "all":
            return learn_normalisation(train.x, train.features)
        starts = range(0, len(train), _BATCH)
        means = [self._means(np.asarray(train.x[at : at + _BATCH], np.float32), train.features) for at in starts]
        return learn_normalisation(np.concatenate(means), ("",) * means[0].shape[1])

    def _means(self, values: npt.NDArray[np.float32], features: tuple[str, ...]) -> npt.NDArray[np.float32]:
        return own_means(values, features, centre=_cell(self.preparation))

    def _rows(self, values: npt.NDArray[np.float32], card: ModelCard) -> npt.NDArray[np.float32]:
        if self.sees == "means":
            return Normalisation.from_dict(card.normalisation).apply(self._means(values, card.features))
        scaled = Normalisation.from_dict(card.normalisation).apply(values)
        if scaled.ndim == 4 and self.recipe == "default":
            return patch_statistics(scaled, card.features)
        return scaled.reshape(len(scaled), -1)

    def _new_card(self, train: Samples, scaling: Normalisation, parameters: int = 0) -> ModelCard:
        changed = ({"share": self.share} if self.share else {}) | ({"sees": self.sees} if self.sees != "all" else {})
        return ModelCard(
            kind="forest",
            network="random-forest" if self.recipe == "course" else "extra-trees",
            recipe={"name": self.recipe, "trees": self.trees, **changed},
            parameters=parameters,
            features=train.features,
            input_shape=tuple(int(side) for side in train.x.shape[1:]),
            units=self.units,
            normalisation=scaling.to_dict(),
            legend=train.legend,
            counts=train.counts(),
            seed=self.seed,
            versions={name: metadata.version(name) for name in ("citygrain", "scikit-learn", "skops")},
            licence=self.licence,
            preparation=dict(self.preparation),
        )


def _weights(train: Samples) -> npt.NDArray[np.float64]:
    columns = train.legend.columns(train.y)
    counts = np.bincount(columns)
    balance = np.sqrt(counts[counts > 0].mean() / np.maximum(counts, 1))
    return np.asarray(np.maximum(balance[columns] * train.purity, 1e-3), np.float64)


def _cell(preparation: Mapping[str, Any]) -> int:
    """Return the side in pixels of what is labelled in the middle of a patch: of cells the cell."""
    if "cell_m" not in preparation:
        return CENTRE
    try:
        return round(float(preparation["cell_m"]) / math.sqrt(float(preparation["pixel_m2"])))
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise InputError("a model card with a broken preparation", mend="train the model again") from None


@functools.cache
def _skops() -> Any:
    """Import skops without PyTorch, which a forest does not need.

    skops asks scikit-learn for all its estimators; the search also imports what scikit-learn has for PyTorch, if that
    is installed, and PyTorch with it: 2 s in each command that reads or writes a forest.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it fails, as where it is not installed
    try:
        import skops.io  # noqa: PLC0415 - see above
    finally:
        if hidden:
            del sys.modules["torch"]
    return skops.io


def _settle(archive: bytes) -> bytes:
    """Make the archive's bytes depend on its content alone.

    skops names objects by their address in memory, stamps the time, and copies the padding of the trees' node table.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w") as target:
        schema = json.loads(source.read("schema.json"))
        files = list(_renumber(schema, itertools.count()))
        _put(target, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
        for new, old in files:
            _put(target, new, _without_padding(source.read(old)))
    return out.getvalue()


def _renumber(node: Any, count: Iterator[int]) -> Iterator[tuple[str, str]]:
    """Give each node of a skops schema its number in reading order, and yield the new and old name of each file."""
    if isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = next(count)
        if "file" in node:
            old, node["file"] = str(node["file"]), f"{node['__id__']}.npy"
            yield node["file"], old
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for part in parts:
        yield from _renumber(part, count)


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content, compresslevel=1)


def _without_padding(content: bytes) -> bytes:
    table = np.load(io.BytesIO(content), allow_pickle=False)
    if table.dtype.names is None:
        return content
    raw = np.zeros((table.size, table.dtype.itemsize), np.uint8)
    kept = np.zeros(table.dtype.itemsize, bool)
    for kind, offset, *_ in (table.dtype.fields or {}).values():
        kept[offset : offset + kind.itemsize] = True
    start = len(content) - raw.size  # the header stays as NumPy wrote it
    raw[:, kept] = np.frombuffer(content, np.uint8, offset=start).reshape(raw.shape)[:, kept]
    return content[:start] + raw.tobytes()
