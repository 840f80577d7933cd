"""What TensorBoard shows of a training: the choices of a workflow, made into a log that looks on."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.models.catalogue import ModelName
from citygrain.models.classifier import Classifier
from citygrain.samples.samples import Samples
from citygrain.tiles import Tile
from citygrain.workflows.units import Units

if TYPE_CHECKING:
    from citygrain.models.board_views import Crop
    from citygrain.models.tensorboard import Board

__all__ = ["FOLDER", "BoardChoice", "finish_board", "log_test_scores", "make_board", "map_crop", "run_text"]

log = logging.getLogger(__name__)

FOLDER = "tensorboard"
"""Name of the log's folder in the folder of a run."""

_CROP = 160  # pixels of the crop's side
_MOST_UNITS = 600  # that are mapped again and again


@dataclass(frozen=True)
class BoardChoice:
    """What a user chose.

    Attributes
    ----------
    wanted : bool
        Whether there is a log at all.
    bands : tuple of str or None
        Features for red, green and blue of patches and the projector's sprites; the natural colours, if not given.
    points : int or None
        Rows that the projector shows, 5,000 at most; by default so many that they cost little.
    texts : mapping of str to str
        Texts by title.
    """

    wanted: bool = True
    bands: tuple[str, ...] | None = None
    points: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def make_board(
    folder: Path,
    model: ModelName,
    samples: Samples,
    choice: BoardChoice,
    *,
    crop: "Callable[[], Crop] | None" = None,
) -> "Board | None":
    """Return what looks on for TensorBoard; None for a forest, which has no epochs, or where none is wanted.

    Parameters
    ----------
    folder : Path
        Gets the log.
    model : str
        The model that is trained.
    samples : Samples
        What it is trained on.
    choice : BoardChoice
        What the user chose.
    crop : callable, optional
        Gives the part of the scene that is mapped while the network learns.

    Raises
    ------
    InputError
        If a band is not there, or not three are named.
    """
    if model == "forest" or not choice.wanted:
        if choice.bands is not None:
            why = "a forest has no log" if model == "forest" else "no log is wanted"
            log.warning("%s: the projector's bands are not used", why)
        return None
    from citygrain.models.tensorboard import Board, BoardPlan  # noqa: PLC0415 - PyTorch only for a network
    from citygrain.report.board import BoardPictures  # noqa: PLC0415 - matplotlib only where something is drawn

    bands, natural = _bands(samples, choice.bands)
    part = crop() if crop is not None else None
    pictures = BoardPictures(together=natural)
    return Board(BoardPlan(folder, pictures, bands, points=choice.points, crop=part, texts=choice.texts))


def finish_board(board: "Board | None", model: Classifier, train: Samples, valid: Samples | None) -> None:
    """Write what is known of the trained model, where there is a log."""
    if board is None:
        return
    from citygrain.models.choice import AutoClassifier  # noqa: PLC0415 - PyTorch only for a network
    from citygrain.models.neural import NeuralClassifier  # noqa: PLC0415

    trained = list(model.members.values()) if isinstance(model, AutoClassifier) else [model]
    for member in trained:
        if isinstance(member, NeuralClassifier):
            board.finish(member, train, valid)


def log_test_scores(folder: Path, choice: BoardChoice, figures: Mapping[str, Any]) -> None:
    """Add to the log in `folder`, where there is one, how its model does on rows that neither trained nor chose it.

    The page of hyper-parameters shows them beside the scores of validation. Nothing reads them back: a model is chosen
    before they are known.

    Parameters
    ----------
    folder : Path
        The log of a finished training.
    choice : BoardChoice
        What the user chose.
    figures : mapping
        As `citygrain.accuracy.assess.Assessment.to_dict` gives them.
    """
    if not choice.wanted or not folder.is_dir():
        return
    from citygrain.models.board_settings import add_test_scores  # noqa: PLC0415 - PyTorch only for a network

    add_test_scores(folder, figures)


def map_crop(features: xr.DataArray, units: Units, legend: Legend) -> "Crop":
    """Return the middle of the scene, as units to be mapped while a network learns.

    Parameters
    ----------
    features : DataArray, (band, y, x)
        The features that the model sees.
    units : Units
        The units of the whole scene.
    legend : Legend
        The classes.
    """
    from citygrain.models.board_views import Crop  # noqa: PLC0415 - PyTorch only for a network
    from citygrain.report.board import paint_codes  # noqa: PLC0415 - matplotlib only where something is drawn

    numbers, chosen = _middle(units)
    place = np.zeros(len(units) + 1, np.int64)
    place[chosen] = np.arange(len(chosen)) + 1
    where = place[numbers]  # 0 is no data: the last number, -1, is never chosen

    def draw(codes: npt.NDArray[np.uint8]) -> bytes:
        return paint_codes(np.append(np.uint8(0), codes)[where], legend)

    rows = units.gather(features)
    return Crop(np.stack([np.asarray(rows[n : n + 1], np.float32)[0] for n in chosen.tolist()]), draw)


def run_text(config: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration as the text of a log."""
    return {"configuration": json.dumps(config, indent=1, ensure_ascii=False, default=str)}


def _middle(units: Units) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return unit numbers, (h, w), of a square in the middle of the scene, and the units in it, 600 at most."""
    height, width = units.geobox.shape
    side = _CROP
    while True:
        h, w = min(side, height), min(side, width)
        numbers = units.parts(Tile((height - h) // 2, (width - w) // 2, h, w))
        chosen = np.unique(numbers[numbers >= 0])
        if len(chosen) <= _MOST_UNITS or side <= 1:
            return numbers, chosen
        side = side * 3 // 4


def _bands(samples: Samples, wanted: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    """Return the bands of pictures (none for rows that are no patches), and whether they are the natural colours."""
    from citygrain.report.display import natural_bands  # noqa: PLC0415 - matplotlib only where something is drawn

    there = list(samples.features)
    if wanted is not None and (len(wanted) != 3 or set(wanted) - set(there)):
        raise InputError(f"bands {', '.join(wanted)} for the projector", wanted=f"three of {', '.join(there)}")
    if len(samples.x.shape) != 4:
        return (), False
    names = xr.DataArray(np.zeros((len(there), 1, 1)), dims=("band", "y", "x")).assign_coords(band=there)
    natural = natural_bands(names)
    chosen = tuple(wanted) if wanted is not None else natural
    return chosen, chosen == natural
