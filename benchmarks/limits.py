"""How fast the taught networks could be on this processor, and how near to that they are.

    python -m benchmarks.limits [--quick]

The multiply-adds that a patch needs, and those that one thread does in a second in a large convolution in the same
precision (the quickest of many), give the most patches in a second. Ours is what the network reaches on patches of
Aberystwyth, rows that are prepared, in batches of 128, on one thread. int8 is not ours: it is what PyTorch's own
quantisation, which is to be removed, makes of our networks, calibrated on training rows. The details hold the share of
test rows (other blocks) that get the class they get in float32, and how many times as fast as Keras (`results.json`)
all processors would be at the limit. Training is the course CNN's bare step. Processor seconds count, so that a
neighbour costs little.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.frame import Row, command_line, data
from benchmarks.int8 import int8_convolution, int8_network
from benchmarks.multiply_adds import as_taught, multiply_adds
from benchmarks.peers import MissingError
from benchmarks.table import read_results
from citygrain.features.stack import compute_features
from citygrain.models.architectures import build_network
from citygrain.models.catalogue import make_model
from citygrain.models.feed import prepare
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.normalisation import Normalisation
from citygrain.models.precision import autocast, bf16_pays
from citygrain.samples.balance import balance
from citygrain.samples.draw import draw_samples
from citygrain.samples.reference import read_reference
from citygrain.samples.samples import Samples
from citygrain.samples.split import split_blocks
from citygrain.scene.read import read_scene
from citygrain.segments.slic import superpixels
from citygrain.tessellation import SegmentPatches

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
CLASSES = {"1": "Forest", "2": "Grass", "3": "Urban", "4": "Water"}
BATCH = 128
Work = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A network: our name, what it is called, its bands, side of its patches, epochs to train, rows to time."""

    model: str
    called: str
    bands: tuple[str, ...]
    side: int
    epochs: int
    rows: int


CASES = (
    Case("cnn", "course CNN", ("B04", "B03", "B02"), 25, 6, 1024),
    Case("resnet50", "ResNet-50", BANDS, 32, 3, 256),
    Case("sen2lcz", "Sen2LCZ-Net-MF", BANDS, 32, 6, 512),
)


def main(*, quick: bool = False) -> list[Row]:
    """Return the rates, then the rows of prediction, then those of training."""
    with one_thread():
        rates = fastest(1 if quick else 41)
        rows = [
            Row(f"multiply-adds, {precision}", rate / 1e9, rates["float32"] / 1e9, "G/s", "float32",
                rate / rates["float32"], None)
            for precision, rate in rates.items()
        ]  # fmt: skip
        train, test = patches(*((2, 160) if quick else (600, None)))
        for case in CASES:
            rows += predicting(case, seen(train, case), seen(test, case), rates, quick=quick)
        return rows + training(seen(train, CASES[0]), rates, steps=1 if quick else 40)


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fastest(repeats: int) -> dict[str, float]:
    """Return the multiply-adds in a second of a large convolution without padding, by precision."""
    x, layer = torch.rand(64, 128, 18, 18), nn.Conv2d(128, 128, 3).requires_grad_(False)
    x, layer = (each.to(memory_format=torch.channels_last) for each in (x, layer))  # type: ignore[call-overload]
    works: dict[str, Work] = {"float32": lambda: layer(x)}
    if bf16_pays():
        rounded, half = x.bfloat16(), nn.Conv2d(128, 128, 3, dtype=torch.bfloat16).requires_grad_(False)
        half.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        works["bfloat16"] = lambda: half(rounded)
    if small := int8_convolution(x, layer):
        works["int8"] = small
    operations = multiply_adds(layer, x.shape[1:])[0] * len(x)
    return {precision: operations / min(taken) for precision, taken in in_turns(works, repeats).items()}


def medians(works: Mapping[str, Work], repeats: int) -> dict[str, float]:
    return {name: statistics.median(taken) for name, taken in in_turns(works, repeats).items()}


def in_turns(works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Return the processor seconds of each work; they take turns, once before anything counts."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            if repeat:
                found[name].append(time.process_time() - start)
    return found


def patches(per_class: int, most: int | None) -> tuple[Samples, Samples]:
    """Return patches (10, 32, 32) of Aberystwyth to train on, and others, of other blocks, to test on."""
    folder = data() / "scenes/aberystwyth"
    if not folder.is_dir():
        raise MissingError(f"no scene of Aberystwyth in {data()}: set CITYGRAIN_DATA")
    features = compute_features(read_scene(folder / "s2_20210527.tif", bands=BANDS, scale=1000), BANDS)
    segments = superpixels(features, n_segments=9_000, compactness=0.1)
    reference, legend = read_reference(folder / "landcover_map_4class.tif", features.odc.geobox, classes=CLASSES)
    drawn = draw_samples(features, SegmentPatches(segments, window=32), reference, legend=legend)
    rng = np.random.default_rng(0)
    train, test = split_blocks(drawn, 1_200, rng=rng)
    return balance(train, per_class=per_class, rng=rng, oversample=True), test[: most or len(test)]


def seen(samples: Samples, case: Case) -> Samples:
    """Return the bands and the middle of the patches that a network takes."""
    edge = (32 - case.side) // 2
    inside = slice(edge, edge + case.side)
    columns = [BANDS.index(band) for band in case.bands]
    x = np.ascontiguousarray(np.asarray(samples.x[:])[:, columns, inside, inside])
    return Samples.of(x, samples.y, features=case.bands, legend=samples.legend)


def predicting(case: Case, train: Samples, test: Samples, rates: Mapping[str, float], *, quick: bool) -> list[Row]:
    """Return a row for each precision in which the network predicts."""
    epochs, repeats = (1, 1) if quick else (case.epochs, 9)
    options: dict[str, object] = {"least_rows": len(train), "half": True}
    model: Any = make_model(case.model, recipe="course", epochs=epochs, threads=1, options=options).fit(train)
    ready = {name: network for name, network in in_precisions(model, train).items() if name in rates}
    x = prepare(test.x, Normalisation.from_dict(model.card.normalisation), half=False)
    inputs = {name: x.bfloat16() if name == "bfloat16" else x for name in ready}
    classes = {name: judged(network, inputs[name]).argmax(1) for name, network in ready.items()}
    works = {name: partial(judged, network, inputs[name][: case.rows]) for name, network in ready.items()}
    shape = test.x.shape[1:]
    needed = sum(multiply_adds(ready["float32"], shape))
    taught = sum(multiply_adds(as_taught(model.module_), shape, padding=True))
    rows = []
    for name, taken in medians(works, repeats).items():
        detail = {
            "multiply_adds": needed,
            "multiply_adds_as_taught": taught,
            "agreement": float((classes[name] == classes["float32"]).float().mean()),
            "most_beside_keras": beside_keras(case, rates[name] / needed),
        }
        what = f"prediction, {case.called}, {name}, one thread"
        rows.append(_near(what, len(x[: case.rows]) / taken, rates[name] / needed, **detail))
    return rows


def in_precisions(model: Any, train: Samples) -> dict[str, nn.Module]:
    """Return the network of a model in each precision that can be had, ready to predict."""
    some = train.x[:: max(1, len(train) // 256)]
    small = int8_network(model.module_, prepare(some, Normalisation.from_dict(model.card.normalisation), half=False))
    networks = {
        "float32": prepared_for_prediction(model.module_),
        "bfloat16": prepared_for_prediction(model.module_, half=True),
    }
    return networks | ({"int8": small} if small else {})


def judged(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode(), autocast(x.dtype == torch.bfloat16):
        return torch.cat([network(rows).float() for rows in x.split(BATCH)])


def beside_keras(case: Case, most: float) -> float | None:
    """Return how many times as fast as Keras was measured all processors at their limit would be."""
    known = read_results(Path(__file__).with_name("results.json"))["rows"]
    row = known.get(f"prediction, {case.called}, bfloat16")
    return row and (os.cpu_count() or 1) * most * row["theirs"] / row["detail"]["rows"]


def training(train: Samples, rates: Mapping[str, float], *, steps: int) -> list[Row]:
    """Return a row for each precision in which the course CNN is trained."""
    x = torch.from_numpy(train.x).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(train.legend.columns(train.y))
    shape = train.x.shape[1:]
    layers = multiply_adds(build_network("course-cnn", train.features, shape, len(train.legend)), shape)
    needed = 3 * sum(layers) - layers[0]  # forward, and the gradients of weights and inputs, but not of the patches
    works = {
        f"{precision}": stepping(x.to(getattr(torch, precision)), y, len(train.legend))
        for precision in rates if precision != "int8"
    }  # fmt: skip
    return [
        _near(f"training, course CNN, {precision}, one thread", 32 / taken, rates[precision] / needed,
              multiply_adds=needed)
        for precision, taken in medians(works, steps).items()
    ]  # fmt: skip


def stepping(x: Tensor, y: Tensor, classes: int) -> Work:
    """Return a step on the next 32 rows: forward, loss, backward, Adam."""
    network = build_network("course-cnn", ("B04", "B03", "B02"), tuple(x.shape[1:]), classes)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        rows = torch.randint(len(x), (32,))
        with autocast(x.dtype == torch.bfloat16):
            logits = network(x[rows])
        adam.zero_grad()
        functional.cross_entropy(logits.float(), y[rows]).backward()
        adam.step()

    return step


def _near(what: str, ours: float, most: float, **detail: Any) -> Row:
    return Row(f"limit: {what}", ours, most, "patches/s", "the most", ours / most, None, detail=detail)


if __name__ == "__main__":
    command_line(main, __doc__)
