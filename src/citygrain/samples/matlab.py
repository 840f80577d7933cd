"""Samples as MATLAB files: ``images`` (n, w, w, c) and ``labels`` (1, n), as the superpixel course keeps them."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat, savemat
from scipy.io.matlab import MatReadError

from citygrain.errors import InputError
from citygrain.files import whole_file
from citygrain.legend import Legend
from citygrain.samples.samples import Samples

__all__ = ["read_matlab", "write_matlab"]

_LIMIT = 2**31  # bytes of one variable in a MATLAB 5 file


def write_matlab(path: Path, samples: Samples) -> None:
    """Write patches and class codes to a MATLAB 5 file.

    Parameters
    ----------
    path : Path
        The file, ``.mat``.
    samples : Samples
        Patches (n, c, h, w).

    Raises
    ------
    InputError
        If the samples are not patches, or exceed the 2 GiB that the format can hold.
    OutputError
        If the file cannot be written.
    """
    if len(samples.x.shape) != 4:
        raise InputError(f"samples of shape {tuple(samples.x.shape)}", wanted="patches (n, c, h, w) for a .mat file")
    size = 4 * int(np.prod(samples.x.shape))
    if size >= _LIMIT:
        raise InputError(f"{size / 2**30:.1f} GiB of patches", wanted="less than 2 GiB in a .mat file", mend="use .h5")
    images = np.moveaxis(samples.take(np.arange(len(samples))), 1, -1)
    with whole_file(path) as partial:
        savemat(str(partial), {"images": images, "labels": samples.y[None, :]}, appendmat=False)


def read_matlab(path: Path, *, features: tuple[str, ...], legend: Legend) -> Samples:
    """Read patches and labels from a MATLAB 5 file.

    Parameters
    ----------
    path : Path
        File with ``images`` (n, h, w, c) and ``labels`` (1, n).
    features : tuple of str, (c,)
        Names of the channels, which the format does not keep.
    legend : Legend
        Classes of the codes in ``labels``.

    Raises
    ------
    InputError
        If the file is missing, broken, or lacks the two variables.
    """
    try:
        content = loadmat(path, variable_names=["images", "labels"])
        images, labels = content["images"], content["labels"].ravel()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", wanted="a .mat file") from None
    except (KeyError, ValueError, TypeError, OSError, NotImplementedError, MatReadError) as error:
        raise InputError(f"{path} cannot be read: {error}", wanted="MATLAB 5 with images and labels") from error
    if images.ndim != 4 or images.dtype.kind not in "fiu" or labels.shape != images.shape[:1]:
        raise InputError(
            f"{path} holds images {images.shape} and labels {labels.shape}", wanted="(n, h, w, c) and (1, n)"
        )
    legend.columns(labels)
    x = np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float32)
    return Samples.of(x, labels, features=features, legend=legend)
