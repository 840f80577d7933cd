"""The leak: by how much a random split would have flattered a run's model, measured on the run's own samples.

The model is trained again in folds, once with rows dealt at random and once by whole blocks, polygons or superpixels.
Each row is tested once either way, and both are trained on as many rows of each class, so only the split differs.
"""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.baselines import paired_scores
from citygrain.errors import InputError
from citygrain.files import write_text
from citygrain.models.card import read_card
from citygrain.models.catalogue import make_model
from citygrain.models.choice import AutoClassifier
from citygrain.samples.buffer import near_ground, without_neighbours
from citygrain.samples.draw import draw_samples
from citygrain.samples.folds import Fold, group_folds, random_folds
from citygrain.samples.samples import Samples
from citygrain.tiles import Progress
from citygrain.workflows.city.autocorrelation import with_block
from citygrain.workflows.city.finished_run import FinishedRun, check_inputs, read_run
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.city.whole_units import units_seen
from citygrain.workflows.config import RunConfig
from citygrain.workflows.manifest import hash_file
from citygrain.workflows.units import NOUNS, preparation

if TYPE_CHECKING:
    from citygrain.models.classifier import Classifier

__all__ = ["FILE", "gap_lines", "measure_gap", "read_gap"]

FILE = "gap.json"
"""What is found, in the folder of a run."""

Rows = npt.NDArray[np.int64]


def measure_gap(
    folder: Path,
    *,
    folds: int = 5,
    repeats: int = 1,
    model: Literal["forest"] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cross-validate a run's model on random and on spatial folds, and write what lies between to ``gap.json``.

    Parameters
    ----------
    folder : Path
        A finished run.
    folds : int
        2 or more; the spatial folds are made of the run's own blocks, polygons or superpixels.
    repeats : int
        How often the folds are dealt anew.
    model : str, optional
        ``"forest"`` takes a forest on the same rows instead of the run's model.
    seed : int
        Deals the folds, draws the training rows, and trains.
    progress : callable, optional
        Called with (done, total) trainings.

    Returns
    -------
    dict
        Plain values: `random`, `spatial` and `leak` (random minus spatial), each with `overall_accuracy`, `kappa`,
        `macro_f1` and `interval_95`; and how they came about.

    Raises
    ------
    InputError
        If the folder holds no finished run, its inputs have changed, or there are fewer groups than folds.
    """
    if repeats < 1:
        raise InputError(f"{repeats} repeats", wanted="1 or more")
    run = read_run(folder)
    check_inputs(run)
    job = _Validation.of(run, seed, model)
    truth, random, spatial, group, counts = [], [], [], [], []
    total, done = 2 * folds * repeats, 0
    for _ in range(repeats):
        answers = np.zeros((2, len(job.pool)), np.uint8)
        for pair in job.folds(folds):
            counts.append([len(train) for train, _ in pair])
            for side, (train, test) in enumerate(pair):
                answers[side, test] = job.answers(train, test)
                done += 1
                if progress:
                    progress(done, total)
        truth.append(job.pool.y)
        random.append(answers[0])
        spatial.append(answers[1])
        group.append(job.pool.group)
    sides = [np.concatenate(part) for part in (truth, random, spatial, group)]
    rng = np.random.default_rng([seed, 8])
    scores = paired_scores(sides[0], sides[1], sides[2], sides[3], job.pool.legend, rng=rng)
    found = job.about() | {
        "folds": folds,
        "repeats": repeats,
        "train_rows": round(float(np.mean(counts))),
        "test_rows": len(job.pool),
        "groups": scores["blocks"],
        "random": scores["map"],
        "spatial": scores["other"],
        "leak": scores["difference"],
        "samples": hash_file(folder / "samples.h5"),
    }
    write_text(folder / FILE, json.dumps(found, indent=1) + "\n")
    return found


def read_gap(folder: Path) -> dict[str, Any] | None:
    """Return what `measure_gap` wrote, or None if there is nothing, or it is about other samples than the run's now."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return dict(found) if found["samples"] == hash_file(folder / "samples.h5") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def gap_lines(found: Mapping[str, Any]) -> list[str]:
    """Say what was found in a few lines.

    Parameters
    ----------
    found : mapping
        The content of ``gap.json``.
    """
    often = f", {found['repeats']} times" if found["repeats"] > 1 else ""
    said = [
        f"{found['folds']} folds{often}, {found['test_rows']:,} {found['unit']}s, each tested once; "
        f"{found['train_rows']:,} to train on in each fold, the same number on both sides"
    ]
    said += [
        f"{name}: overall accuracy {_figure(found[key], 'overall_accuracy')}, macro F1 "
        f"{_figure(found[key], 'macro_f1')}"
        for name, key in (("random folds", "random"), (f"folds of whole {found['by']}", "spatial"))
    ]
    said.append(
        f"the leak, random minus {found['by']}: overall accuracy {_figure(found['leak'], 'overall_accuracy', '+')}, "
        f"macro F1 {_figure(found['leak'], 'macro_f1', '+')}"
    )
    if found["dropped"]:
        said.append(
            f"{found['dropped']:,} rows in a fold, on average, were too near to a test {found['unit']}: dropped"
        )
    return said


def _figure(part: Mapping[str, Any], name: str, sign: str = "") -> str:
    bounds = part["interval_95"].get(name)
    return f"{part[name]:{sign}.3f}" + (f" [{bounds[0]:{sign}.3f}, {bounds[1]:{sign}.3f}]" if bounds else "")


@dataclass
class _Validation:
    """A run's labelled rows with their groups, and its model to be trained on some of them."""

    config: RunConfig
    data: RunData
    pool: Samples
    model: str
    seed: int
    rng: np.random.Generator
    dropped: list[int]
    shared: list[float]

    @classmethod
    def of(cls, run: FinishedRun, seed: int, model: str | None) -> "_Validation":
        config = with_block(run.config, run.folder)
        data = RunData(config, run.folder, lambda _: nullcontext())
        reference, legend = data.reference
        units = units_seen(data.units, read_card(run.folder / "model").preparation)
        samples = draw_samples(data.chosen, units, reference, legend=legend)
        samples = replace(samples, group=np.asarray(run.table["block"], np.int64))
        pool = samples[(samples.y > 0) & (samples.group >= 0)]
        rng = np.random.default_rng([seed, 7])
        return cls(config, data, pool, model or config.model.name, seed, rng, [], [])

    def folds(self, number: int) -> list[tuple[Fold, Fold]]:
        """Deal the rows anew; return pairs of a random and a spatial fold, trained on as many rows of each class."""
        dealt = zip(
            random_folds(self.pool, number, rng=self.rng), group_folds(self.pool, number, rng=self.rng), strict=True
        )
        return [self._evened(*pair) for pair in dealt]

    def _evened(self, random: Fold, spatial: Fold) -> tuple[Fold, Fold]:
        kept = self._apart(*spatial)
        trains: list[list[Rows]] = [[], []]
        for code in self.pool.legend.values:
            own = [rows[self.pool.y[rows] == code] for rows in (random[0], kept)]
            number = min(*map(len, own), self.config.samples.per_class)
            for side, rows in zip(trains, own, strict=True):
                side.append(self.rng.permutation(rows)[:number])
        trained = [np.sort(np.concatenate(side)) for side in trains]
        if not len(self.shared):  # one fold tells
            there = np.zeros(len(self.pool), bool)
            there[trained[0]] = True
            self.shared.append(float(near_ground(self.pool, there)[random[1]].mean()))
        return (trained[0], random[1]), (trained[1], spatial[1])

    def _apart(self, train: Rows, test: Rows) -> Rows:
        if self.config.samples.split == "blocks":  # each sample lies within one block: no two blocks share ground
            self.dropped.append(0)
            return train
        kept = without_neighbours(self.pool, train, test)
        self.dropped.append(len(train) - len(kept))
        return kept

    def answers(self, train: Rows, test: Rows) -> npt.NDArray[np.uint8]:
        """Train on some rows and answer for others."""
        return np.asarray(self._new_model().fit(self.pool[train]).predict(self.pool[test].x), np.uint8)

    def _new_model(self) -> "Classifier":
        c, data = self.config.model, self.data
        own = c.name == self.model
        settings: dict[str, Any] = c.model_dump(include={"recipe", "epochs", "options"}) if own else {}
        model = make_model(
            "forest" if not own else c.name,
            **settings,
            seed=self.seed,
            preparation=preparation(self.config, data.features, data.units),
            units=str(data.features.attrs["units"]),
        )
        if isinstance(model, AutoClassifier):  # what the run chose, not chosen anew in each fold
            model.wanted = tuple(read_card(data.folder / "model").recipe.get("chosen", ()))
        return model

    def about(self) -> dict[str, Any]:
        """Return what was done, in words and numbers."""
        by = self.config.samples.split
        return {
            "meaning": "the model trained anew on random folds and on folds of whole "
            f"{by} of the run; leak: random minus {by}; intervals: percentiles over whole {by} drawn again",
            "model": self.model,
            "unit": NOUNS[self.config.units.kind],
            "by": by,
            "block_m": self.config.samples.block if by == "blocks" else None,
            "dropped": round(float(np.mean(self.dropped))),
            "random_sharing_ground": round(self.shared[0], 4),
            "seed": self.seed,
        }
