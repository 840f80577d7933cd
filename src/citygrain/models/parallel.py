"""Threads that each take whole rows: two halves of a batch, or several batches of a prediction.

PyTorch's own threads meet after every operation of a network this small, and wait for each other whenever a core is
busy with something else: on a shared machine two threads were measured ten times slower than one. Here they meet once
for each batch. The halves are cut and added in one order whatever the number of threads, so the bits do not depend on
it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Mapper", "Split", "split_network", "workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Mapper = Callable[[Callable[[Item], Result], Iterable[Item]], Iterator[Result]]
"""Like `map`: results in the items' order."""


@contextmanager
def workers(threads: int | None) -> "Iterator[Mapper]":  # type: ignore[type-arg]
    """Give a `map` over `threads` threads (None = PyTorch's number), with deterministic algorithms; restore all after.

    Items are taken as threads become free, never all at once.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    number = threads or before[0]
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True)
            if number == 1:
                yield map
                return
            with ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield lambda function, items: _in_order(pool, function, items, ahead=number + 1)
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class Split:
    """A network cut in two: a body that halves of a batch pass side by side, and a head that takes the whole.

    Draws (dropout) must stay in the head, in one thread, or their order would be chance.
    """

    def __init__(self, body: Callable[[Tensor], Tensor], head: Callable[[Tensor], Tensor], own: list[Tensor]) -> None:
        self.body, self.head, self.own = body, head, own

    def gradients(self, x: Tensor, loss_of: Callable[[Tensor], Tensor], over: Mapper) -> Tensor:  # type: ignore[type-arg]
        """Return the loss of a batch and add its gradient to each weight.

        Parameters
        ----------
        x : Tensor
            Rows.
        loss_of : callable
            Loss of the logits (n, k) of all rows.
        over : callable
            `map`, perhaps over threads.
        """
        outs = list(over(self.body, x.chunk(2)))
        leaves = [out.detach().requires_grad_() for out in outs]
        loss = loss_of(self.head(torch.cat(leaves)))
        loss.backward()  # type: ignore[no-untyped-call]
        pairs = [(out, leaf.grad) for out, leaf in zip(outs, leaves, strict=True)]
        halves = list(over(lambda pair: torch.autograd.grad(pair[0], self.own, pair[1]), pairs))
        for weight, *parts in zip(self.own, *halves, strict=True):
            weight.grad = parts[0] + parts[1] if len(parts) > 1 else parts[0]
        return loss.detach()


def split_network(
    network: nn.Module, precise: Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]
) -> Split | None:
    """Cut a network at its ``embed`` and ``head``; one without draws is all body; any other is not cut.

    Parameters
    ----------
    network : Module
        The network.
    precise : callable
        Wraps a function so that it computes in the wanted precision.
    """
    head, embed = getattr(network, "head", None), getattr(network, "embed", None)
    if isinstance(head, nn.Module) and callable(embed):
        in_head = {id(weight) for weight in head.parameters()}
        own: list[Tensor] = [weight for weight in network.parameters() if id(weight) not in in_head]
        return Split(precise(embed), precise(head), own)
    drawing = (nn.Dropout, nn.Dropout2d, nn.modules.batchnorm._BatchNorm)
    if any(isinstance(module, drawing) for module in network.modules()):
        return None
    return Split(precise(network), lambda logits: logits, list(network.parameters()))
