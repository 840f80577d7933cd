"""Tables that merge the classes of a product into fewer: ready ones, and a user's own as CSV.

A table says code, name and class, so that it can be read and edited without the product's manual. Code and name must
fit each other, so that a table made for one product is not applied to another by mistake.
"""

import csv
import io
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from citygrain.errors import InputError
from citygrain.imagery.references import MapProduct, map_products
from citygrain.legend import URBAN, Legend

__all__ = ["NAMED_MERGES", "chosen_merge", "merge_csv", "parse_merge_table", "product_merge", "read_merge_table"]

NAMED_MERGES = {"urban": "class", "finer": "finer"}
"""Merges that every product has, and their columns in its table: the four urban classes, or about nine."""

Groups = dict[str, list[str]]


def chosen_merge(name: str, legend: Legend, product: MapProduct | None) -> Groups:
    """Return the merge that a configuration names.

    Parameters
    ----------
    name : str
        ``"urban"``, ``"finer"``, ``"none"``, or the path of a CSV file.
    legend : Legend
        The classes that are merged.
    product : MapProduct or None
        The product; where only its legend is given, the product with that legend.

    Raises
    ------
    InputError
        If there is no such merge, or the table does not fit the legend.

    Examples
    --------
    >>> from citygrain.legend import FROM_GLC10
    >>> chosen_merge("urban", FROM_GLC10, None)["Urban"]
    ['Impervious']
    >>> chosen_merge("none", FROM_GLC10, None)
    {}
    """
    if name == "none":
        return {}
    if name not in NAMED_MERGES:
        if Path(name).suffix.lower() != ".csv":
            raise InputError(f"merge {name!r}", wanted=f"{', '.join(NAMED_MERGES)}, none, or a table ending in .csv")
        return read_merge_table(Path(name), legend)
    if product is None:
        product = next((one for one in map_products().values() if one.legend == legend), None)
    if product is None:
        raise InputError(f"merge {name!r} of legend {legend.scheme!r}", wanted="a table (.csv) or groups of names")
    return product_merge(product, name)


def product_merge(product: MapProduct, name: str = "urban") -> Groups:
    """Return a ready merge of a product.

    Parameters
    ----------
    product : MapProduct
        The product.
    name : str
        One of `NAMED_MERGES`.

    Examples
    --------
    >>> from citygrain.imagery.references import map_product
    >>> product_merge(map_product("worldcover"))
    {'Urban': ['Built-up'], 'Crop': ['Cropland'], 'Vegetation': ['Tree cover', 'Shrubland', 'Grassland', \
'Herbaceous wetland', 'Mangroves', 'Moss and lichen'], 'Water': ['Permanent water bodies']}
    """
    text = resources.files("citygrain").joinpath(f"data/merges/{product.name}.csv").read_text(encoding="utf-8")
    return parse_merge_table(text, product.legend, file=f"{product.name}.csv", column=NAMED_MERGES[name])


def merge_csv(product: MapProduct, name: str = "urban") -> str:
    """Return a merge as the CSV that a user edits: code, name, class.

    Parameters
    ----------
    product : MapProduct
        The product.
    name : str
        One of `NAMED_MERGES`, or ``"none"``: each class keeps its name.

    Examples
    --------
    >>> from citygrain.imagery.references import map_product
    >>> print(merge_csv(map_product("worldcover")).splitlines()[5])
    50,Built-up,Urban
    """
    groups = {c.name: [c.name] for c in product.legend} if name == "none" else product_merge(product, name)
    becomes = {old: new for new, olds in groups.items() for old in olds}
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["code", "name", "class"])
    table.writerows([c.in_files[0], c.name, becomes.get(c.name, "")] for c in product.legend)
    return out.getvalue()


def read_merge_table(path: Path, legend: Legend) -> Groups:
    """Read a merge table: CSV with the columns code, name and class; see `parse_merge_table`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}", wanted="a merge table (CSV: code, name, class)") from None
    return parse_merge_table(text, legend, file=path.name)


def parse_merge_table(text: str, legend: Legend, *, file: str, column: str = "class") -> Groups:
    """Check a merge table and return its groups.

    Parameters
    ----------
    text : str
        CSV with a header; fields are parted by comma or semicolon. An empty class leaves a row unlabelled.
    legend : Legend
        The classes that the rows are of; each must be there once.
    file : str
        How messages call the table.
    column : str
        The column with the new classes.

    Returns
    -------
    dict of str to list of str
        Names by new class, as `Legend.merge` takes them: in the order of `URBAN` where all are of it, else as they
        first occur.

    Raises
    ------
    InputError
        If a column or class is missing, a class stands twice, or code and name do not belong together.
    """
    comma = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=comma, skipinitialspace=True)
    lacking = [name for name in ("code", "name", column) if name not in (rows.fieldnames or ())]
    if lacking:
        raise InputError(f"{file} has no column {', '.join(lacking)}", wanted=f"code, name, {column}")
    groups, seen = Groups(), set[str]()
    for number, row in enumerate(rows, start=2):
        name = _class_of(row, legend, f"{file}, line {number}")
        if name in seen:
            raise InputError(f"{file}, line {number}: {name!r} stands twice", wanted="each class once")
        seen.add(name)
        new = (row[column] or "").strip()
        if new:
            groups.setdefault(new, []).append(name)
    missing = [c.name for c in legend if c.name not in seen]
    if missing:
        raise InputError(
            f"{file} does not say what becomes of {', '.join(missing)}", mend="leave its class empty to drop it"
        )
    if not groups:
        raise InputError(f"{file} keeps no class", wanted="a class in at least one row")
    order = URBAN.names if set(groups) <= set(URBAN.names) else tuple(groups)
    return {name: groups[name] for name in order if name in groups}


def _class_of(row: Mapping[str | None, str | None], legend: Legend, where: str) -> str:
    """Return the class of a row, by its code and its name, which must agree."""
    code, name = (str(row[key] or "").strip() for key in ("code", "name"))
    by_code = next((c.name for c in legend if code in c.in_files), None)
    if by_code is None:
        known = ", ".join(c.in_files[0] for c in legend)
        raise InputError(f"{where}: code {code!r} is not in {legend.scheme}", wanted=f"one of {known}")
    if by_code.casefold() != name.casefold():
        raise InputError(
            f"{where}: {code} is {name!r}, which {legend.scheme} calls {by_code!r}",
            wanted=f"a table for {legend.scheme}",
            mend="`citygrain legends NAME --merge-table` prints one",
        )
    return by_code
