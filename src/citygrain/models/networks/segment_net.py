"""A small network for one question: which class has the superpixel at the centre of the patch?

A superpixel's class is mostly the vote of its own pixels, so a per-pixel spectral stem is pooled over the superpixel;
what lies around it decides the rest, so two coarser stages see the whole patch. The superpixel comes as the channel
``SEGMENT`` (1 inside, 0 outside); without it, pixels count by their nearness to the centre. Group normalisation
behaves the same for a batch of 1 or 1,000, and only on the coarse stages, where it is cheap.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SegmentNet"]


class SegmentNet(nn.Module):
    """Masked and whole-patch pooling of three stages, and of the inputs themselves.

    Parameters
    ----------
    channels : int
        Channels of a patch, ``SEGMENT`` included.
    size : int
        Rows (= columns) of a patch.
    classes : int
        Number of classes.
    segment : int or None
        Which channel is the superpixel's mask.
    widths : tuple of int
        Channels of the stem and of the two coarser stages.

    Examples
    --------
    >>> SegmentNet(14, 25, 4, segment=13)(torch.zeros(2, 14, 25, 25)).shape
    torch.Size([2, 4])
    """

    centre: Tensor

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        *,
        segment: int | None = None,
        widths: tuple[int, int, int] = (48, 64, 96),
    ) -> None:
        super().__init__()
        self.segment = segment
        self.register_buffer("centre", centre_weights(size), persistent=False)
        seen = channels - (segment is not None)
        stem, middle, late = widths
        self.stem = nn.Sequential(nn.Conv2d(seen, stem, 1), nn.SiLU(), nn.Conv2d(stem, stem, 1), nn.SiLU())
        self.middle = nn.Sequential(_down(stem + 1, middle), _Residual(middle))
        self.late = nn.Sequential(_down(middle, late), _Residual(late))
        pooled = stem + 2 * (middle + late) + 4 * seen
        self.head = nn.Sequential(
            nn.LayerNorm(pooled), nn.Dropout(0.2), nn.Linear(pooled, 128), nn.SiLU(), nn.Dropout(0.3),
            nn.Linear(128, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Map standardised patches (n, channels, size, size) to logits (n, classes)."""
        return torch.as_tensor(self.head(self.embed(x)))

    def embed(self, x: Tensor) -> Tensor:
        """Return the pooled features (n, d) that the head decides on."""
        image, mask = self._split(x)
        pixels = self.stem(image)
        middle = self.middle(torch.cat([pixels, mask.to(pixels.dtype)], 1))
        late = self.late(middle)
        parts = [
            *_moments(image.float(), mask),
            *_moments(image.float(), torch.ones_like(mask)),
            _pool(pixels, mask),
            _pool(middle, _shrink(mask, middle)),
            middle.float().mean((2, 3)),
            _pool(late, _shrink(mask, late)),
            late.float().mean((2, 3)),
        ]
        return torch.cat(parts, 1)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        centre = self.centre.expand(x.shape[0], 1, -1, -1)
        if self.segment is None:
            return x, centre
        mask = x[:, self.segment : self.segment + 1].float()
        image = torch.cat([x[:, : self.segment], x[:, self.segment + 1 :]], 1)
        return image, mask + 1e-3 * centre  # never empty, even where the centroid lies outside its superpixel


def centre_weights(size: int) -> Tensor:
    """Return (1, 1, size, size) weights that fall off from the centre as a Gaussian of an eighth of the patch."""
    offset = torch.arange(size) - (size - 1) / 2
    fall = torch.exp(-0.5 * (offset / max(1.0, size / 8)) ** 2)
    return (fall[:, None] * fall[None, :])[None, None]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(8, width), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(8, width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.body(x))


def _down(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.GroupNorm(8, after), nn.SiLU()
    )


def _shrink(mask: Tensor, like: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(mask, (like.shape[2], like.shape[3]))


def _pool(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the mask: (n, c, h, w), (n, 1, h, w) -> (n, c)."""
    return (x.float() * mask).sum((2, 3)) / mask.sum((2, 3))


def _moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    mean = _pool(x, mask)
    return mean, (_pool(x * x, mask) - mean * mean).clamp(min=0).add(1e-4).sqrt()
