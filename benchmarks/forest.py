"""A random forest: ours beside scikit-learn called plainly, training and prediction together.

    python -m benchmarks.forest [--quick]

2,400 patches of 32 x 32 x 10 flattened to 10,240 columns, 80 % of them to train on, as the course on Local Climate
Zones has it; and 30,000 rows of 48 columns. 100 trees, one thread each, as both have it by default. Ours adds what
makes a model of it: checks, the card, probabilities by legend. Wanted: not slower; both grow the same trees by the same
code, two runs of which differ by some percent, so 3 % are let through.
"""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from benchmarks.frame import Row, beside, command_line, seconds, turns
from citygrain.legend import LCZ
from citygrain.models.catalogue import make_model
from citygrain.samples.samples import Samples
from citygrain.sensors import SO2SAT_SENTINEL2

NOISE = 0.03
SHAPES = ((2_400, (10, 32, 32)), (30_000, (48,)))


def main(*, quick: bool = False) -> list[Row]:
    """Return a row for each shape."""
    return [measured(n // 40 if quick else n, shape, pairs=1 if quick else 3) for n, shape in SHAPES]


def measured(n: int, shape: tuple[int, ...], *, pairs: int) -> Row:
    samples = rows(n, shape)
    train, test = samples[: int(0.8 * n)], samples[int(0.8 * n) :]
    answers = {}

    def ours() -> None:
        answers["ours"] = make_model("forest", recipe="course").fit(train).predict(test.x)

    def theirs() -> None:
        forest = RandomForestClassifier(random_state=0).fit(train.x.reshape(len(train), -1), train.y)
        answers["theirs"] = forest.predict(test.x.reshape(len(test), -1))

    make_model("forest", recipe="course").fit(train[:50])  # loads what it needs
    found = turns(seconds(ours), seconds(theirs), pairs=pairs, warm=False)
    right = {f"{who}_accuracy": float((codes == test.y).mean()) for who, codes in answers.items()}
    columns = int(np.prod(shape))
    return beside(f"random forest, {n:,} x {columns:,}", "scikit-learn, plainly", found, wanted=1 - NOISE, **right)


def rows(n: int, shape: tuple[int, ...]) -> Samples:
    """Return rows of 17 classes that overlap as those of real patches do: a forest is right on some half of them."""
    rng = np.random.default_rng(0)
    classes = rng.integers(1, 18, n)
    middle = rng.normal(0, 1, (18, shape[0]))[classes] * 0.5
    middle = middle.reshape(n, shape[0], *(1,) * (len(shape) - 1))
    x = (middle + rng.normal(0, 1, (n, shape[0], *(1,) * (len(shape) - 1))) + rng.normal(0, 1, (n, *shape))) / 10 + 0.2
    names = SO2SAT_SENTINEL2 if len(shape) == 3 else tuple(f"f{place}" for place in range(shape[0]))
    return Samples.of(x.astype(np.float32), classes, features=names, legend=LCZ)


if __name__ == "__main__":
    command_line(main, __doc__)
