"""Files for TensorBoard's projector: points, what is known of each, and a small picture of each.

The tables are raw float32. TensorBoard reads a table as text first, and as numbers if that fails; so the first byte is
made one that no text has, which changes the first value by less than a part in 30,000.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from citygrain.files import make_folder, whole_file, write_text

__all__ = ["Sprite", "clear_points", "sprite_sheet", "write_points"]

CONFIG = "projector_config.pbtxt"
_FOLDER = "projector"
_LARGEST = 48  # pixels of a small picture's side
_FRAME = 3  # pixels
_SHEET = 8192  # pixels of the largest sheet that browsers draw


@dataclass(frozen=True)
class Sprite:
    """Small pictures of all points on one sheet.

    Attributes
    ----------
    png : bytes
        The sheet.
    side : int
        Pixels of one picture's side.
    """

    png: bytes
    side: int


def write_points(
    folder: Path,
    name: str,
    values: npt.NDArray[np.float32],
    *,
    metadata: Mapping[str, Sequence[Any]],
    sprite: Sprite | None = None,
) -> None:
    """Add a table of points to the projector of a run, or replace the one of that name.

    Parameters
    ----------
    folder : Path
        Folder of the run's event files.
    name : str
        How the projector lists it, such as ``"epoch 03 features"``.
    values : ndarray of float32, (n, d)
        The points.
    metadata : mapping of str to sequence, each (n,)
        Two or more columns; the first labels the points. Tabs and line ends in them become blanks.
    sprite : Sprite, optional
        A small picture of each point.
    """
    place = make_folder(folder / _FOLDER)
    file = "".join(sign if sign.isalnum() else "-" for sign in name)
    with whole_file(place / f"{file}.bytes") as partial:
        _as_numbers(values).tofile(partial)
    write_text(place / f"{file}.tsv", _table(metadata))
    config = _read(folder)
    others = [entry for entry in config.embeddings if entry.tensor_name != name]
    config.ClearField("embeddings")
    entry = config.embeddings.add()  # the newest first: it is what the projector opens with
    entry.tensor_name, entry.tensor_path = name, f"{_FOLDER}/{file}.bytes"
    entry.tensor_shape.extend(values.shape)
    entry.metadata_path = f"{_FOLDER}/{file}.tsv"
    if sprite is not None:
        picture = place / "sprites.png"
        with whole_file(picture) as partial:
            partial.write_bytes(sprite.png)
        entry.sprite.image_path = f"{_FOLDER}/{picture.name}"
        entry.sprite.single_image_dim.extend([sprite.side, sprite.side])
    config.embeddings.extend(others)
    write_text(folder / CONFIG, text_format.MessageToString(config))


def clear_points(folder: Path) -> None:
    """Remove the projector's files of an earlier training; nothing else is touched."""
    for path in [folder / CONFIG, *(folder / _FOLDER).glob("*.*")]:
        path.unlink(missing_ok=True)


def sprite_sheet(
    pictures: npt.NDArray[np.uint8], colors: npt.NDArray[np.uint8] | None = None
) -> tuple[npt.NDArray[np.uint8], int]:
    """Put pictures on one square sheet, row by row, thinned to what a browser draws.

    Parameters
    ----------
    pictures : ndarray of uint8, (n, h, w, 3)
        The pictures.
    colors : ndarray of uint8, (n, 3), optional
        Colour of a frame around each: TensorBoard has colours of its own, and legends that prescribe theirs.

    Returns
    -------
    ndarray of uint8, (s, s, 3)
        The sheet.
    int
        Side of one picture.

    Examples
    --------
    >>> sheet, side = sprite_sheet(np.zeros((5, 8, 8, 3), np.uint8))
    >>> sheet.shape, side
    ((24, 24, 3), 8)
    """
    across = int(np.ceil(np.sqrt(len(pictures))))
    step = -(-pictures.shape[1] // min(_LARGEST, _SHEET // across - 2 * _FRAME))
    small = pictures[:, ::step, ::step]
    if colors is not None:
        wide = (len(small), small.shape[1] + 2 * _FRAME, small.shape[2] + 2 * _FRAME, 3)
        framed = np.broadcast_to(colors[:, None, None], wide).copy()
        framed[:, _FRAME:-_FRAME, _FRAME:-_FRAME] = small
        small = framed
    side = small.shape[1]
    sheet = np.full((across * across, side, side, 3), 255, np.uint8)
    sheet[: len(small)] = small
    rows = sheet.reshape(across, across, side, side, 3).swapaxes(1, 2)
    return rows.reshape(across * side, across * side, 3), side


def _as_numbers(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    table = np.ascontiguousarray(values, "<f4").copy()
    table.view(np.uint8).reshape(-1)[:1] = 0xFF
    return table


def _table(metadata: Mapping[str, Sequence[Any]]) -> str:
    lines: Iterable[Sequence[Any]] = zip(*metadata.values(), strict=True)
    return "".join("\t".join(" ".join(str(cell).split()) for cell in line) + "\n" for line in (tuple(metadata), *lines))


def _read(folder: Path) -> Any:
    config = ProjectorConfig()
    try:
        text_format.Parse((folder / CONFIG).read_text(encoding="utf-8"), config)
    except (OSError, text_format.ParseError):
        return ProjectorConfig()
    return config
