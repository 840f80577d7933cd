"""What is kept with a model so that its maps can be trusted: temperature, sets, and what its training rows were like.

The numbers stand in the card, the arrays in a file beside the weights that the card knows the checksum of.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from citygrain.errors import InputError
from citygrain.files import whole_file, write_text
from citygrain.models.card import CARD, read_card

__all__ = ["APPLICABILITY", "read_applicability", "write_trust"]

APPLICABILITY = "applicability.safetensors"
"""Name of the file of arrays in a model's folder, and in the card's `trust` without its ending."""
_KEY = "applicability"


def write_trust(
    folder: Path, trust: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[np.float32]] | None = None
) -> None:
    """Add what was found out about a model to its folder; the card is written last.

    Parameters
    ----------
    folder : Path
        A saved model.
    trust : mapping
        Plain values for the card, see `citygrain.models.card.ModelCard.trust`.
    arrays : mapping of str to ndarray of float32, optional
        What tells how far a row is from the training rows.

    Raises
    ------
    InputError
        If the folder holds no model.
    OutputError
        If a file cannot be written.
    """
    card, values, path = read_card(folder), dict(trust), folder / APPLICABILITY
    if arrays is None:
        path.unlink(missing_ok=True)  # of an earlier model
    else:
        content = save({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()})
        with whole_file(path) as partial:
            partial.write_bytes(content)
        values[_KEY] = {**values.get(_KEY, {}), "checksum": hashlib.sha256(content).hexdigest()}
    write_text(folder / CARD, replace(card, trust=values).to_json())


def read_applicability(folder: Path) -> dict[str, npt.NDArray[np.float32]] | None:
    """Return the arrays that `write_trust` wrote; None for a model that has none.

    Raises
    ------
    InputError
        If the card speaks of a file that is missing or another one.
    """
    path, checksum = folder / APPLICABILITY, read_card(folder).trust.get(_KEY, {}).get("checksum")
    if checksum is None:
        return None
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != checksum:
            raise InputError(f"{path} is not the file that its card was written with", mend="copy or train it again")
        return {name: np.asarray(array, np.float32) for name, array in load(content).items()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {error}", mend="copy the whole model folder") from None
