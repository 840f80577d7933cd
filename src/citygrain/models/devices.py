"""What a network trains on: how many devices of how many machines, as a value that is checked before any work begins.

A device is a GPU where there is one, else a process on the processor. PyTorch is asked only where more than one device
is wanted, so a forest starts at once.
"""

from dataclasses import dataclass

from citygrain.errors import InputError
from citygrain.tiles import processors

__all__ = ["ONE", "STRATEGIES", "Devices", "available_devices"]

STRATEGIES = ("auto", "ddp")
"""``ddp`` holds the whole network on each device and averages the gradients; ``auto`` is the same, if need be."""


@dataclass(frozen=True)
class Devices:
    """Where a network trains.

    Each device takes its share of each batch, so a recipe means the same on any number of them: up to rounding, and up
    to the draws of augmentation and dropout, the steps are those of one device.

    Attributes
    ----------
    count : int
        Devices of each machine.
    nodes : int
        Machines. The same command is given on each of them, and the first alone writes.
    strategy : str
        ``"auto"`` or ``"ddp"``.
    node : int
        Which of the machines this is, 0 to `nodes` - 1.
    address : str
        Host and port of the first machine, such as ``"10.0.0.1:29500"``; needed if there are several.

    Raises
    ------
    InputError
        If a value is impossible.

    Examples
    --------
    >>> Devices(2).world, Devices(2, nodes=2, node=1, address="10.0.0.1:29500").leads
    (2, False)
    """

    count: int = 1
    nodes: int = 1
    strategy: str = "auto"
    node: int = 0
    address: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"{self.count} devices", wanted="1 or more")
        if self.nodes < 1:
            raise InputError(f"{self.nodes} nodes", wanted="1 or more")
        if self.strategy not in STRATEGIES:
            raise InputError(f"strategy {self.strategy!r}", wanted=f"one of {', '.join(STRATEGIES)}")
        if not 0 <= self.node < self.nodes:
            raise InputError(f"node {self.node} of {self.nodes}", wanted=f"NODE_RANK from 0 to {self.nodes - 1}")
        if self.nodes > 1:
            host, _, port = self.address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
                raise InputError(
                    f"{self.nodes} nodes and {f'the address {self.address!r}' if self.address else 'no address'}",
                    wanted="host and port of the first node",
                    mend="set MASTER_ADDR, MASTER_PORT and NODE_RANK on each node",
                )

    @property
    def world(self) -> int:
        """Devices of all machines together."""
        return self.count * self.nodes

    @property
    def leads(self) -> bool:
        """Whether this is the machine that writes."""
        return self.node == 0

    def check(self, model: str) -> None:
        """Refuse more devices than there are, or than a model can use.

        Parameters
        ----------
        model : str
            Name of the model, one of `citygrain.models.catalogue.MODELS`.

        Raises
        ------
        InputError
            Telling how many there are.
        """
        if self.world > 1 and model == "forest":
            raise InputError(f"a forest on {self.world} devices", wanted="a network, or one device")
        if self.count == 1:
            return
        there, kind = available_devices()
        if self.count > there:
            raise InputError(f"{self.count} devices", wanted=f"at most {there}, the {kind} that are there")


ONE = Devices()
"""One device of one machine."""


def available_devices() -> tuple[int, str]:
    """Return how many devices this machine has, and what they are called: GPUs where there are any, else cores."""
    import torch  # noqa: PLC0415 - a forest needs none

    if torch.cuda.is_available():
        return torch.cuda.device_count(), "GPUs"
    return processors(), "processor cores"
