"""What a configuration says of a reference, as the rooms below want it: legend, merge, field, and what is to be named.

A map product brings its legend, a merge to the urban classes, its licence, and what is known of its own accuracy. That
accuracy is said wherever the agreement with it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citygrain.errors import InputError
from citygrain.imagery.merge_tables import chosen_merge
from citygrain.imagery.references import MapProduct, map_product, map_products
from citygrain.imagery.sources import Source, product_source, source_of
from citygrain.legend import Legend, ready_legends
from citygrain.samples.vector import fields_of, is_vector

if TYPE_CHECKING:
    from citygrain.workflows.config import ReferenceConfig, RunConfig

__all__ = [
    "config_product",
    "named_legend",
    "product_caveat",
    "product_figures",
    "product_lines",
    "reference_legend",
    "reference_options",
    "reference_product",
    "run_sources",
    "settled_merge",
]

Merge = dict[str, list[str]]


def named_legend(name: str | None) -> Legend | None:
    """Return the ready legend called `name`.

    Raises
    ------
    InputError
        If there is none.
    """
    if name is None:
        return None
    known = ready_legends()
    if name.lower() not in known:
        raise InputError(
            f"legend {name!r}", wanted=f"one of {', '.join(known)}", mend="or give classes = { code = name }"
        )
    return known[name.lower()]


def settled_merge(
    legend: str | None, product: str | None, year: int | None, merge: Mapping[str, Sequence[str]] | str | None
) -> Merge | None:
    """Return the groups that a reference's classes are merged into; none where they stay as they are.

    Parameters
    ----------
    legend, product : str or None
        Name of the legend, or of the product, whose classes they are.
    year : int or None
        Edition of the product.
    merge : mapping, str or None
        Groups; ``"urban"``, ``"finer"``, ``"none"`` or the path of a table; None for what the product brings.

    Raises
    ------
    InputError
        If there is no such product, edition or merge, or a table does not fit.

    Examples
    --------
    >>> settled_merge(None, "worldcover", None, None)["Urban"]
    ['Built-up']
    >>> settled_merge("worldcover", None, None, None) is None
    True
    """
    known = None if product is None else map_product(product, year)
    if merge is None and known is not None:
        merge = "none" if known.merge == "none" else "urban"
    if merge is None or not isinstance(merge, str):
        return None if merge is None else {new: list(names) for new, names in merge.items()}
    whose = known.legend if known is not None else named_legend(legend)
    if whose is None:
        raise InputError(f"merge {merge!r} without a legend or product", wanted="groups of names")
    return chosen_merge(merge, whose, known)


def config_product(c: "ReferenceConfig") -> MapProduct | None:
    """Return the map product that a reference is, if it is one: as named, else as recorded beside its file."""
    recorded = source_of(Path(c.path)) if c.classes is None else None
    name, year = c.product, c.year
    if recorded is not None and recorded.product in map_products() and name in (None, recorded.product):
        name, year = recorded.product, year or recorded.year or None
    return map_product(name, year) if name is not None else None


def reference_legend(c: "ReferenceConfig") -> Legend | None:
    """Return the ready legend of a reference: as named, or its product's; None where its classes are the user's own."""
    return map_product(c.product, c.year).legend if c.product is not None else named_legend(c.legend)


def reference_options(c: "ReferenceConfig") -> dict[str, Any]:
    """Return what `citygrain.samples.reference.read_reference` is given beside path and grid."""
    options = c.model_dump(exclude={"path", "legend", "product", "year"}) | {"legend": reference_legend(c)}
    if c.product is not None:
        product = map_product(c.product, c.year)
        options["ignore"] = [*c.ignore, *(value for value in product.ignore if value not in map(str, c.ignore))]
        options["field"] = c.field or _product_field(Path(c.path), product, c.layer)
    return options


def _product_field(path: Path, product: MapProduct, layer: str | None) -> str | None:
    """Return the attribute of a product's polygons that holds the class."""
    if not product.fields or not is_vector(path) or not path.exists():
        return None
    there = {name.lower(): name for name in fields_of(path, layer)}
    found = next((there[name] for name in product.fields if name in there), None)
    if found is None:
        came = f"{path.name} has no field {' or '.join(product.fields)}, but {', '.join(there.values())}"
        raise InputError(came, wanted=f"polygons of {product}", mend="or name the field")
    return found


def reference_product(c: "ReferenceConfig") -> dict[str, Any] | None:
    """Return what ``assessment.json`` says of the product that a run is judged by; None where it is none."""
    product = config_product(c)
    return None if product is None else product.to_dict()


def product_figures(name: str | None) -> dict[str, Any]:
    """Return what an assessment against a product says of it; nothing where there is none."""
    return {} if name is None else {"reference_product": map_product(name).to_dict()}


def run_sources(config: "RunConfig") -> list[dict[str, Any]]:
    """Return what a run's files are made from and on which terms, as far as it is known: plain values, file by file."""
    a = config.assess
    others = {"reference": config.reference, "product": a.product, "second reference": a.second_reference}
    found = [_told("scene", path, source_of(path)) for path in config.scene.paths]
    for role, c in others.items():
        if c is not None:
            product = config_product(c)
            source = source_of(Path(c.path)) or (product_source(product) if product is not None else None)
            found.append(_told(role, Path(c.path), source))
    return [told for told in found if told]


def _told(role: str, path: Path, source: Source | None) -> dict[str, Any]:
    if source is None:
        return {}
    words = {"title": source.title, "licence": source.licence, "licence_url": source.licence_url}
    named = {"attribution": source.attribution, "citation": source.citation, "doi": source.doi}
    return {"role": role, "file": path.name, **words, **named, "line": str(source)}


def product_caveat(figures: Mapping[str, Any]) -> str | None:
    """Say that the reference is a map product, and what is known of it; None where it is none."""
    product = figures.get("reference_product")
    if not product:
        return None
    return (
        f"The reference is itself a map product: {product['caution']}. That figure is for its own classes and all of "
        "its ground; merged, and here, it may be better or worse. The accuracy above is agreement with it, no accuracy "
        "on the ground: the model may have learned its errors, and what it does better counts as wrong."
    )


def product_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Give the line that a run's summary has on a reference that is a map product."""
    product = figures.get("reference_product")
    if product:
        yield f"these are agreement with {product['caution']}"
