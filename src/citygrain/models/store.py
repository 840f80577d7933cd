"""A model's folder: one card and one weights file that belong together, written whole, refused when damaged.

The card holds the checksum of the weights and is written last, so a folder with a card is a model.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from citygrain.errors import InputError, OutputError
from citygrain.files import make_folder, whole_file, write_text
from citygrain.models.card import CARD, ModelCard

__all__ = ["read_weights", "remove_model", "write_model"]


def write_model(folder: Path, card: ModelCard, weights: bytes, *, name: str) -> None:
    """Write `weights` as `name` and the card beside it.

    Raises
    ------
    OutputError
        If the folder or a file cannot be written.
    """
    make_folder(folder)
    (folder / CARD).unlink(missing_ok=True)  # an old card must not stand beside new weights
    with whole_file(folder / name) as partial:
        partial.write_bytes(weights)
    write_text(folder / CARD, replace(card, checksum=hashlib.sha256(weights).hexdigest()).to_json())


def remove_model(folder: Path) -> None:
    """Take away a model's card, the files that may stand beside it, and the folder, if nothing else is in it.

    Raises
    ------
    OutputError
        If a file cannot be removed.
    """
    if not (folder / CARD).is_file():
        return  # no model of ours
    try:
        (folder / CARD).unlink()
        for path in (*folder.glob("*.safetensors"), *folder.glob("*.skops")):
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise OutputError(f"{folder} cannot be removed: {error.strerror}", mend="remove it by hand") from None


def read_weights(folder: Path, card: ModelCard, *, name: str) -> bytes:
    """Return the bytes of the weights file, checked against the card.

    Raises
    ------
    InputError
        If the file is missing or is not the one that the card was written with.
    """
    path = folder / name
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", mend="copy the whole model folder") from None
    if hashlib.sha256(weights).hexdigest() != card.checksum:
        raise InputError(f"{path} is not the file that its card was written with", mend="copy or train the model again")
    return weights
