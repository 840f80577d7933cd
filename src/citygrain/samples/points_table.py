"""Points in a table (CSV, also packed with gzip): classes on a map and in the reference, cities, coordinates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from citygrain.errors import InputError
from citygrain.samples.vector import existing_file

__all__ = ["read_points_table"]


def read_points_table(
    path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> dict[str, npt.NDArray[Any]]:
    r"""Read columns of a table of points.

    Parameters
    ----------
    path : Path
        CSV with a head, ``.csv`` or ``.csv.gz``.
    columns : sequence of str
        Columns that are needed; none of their values may be missing.
    optional : sequence of str
        Columns that are read if all of them are there.

    Returns
    -------
    dict of ndarray
        By name, (n,) each.

    Raises
    ------
    InputError
        If the file cannot be read, or a column or value is missing.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "points.csv"
    >>> _ = path.write_text("lcz,city\n17,munich\n6,oslo\n")
    >>> {name: values.tolist() for name, values in read_points_table(path, ["city", "lcz"]).items()}
    {'city': ['munich', 'oslo'], 'lcz': [17, 6]}
    """
    path = existing_file(path, wanted="a table of points (CSV)")
    try:
        known = [str(name) for name in pd.read_csv(path, nrows=0).columns]
        missing = [name for name in columns if name not in known]
        if missing:
            raise InputError(f"{path.name} has no column {missing[0]!r}", wanted=f"one of {', '.join(known)}")
        more = list(optional) if set(optional) <= set(known) else []
        wanted = list(dict.fromkeys([*columns, *more]))
        frame = pd.read_csv(path, usecols=wanted)
    except (OSError, UnicodeDecodeError, EOFError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path.name} cannot be read as a table ({error})", wanted="CSV with a head") from None
    for name in wanted:
        if frame[name].isna().any():
            row = int(np.flatnonzero(frame[name].isna())[0])
            raise InputError(f"{path.name} has no {name} in row {row + 2}", wanted="a value in each row")
    return {name: frame[name].to_numpy() for name in wanted}
