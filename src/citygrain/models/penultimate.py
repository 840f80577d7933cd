"""What a network decides on: the input of its last linear layer, whatever comes before it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from citygrain.errors import InputError

__all__ = ["last_inputs", "last_linear"]


def last_linear(network: nn.Module) -> nn.Linear:
    """Return the last linear layer of a network.

    Raises
    ------
    InputError
        If it has none.
    """
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise InputError("a network without a linear layer", wanted="one that decides in a linear layer")
    return linear[-1]


@contextmanager
def last_inputs(network: nn.Module) -> Iterator[dict[int, Tensor]]:
    """Give a dict that holds, by thread, the latest input (n, d) of the network's last linear layer.

    Parameters
    ----------
    network : Module
        Called by one thread or several while the block lasts.

    Raises
    ------
    InputError
        If it has no linear layer.

    Examples
    --------
    >>> import torch
    >>> network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5))
    >>> with last_inputs(network) as seen:
    ...     _ = network(torch.zeros(7, 3))
    >>> seen[threading.get_ident()].shape
    torch.Size([7, 2])
    """
    seen: dict[int, Tensor] = {}

    def remember(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[threading.get_ident()] = inputs[0]

    handle = last_linear(network).register_forward_pre_hook(remember)
    try:
        yield seen
    finally:
        handle.remove()
