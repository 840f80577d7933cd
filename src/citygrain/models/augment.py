"""The eight ways to turn and mirror a square, which no class of land cover can tell apart.

North has no meaning for a patch of land, so each view of a training patch is as true as the first.
"""

import torch
from torch import Tensor

__all__ = ["jitter", "square_view", "turn_in_turn"]


def square_view(x: Tensor, way: int) -> Tensor:
    """Return patches (n, c, h, w) in one of the eight ways: quarter turns 0 to 3, mirrored from 4 on.

    Examples
    --------
    >>> square_view(torch.arange(4).reshape(1, 1, 2, 2), 4).flatten().tolist()
    [1, 0, 3, 2]
    """
    if way >= 4:
        x = x.flip(3)
    return torch.rot90(x, way % 4, (2, 3))


def turn_in_turn(x: Tensor, first: int) -> Tensor:
    """Give each eighth of a shuffled batch another view, starting with way `first`.

    The rows of a shuffled batch are in random order, so this draws the view of each row without one draw per row.
    """
    parts = [square_view(part, (first + way) % 8) for way, part in enumerate(x.chunk(8))]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def jitter(x: Tensor, size: float, *, spared: int | None, rng: torch.Generator) -> Tensor:
    """Give each row a random gain and offset per channel, as haze, season and another sensor's calibration would.

    Parameters
    ----------
    x : Tensor, (n, c) or (n, c, h, w)
        Standardised values.
    size : float
        Standard deviation of gain and offset.
    spared : int or None
        Channel left as it is (the superpixel's mask).
    rng : torch.Generator
        Source of the draws.

    Examples
    --------
    >>> jitter(torch.ones(1, 2), 0.0, spared=None, rng=torch.Generator())
    tensor([[1., 1.]])
    """
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    gain, offset = (size * torch.randn(shape, generator=rng) for _ in range(2))
    if spared is not None:
        gain[:, spared] = offset[:, spared] = 0
    return x * (1 + gain).to(x.dtype) + offset.to(x.dtype)
