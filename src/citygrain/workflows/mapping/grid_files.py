"""The files of a map of cells: the map with its styles, pictures for eyes and Google Earth, and what it is made of."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.files import write_text
from citygrain.maps.kmz import write_kmz
from citygrain.maps.thematic_map import ThematicMap, write_probabilities
from citygrain.models.card import ModelCard
from citygrain.report.figures import encode_figure, figure_legend, figure_map, figure_maps, save_figure
from citygrain.workflows.manifest import versions

__all__ = ["write_files", "write_record"]

_SCREEN_DPI = 96


def write_files(city: ThematicMap, shares: npt.NDArray[np.uint16] | None, folder: Path, *, kmz: bool) -> None:
    """Write a map into a folder; files of an earlier map that this one does not have are taken away.

    Parameters
    ----------
    city : ThematicMap
        The map.
    shares : ndarray of uint16, (k, y, x), or None
        The probability of every class, see `citygrain.maps.thematic_map.share_numbers`.
    folder : Path
        Gets the map's own files (see `ThematicMap.write`), ``map.png``, and as asked ``probabilities.tif``,
        ``map.kmz``.
    kmz : bool
        Write the map for Google Earth.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    city.write(folder / "map.tif")
    _save_preview(city, folder / "map.png")
    if shares is not None:
        write_probabilities(folder / "probabilities.tif", shares, city.geobox, city.legend)
    if kmz:
        shown = city.recommended
        key = encode_figure(figure_legend(city.legend, np.unique(shown.values)), dpi=_SCREEN_DPI)
        write_kmz(folder / "map.kmz", shown, city.legend, title=folder.resolve().name, key=key)
    for name, made in (("probabilities.tif", shares is not None), ("map.kmz", kmz)):
        if not made:
            (folder / name).unlink(missing_ok=True)  # of an earlier map: it would be taken for this one's


def _save_preview(city: ThematicMap, path: Path) -> None:
    if city.filtered is None:
        save_figure(figure_map(city.codes.values, city.legend, city.geobox), path)
        return
    panels = {"as classified": city.codes.values, "filtered": city.filtered.values}
    save_figure(figure_maps(panels, city.legend, city.geobox), path)


def write_record(
    path: Path,
    city: ThematicMap,
    card: ModelCard,
    scenes: Sequence[xr.DataArray],
    *,
    stride: int,
    level: str | None,
    trust: Mapping[str, Any],
) -> None:
    """Write what a map is made of as JSON; the same inputs give the same bytes.

    Parameters
    ----------
    path : Path
        The file.
    city : ThematicMap
        The map.
    card : ModelCard
        The model that made it.
    scenes : sequence of DataArray
        The dates.
    stride : int
        Side of a cell in pixels.
    level : str or None
        What the user said of the reflectance.
    trust : mapping
        How sets of classes were made, and the share of the map that is unlike the training, where they are known.
    """
    geobox = city.geobox
    areas = {"lcz" if city.filtered is not None else "class": city.area_ha()}
    if city.filtered is not None:
        areas["lczFilter"] = city.area_ha(filtered=True)
    record = {
        "model": {
            "name": card.origin.get("name", ""),
            "network": card.network,
            "checksum": card.checksum,
            "source": card.origin.get("url", ""),
            "licence": card.licence,
            "trained on": card.origin.get("training", ""),
            "level": card.origin.get("level", ""),
        },
        "bands": list(card.features),
        "units": card.units,
        "level": level or "not said",
        "dates": [
            {"source": str(scene.attrs.get("source", "")), "scale": scene.attrs.get("scale")} for scene in scenes
        ],
        "grid": {
            "cell_m": abs(float(geobox.resolution.x)),
            "stride_pixels": stride,
            "patch_pixels": card.input_shape[-1] if len(card.input_shape) == 3 else 1,
            "shape": list(geobox.shape),
            "crs": f"EPSG:{geobox.crs.epsg}" if geobox.crs and geobox.crs.epsg else str(geobox.crs),
            "transform": list(geobox.affine)[:6],
        },
        "cells": {"with a class": int((city.codes.values > 0).sum()), "without": int((city.codes.values == 0).sum())},
        "areas_ha": areas,
        **trust,
        "versions": versions(),
    }
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
