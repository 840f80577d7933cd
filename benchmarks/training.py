"""Training the superpixel course's CNN, beside Keras 3 on TensorFlow: same rows, same batch, same epochs.

    python -m benchmarks.training [--quick]

8,000 patches of 25 x 25 x 3, a fifth of them to validate after each epoch, batches of 32, Adam. Keras's time is that of
`fit` alone, on a model that is built and traced, in float32; ours is that of `fit` from a new model on, in float32 and
in bfloat16. Both end with the accuracy on the same validation rows, so that it can be seen that they did the same work.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.frame import Row, beside, command_line, seconds, turns
from benchmarks.patches import city_patches
from benchmarks.peers import Peers
from citygrain.models.catalogue import make_model

PARAMETERS = 217_604


def main(*, quick: bool = False) -> list[Row]:
    """Return a row for each precision."""
    per_class, side, epochs, pairs = (40, 128, 1, 1) if quick else (2_000, 1024, 3, 3)
    kept: dict[str, Any] = {}
    with Peers() as peers, TemporaryDirectory() as name:
        samples = city_patches(per_class, side)
        held_out = len(samples) // 5
        learn, judge = samples[: len(samples) - held_out], samples[len(samples) - held_out :]
        x, y = Path(name) / "x.npy", Path(name) / "y.npy"
        np.save(x, np.ascontiguousarray(samples.x.transpose(0, 2, 3, 1)))
        np.save(y, samples.legend.columns(samples.y).astype(np.int64))

        def fit(half: bool) -> None:
            model = make_model("cnn", recipe="course", epochs=epochs, options={"half": half})
            kept["ours"] = model.fit(learn, judge)

        def keras() -> float:
            asked = {"name": "course-cnn", "x": x, "y": y, "held_out": held_out, "epochs": epochs, "batch": 32}
            kept["keras"] = peers.ask("train", **asked)
            return float(kept["keras"]["seconds"])

        rows = []
        for precision, half in (("float32", False), ("bfloat16", True)):
            found = turns(seconds(partial(fit, half)), keras, pairs=pairs)
            what = f"training, course CNN, {len(learn):,} patches, {epochs} epochs, {precision}"
            rows.append(beside(what, "Keras fit", found, wanted=3, **same_work(kept)))
    return rows


def same_work(kept: dict[str, Any]) -> dict[str, float]:
    """Return both accuracies; refuse networks that differ."""
    counts = {kept["ours"].card.parameters, kept["keras"]["parameters"]}
    if counts != {PARAMETERS}:
        raise AssertionError(f"networks of {counts} parameters, {PARAMETERS} wanted")
    return {
        "accuracy": kept["ours"].history_[-1]["valid_accuracy"],
        "keras_accuracy": kept["keras"]["accuracy"],
    }


if __name__ == "__main__":
    command_line(main, __doc__)
