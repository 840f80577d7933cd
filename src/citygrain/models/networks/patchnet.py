"""A residual network for the class of a whole patch, small enough to be trained on two processor cores.

Patches of land have no middle object: what counts is texture and the mix of materials anywhere in the patch, so all
stages end in a mean over the patch, and the coarse stages do most of the work. Patches of 48 pixels and more are
halved at once; smaller ones (So2Sat: 32) keep their resolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.models.networks.dropout import SeededDropout

__all__ = ["PatchNet"]

_HALVED_FROM = 48
"""Side in pixels from which the first layer halves the resolution."""


class PatchNet(nn.Module):
    """Stem, three residual stages of falling resolution, means over the patch, one linear layer.

    Parameters
    ----------
    channels : int
        Channels of a patch.
    size : int
        Rows (= columns) of a patch, 8 or more.
    classes : int
        Number of classes.
    widths : tuple of int
        Channels of the stem and of the stages.
    dropout : float
        Share of the pooled features that is dropped in training.

    Examples
    --------
    >>> PatchNet(3, 64, 10)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        *,
        widths: tuple[int, int, int, int] = (48, 96, 192, 384),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        stem, *stages = widths
        kernel, stride = (4, 2) if size >= _HALVED_FROM else (3, 1)
        self.stem = _Norm(nn.Conv2d(channels, stem, kernel, stride, padding=1, bias=False))
        self.first = _Residual(stem)
        self.stages = nn.ModuleList()
        before = stem
        for width in stages:
            down = _Norm(nn.Conv2d(before, width, 3, 2, padding=1, bias=False))
            self.stages.append(nn.Sequential(down, _Residual(width)))
            before = width
        self.dropout = SeededDropout(dropout)
        self.head = nn.Linear(stages[-2] + stages[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map standardised patches (n, channels, size, size) to logits (n, classes)."""
        return torch.as_tensor(self.head(self.dropout(self.embed(x))))

    def embed(self, x: Tensor) -> Tensor:
        """Return the features (n, d) that the last layer decides on: means of the two coarsest stages."""
        x = self.first(self.stem(x))
        pooled = []
        for stage in self.stages:
            x = stage(x)
            pooled.append(x.mean((2, 3)))
        return torch.cat(pooled[-2:], 1)


class _Norm(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)), inplace=True)


class _Residual(nn.Module):
    """Two convolutions, a gate on each channel by what the whole patch holds, and the way past them.

    The gate is that of Hu et al. (2018), arXiv:1709.01507.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _Norm(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.squeeze, self.excite = nn.Linear(width, width // 8), nn.Linear(width // 8, width)
        nn.init.zeros_(self.norm.weight)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.second(self.first(x)))
        gate = self.excite(functional.relu(self.squeeze(y.mean((2, 3))))).sigmoid()
        return functional.relu(x + y * gate[:, :, None, None].to(y.dtype))
