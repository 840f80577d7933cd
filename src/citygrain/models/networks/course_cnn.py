"""The course's convolutional network for patches: three unpadded convolutions and two dense layers.

Kept exactly as taught, so that its figures can be compared with anybody's: 25 x 25 x 3 patches and 4 classes give
217,604 parameters. The same answers and gradients take fewer operations: the largest of four pixels is rectified, not
all four, and what the poolings leave over (the last two of 25 rows and columns) is not looked at.
"""

import torch
from torch import Tensor, nn

from citygrain.errors import InputError

__all__ = ["SMALLEST", "course_cnn", "keras_defaults", "seen_side"]

SMALLEST = 19
"""Smallest patch, in pixels, that the unpadded layers can shrink."""


def course_cnn(channels: int, size: int, classes: int) -> nn.Sequential:
    """Build the network: Conv 64 4x4, MaxPool, Conv 128 3x3, MaxPool, Conv 64 3x3, Dense 256, Dense `classes`.

    Only the first `seen_side` rows and columns of a patch bear on the answer.

    Parameters
    ----------
    channels : int
        Channels of a patch.
    size : int
        Rows (= columns) of a patch, at least 19.
    classes : int
        Number of classes.

    Returns
    -------
    torch.nn.Sequential
        Takes (n, channels, size, size), gives logits (n, classes). Glorot-uniform kernels, zero biases.

    Raises
    ------
    InputError
        If the patch is too small.

    Examples
    --------
    >>> sum(weight.numel() for weight in course_cnn(3, 25, 4).parameters())
    217604
    """
    if size < SMALLEST:
        raise InputError(f"patches of {size} pixels", wanted=f"at least {SMALLEST} for the course CNN")
    side = _last_side(size)
    network = nn.Sequential(
        nn.Conv2d(channels, 64, 4),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 128, 3),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Conv2d(128, 64, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(64 * side * side, 256),
        nn.ReLU(inplace=True),
        nn.Linear(256, classes),
    )
    keras_defaults(network)
    network[0].register_forward_pre_hook(_look_at_what_is_seen)
    return network


def seen_side(size: int) -> int:
    """Return how many rows (= columns) of a patch of `size` bear on the answer; the poolings drop the others.

    Examples
    --------
    >>> seen_side(25), seen_side(27)
    (23, 27)
    """
    return ((_last_side(size) + 2) * 2 + 2) * 2 + 3  # each layer in turn, from the last


def _last_side(size: int) -> int:
    return ((size - 3) // 2 - 2) // 2 - 2  # each convolution and pooling in turn


def _look_at_what_is_seen(_: nn.Module, given: tuple[Tensor]) -> Tensor:
    """Cut off what the poolings would drop; before the first layer."""
    side = seen_side(given[0].shape[-1])
    return given[0][..., :side, :side].contiguous(memory_format=torch.channels_last)


def keras_defaults(network: nn.Module) -> None:
    """Start each layer as Keras does: Glorot-uniform kernels, zero biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer.bias, Tensor):
                nn.init.zeros_(layer.bias)
