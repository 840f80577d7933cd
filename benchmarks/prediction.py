"""Patches per second of the networks for Local Climate Zones, beside the plain float32 call in the same run.

    python benchmarks/prediction.py [patches]

Both see the same patches of 32 x 32 x 10 with as many threads; the plain call is what one would write first: batches of
128, eager, float32, rows before columns. Where the real Berlin patches and published weights are there, they are used,
and the largest difference of a probability and the share of equal labels are told. Times are wall seconds and processor
seconds; on a busy machine compare the latter.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from citygrain.models.architectures import build_network
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.keras_weights import import_keras
from citygrain.models.parallel import workers
from citygrain.models.precision import autocast
from citygrain.sensors import SO2SAT_SENTINEL2

BATCH = 128
CITY = 160_000  # cells of 40 x 40 km at 100 m
WEIGHTS = {"sen2lcz": "sen2lcz_mf_best_32.hdf5", "resnet20": "s2_resnet20_2019-06-27.h5"}
Rows = npt.NDArray[np.float32]


def main(count: int = 2_048) -> dict[str, dict[str, float]]:
    x = patches(count)
    figures: dict[str, dict[str, float]] = {}
    for name in ("resnet50", "resnet20", "sen2lcz"):
        network = trained(name)
        plain, expected = timed(lambda network=network: eager(network, x))  # type: ignore[misc]
        exact, same = timed(lambda network=network: prepared(network, x, half=False))  # type: ignore[misc]
        quick, near = timed(lambda network=network: prepared(network, x, half=True))  # type: ignore[misc]
        figures[name] = {
            "plain_per_s": count / plain[0],
            "float32_times_faster": plain[0] / exact[0],
            "float32_times_less_work": plain[1] / exact[1],
            "float32_largest_difference": float(np.abs(same - expected).max()),
            "bf16_per_s": count / quick[0],
            "bf16_times_faster": plain[0] / quick[0],
            "bf16_times_less_work": plain[1] / quick[1],
            "bf16_largest_difference": float(np.abs(near - expected).max()),
            "bf16_equal_labels": float((near.argmax(1) == expected.argmax(1)).mean()),
            "city_bf16_seconds": CITY * quick[0] / count,
            "city_bf16_processor_seconds": CITY * quick[1] / count,
        }
        print(f"{name:9s}" + "  ".join(f"{key}={value:.4g}" for key, value in figures[name].items()))
    return figures


def eager(network: nn.Module, x: Rows) -> Rows:
    with torch.inference_mode():
        return np.concatenate([network(torch.from_numpy(part)).softmax(1).numpy() for part in cut(x)])


def prepared(network: nn.Module, x: Rows, *, half: bool) -> Rows:
    ready = prepared_for_prediction(network, half=half)

    def judge(part: Rows) -> Rows:
        rows = torch.from_numpy(part).to(torch.bfloat16 if half else torch.float32)
        with torch.inference_mode(), autocast(half):
            logits: Rows = ready(rows.contiguous(memory_format=torch.channels_last)).float().softmax(1).numpy()
        return logits

    with workers(None) as over:
        return np.concatenate(list(over(judge, cut(x))))


def cut(x: Rows) -> list[Rows]:
    return [x[start : start + BATCH] for start in range(0, len(x), BATCH)]


def timed(function: Callable[[], Rows], *, runs: int = 3) -> tuple[tuple[float, float], Rows]:
    """Return the least wall and processor seconds, and the result."""
    times: list[tuple[float, float]] = []
    for _ in range(runs + 1):  # the first one warms up
        wall, work = time.perf_counter(), time.process_time()
        result = function()
        times.append((time.perf_counter() - wall, time.process_time() - work))
    return (min(t[0] for t in times[1:]), min(t[1] for t in times[1:])), result


def trained(name: str) -> nn.Module:
    path = data() / "weights" / WEIGHTS.get(name, "none")
    if path.is_file():
        return import_keras(path, name).module_.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]
    torch.manual_seed(0)
    return build_network(name, SO2SAT_SENTINEL2, (10, 32, 32), 17).eval()


def patches(count: int) -> Rows:
    path = data() / "berlin_lcz_patches.h5"
    if path.is_file():
        with h5py.File(path) as file:
            rows: Any = file["sen2"][:].transpose(0, 3, 1, 2)
    else:
        rows = np.random.default_rng(0).random((256, 10, 32, 32), np.float32) * 0.3
    return np.ascontiguousarray(rows[np.arange(count) % len(rows)])


def data() -> Path:
    return Path(os.environ.get("CITYGRAIN_DATA", Path(__file__).parents[1] / "../shared/data")) / "so2sat"


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
