"""The smallest static catalogue: items that say what they are told to say, and no pixels."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely

__all__ = ["feature", "write_catalogue"]

HERE = (13.2, 52.4, 13.6, 52.6)


def feature(
    name: str,
    day: str = "2025-06-01T10:00:00Z",
    *,
    bbox: Sequence[float] = HERE,
    cloud: float | None = 10.0,
    assets: Mapping[str, Mapping[str, Any]] | None = None,
    collection: str | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Return a STAC item; assets are mappings of their keys to what they say beside their address."""
    said = {"datetime": day, **({} if cloud is None else {"eo:cloud_cover": cloud}), **properties}
    assets = {"B04": {}} if assets is None else assets
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": name, "bbox": list(bbox), "links": [],
        "geometry": json.loads(shapely.to_geojson(shapely.box(*bbox))), "properties": said,
        "assets": {key: {"href": f"./{name}_{key}.tif", **each} for key, each in assets.items()},
        **({"collection": collection} if collection else {}),
    }  # fmt: skip


def write_catalogue(folder: Path, collections: Mapping[str, Sequence[dict[str, Any]]]) -> Path:
    """Write a catalogue of collections and their items; return its root."""
    root = _document("Catalog", "root", [("child", f"./{name}/collection.json") for name in collections])
    _write(folder / "catalog.json", root)
    for name, items in collections.items():
        links = [("item", f"./{item['id']}.json") for item in items]
        boxes = [item["bbox"] for item in items] or [[-180, -90, 180, 90]]
        days = sorted(item["properties"]["datetime"] for item in items) or [None]
        extent = [f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max))]
        about = _document("Collection", name, links) | {
            "license": "other",
            "extent": {"spatial": {"bbox": [extent]}, "temporal": {"interval": [[days[0], days[-1]]]}},
        }
        _write(folder / name / "collection.json", about)
        for item in items:
            _write(folder / name / f"{item['id']}.json", {**item, "collection": name})
    return folder / "catalog.json"


def _document(kind: str, name: str, links: Sequence[tuple[str, str]]) -> dict[str, Any]:
    said = [{"rel": rel, "href": href} for rel, href in links]
    return {"type": kind, "stac_version": "1.0.0", "id": name, "description": name, "links": said}


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
