"""How many labels a suggested choice needs for the score of all labels, beside a random choice, on Aberystwyth.

    python -m benchmarks.active_labels [--quick]

Half of the blocks of 1.2 km are labelled step by step, the other half test; superpixels whose window meets the tested
ground are left out. Each step trains a forest of 100 trees on the labels so far. "Suggested" is `suggest_next`: the
first labels by what the scene looks like, the later ones also by what the forest is unsure of. Beside it a random
choice, and the smallest margin alone. Five seeds turn the blocks and draw. What is wanted: the macro F1 of all labels
with at most half the labels that a random choice needs. The curves are drawn to ``runs/bench/active_labels.png``.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from benchmarks.frame import CACHE, Row, command_line
from benchmarks.label_errors import example, made
from citygrain.accuracy.assess import assess
from citygrain.models.forest import ForestClassifier
from citygrain.report.figures import save_figure
from citygrain.report.labels import figure_learning
from citygrain.samples.apart import folds_apart
from citygrain.samples.next_samples import suggest_next, uncertainty
from citygrain.samples.samples import Samples
from citygrain.workflows.labels.unit_rows import UnitRows, units_of_config

SIZES = (10, 20, 40, 80, 120, 160, 240, 320, 480, 640, 960, 1280, 1920)
SEEDS, TREES = 5, 100
WAYS = ("suggested", "random", "smallest margin")
SPACING = 100.0
NEARLY = 0.99
"""Share of the score of all labels that counts as nearly all of it."""
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def main(*, quick: bool = False) -> list[Row]:
    """Return the labels needed, suggested beside random and beside the smallest margin, for all and nearly all."""
    sizes, seeds, ways = (SIZES[:3], 1, WAYS[:2]) if quick else (SIZES, SEEDS, WAYS)
    with TemporaryDirectory(dir=made(CACHE)) as folder:
        units = units_of_config(example(), Path(folder))
        worlds = [World.of(units, seed, 10 if quick else TREES) for seed in range(seeds)]
        curves = {way: np.array([world.curve(way, sizes) for world in worlds]) for way in ways}
    full = np.array([world.score(np.arange(len(world.train)))[0] for world in worlds])
    if not quick:
        figure = figure_learning({way: spoken(sizes, curve) for way, curve in curves.items()}, full=float(full.mean()))
        save_figure(figure, CACHE / "active_labels.png", dpi=150)
    most = float(np.mean([len(world.train) for world in worlds]))
    return [
        needed(words, curves, full * part, sizes, most, peer=peer, wanted=wanted)
        for words, part in (("all", 1.0), ("99 % of all", NEARLY))
        for peer, wanted in zip(ways[1:], (2.0, None), strict=False)
    ]


@dataclass(frozen=True)
class World:
    """One seed: ground to label, ground to test, and how to score."""

    samples: Samples
    looks: npt.NDArray[np.float32]
    places: Floats
    train: Rows
    test: Rows
    seed: int
    trees: int

    @classmethod
    def of(cls, units: UnitRows, seed: int, trees: int) -> "World":
        """Split the blocks of a run's units in two by a seed."""
        folds = folds_apart(units.samples, 2, rng=np.random.default_rng(seed))
        train, test = folds[seed % 2]
        return cls(units.samples, units.looks, units.centres, train, test, seed, trees)

    def score(self, chosen: Rows) -> tuple[float, Floats | None]:
        """Return macro F1 on the tested ground, and what the forest says of the ground to label."""
        s, rows = self.samples, self.train[chosen]
        if len(np.unique(s.y[rows])) < 2:
            return 0.0, None
        forest = ForestClassifier(seed=self.seed, trees=self.trees).fit(s[rows])
        mapped = forest.predict(s[self.test].x)
        return assess(s.y[self.test], mapped, s.legend).macro_f1, forest.predict_proba(s[self.train].x).astype(float)

    def curve(self, way: str, sizes: tuple[int, ...]) -> list[float]:
        """Return the score at each number of labels."""
        order = np.random.default_rng([self.seed, 7]).permutation(len(self.train))
        chosen, p, scores = np.empty(0, np.int64), None, []
        for size in sizes:
            more = order[:size] if way == "random" else self.more(way, chosen, p, size - len(chosen))
            chosen = more if way == "random" else np.append(chosen, more)
            found, p = self.score(chosen)
            scores.append(found)
        return scores

    def more(self, way: str, chosen: Rows, p: Floats | None, count: int) -> Rows:
        """Choose more labels; `p` is what a forest of the labels so far says."""
        known = np.zeros(len(self.train), bool)
        known[chosen] = True
        if way == "smallest margin" and p is not None:
            order = np.argsort(-uncertainty(p), kind="stable")
            return np.asarray(order[~known[order]][:count])
        unsure = None if p is None else uncertainty(p)
        looks, places = self.looks[self.train], self.places[self.train]
        return suggest_next(looks, places, count, unsure=unsure, known=known, spacing=SPACING).rows


def spoken(sizes: tuple[int, ...], curve: Floats) -> dict[str, list[float]]:
    """Return mean and 95 % interval of the mean over the seeds."""
    mean = curve.mean(0)
    half = student.ppf(0.975, len(curve) - 1) * curve.std(0, ddof=1) / len(curve) ** 0.5
    return {
        "labels": list(map(float, sizes)),
        "mean": mean.tolist(),
        "low": list(mean - half),
        "high": list(mean + half),
    }


def needed(
    words: str, curves: dict[str, Floats], goal: Floats, sizes: tuple[int, ...], most: float, *, peer: str,
    wanted: float | None,
) -> Row:  # fmt: skip
    """Return how many labels reach the goal in the mean over the seeds; `most` where no number does."""

    def first(curve: Floats, seeds: Rows) -> float:
        reached = curve[seeds].mean(0) >= goal[seeds].mean()
        return float(sizes[int(reached.argmax())]) if reached.any() else most

    n = len(goal)
    everyone, rng = np.arange(n), np.random.default_rng(0)
    ours, theirs = (first(curves[way], everyone) for way in ("suggested", peer))
    draws = [rng.integers(0, n, n) for _ in range(1000)]
    factors = [first(curves[peer], draw) / first(curves["suggested"], draw) for draw in draws]
    detail = {
        "factor_95": np.percentile(factors, [2.5, 97.5]).tolist(),
        "full_macro_f1": goal.tolist(),
        "sizes": list(sizes),
        "curves": {way: curve.tolist() for way, curve in curves.items()},
    }
    pairs = [
        (first(curves["suggested"], everyone[i : i + 1]), first(curves[peer], everyone[i : i + 1])) for i in range(n)
    ]
    what = f"labels for the macro F1 of {words}, beside {peer}"
    return Row(what, ours, theirs, "", peer, theirs / ours, wanted, runs=pairs, detail=detail)


if __name__ == "__main__":
    command_line(main, __doc__)
