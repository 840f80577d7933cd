"""How many wrong labels the review finds, and how many of its doubts are right, on Aberystwyth with labels flipped.

    python -m benchmarks.label_errors [--quick]

5, 10 and 20 % of the labels are flipped, by five seeds: of superpixels at random; of 25 neighbouring superpixels at a
time, all to one class; of whole polygons at random; and of five neighbouring polygons at a time. Recall is the share of
flipped labels that are doubted, precision the share of doubted labels that were flipped; labels that were wrong before
count against it. Beside it: doubting every label that is not the likeliest class of the same cross-validated forest.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.frame import CACHE, ROOT, Row, command_line, data
from benchmarks.peers import MissingError
from citygrain.accuracy.label_quality import judge_labels, pool_probabilities
from citygrain.models.crossed import crossed_probabilities
from citygrain.models.forest import ForestClassifier
from citygrain.samples.apart import folds_apart
from citygrain.samples.samples import Samples
from citygrain.workflows.config import RunConfig
from citygrain.workflows.config_file import read_config
from citygrain.workflows.labels.unit_rows import UnitRows, units_of_config

SHARES, SEEDS, TREES = (0.05, 0.1, 0.2), 5, 100
PATCH = {"superpixels": 25, "polygons": 5}
"""Neighbours that are flipped together."""
LAYERS = {f"cls_{name.lower()}_smpls": name for name in ("Forest", "Grass", "Urban", "Water")}
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Things:
    """What is labelled: superpixels or polygons, and the superpixels that each consists of."""

    name: str
    samples: Samples
    member: npt.NDArray[np.int64]
    places: npt.NDArray[np.float64]
    labels: Labels


def main(*, quick: bool = False) -> list[Row]:
    """Return recall and precision for each reference, way of flipping, and share."""
    rows = []
    with TemporaryDirectory(dir=made(CACHE)) as folder:
        for things in worlds(Path(folder)):
            for way in ("at random", "neighbours together"):
                for share in SHARES[1:2] if quick else SHARES:
                    found = [tried(things, way, share, seed, quick=quick) for seed in range(1 if quick else SEEDS)]
                    rows += rows_of(f"{things.name} {way}, {100 * share:.0f} %", found)
    return rows


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def example() -> RunConfig:
    """Return the configuration of the example, whose data must be there."""
    if not (data() / "scenes/aberystwyth").is_dir():
        raise MissingError(f"no scene of Aberystwyth in {data()}: set CITYGRAIN_DATA")
    return read_config(ROOT / "examples/aberystwyth.toml", {"CITYGRAIN_DATA": str(data())})


def worlds(folder: Path) -> Iterator[Things]:
    """Give the superpixels of the example, and the polygons of the same scene."""
    config = example()
    units = units_of_config(config, folder)
    rows = np.arange(len(units.samples))
    yield Things("superpixels", units.samples, rows, units.centres, units.samples.y.copy())
    path = str(data() / "scenes/aberystwyth/training_polygons.gpkg")
    reference = config.reference.model_copy(update={"path": path, "field": "layer", "classes": LAYERS})
    yield polygons(units_of_config(config.model_copy(update={"reference": reference}), folder))


def polygons(units: UnitRows) -> Things:
    samples = units.samples[(units.samples.group >= 0) & (units.samples.y > 0)]
    numbers, member = np.unique(samples.group, return_inverse=True)
    centres = units.centres[samples.unit]
    size = np.bincount(member)
    places = np.column_stack([np.bincount(member, centres[:, axis]) / size for axis in (0, 1)])
    labels = np.array([np.bincount(samples.y[member == one]).argmax() for one in range(len(numbers))], np.uint8)
    return Things("polygons", replace(samples, group=member), member, places, labels)


def flip(things: Things, way: str, share: float, rng: np.random.Generator) -> Labels:
    """Return the labels with a share of them changed to another class."""
    codes, n = np.unique(things.labels), len(things.labels)
    flipped, wanted = things.labels.copy(), round(share * n)
    if way == "at random":
        rows = rng.choice(n, wanted, replace=False)
        for row in rows:
            flipped[row] = rng.choice(codes[codes != flipped[row]])
        return flipped
    changed = np.zeros(n, bool)
    while changed.sum() < wanted:
        middle = things.places[rng.integers(n)]
        near = np.argsort(((things.places - middle) ** 2).sum(1))[: PATCH[things.name]]
        near = near[~changed[near]][: wanted - int(changed.sum())]
        new = rng.choice(codes)
        near = near[flipped[near] != new]
        flipped[near], changed[near] = new, True
    return flipped


def tried(things: Things, way: str, share: float, seed: int, *, quick: bool) -> dict[str, float]:
    """Return recall and precision of the review, and of plain disagreement with its forest."""
    labels = flip(things, way, share, np.random.default_rng([seed, round(100 * share)]))
    samples = replace(things.samples, y=labels[things.member])
    folds = folds_apart(samples, 5, rng=np.random.default_rng(seed))
    p = crossed_probabilities(samples, folds, lambda: ForestClassifier(seed=seed, trees=10 if quick else TREES))
    _, pooled = pool_probabilities(p, things.member)
    quality = judge_labels(labels, pooled, samples.legend)
    truth = labels != things.labels
    plain = samples.legend.codes(pooled.argmax(1)) != labels
    first = quality.ranking[: max(1, int(truth.sum()) // 2)]
    return {
        **scores("", quality.suspect, truth),
        **scores("confident ", quality.confident, truth),
        **scores("plain ", plain, truth),
        "precision of the first half": float(truth[first].mean()) if len(first) else 0.0,
        "estimated error rate": quality.error_rate,
    }


def scores(name: str, found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> dict[str, float]:
    both = float((found & truth).sum())
    return {f"{name}recall": both / truth.sum(), f"{name}precision": both / max(found.sum(), 1)}


def rows_of(what: str, found: list[dict[str, float]]) -> list[Row]:
    """Return a row for the recall and one for the precision, means over the seeds."""
    mean: Callable[[str], float] = lambda key: statistics.fmean(one[key] for one in found)  # noqa: E731
    detail: dict[str, Any] = {key: [one[key] for one in found] for key in found[0]}
    return [
        Row(
            f"{key}: {what}", mean(key), mean(f"plain {key}"), "", "where the forest disagrees",
            mean(key) / max(mean(f"plain {key}"), 1e-9), None,
            runs=[(one[key], one[f"plain {key}"]) for one in found], detail=detail,
        )
        for key in ("recall", "precision")
    ]  # fmt: skip


if __name__ == "__main__":
    command_line(main, __doc__)
