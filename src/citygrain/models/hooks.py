"""What a training of a network is asked for besides network, recipe and rows, and what looks on.

Values only: a trained network is used without them, and without Lightning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citygrain.models.card import ModelCard
from citygrain.tiles import Progress

__all__ = ["Hooks", "Job"]


@dataclass(frozen=True)
class Hooks:
    """What looks on while a network trains.

    Attributes
    ----------
    progress : callable, optional
        Called with (epochs done, epochs) after each epoch.
    checkpoint : Path, optional
        Folder for the state after the last finished epoch; a training that finds one there goes on from it.
    loggers : sequence
        Lightning loggers.
    callbacks : sequence
        Lightning callbacks.
    """

    progress: Progress | None = None
    checkpoint: Path | None = None
    loggers: Sequence[Any] = ()
    callbacks: Sequence[Any] = ()


@dataclass(frozen=True)
class Job:
    """What a training is asked for besides network, recipe and rows.

    Attributes
    ----------
    seed : int
        Source of every draw.
    half : bool
        Compute in bfloat16.
    key : str
        Fingerprint of network, recipe, seed and rows; a state with another one is not taken up.
    hooks : Hooks
        What looks on.
    card : ModelCard
        What the model is, for those who look on.
    """

    seed: int
    half: bool
    key: str
    hooks: Hooks
    card: ModelCard
