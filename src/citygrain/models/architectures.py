"""Networks by name: what a model card's ``network`` means, so that a model is rebuilt from its card alone."""

from collections.abc import Callable

from torch import nn

from citygrain.errors import InputError
from citygrain.models.networks.course_cnn import course_cnn
from citygrain.models.networks.mlp import course_mlp, row_mlp
from citygrain.models.networks.segment_net import SegmentNet
from citygrain.models.normalisation import SEGMENT

__all__ = ["NETWORKS", "build_network"]

Builder = Callable[[tuple[str, ...], tuple[int, ...], int], nn.Module]


def build_network(name: str, features: tuple[str, ...], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build a network for rows of `input_shape`.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    features : tuple of str
        Names of the features or channels; ``SEGMENT`` is the superpixel's mask.
    input_shape : tuple of int
        (c,) or (c, h, w).
    classes : int
        Number of outputs.

    Raises
    ------
    InputError
        If there is no network of that name, or it does not take such rows.

    Examples
    --------
    >>> sum(p.numel() for p in build_network("course-mlp", ("B02",) * 10, (10, 32, 32), 17).parameters())
    1313041
    """
    if name not in NETWORKS:
        raise InputError(f"network {name!r}", wanted=f"one of {', '.join(NETWORKS)}")
    return NETWORKS[name](features, input_shape, classes)


def _square(name: str, input_shape: tuple[int, ...]) -> int:
    if len(input_shape) != 3 or input_shape[1] != input_shape[2]:
        raise InputError(
            f"rows of shape {input_shape} for network {name!r}",
            wanted="square patches (channels, size, size)",
            mend="use the mlp or the forest for rows of statistics",
        )
    return input_shape[1]


def _values(input_shape: tuple[int, ...]) -> int:
    count = 1
    for side in input_shape:
        count *= side
    return count


def _segment_net(features: tuple[str, ...], input_shape: tuple[int, ...], classes: int) -> nn.Module:
    size = _square("segment-net", input_shape)
    return SegmentNet(len(features), size, classes, segment=features.index(SEGMENT) if SEGMENT in features else None)


NETWORKS: dict[str, Builder] = {
    "course-cnn": lambda _, shape, classes: course_cnn(shape[0], _square("course-cnn", shape), classes),
    "course-mlp": lambda _, shape, classes: course_mlp(_values(shape), classes),
    "row-mlp": lambda _, shape, classes: row_mlp(_values(shape), classes),
    "segment-net": _segment_net,
}
"""Builder of each network: (features, input shape, classes) -> module."""
