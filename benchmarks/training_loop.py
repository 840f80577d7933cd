"""What Lightning, the loading of data and the log add to the bare PyTorch step on data in memory.

    python -m benchmarks.training_loop [--quick]

The superpixel course's CNN on 6,400 patches of 25 x 25 x 3, batches of 32, float32. The bare step draws its batches
from one tensor and does forward, loss, backward, Adam, and nothing else: once by halves of a batch one after the other,
which is how ours uses two cores, and once by whole batches. Both have one thread, so that beside the first they differ
only in what is around the step; processor seconds count. Ours writes curves by epoch to a logger of Lightning. Wanted:
10 % at most on top.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.nn import functional

from benchmarks.frame import Row, beside, command_line, turns
from benchmarks.patches import city_patches
from citygrain.models.architectures import build_network
from citygrain.models.catalogue import make_model
from citygrain.models.hooks import Hooks
from citygrain.models.parallel import split_network
from citygrain.samples.samples import Samples

ADDED = 0.10


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows beside the bare step by halves and by whole batches."""
    per_class, side, epochs, pairs = (40, 128, 1, 1) if quick else (1_600, 1024, 2, 5)
    samples = city_patches(per_class, side)
    what = f"training loop and log, course CNN, {len(samples):,} patches"
    rows = []
    for name, peer, halves in (
        (what + ", by halves", "the bare step by halves", True),
        (what, "the bare PyTorch step", False),
    ):
        with TemporaryDirectory() as folder:
            ours = clocked(partial(lightning, samples, epochs, Path(folder)))
            found = turns(ours, clocked(partial(bare, samples, epochs, halves=halves)), pairs=pairs)
        rows.append(beside(name, peer, found, wanted=1 / (1 + ADDED), added=1 / found.ratio - 1))
    return rows


def lightning(samples: Samples, epochs: int, folder: Path) -> None:
    hooks = Hooks(loggers=[CSVLogger(folder)])
    make_model("cnn", recipe="course", epochs=epochs, threads=1, hooks=hooks).fit(samples)


def bare(samples: Samples, epochs: int, *, halves: bool) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    x = torch.from_numpy(samples.x).contiguous(memory_format=torch.channels_last)
    y = torch.from_numpy(samples.legend.columns(samples.y))
    network = build_network("course-cnn", samples.features, samples.x.shape[1:], len(samples.legend))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    split = split_network(network, lambda function: function) if halves else None
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            adam.zero_grad()
            if split is not None:
                split.gradients(x[rows], partial(loss_of, y[rows]), map, seed=0)
            else:
                functional.cross_entropy(network(x[rows]), y[rows]).backward()
            adam.step()
    torch.set_num_threads(before)


def loss_of(target: Tensor, logits: Tensor, rows: slice) -> Tensor:
    return functional.cross_entropy(logits, target[rows])


def clocked(work: Callable[[], None]) -> Callable[[], float]:
    """Return a function that does `work` and returns the processor seconds of the process."""

    def run() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return run


if __name__ == "__main__":
    command_line(main, __doc__)
