"""How many multiply-adds the layers of a network take for one patch."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["as_taught", "multiply_adds"]


def multiply_adds(network: nn.Module, shape: Sequence[int], *, padding: bool = False) -> list[int]:
    """Return the multiply-adds of each convolution and linear layer, in the order in which they run.

    Parameters
    ----------
    network : Module
        Takes (n, *shape).
    shape : sequence of int
        Shape of a patch.
    padding : bool
        Count the products with the zeros around a layer's input too, as is usual.

    Examples
    --------
    >>> layer = nn.Conv2d(1, 2, 3, padding=1)
    >>> multiply_adds(layer, (1, 2, 2)), multiply_adds(layer, (1, 2, 2), padding=True)
    ([32], [72])
    """
    counts: list[int] = []

    def count(layer: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            counts.append(layer.weight.numel())
        elif isinstance(layer, nn.Conv2d):
            pixels = torch.ones(1, 1, *given[0].shape[-2:])
            window = torch.ones(1, 1, *layer.weight.shape[-2:])
            inside = int(functional.conv2d(pixels, window, stride=layer.stride, padding=layer.padding).sum())
            taps = answer[0, 0].numel() * window.numel() if padding else inside
            counts.append(taps * layer.weight[:, :, 0, 0].numel())

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    with torch.inference_mode():
        network(torch.zeros(2, *shape))
    for hook in hooks:
        hook.remove()
    return counts


def as_taught(network: nn.Module) -> nn.Module:
    """Return a copy, in evaluation mode, that looks at whole patches."""
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        module._forward_pre_hooks.clear()
    return copied
