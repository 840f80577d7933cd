"""The command about legends and map products: what classes there are, and tables that merge them."""

import json
from typing import Annotated, Any

import typer

from citygrain.cli.console import console
from citygrain.cli.options import JsonOption
from citygrain.errors import ConfigError

__all__ = ["legends"]


def legends(
    name: Annotated[str | None, typer.Argument(help="A legend or map product: worldcover, corine, lcz ...")] = None,
    merge_table: Annotated[
        bool, typer.Option("--merge-table", help="Print its merge as CSV, to be edited and given as merge = 'my.csv'.")
    ] = False,
    merge: Annotated[str, typer.Option("--merge", help="Which merge: urban, finer, or none.")] = "urban",
    as_json: JsonOption = False,
) -> None:
    """List legends and map products, with licence and accuracy; or one with its classes and what they merge to."""
    from citygrain.imagery.merge_tables import merge_csv
    from citygrain.imagery.references import map_products
    from citygrain.legend import ready_legends

    products, known = map_products(), ready_legends()
    if name is None:
        if merge_table:
            raise ConfigError("--merge-table without a product", wanted=f"one of {', '.join(products)}")
        _list_all(as_json)
        return
    product, legend = products.get(name.lower()), known.get(name.lower())
    if product is None and legend is None:
        raise ConfigError(
            f"legend or product {name!r}", wanted=f"one of {', '.join(dict.fromkeys([*products, *known]))}"
        )
    if merge_table:
        if product is None or merge not in ("urban", "finer", "none"):
            came = f"{name} is no map product" if product is None else f"--merge {merge}"
            raise ConfigError(came, wanted=f"one of {', '.join(products) if product is None else 'urban, finer, none'}")
        typer.echo(merge_csv(product, merge), nl=False)
        return
    told = _told(name.lower())
    if as_json:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for line in _lines(told):
        console.print(line, markup=False, soft_wrap=True)


def _told(name: str) -> dict[str, Any]:
    """Return what is known of a legend or product, as plain values."""
    from citygrain.imagery.merge_tables import product_merge
    from citygrain.imagery.references import map_products
    from citygrain.legend import ready_legends

    product = map_products().get(name)
    legend = product.legend if product is not None else ready_legends()[name]
    becomes = {kind: dict[str, str]() for kind in ("urban", "finer")}
    if product is not None:
        for kind, table in becomes.items():
            table.update({old: new for new, olds in product_merge(product, kind).items() for old in olds})
    classes = [
        {"values": list(c.in_files), "name": c.name, "color": c.color}
        | ({kind: table.get(c.name) for kind, table in becomes.items()} if product is not None else {})
        for c in legend
    ]
    about = {**product.to_dict(), "how": product.how} if product is not None else {}
    return {"name": name, "legend": legend.scheme, **about, "classes": classes}


def _list_all(as_json: bool) -> None:
    from citygrain.imagery.references import map_products
    from citygrain.legend import ready_legends

    products = map_products()
    names = [*products, *(scheme for scheme in ready_legends() if scheme not in products)]
    if as_json:
        typer.echo(json.dumps([_told(name) for name in names], indent=1, ensure_ascii=False))
        return
    for name in names:
        told = _told(name)
        said = f"{told['caution']}; {told['licence']}" if "caution" in told else "a legend"
        console.print(f"{name}: {len(told['classes'])} classes; {said}", markup=False, soft_wrap=True)


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['title']}, {told['licence']}" if "title" in told else f"{told['name']}, a legend"]
    if "title" in told:
        lines += [f"  {told['attribution']}", f"  {told['citation']}, doi:{told['doi']}", f"  {told['caution']}"]
        lines += [f"  {told['how']}"]
    for row in told["classes"]:
        merged = f" -> {row['urban'] or 'unlabelled'} ({row['finer'] or 'unlabelled'})" if "urban" in row else ""
        lines.append(f"  {' or '.join(row['values']):>9}  {row['name']}{merged}")
    return lines
