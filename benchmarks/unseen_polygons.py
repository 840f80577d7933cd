"""How good a map of Hong Kong's Local Climate Zones is on polygons never trained on, beside a plain forest.

    python -m benchmarks.unseen_polygons [--quick]

8,846 cells of 100 m in 179 polygons, four Landsat dates. Five folds of whole polygons, five times over: ours is what
`citygrain run` takes for pixels (`PixelContext`, bands and indices of each date, the forest by the default recipe);
beside it scikit-learn's random forest of 200 trees on the 36 band values of the same cells, trained and tested on the
same folds, and ours without the neighbours. The ratio is the points between them over the three that are wanted; the
details hold their 95 % interval, by bootstrap of whole polygons over all repetitions.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from benchmarks.frame import ROOT, Row, command_line, data
from benchmarks.peers import MissingError
from citygrain.models.forest import ForestClassifier
from citygrain.samples.draw import draw_samples
from citygrain.samples.folds import group_folds
from citygrain.samples.samples import Samples
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config import FeaturesConfig, UnitsConfig
from citygrain.workflows.config_file import read_config
from citygrain.workflows.parts import group_units

SEEDS, FOLDS, TREES = 5, 5, 200
WANTED = 3.0
"""Points that ours is to be better by."""
Right = npt.NDArray[np.bool_]
Judge = Callable[[Samples, Samples, int], npt.NDArray[np.uint8]]


def main(*, quick: bool = False) -> list[Row]:
    """Return the points that ours is better by, with neighbours and without them."""
    seeds, trees = (1, 5) if quick else (SEEDS, TREES)

    def ours(train: Samples, test: Samples, seed: int) -> npt.NDArray[np.uint8]:
        return ForestClassifier(seed=seed, trees=trees if quick else 0).fit(train).predict(test.x)

    def plain(train: Samples, test: Samples, seed: int) -> npt.NDArray[np.uint8]:
        forest = RandomForestClassifier(trees, random_state=seed).fit(train.x[:], train.y)
        return np.asarray(forest.predict(test.x[:]), np.uint8)

    worlds = {"neighbours": cells(3), "alone": cells(1), "plain": cells(1, indices=[])}
    right = {way: judged(samples, plain if way == "plain" else ours, seeds) for way, samples in worlds.items()}
    group = worlds["plain"].group
    return [
        compared(f"LCZ on unseen polygons, {words}", right[way], right["plain"], group, wanted=wanted)
        for way, words, wanted in (("neighbours", "pixels and neighbours", WANTED), ("alone", "pixels alone", None))
    ]


def cells(context: int, *, indices: list[str] | None = None) -> Samples:
    """Return the labelled cells as a run sees them, each with its polygon."""
    if not (data() / "scenes/hong_kong").is_dir():
        raise MissingError(f"no scenes of Hong Kong in {data()}: set CITYGRAIN_DATA")
    config = read_config(ROOT / "examples/hong_kong.toml", {"CITYGRAIN_DATA": str(data())})
    features = config.features if indices is None else FeaturesConfig(indices=indices)
    config = config.model_copy(update={"units": UnitsConfig(kind="pixels", context=context), "features": features})
    run = RunData(config, Path(), lambda _: nullcontext())
    reference, legend = run.reference
    drawn = group_units(draw_samples(run.chosen, run.units, reference, legend=legend), run.units, config)
    return drawn[(drawn.y > 0) & (drawn.group >= 0)]


def judged(samples: Samples, judge: Judge, seeds: int) -> Right:
    """Return which cells are right when their polygon was not trained on, for each seed, (seeds, n)."""
    right = np.zeros((seeds, len(samples)), bool)
    for seed in range(seeds):
        for train, test in group_folds(samples, FOLDS, rng=np.random.default_rng(seed)):
            right[seed, test] = judge(samples[train], samples[test], seed) == samples.y[test]
    return right


def compared(what: str, ours: Right, theirs: Right, group: npt.NDArray[np.int64], *, wanted: float | None) -> Row:
    """Return accuracies in per cent; the ratio is the points between them over those wanted."""
    scores = [(100 * float(a.mean()), 100 * float(b.mean())) for a, b in zip(ours, theirs, strict=True)]
    _, place = np.unique(group, return_inverse=True)
    sizes = np.bincount(place)
    gains = np.bincount(place, 100 * (ours.mean(0) - theirs.mean(0)))
    drawn = np.random.default_rng(0).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), 2000)
    spread = np.percentile(drawn @ gains / (drawn @ sizes), [2.5, 97.5])
    mine, peer = np.mean(scores, axis=0)
    points = float(mine - peer)
    detail = {"points": points, "points_95": spread.tolist(), "polygons": len(sizes)}
    peer_name = "random forest of 200 trees on 36 bands"
    return Row(
        what, mine, peer, "%", peer_name, points / (wanted or WANTED), wanted and 1.0, runs=scores, detail=detail
    )


if __name__ == "__main__":
    command_line(main, __doc__)
