"""Map another scene with a model that is already trained: the card says how the scene is to be prepared."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from citygrain.errors import InputError, ModelMismatchError
from citygrain.features.stack import compute_features
from citygrain.files import make_folder
from citygrain.lazy import is_lazy
from citygrain.maps.thematic_map import hectares
from citygrain.models.catalogue import load_model
from citygrain.models.classifier import Classifier
from citygrain.scene.codes import open_codes, read_codes
from citygrain.sensors import sensor_named
from citygrain.tessellation import SegmentPatches, SegmentStatistics
from citygrain.tiles import Engine, Progress
from citygrain.workflows.mapping.ground import clear_trust, refuse_what_is_not_kept, tell_of_ground
from citygrain.workflows.rasters import copy_segments, count_codes, write_applicability, write_map, write_segments
from citygrain.workflows.trust import known_ground, look_at_ground, set_rule
from citygrain.workflows.units import choose_features

__all__ = ["map_scene"]

_SUPERPIXELS = ("patches", "statistics")


def map_scene(
    scene: xr.DataArray,
    model: Classifier | Path,
    folder: Path,
    *,
    kept: Path | None = None,
    segments: Path | None = None,
    sets: bool = False,
    applicability: bool = False,
    memory: int | None = None,
    engine: "Engine | None" = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Map a scene with a trained model and write the map into a folder, window by window.

    Where the model's folder tells what its training rows were like, the share of the map that is unlike them is
    logged, as a warning from 5 % on, and written into ``applicability.json``.

    Parameters
    ----------
    scene : DataArray, (band, y, x)
        The bands that the model's features are computed from; lazy, where they do not fit into memory.
    model : Classifier or Path
        A model of superpixels, or its folder.
    folder : Path
        Gets ``map.tif``, ``map.qml``, ``map.clr``, ``confidence.tif``, ``segments.tif`` and, if the model was
        calibrated, ``set_size.tif``.
    kept : Path, optional
        The folder of a model that is given as it was loaded.
    segments : Path, optional
        Superpixels of this scene; made as for the training scene, if not given.
    sets : bool
        Write ``sets.tif``: which classes each pixel may be, as a bit mask.
    applicability : bool
        Write ``dissimilarity.tif`` and ``applicable.tif``, see `citygrain.workflows.rasters.write_applicability`.
    memory : int, optional
        Bytes that superpixels may take while they are made, and blocks while they are judged; without it, what they
        need.
    engine : int or distributed.Client, optional
        Number of threads, or a client of a cluster; by default what suits the model. The files are the same.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    dict of str to float
        Hectares of each class.

    Raises
    ------
    ModelMismatchError
        If pixel size, bands or units are not those of the training scene.
    InputError
        If sets or applicability are asked of a model that was not calibrated or did not keep what it needs.
    """
    classifier = load_model(model) if isinstance(model, Path) else model
    kept = model if isinstance(model, Path) else kept
    known = known_ground(kept) if kept is not None else None
    rule = set_rule(classifier.card)
    refuse_what_is_not_kept(classifier.card, rule, known, sets=sets, applicability=applicability)
    make_folder(folder)  # nothing is left where something above was refused
    how = classifier.card.preparation
    if how.get("tessellation") not in _SUPERPIXELS:
        raise InputError("the model does not say how superpixels are made for it", wanted="a model of `citygrain run`")
    _same_pixels(scene, how)
    _same_bands(scene, how)
    features = compute_features(scene, how["segment_features"])
    own = folder / "segments.tif"
    if segments is None:
        write_segments(
            own, features, area_pixels=how["segment_pixels"], compactness=how["compactness"], memory=memory,
            engine=engine, progress=progress,
        )  # fmt: skip
    elif segments.resolve() != own.resolve():
        copy_segments(open_codes(segments), own)
    tessellation = _tessellation((open_codes if is_lazy(scene) else read_codes)(own), how)
    chosen = choose_features(features, how["features"], how["sensor"])
    clear_trust(folder)
    marker = rule.masks if rule else None
    write_map(
        folder / "map.tif", chosen, tessellation, classifier, marker=marker, sets=sets, memory=memory, engine=engine,
        progress=progress,
    )  # fmt: skip
    if known is not None:
        looked = look_at_ground(chosen, tessellation, classifier, known)
        tell_of_ground(folder, looked["dissimilarity"], looked["ground_places"], known)
    if known is not None and applicability:
        write_applicability(folder, chosen, tessellation, classifier, known, progress=progress)
    return hectares(count_codes(folder / "map.tif"), tessellation.geobox, classifier.card.legend)


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


def _tessellation(labels: xr.DataArray, how: Mapping[str, Any]) -> SegmentPatches | SegmentStatistics:
    if how["tessellation"] == "patches":
        return SegmentPatches(labels, how["window"], outline=how["outline"])
    return SegmentStatistics(labels, how["window"])
