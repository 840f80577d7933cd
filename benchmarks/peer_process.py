"""What answers for the peers: run by `benchmarks.peers` in `.venv-peers`, which has TensorFlow, Keras and OpenCV.

Reads one JSON object a line (``{"call": name, ...}``), writes one as answer. Each answer holds ``seconds``, the wall
time of the call itself without the reading of arrays.
"""

import json
import os
import sys
import time
from functools import cache
from typing import Any

import numpy as np


@cache
def array(path: str) -> Any:
    return np.load(path)


@cache
def network(name: str, shape: tuple[int, int, int], classes: int) -> Any:
    from benchmarks.keras_networks import NETWORKS

    return NETWORKS[name](shape, classes)


def slic(image: str, side: int, ruler: float, out: str) -> dict[str, Any]:
    """Cut an image (y, x, 3) of uint8 into superpixels of about `side` pixels a side, 10 iterations, connected."""
    import cv2

    pixels = array(image)
    start, work = time.perf_counter(), time.process_time()
    cut = cv2.ximgproc.createSuperpixelSLIC(pixels, cv2.ximgproc.SLIC, side, ruler)
    cut.iterate(10)
    cut.enforceLabelConnectivity(25)
    labels = cut.getLabels()
    took = {"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - work}
    if out:
        np.save(out, labels + 1)
    return took | {"n": int(cut.getNumberOfSuperpixels())}


def predict(name: str, x: str, classes: int, batch: int, *, weights: str = "", out: str = "") -> dict[str, Any]:
    """Predict rows (n, h, w, c) by ``model.predict``; put weights in first, write the probabilities if asked."""
    from benchmarks.keras_networks import put_weights

    rows = array(x)
    built = network(name, rows.shape[1:], classes)
    if weights:
        with np.load(weights) as kept:
            put_weights(built, [kept[f"arr_{place}"] for place in range(len(kept.files))])
    start = time.perf_counter()
    probabilities = built[0].predict(rows, batch_size=batch, verbose=0)
    took = time.perf_counter() - start
    if out:
        np.save(out, probabilities)
    return {"seconds": took, "parameters": built[0].count_params()}


def train(name: str, x: str, y: str, *, held_out: int, epochs: int, batch: int) -> dict[str, Any]:
    """Train on all rows but the last `held_out`, which validate each epoch; building and tracing do not count."""
    from benchmarks.keras_networks import NETWORKS

    rows, columns = array(x), array(y)
    model, _ = NETWORKS[name](rows.shape[1:], int(columns.max()) + 1)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    before = model.get_weights()
    some = rows[:batch], columns[:batch]
    model.fit(*some, validation_data=some, batch_size=batch, verbose=0)
    model.set_weights(before)
    learn, judge = (rows[:-held_out], columns[:-held_out]), (rows[-held_out:], columns[-held_out:])
    start = time.perf_counter()
    told = model.fit(*learn, validation_data=judge, batch_size=batch, epochs=epochs, verbose=0)
    took = time.perf_counter() - start
    return {"seconds": took, "accuracy": told.history["val_accuracy"][-1], "parameters": model.count_params()}


CALLS = {"slic": slic, "predict": predict, "train": train}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        words = json.loads(line)
        print(json.dumps(CALLS[words.pop("call")](**words)), file=answers, flush=True)


if __name__ == "__main__":
    main()
