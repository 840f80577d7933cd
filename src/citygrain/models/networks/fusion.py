"""Sentinel-1 and Sentinel-2 in two branches that meet before the head.

Radar and reflectance differ in noise and scale, and share no edges of roofs and fields pixel by pixel, so each has
filters of its own; what they say of the patch is joined. (Early fusion needs no network of its own: any network on all
channels does it.)
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.models.networks.dropout import SeededDropout

__all__ = ["TwoBranches"]


class TwoBranches(nn.Module):
    """A small residual network for each sensor; their means over the patch, side by side, go to one linear layer.

    Parameters
    ----------
    radar, optical : sequence of int
        Channels of each sensor.
    classes : int
        Number of classes.
    widths : tuple of int
        Channels of the three stages of a branch.
    dropout : float
        Share of the joined features that is dropped in training.

    Examples
    --------
    >>> TwoBranches([0, 1], [2, 3, 4], 17)(torch.zeros(2, 5, 32, 32)).shape
    torch.Size([2, 17])
    """

    radar: Tensor
    optical: Tensor

    def __init__(
        self,
        radar: list[int],
        optical: list[int],
        classes: int,
        *,
        widths: tuple[int, int, int] = (32, 64, 128),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.register_buffer("radar", torch.tensor(radar), persistent=False)
        self.register_buffer("optical", torch.tensor(optical), persistent=False)
        self.branches = nn.ModuleList(_branch(len(channels), widths) for channels in (radar, optical))
        self.dropout = SeededDropout(dropout)
        self.head = nn.Linear(2 * widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map standardised patches (n, channels, size, size) to logits (n, classes)."""
        return torch.as_tensor(self.head(self.dropout(self.embed(x))))

    def embed(self, x: Tensor) -> Tensor:
        """Return what both branches say of the patch (n, d)."""
        seen = (x[:, self.radar], x[:, self.optical])
        return torch.cat([branch(part).mean((2, 3)) for branch, part in zip(self.branches, seen, strict=True)], 1)


def _branch(channels: int, widths: tuple[int, int, int]) -> nn.Sequential:
    stem, middle, late = widths
    return nn.Sequential(
        *_normed(channels, stem), _Residual(stem),
        *_normed(stem, middle, stride=2), _Residual(middle),
        *_normed(middle, late, stride=2), _Residual(late),
    )  # fmt: skip


def _normed(before: int, after: int, *, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)


class _Residual(nn.Module):
    """Two convolutions and the way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_normed(width, width), *_normed(width, width)[:2])
        last = self.body[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))
