"""Sen2LCZ-Net-MF, the network of Qiu et al. 2020 for Local Climate Zones (doi 10.1109/JSTARS.2020.2995711).

Four stages of plain 3 x 3 convolutions; between them the maximum and the mean of 2 x 2 pixels stand side by side, which
doubles the channels. Each stage has a head of its own, and the answer is the mean of the four heads' probabilities.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.models.networks.dropout import SeededDropout
from citygrain.models.networks.keras_layers import he_normal, keras_norm

__all__ = ["SMALLEST", "Sen2LCZ"]

SMALLEST = 8
"""Smallest patch, in pixels, that three poolings leave a pixel of."""

_WIDTHS = (16, 32, 64, 128)
_CONVOLUTIONS = 4  # of each stage: depth 17 of the paper


class Sen2LCZ(nn.Module):
    """Stages of 16, 32, 64 and 128 channels, each with a head on its mean over the patch.

    The logits are the logarithm of the mean of the heads' softmaxes, so that their softmax is the published output
    and cross-entropy is the loss that fits it.

    Parameters
    ----------
    channels : int
        Channels of a patch.
    classes : int
        Number of classes.
    dropout : float
        Share dropped after the second and third stage, in training.

    Examples
    --------
    >>> logits = Sen2LCZ(10, 17).eval()(torch.zeros(2, 10, 16, 16))
    >>> logits.shape, torch.allclose(logits.exp().sum(1), torch.ones(2))
    (torch.Size([2, 17]), True)
    """

    def __init__(self, channels: int, classes: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_stage(channels if width == 16 else width, width) for width in _WIDTHS)
        self.heads = nn.ModuleList(nn.Linear(width, classes) for width in (32, 64, 128, 128))
        self.dropouts = nn.ModuleList(SeededDropout(share) for share in (0.0, dropout, dropout))
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (n, channels, size, size) to log-probabilities (n, classes), in float32."""
        answers = []
        for level, (stage, head) in enumerate(zip(self.stages, self.heads, strict=True)):
            x = stage(x)
            if level < len(self.dropouts):
                x = self.dropouts[level](torch.cat([functional.max_pool2d(x, 2), functional.avg_pool2d(x, 2)], 1))
            answers.append(head(x.mean((2, 3))).float().log_softmax(1))
        return torch.stack(answers).logsumexp(0) - math.log(len(answers))


def _stage(before: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place in range(_CONVOLUTIONS):
        convolution = nn.Conv2d(width if place else before, width, 3, padding=1)
        layers += [convolution, keras_norm(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
