"""The eight ways to turn and mirror a square, which no class of land cover can tell apart.

North has no meaning for a patch of land, so each view of a training patch is as true as the first.
"""

import functools

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["blend", "cut_windows", "jitter", "move", "square_view", "turn_in_turn"]


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
    n, channels, side, _ = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n, side * side, channels)  # (n, pixels, c), a view where channels come last
    turned = torch.empty_like(rows)
    for way, (part, into) in enumerate(zip(rows.chunk(8), turned.chunk(8), strict=True)):
        torch.index_select(part, 1, _places(side, (first + way) % 8), out=into)
    return turned.reshape(n, side, side, channels).permute(0, 3, 1, 2)


@functools.cache
def _places(side: int, way: int) -> Tensor:
    """Return which pixel comes where, (side * side,), so that a pixel's channels move together."""
    return square_view(torch.arange(side * side).reshape(1, 1, side, side), way).flatten()


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
    gain, offset = (1 + gain).to(x.dtype), offset.to(x.dtype)
    if x.ndim == 2:
        return x * gain + offset
    n, channels, height, width = x.shape
    lines = x.permute(0, 2, 3, 1).reshape(n, height, width * channels)  # long lines, which a processor takes at once
    gain, offset = (each.reshape(n, 1, channels).repeat(1, 1, width) for each in (gain, offset))
    return (lines * gain).add_(offset).reshape(n, height, width, channels).permute(0, 3, 1, 2)


def move(x: Tensor, share: float, *, rng: torch.Generator) -> Tensor:
    """Move patches by up to `share` of their side in both directions, each eighth of the batch by its own draw.

    The edge is reflected, as it is where a patch is cut at the border of a scene.

    Examples
    --------
    >>> move(torch.ones(2, 1, 8, 8), 0.25, rng=torch.Generator()).unique().tolist()
    [1.0]
    """
    reach = int(share * x.shape[2])
    if reach == 0:
        return x
    size, parts = x.shape[2], []
    for part in x.chunk(8):
        down, right = torch.randint(2 * reach + 1, (2,), generator=rng).tolist()
        wide = functional.pad(part, (reach, reach, reach, reach), mode="reflect")
        parts.append(wide[:, :, down : down + size, right : right + size])
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def cut_windows(x: Tensor, side: int, *, rng: torch.Generator) -> Tensor:
    """Cut a random window of `side` rows and columns out of each patch, each eighth of the batch by its own draw.

    Examples
    --------
    >>> cut_windows(torch.ones(2, 1, 8, 8), 6, rng=torch.Generator()).shape
    torch.Size([2, 1, 6, 6])
    """
    parts, most = [], x.shape[2] - side
    for part in x.chunk(8):
        top, left = torch.randint(most + 1, (2,), generator=rng).tolist()
        parts.append(part[:, :, top : top + side, left : left + side])
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def blend(x: Tensor, target: Tensor, alpha: float, *, classes: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend each row and its label with another of the batch, by one share for the batch (mixup).

    Parameters
    ----------
    x : Tensor, (n, ...)
        Rows.
    target : Tensor of int, (n,)
        Columns of the classes.
    alpha : float
        The share is drawn from Beta(alpha, alpha).
    classes : int
        Number of columns.
    rng : torch.Generator
        Source of the draws.

    Returns
    -------
    Tensor, (n, ...)
        Blended rows.
    Tensor, (n, classes)
        Blended labels; each row sums to 1.

    References
    ----------
    Zhang, H. et al. (2018). mixup: Beyond empirical risk minimization. arXiv:1710.09412

    Examples
    --------
    >>> _, labels = blend(torch.zeros(2, 1), torch.tensor([0, 1]), 0.2, classes=2, rng=torch.Generator())
    >>> labels.sum(1).tolist()
    [1.0, 1.0]
    """
    gammas = torch._standard_gamma(torch.full((2,), alpha), generator=rng)
    share = float(gammas[0] / gammas.sum()) if gammas.sum() > 0 else 1.0
    share = max(share, 1 - share)  # the row itself always has the larger part
    other = torch.randperm(len(x), generator=rng)
    one_hot = functional.one_hot(target, classes).float()
    return x.lerp(x[other], 1 - share), one_hot.lerp(one_hot[other], 1 - share)
