"""What looks on while a model trains: progress, TensorBoard, and checkpoints that an interrupted training uses."""

from pathlib import Path
from typing import TYPE_CHECKING

from citygrain.models.catalogue import ModelName
from citygrain.tiles import Progress

if TYPE_CHECKING:
    from citygrain.models.tensorboard import Board
    from citygrain.models.training import Hooks

__all__ = ["training_hooks"]


def training_hooks(
    model: ModelName, progress: Progress | None, checkpoint: Path | None, board: "Board | None" = None
) -> "Hooks | None":
    """Return what looks on while a network trains; None for a forest, which needs no PyTorch."""
    if model == "forest":
        return None
    from citygrain.models.training import Hooks  # noqa: PLC0415 - PyTorch only for a network

    return Hooks(progress=progress, checkpoint=checkpoint, callbacks=[board] if board is not None else [])
