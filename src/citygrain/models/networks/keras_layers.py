"""Layers as Keras makes them, where PyTorch's defaults differ: networks that are compared with, or loaded from, Keras.

A batch normalisation with PyTorch's epsilon in place of Keras's moves every published probability, and raises no error.
"""

import math

from torch import nn

__all__ = ["he_normal", "keras_norm"]


def keras_norm(channels: int) -> nn.BatchNorm2d:
    """Return Keras's BatchNormalization: epsilon 0.001, and a momentum of .99, which PyTorch calls .01.

    Examples
    --------
    >>> keras_norm(16).eps
    0.001
    """
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def he_normal(network: nn.Module) -> None:
    """Start each layer as Keras's ``he_normal``: a normal cut at two deviations, scaled to variance 2 / inputs."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            wide = math.sqrt(2 / layer.weight[0].numel()) / 0.87962566103423978  # the cut takes this share of it
            nn.init.trunc_normal_(layer.weight, std=wide, a=-2 * wide, b=2 * wide)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
