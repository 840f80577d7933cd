"""From the values in a reference file to the codes of a legend.

The same number means different classes in different products, so every value in the file must be named by the user's
`classes` or by a legend, or be ignored on purpose; a value nobody named is refused with its count.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.legend import Legend

__all__ = ["CodeTable", "code_table", "value_key"]

logger = logging.getLogger(__name__)

_LCZ_LETTERS = dict(zip("abcdefg", range(11, 18), strict=True))
"""Local Climate Zones A to G as files write them; codes 11 to 17 here."""


@dataclass(frozen=True)
class CodeTable:
    """What each value of a reference file becomes.

    Attributes
    ----------
    legend : Legend
        The classes.
    codes : dict of str to int
        Code by value, see `value_key`; 0 for values that are ignored or fall out of a merge.
    """

    legend: Legend
    codes: dict[str, int]

    def check(self, counts: Mapping[str, int], *, what: str, file: str) -> None:
        """Refuse values that have no code.

        Parameters
        ----------
        counts : mapping of str to int
            How often each value occurs where file and scene overlap.
        what : str
            What is counted, ``"pixels"``.
        file : str
            Name of the file.
        """
        strange = {key: count for key, count in counts.items() if key not in self.codes}
        if strange:
            listed = ", ".join(f"{key} ({count:,} {what})" for key, count in sorted(strange.items()))
            raise InputError(
                f"{file} holds {listed}, which no class has",
                wanted=f"one of {', '.join(key for key, code in self.codes.items() if code)}",
                mend="name it in classes or add it to ignore",
            )

    def recode(
        self, values: npt.NDArray[np.integer[Any]], *, file: str, names: Mapping[int, str] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the legend's code of each value of a map, which must say the same as the reference.

        What a value means is asked in this order: the names that the map's own file gives, where all of them are the
        legend's; the table; and, where the table knows words alone (classes of polygons), the legend's codes.

        Parameters
        ----------
        values : ndarray of int
            The map; 0 is no data unless the table or the file names it.
        file : str
            Name of its file.
        names : mapping of int to str, optional
            Class names that the file gives.

        Returns
        -------
        ndarray of uint8
            Codes of `legend`, 0 = no data; same shape.

        Raises
        ------
        InputError
            If a value has no class.

        Examples
        --------
        >>> table = code_table(
        ...     classes={"10": "Green", "20": "Green", "50": "Built"},
        ...     legend=None, merge=None, colors=None, ignore=[], scheme="mine",
        ... )
        >>> table.recode(np.array([0, 10, 20, 50]), file="a.tif")
        array([0, 1, 1, 2], dtype=uint8)
        >>> table.recode(np.array([0, 2, 1]), file="b.tif", names={1: "Green", 2: "Built"})
        array([0, 2, 1], dtype=uint8)
        """
        found, counts = np.unique(values, return_counts=True)
        numbers = {str(value): count for value, count in zip(found.tolist(), counts.tolist(), strict=True)}
        table = self._of_map([int(value) for value in numbers if value != "0"], names or {})
        if "0" not in table.codes:
            numbers.pop("0", None)
        table.check(numbers, what="pixels", file=file)
        codes = np.zeros(values.shape, np.uint8)
        for value in numbers:
            codes[values == int(value)] = table.codes[value]
        return codes

    def _of_map(self, values: Sequence[int], names: Mapping[int, str]) -> "CodeTable":
        by_name = {c.name: c.code for c in self.legend}
        if values and all(names.get(value) in by_name for value in values):
            return CodeTable(self.legend, {str(value): by_name[names[value]] for value in values})
        if any(key.isdigit() for key, code in self.codes.items() if code):
            return self
        return CodeTable(self.legend, {str(c.code): c.code for c in self.legend})


def value_key(value: object) -> str:
    """Return the spelling under which a file's value is looked up: ``2``, ``2.0`` and ``"2"`` are the same.

    Examples
    --------
    >>> value_key(2.0), value_key(" Dense Trees "), value_key("02"), value_key(2.5)
    ('2', 'dense trees', '2', '2.5')
    """
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text.casefold()
    return str(int(number)) if number.is_integer() else repr(number)


def code_table(
    *,
    classes: Mapping[str, str] | None,
    legend: Legend | None,
    merge: Mapping[str, Sequence[str]] | None,
    colors: Mapping[str, str] | None,
    ignore: Sequence[str | int],
    scheme: str,
    ours: bool = False,
) -> CodeTable:
    """Settle the legend of a reference and the code of each of its values.

    Parameters
    ----------
    classes : mapping of str to str or None
        Class name by value of the file; values with the same name become one class.
    legend : Legend or None
        The classes; with `classes`, those whose names `classes` uses.
    merge : mapping of str to sequence of str or None
        Broader classes and the names that each takes in.
    colors : mapping of str to str or None
        Colours by class name.
    ignore : sequence of str or int
        Values to leave unlabelled.
    scheme : str
        Name of a legend made from `classes`.
    ours : bool
        Whether the file is a map of ours, which holds the legend's codes, not those of the product's own files.

    Examples
    --------
    >>> table = code_table(
    ...     classes={"10": "Green", "20": "Green", "50": "Built"},
    ...     legend=None, merge=None, colors=None, ignore=[90], scheme="mine",
    ... )
    >>> table.legend.names, table.codes
    (('Green', 'Built'), {'0': 0, '10': 1, '20': 1, '50': 2, '90': 0})
    """
    if classes:
        made, codes = _from_classes(classes, legend, scheme)
    elif legend is not None:
        made, codes = legend, _from_legend(legend, ours)
    else:
        raise InputError("the reference's values have no names", wanted='classes = { 1 = "Forest", ... } or a legend')
    if merge:
        made, recode = made.merge(merge)
        codes = {key: recode[code] for key, code in codes.items()}
    if colors:
        made = _coloured(made, colors)
    both = sorted({value_key(value) for value in ignore} & {key for key, code in codes.items() if code and classes})
    if both:
        raise InputError(f"value {', '.join(both)} is both a class and ignored", wanted="one of the two")
    # Code 0 is "no label" everywhere, unless the user gave it a name.
    return CodeTable(made, {"0": 0, **codes, **{value_key(value): 0 for value in ignore}})


def _from_classes(classes: Mapping[str, str], legend: Legend | None, scheme: str) -> tuple[Legend, dict[str, int]]:
    names = {value_key(value): name.strip() for value, name in classes.items()}
    if len(names) < len(classes):
        raise InputError(f"classes name a value twice: {list(classes)}", wanted="each value once")
    if legend is not None:
        return legend, {key: legend.code_of(name) for key, name in names.items()}
    distinct = list(dict.fromkeys(names.values()))
    if len(distinct) == len(names) and all(key.isdigit() and 1 <= int(key) <= 255 for key in names):
        code = {name: int(key) for key, name in names.items()}
    else:
        code = {name: number for number, name in enumerate(distinct, start=1)}
        logger.info("classes are renumbered: %s", ", ".join(f"{number} {name}" for name, number in code.items()))
    if len(code) > 255:
        raise InputError(f"{len(code)} classes", wanted="at most 255")
    made = Legend.from_names({number: name for name, number in code.items()}, scheme=scheme)
    return made, {key: code[name] for key, name in names.items()}


def _from_legend(legend: Legend, ours: bool) -> dict[str, int]:
    codes = {value_key(c.name): c.code for c in legend}
    codes |= {value_key(value): c.code for c in legend for value in ([c.code] if ours else c.in_files)}
    if legend.scheme == "lcz":
        codes |= _LCZ_LETTERS
    return codes


def _coloured(legend: Legend, colors: Mapping[str, str]) -> Legend:
    strange = sorted(set(colors) - set(legend.names))
    if strange:
        raise InputError(f"a colour for class {', '.join(strange)}", wanted=f"one of {', '.join(legend.names)}")
    kept = {c.name: c.color for c in legend} | dict(colors)
    return Legend.from_names({c.code: c.name for c in legend}, scheme=legend.scheme, colors=kept)
