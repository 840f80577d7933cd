"""The course's convolutional network for patches: three unpadded convolutions and two dense layers.

Kept exactly as taught, so that its figures can be compared with anybody's: 25 x 25 x 3 patches and 4 classes give
217,604 parameters.
"""

from torch import Tensor, nn

from citygrain.errors import InputError

__all__ = ["SMALLEST", "course_cnn", "keras_defaults"]

SMALLEST = 19
"""Smallest patch, in pixels, that the unpadded layers can shrink."""


def course_cnn(channels: int, size: int, classes: int) -> nn.Sequential:
    """Build the network: Conv 64 4x4, MaxPool, Conv 128 3x3, MaxPool, Conv 64 3x3, Dense 256, Dense `classes`.

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
    side = ((size - 3) // 2 - 2) // 2 - 2  # each convolution and pooling in turn
    network = nn.Sequential(
        nn.Conv2d(channels, 64, 4),
        nn.MaxPool2d(2),  # taught after the ReLU: the same there, but for four times as many values
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
    return network


def keras_defaults(network: nn.Module) -> None:
    """Start each layer as Keras does: Glorot-uniform kernels, zero biases."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer.bias, Tensor):
                nn.init.zeros_(layer.bias)
