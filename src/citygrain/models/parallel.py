"""Threads that each take whole rows: two halves of a batch, or several batches of a prediction.

PyTorch's own threads meet after every operation of a network this small, and wait for each other whenever a core is
busy with something else: on a shared machine two threads were measured ten times slower than one. Here they meet once
for each batch. The halves are cut and added in one order whatever the number of threads, so the bits do not depend on
it.
"""

import copy
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from citygrain.models.networks.dropout import SeededDropout, seed_dropout

__all__ = ["Mapper", "Split", "Twins", "has_batch_statistics", "split_network", "workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Mapper = Callable[[Callable[[Item], Result], Iterable[Item]], Iterator[Result]]
"""Like `map`: results in the items' order."""
LossOf = Callable[[Tensor, slice], Tensor]
"""Loss of the logits of the rows in a slice of the batch."""
Precise = Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]
"""Wraps a function so that it computes in the wanted precision."""


@contextmanager
def workers(threads: int | None) -> "Iterator[Mapper]":  # type: ignore[type-arg]
    """Give a `map` over `threads` threads (None = PyTorch's number), with deterministic algorithms; restore all after.

    Items are taken as threads become free, never all at once.
    """
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    number = threads or before[0]
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(1)
            # Not `use_deterministic_algorithms`, which imports PyTorch's compiler: two seconds for nothing.
            torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
            if number == 1:
                yield map
                return
            with ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield lambda function, items: _in_order(pool, function, items, ahead=number + 1)
        finally:
            torch.set_num_threads(before[0])
            torch.set_deterministic_debug_mode(before[1])


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

    def gradients(self, x: Tensor, loss_of: LossOf, over: Mapper, *, seed: int) -> tuple[Tensor, Tensor]:  # type: ignore[type-arg]
        """Return loss and logits of a batch, and add the gradient to each weight.

        Parameters
        ----------
        x : Tensor
            Rows.
        loss_of : callable
            Loss of the logits (m, k) of some rows, as its share of the batch's loss.
        over : callable
            `map`, perhaps over threads.
        seed : int
            Source of the draws; here they are the process's own, in the head.
        """
        outs = list(over(self.body, x.chunk(2)))
        leaves = [out.detach().requires_grad_() for out in outs]
        logits = self.head(torch.cat(leaves))
        loss = loss_of(logits, slice(None))
        loss.backward()  # type: ignore[no-untyped-call]
        pairs = [(out, leaf.grad) for out, leaf in zip(outs, leaves, strict=True)]
        halves = list(over(lambda pair: torch.autograd.grad(pair[0], self.own, pair[1]), pairs))
        for weight, *parts in zip(self.own, *halves, strict=True):
            weight.grad = parts[0] + parts[1] if len(parts) > 1 else parts[0]
        return loss.detach(), logits.detach()


class Twins:
    """A network and its twin with the same weights: each half of a batch has batch statistics of its own.

    Statistics over half a batch regularise a little more (Hoffer et al. 2017, arXiv:1705.08741). The running
    statistics of both are averaged after each step, so the twins stay twins.
    """

    def __init__(self, network: nn.Module, precise: Precise) -> None:
        self.networks = [network, _twin(network)]
        self.calls = [precise(each) for each in self.networks]
        self.own = list(network.parameters())

    def gradients(self, x: Tensor, loss_of: LossOf, over: Mapper, *, seed: int) -> tuple[Tensor, Tensor]:  # type: ignore[type-arg]
        """Return loss and logits of a batch, and add the gradient to each weight; as `Split.gradients`."""
        bounds = [0, (len(x) + 1) // 2, len(x)]
        rows = [slice(first, last) for first, last in itertools.pairwise(bounds) if first < last]

        def half(which: int) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
            network = self.networks[which].train()
            seed_dropout(network, 2 * seed + which)
            logits = self.calls[which](x[rows[which]])
            loss = loss_of(logits, rows[which])
            return loss.detach(), logits.detach(), torch.autograd.grad(loss, self.own)

        halves = list(over(half, range(len(rows))))
        for weight, *parts in zip(self.own, *(gradients for _, _, gradients in halves), strict=True):
            weight.grad = parts[0] + parts[1] if len(parts) > 1 else parts[0]
        if len(rows) > 1:
            self.level(0.5)
        return torch.stack([loss for loss, _, _ in halves]).sum(), torch.cat([logits for _, logits, _ in halves])

    def level(self, share: float = 0.0) -> None:
        """Move the first twin's running statistics by `share` towards the second's, and give both the result."""
        with torch.no_grad():
            for first, second in zip(*(network.buffers() for network in self.networks), strict=True):
                if share and first.is_floating_point():
                    first.lerp_(second, share)
                second.copy_(first)


def _twin(network: nn.Module) -> nn.Module:
    twin = copy.deepcopy(network)
    for own, other in zip(network.modules(), twin.modules(), strict=True):
        for name, weight in own._parameters.items():
            other._parameters[name] = weight
    return twin


def has_batch_statistics(network: nn.Module) -> bool:
    """Tell whether a row's result in training depends on the other rows of its batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def split_network(network: nn.Module, precise: Precise, *, halves: bool = False) -> Split | Twins | None:
    """Cut a network at its ``embed`` and ``head``; one without draws is all body; any other is not cut.

    Parameters
    ----------
    network : Module
        The network.
    precise : callable
        Wraps a function so that it computes in the wanted precision.
    halves : bool
        Let a network with batch statistics have them over each half of a batch.
    """
    if has_batch_statistics(network):
        return Twins(network, precise) if halves and not _draws_from_the_process(network) else None
    head, embed = getattr(network, "head", None), getattr(network, "embed", None)
    if isinstance(head, nn.Module) and callable(embed):
        in_head = {id(weight) for weight in head.parameters()}
        own: list[Tensor] = [weight for weight in network.parameters() if id(weight) not in in_head]
        return Split(precise(embed), precise(head), own)
    if _draws_from_the_process(network) or any(isinstance(module, SeededDropout) for module in network.modules()):
        return None
    return Split(precise(network), lambda logits: logits, list(network.parameters()))


def _draws_from_the_process(network: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.dropout._DropoutNd) for module in network.modules())
