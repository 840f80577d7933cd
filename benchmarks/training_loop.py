"""What Lightning, the loading of data and the log add to the bare PyTorch step on data in memory.

    python -m benchmarks.training_loop [--quick]

The superpixel course's CNN on 6,400 patches of 25 x 25 x 3, batches of 32, float32. The bare step draws its batches
from one tensor and does forward, loss, backward, Adam, and nothing else. Both have one thread, so that they differ only
in what is around the step; processor seconds count. Ours writes curves by epoch to a logger of Lightning. Wanted: 10 %
at most on top.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning.pytorch.loggers import CSVLogger
from torch.nn import functional

from benchmarks.frame import Row, beside, command_line, turns
from benchmarks.patches import city_patches
from citygrain.models.architectures import build_network
from citygrain.models.catalogue import make_model
from citygrain.models.hooks import Hooks
from citygrain.samples.samples import Samples

ADDED = 0.10


def main(*, quick: bool = False) -> list[Row]:
    """Return the row."""
    per_class, side, epochs, pairs = (40, 128, 1, 1) if quick else (1_600, 1024, 2, 5)
    samples = city_patches(per_class, side)
    with TemporaryDirectory() as name:
        found = turns(
            clocked(lambda: lightning(samples, epochs, Path(name))), clocked(lambda: bare(samples, epochs)), pairs=pairs
        )
    what = f"training loop and log, course CNN, {len(samples):,} patches"
    return [beside(what, "the bare PyTorch step", found, wanted=1 / (1 + ADDED), added=1 / found.ratio - 1)]


def lightning(samples: Samples, epochs: int, folder: Path) -> None:
    hooks = Hooks(loggers=[CSVLogger(folder)])
    make_model("cnn", recipe="course", epochs=epochs, threads=1, hooks=hooks).fit(samples)


def bare(samples: Samples, epochs: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.from_numpy(samples.x).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(samples.legend.columns(samples.y))
    network = build_network("course-cnn", samples.features, samples.x.shape[1:], len(samples.legend))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            loss = functional.cross_entropy(network(x[rows]), y[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
    torch.set_num_threads(before)


def clocked(work: Callable[[], None]) -> Callable[[], float]:
    """Return a function that does `work` and returns the processor seconds of the process."""

    def run() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return run


if __name__ == "__main__":
    command_line(main, __doc__)
