"""The splits of a benchmark: the one asked for, the one by whole groups beside it, and what is wrong with each.

A split decides more about a score than the model does. So each says in words what it means, whether it flatters, and
by how much its test rows were seen in training.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from citygrain.errors import InputError
from citygrain.samples.folds import (
    Fold,
    group_folds,
    random_folds,
    split_at_random,
    split_groups,
    split_in_order,
)
from citygrain.samples.samples import Samples

__all__ = ["Given", "Part", "Split", "SplitName", "make_splits"]

SplitName = Literal["course", "file", "group", "random"]
Rows = npt.NDArray[np.int64]

_MEANING = {
    "course": "first 80 % of the rows in file order train, the last 20 % test",
    "file": "training and test rows as the data come",
    "group": "whole groups (city, polygon or block) train or test, never both",
    "random": "rows drawn at random, class by class, whatever ground they share",
}
_FEW_ROWS, _FEW_OF_CLASS, _FEW_GROUPS = 200, 10, 5
_MOST_COMPARED = 100_000  # extents compared for overlap


@dataclass(frozen=True)
class Given:
    """The split that the data bring with them.

    Attributes
    ----------
    rows : mapping of str to ndarray of int
        Rows of ``train``, ``validation`` and ``test``, where a file or folder tells them.
    valid, test : Samples or None
        Rows of other files to validate and to test on.
    """

    rows: Mapping[str, Rows] = field(default_factory=dict)
    valid: Samples | None = None
    test: Samples | None = None


@dataclass(frozen=True)
class Part:
    """Rows to train, validate and test on; the rows that validate are never test rows.

    Attributes
    ----------
    train, test : Samples
        Labelled rows.
    valid : Samples or None
        What the data give to validate on; else it is taken from the training rows.
    mark : str
        Changes with the choice of rows and their classes.
    """

    train: Samples
    valid: Samples | None
    test: Samples
    mark: str


@dataclass(frozen=True)
class Split:
    """One way to judge a model: a part, or as many as there are folds.

    Attributes
    ----------
    name : str
        ``course``, ``file``, ``group`` or ``random``.
    meaning : str
        In words.
    parts : tuple of Part
        Each test row is in one part.
    notes : tuple of str
        What is wrong with it: flattering, few test rows, absent classes.
    """

    name: SplitName
    meaning: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what it is as plain values: meaning, rows, groups, notes."""
        groups = np.unique(np.concatenate([part.test.group for part in self.parts]))
        return {
            "meaning": self.meaning,
            "folds": len(self.parts) if len(self.parts) > 1 else 0,
            "train_rows": round(float(np.mean([len(part.train) for part in self.parts]))),
            "test_rows": sum(len(part.test) for part in self.parts),
            "test_groups": int((groups >= 0).sum()),
            "notes": list(self.notes),
        }


def make_splits(
    samples: Samples,
    wanted: SplitName,
    *,
    given: Given | None = None,
    folds: int = 0,
    grouped: bool = True,
    seed: int = 0,
) -> tuple[list[Split], list[str]]:
    """Make the split asked for and, where groups are known, the one by whole groups.

    Parameters
    ----------
    samples : Samples
        All rows, or those to train on.
    wanted : str
        The split asked for.
    given : Given, optional
        The split that the data bring with them, for ``file``.
    folds : int
        Folds of the splits ``random`` and ``group``; 0 is one part of 80 to 20 %.
    grouped : bool
        Add the grouped split.
    seed : int
        Draws.

    Returns
    -------
    splits : list of Split
        The one asked for first.
    remarks : list of str
        Why there is no grouped split, if there is none.

    Raises
    ------
    InputError
        If the split asked for cannot be made.
    """
    if folds and wanted in ("course", "file"):
        raise InputError(f"{folds} folds of the {wanted} split, which is one", wanted="folds of random or group")
    given = given or Given()
    first = _split(samples, wanted, given=given, folds=folds, seed=seed)
    if wanted == "group" or not grouped or given.test is not None:  # another file's test rows leave nothing to regroup
        return [first], []
    if not _has_groups(samples):
        return [first], ["No groups (cities, polygons) are known for these patches, so no honest split stands beside."]
    fewer = min(folds, len(np.unique(samples.group[samples.y > 0])))
    try:
        return [first, _split(samples, "group", given=given, folds=fewer, seed=seed)], []
    except InputError as error:
        return [first], [f"No honest split stands beside: {error.came}."]


def _has_groups(samples: Samples) -> bool:
    known = samples.group[samples.y > 0]
    return bool(len(known) and (known >= 0).all() and (known != known[0]).any())


def _split(samples: Samples, name: SplitName, *, given: Given, folds: int, seed: int) -> Split:
    rng = np.random.default_rng([seed, 1])
    if name == "file":
        parts = [_given(samples, given)]
    elif name == "course":
        parts = [_pair(split_in_order(_labelled(samples)))]
    elif folds:
        make: Callable[..., list[Fold]] = group_folds if name == "group" else random_folds
        labelled = _labelled(samples)
        parts = [_pair((labelled[train], labelled[test])) for train, test in make(labelled, folds, rng=rng)]
    else:
        parts = [_pair((split_groups if name == "group" else split_at_random)(samples, rng=rng))]
    _refuse_one_class(name, parts)
    meaning = _MEANING[name] + (f"; {folds} folds, each row tested once" if folds else "")
    return Split(name, meaning, tuple(parts), tuple(_notes(name, parts)))


def _refuse_one_class(name: SplitName, parts: Sequence[Part]) -> None:
    for part in parts:
        there = [of for of, count in part.train.counts().items() if count]
        if len(there) < 2:
            only = f"class {there[0]!r} alone" if there else "no class"
            raise InputError(
                f"split {name} leaves {only} to train on{' in a fold' if len(parts) > 1 else ''}",
                wanted="two classes or more",
                mend="choose another --split or fewer --folds",
            )


def _labelled(samples: Samples) -> Samples:
    return samples if (samples.y > 0).all() else samples[samples.y > 0]


def _pair(sides: tuple[Samples, Samples], valid: Samples | None = None) -> Part:
    digest = hashlib.sha256()
    for side in (*sides, valid):
        if side is not None:
            digest.update(b"|" + side.unit.tobytes() + side.y.tobytes() + side.group.tobytes())
    return Part(sides[0], valid, sides[1], digest.hexdigest())


def _given(samples: Samples, given: Given) -> Part:
    rows, valid, test = given.rows, given.valid, given.test
    train = samples[rows["train"]] if "train" in rows else samples
    if valid is None and "validation" in rows:
        valid = samples[rows["validation"]]
    if test is None:
        if not {"test", "train"} <= set(rows):
            came = f"patches whose own split has {', '.join(rows) or 'no part'}"
            raise InputError(came, wanted="train and test", mend="choose --split random or group, or give --test")
        test = samples[rows["test"]]
    for other in (valid, test):
        if other is not None and (other.features, other.legend) != (train.features, train.legend):
            raise InputError("test or validation patches with other channels or classes", wanted="the training's")
    return _pair((_labelled(train), _labelled(test)), None if valid is None else _labelled(valid))


def _notes(name: SplitName, parts: Sequence[Part]) -> list[str]:
    tests = sum(len(part.test) for part in parts)
    notes = []
    seen = sum(_seen_groups(part) for part in parts) / max(tests, 1)
    shared = _overlapping(parts)
    if name in ("course", "random") and (seen or shared):
        facts = [f"{100 * seen:.0f} % of the test rows come from groups that were trained on"] if seen else []
        facts += [f"{100 * shared:.0f} % share ground with a training patch"] if shared else []
        notes.append(f"Optimistic: {' and '.join(facts)}; neighbours look alike. On new ground expect less.")
    elif shared:
        notes.append(f"{100 * shared:.0f} % of the test rows share ground with a training patch.")
    notes += _absent(parts)
    groups = np.unique(np.concatenate([part.test.group for part in parts]))
    if name == "group" and len(groups) < _FEW_GROUPS:
        told = "one group is" if len(groups) == 1 else f"{len(groups)} groups are"
        notes.append(f"Only {told} tested: the figures say little about another place.")
    if tests < _FEW_ROWS:
        notes.append(f"Only {tests} test rows: differences of a few per cent mean nothing.")
    return notes


def _absent(parts: Sequence[Part]) -> list[str]:
    legend = parts[0].test.legend
    tested = np.sum([list(part.test.counts().values()) for part in parts], axis=0)
    trained = np.min([list(part.train.counts().values()) for part in parts], axis=0)
    anywhere = np.max([list(part.train.counts().values()) for part in parts], axis=0) + tested
    rows = list(zip(legend.names, tested.tolist(), trained.tolist(), anywhere.tolist(), strict=True))
    unlearned = [name for name, test, train, _ in rows if test and not train]
    untested = [name for name, test, _, there in rows if there and not test]
    few = [name for name, test, *_ in rows if 0 < test < _FEW_OF_CLASS]
    fold = " in one fold or more" if len(parts) > 1 else ""
    notes = []
    if unlearned:
        notes.append(f"Tested but absent from training{fold}, so always wrong there: {', '.join(unlearned)}.")
    if untested:
        notes.append(f"Never tested: {', '.join(untested)}.")
    if few:
        of = "every class" if len(few) == np.count_nonzero(tested) else ", ".join(few)
        notes.append(f"Fewer than {_FEW_OF_CLASS} test rows of {of}.")
    return notes


def _seen_groups(part: Part) -> int:
    """Count the test rows whose group was trained on."""
    return int((np.isin(part.test.group, part.train.group) & (part.test.group >= 0)).sum())


def _overlapping(parts: Sequence[Part]) -> float:
    """Return the share of test rows that share ground with a training patch; 0 where the ground is not known."""
    touched = total = 0
    for part in parts:
        train, test = part.train.extent, part.test.extent
        if len(train) > _MOST_COMPARED or not (np.isfinite(train).all() and np.isfinite(test).all()):
            return 0.0
        shrunk = test + np.array([1, 1, -1, -1]) * 1e-6 * (test[:, 2:3] - test[:, :1])  # touching is not sharing
        grounds = np.asarray(shapely.box(*train.T))
        found = shapely.STRtree(grounds).query(np.asarray(shapely.box(*shrunk.T)), predicate="intersects")
        touched += len(np.unique(found[0]))
        total += len(test)
    return touched / max(total, 1)
