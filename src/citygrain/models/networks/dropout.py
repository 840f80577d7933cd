"""Dropout whose draws come from a source of its own, so that halves of a batch on two threads draw the same bits.

PyTorch's dropout draws from one source for the whole process: with two threads the order of the draws is chance.
"""

import torch
from torch import Tensor, nn

__all__ = ["SeededDropout", "seed_dropout"]


class SeededDropout(nn.Module):
    """Set each value to 0 with probability `share` and scale the rest, in training only.

    Examples
    --------
    >>> layer = SeededDropout(0.5)
    >>> seed_dropout(layer, 3)
    >>> sorted(set(layer(torch.ones(100)).tolist())), layer.eval()(torch.ones(2)).tolist()
    ([0.0, 2.0], [1.0, 1.0])
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.source = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of x, of any shape."""
        if not self.training or self.share == 0:
            return x
        kept = torch.empty_like(x, device="cpu").bernoulli_(1 - self.share, generator=self.source).to(x.device)
        return x * kept.div_(1 - self.share)


def seed_dropout(network: nn.Module, seed: int) -> None:
    """Seed every `SeededDropout` of a network, each with a number of its own."""
    layers = [module for module in network.modules() if isinstance(module, SeededDropout)]
    for number, layer in enumerate(layers):
        layer.source.manual_seed((seed + 0x9E3779B97F4A7C15 * (number + 1)) % 2**63)
