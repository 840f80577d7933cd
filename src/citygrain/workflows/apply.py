"""Map another scene with a model that is already trained: the card says how the scene is to be prepared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from citygrain.errors import InputError, ModelMismatchError
from citygrain.features.stack import compute_features
from citygrain.files import make_folder
from citygrain.maps.predict import predict_map
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.catalogue import load_model
from citygrain.models.classifier import Classifier
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog
from citygrain.segments.slic import superpixels
from citygrain.sensors import sensor_named
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.tiles import Progress
from citygrain.workflows.units import choose_features

__all__ = ["map_scene"]

_SUPERPIXELS = ("patches", "statistics")


def map_scene(
    scene: xr.DataArray,
    model: Classifier | Path,
    folder: Path,
    *,
    segments: Path | None = None,
    progress: Progress | None = None,
) -> ThematicMap:
    """Map a scene with a trained model and write the map into a folder.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The bands that the model's features are computed from.
    model : Classifier or Path
        A model of superpixels, or its folder.
    folder : Path
        Gets ``map.tif``, ``map.qml``, ``map.clr``, ``confidence.tif`` and ``segments.tif``.
    segments : Path, optional
        Superpixels of this scene; made as for the training scene, if not given.
    progress : callable, optional
        Called with (done, total).

    Raises
    ------
    ModelMismatchError
        If pixel size, bands or units are not those of the training scene.
    """
    make_folder(folder)
    classifier = load_model(model) if isinstance(model, Path) else model
    how = classifier.card.preparation
    if how.get("tessellation") not in _SUPERPIXELS:
        raise InputError("the model does not say how superpixels are made for it", wanted="a model of `citygrain run`")
    _same_pixels(scene, how)
    _same_bands(scene, how)
    features = compute_features(scene, how["segment_features"])
    labels = read_codes(segments) if segments else _segmented(features, how, progress)
    write_cog(folder / "segments.tif", labels.values, labels.odc.geobox, nodata=0, band_names=["superpixel"])
    tessellation = _tessellation(labels, how)
    chosen = choose_features(features, how["features"], how["sensor"])
    city = predict_map(chosen, tessellation, classifier, progress=progress)
    city.write(folder / "map.tif")
    return city


def _same_pixels(scene: xr.DataArray, how: Mapping[str, Any]) -> None:
    pixel = abs(scene.odc.geobox.resolution.x * scene.odc.geobox.resolution.y)
    if not np.isclose(pixel, how["pixel_m2"], rtol=0.02):
        raise ModelMismatchError(
            f"pixels of {pixel**0.5:g} m",
            wanted=f"{how['pixel_m2'] ** 0.5:g} m, as the model was trained",
            mend="resample the scene, or train on it",
        )


def _same_bands(scene: xr.DataArray, how: Mapping[str, Any]) -> None:
    sensor, there = sensor_named(how["sensor"]), [str(name) for name in scene.band.values]
    wanted = [name for name in how["segment_features"] if sensor.find(name) is not None]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ModelMismatchError(
            f"scene with bands {', '.join(there)}",
            wanted=f"{', '.join(wanted)}, as the model was trained",
            mend=f"missing {', '.join(missing)}",
        )


def _segmented(features: xr.DataArray, how: Mapping[str, Any], progress: Progress | None) -> xr.DataArray:
    """Cut the scene into superpixels as large as those of the training scene."""
    valid = int(np.isfinite(features.values).any(0).sum())
    number = max(1, round(valid / how["segment_pixels"]))
    return superpixels(features, n_segments=number, compactness=how["compactness"], progress=progress)


def _tessellation(labels: xr.DataArray, how: Mapping[str, Any]) -> SegmentPatches | SegmentStatistics:
    if how["tessellation"] == "patches":
        return SegmentPatches(labels, how["window"], outline=how["outline"])
    return SegmentStatistics(labels, how["window"])
