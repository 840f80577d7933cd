"""A residual network for the class of a whole patch, small enough to be trained on two processor cores.

Patches of land have no middle object: what counts is texture and the mix of materials anywhere in the patch. So the
first convolution sees every pixel (halving the resolution there was measured to cost most), then three stages of as
many operations each end in a mean over the patch, which takes patches and windows of any size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.models.networks.dropout import SeededDropout

__all__ = ["PatchNet"]

_NARROW_FROM = 48
"""Side in pixels from which half as many channels take as many operations."""


class PatchNet(nn.Module):
    """Stem, three residual stages of falling resolution, mean over the patch, one linear layer.

    Parameters
    ----------
    channels : int
        Channels of a patch.
    size : int
        Rows (= columns) of a patch, 8 or more.
    classes : int
        Number of classes.
    widths : tuple of int, optional
        Channels of the stem and of the stages; if not given 24, 48, 96, 192 for patches of 48 pixels and more, and
        twice as many for smaller ones.
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
        widths: tuple[int, ...] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        narrow = (24, 48, 96, 192)
        stem, *stages = widths or (narrow if size >= _NARROW_FROM else tuple(2 * width for width in narrow))
        self.stem = _Norm(nn.Conv2d(channels, stem, 3, padding=1, bias=False))
        self.stages = nn.ModuleList()
        before = stem
        for width in stages:
            down = _Norm(nn.Conv2d(before, width, 3, 2, padding=1, bias=False))
            self.stages.append(nn.Sequential(down, _Residual(width)))
            before = width
        self.dropout = SeededDropout(dropout)
        self.head = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map standardised patches (n, channels, size, size) to logits (n, classes)."""
        return torch.as_tensor(self.head(self.dropout(self.embed(x))))

    def embed(self, x: Tensor) -> Tensor:
        """Return the features (n, d) that the last layer decides on: means over the coarsest stage."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3))


class _Norm(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)), inplace=True)


class _Residual(nn.Module):
    """Two convolutions, and the way past them (He et al. 2016, doi 10.1109/CVPR.2016.90)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _Norm(nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm(self.second(self.first(x))), inplace=True)
