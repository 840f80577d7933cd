"""Small patches whose classes can be told apart, in groups that differ: what benchmarks are tried on."""

from pathlib import Path

import numpy as np

from citygrain.legend import LCZ, Legend
from citygrain.samples.samples import Samples
from citygrain.samples.store import write_samples

BANDS = ("B02", "B03", "B04", "B08")


def make_patches(n: int = 80, *, groups: int = 8, classes: int = 4, seed: int = 0, legend: Legend = LCZ) -> Samples:
    """Patches (n, 4, 6, 6) of the first classes in turn, in groups of neighbours whose light differs."""
    rng = np.random.default_rng(seed)
    codes = legend.values[np.arange(n) % classes]
    group = np.arange(n) * groups // n
    light = rng.normal(1, 0.2, groups)[group]
    level = light * (1 + legend.columns(codes)) / 10
    x = level[:, None, None, None] * rng.uniform(0.7, 1.3, (n, 4, 6, 6))
    corner = 60.0 * np.arange(n) + 1000.0 * group
    extent = np.stack([corner, np.zeros(n), corner + 60, np.full(n, 60.0)], axis=1)
    return Samples.of(
        x.astype(np.float32), codes, features=BANDS, legend=legend, group=group.astype(np.int64), extent=extent
    )


def write_patches(path: Path, n: int = 80, **options: int) -> Samples:
    """Write them to a samples file."""
    samples = make_patches(n, **options)
    write_samples(path, samples)
    return samples
