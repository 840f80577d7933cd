"""What a model says of the test rows, as a file: row, reference, mapped class and group."""

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from citygrain.files import write_text
from citygrain.samples.samples import Samples

__all__ = ["read_predictions", "write_predictions"]


def write_predictions(path: Path, test: Samples, mapped: npt.NDArray[np.uint8]) -> None:
    """Write reference, mapped class and group of each test row."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["row", "reference", "mapped", "group"])
    out.writerows(zip(test.unit.tolist(), test.y.tolist(), mapped.tolist(), test.group.tolist(), strict=True))
    write_text(path, text.getvalue())


def read_predictions(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return reference and mapped classes that `write_predictions` wrote."""
    table = np.loadtxt(path, np.int64, delimiter=",", skiprows=1, ndmin=2)
    return table[:, 1].astype(np.uint8), table[:, 2].astype(np.uint8)
