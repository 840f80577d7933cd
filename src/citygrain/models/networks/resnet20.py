"""The pre-activation ResNet-20 of the So2Sat project, which mapped 1,692 cities from Sentinel-1 and Sentinel-2.

A ResNet v2 of depth 9 * 2 + 2 (He et al. 2016, doi 10.1007/978-3-319-46493-0_38) in the CIFAR form: normalisation and
ReLU stand before each convolution, and what goes around a block is never activated. Layer by layer that of Zhu et al.
2022 (doi 10.1016/j.rse.2021.112794), so that their weights can be loaded.
"""

import torch
from torch import Tensor, nn

from citygrain.models.networks.keras_layers import he_normal, keras_norm

__all__ = ["ResNet20"]

_BLOCKS = (
    (16, 16, 64, 1),
    (64, 16, 64, 1),
    (64, 64, 128, 2),
    (128, 64, 128, 1),
    (128, 128, 256, 2),
    (256, 128, 256, 1),
)
"""Channels before, within and after each block, and its stride; where the channels change, a projection goes around."""


class ResNet20(nn.Module):
    """Stem, six bottlenecks at 1, 1/2 and 1/4 of the resolution, mean over the patch, one dense layer.

    Parameters
    ----------
    channels : int
        Channels of a patch.
    classes : int
        Number of classes.

    Examples
    --------
    >>> ResNet20(10, 17)(torch.zeros(2, 10, 16, 16)).shape
    torch.Size([2, 17])
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), keras_norm(16), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*(_Block(*block, activate=number > 0) for number, block in enumerate(_BLOCKS)))
        self.last = nn.Sequential(keras_norm(256), nn.ReLU(inplace=True))
        self.dense = nn.Linear(256, classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (n, channels, size, size) to logits (n, classes)."""
        return torch.as_tensor(self.dense(self.last(self.blocks(self.stem(x))).mean((2, 3))))


class _Block(nn.Module):
    """Normalise and activate; 1 x 1 down, 3 x 3, 1 x 1 up; add the input or its 1 x 1 projection.

    What enters the first block has just been activated by the stem.
    """

    def __init__(self, before: int, inner: int, after: int, stride: int, *, activate: bool) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(before, after, 1, stride) if before != after else nn.Sequential()
        self.before = nn.Sequential(keras_norm(before), nn.ReLU(inplace=True)) if activate else nn.Sequential()
        self.body = nn.Sequential(
            nn.Conv2d(before, inner, 1, stride),
            keras_norm(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1),
            keras_norm(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, after, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.body(self.before(x)) + self.shortcut(x))
