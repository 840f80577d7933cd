"""A first look at patches: how many of which class, from where, in which range, and whether values are missing."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.report.figures import figure_patch_sheet, figure_radar_sheet, save_figure
from citygrain.samples.open import open_samples
from citygrain.samples.samples import Samples
from citygrain.sensors import SO2SAT_SENTINEL1, SO2SAT_SENTINEL2
from citygrain.workflows.patches.patch_source import PatchSource

__all__ = ["describe_patches", "look_at_patches"]

_PROBED = 512
"""Patches that ranges and missing values are told from, spread evenly over the file."""


def look_at_patches(
    source: PatchSource, out: Path, *, rgb: tuple[str, ...] | None = None, per_class: int = 10, seed: int = 0
) -> dict[str, Any]:
    """Summarise patches and draw a contact sheet of each sensor that is there.

    Memory: 512 patches, and those drawn.

    Parameters
    ----------
    source : PatchSource
        The patches; of a So2Sat file, both sensors are looked at.
    out : Path
        Figure of Sentinel-2 (or of whatever the patches are); that of Sentinel-1 gets ``-s1`` before the ending.
    rgb : tuple of str, optional
        Channels for red, green and blue; the natural colours, if not given.
    per_class : int
        Patches drawn of each class.
    seed : int
        Chooses them.

    Returns
    -------
    dict
        As `describe_patches`, with the figures by sensor under ``"figures"``.

    Raises
    ------
    InputError
        If there are no patches, or a channel is not there.
    """
    optical, radar = _sensors(source)
    figures: dict[str, str] = {}
    described = {}
    if optical is not None:
        described = describe_patches(optical, source)
        figure = figure_patch_sheet(optical, rng=np.random.default_rng(seed), bands=rgb, per_class=per_class)
        save_figure(figure, out)
        figures["patches"] = str(out)
    if radar is not None:
        about = describe_patches(radar, source)
        described = {**about, **described, "channels": described.get("channels", []) + about["channels"]}
        beside = out.with_name(f"{out.stem}-s1{out.suffix}")
        save_figure(figure_radar_sheet(radar, rng=np.random.default_rng(seed), per_class=per_class // 2), beside)
        figures["sentinel-1"] = str(beside)
    return {**described, "figures": figures}


def describe_patches(samples: Samples, source: PatchSource) -> dict[str, Any]:
    """Return what patches are, as plain values for JSON.

    Parameters
    ----------
    samples : Samples
        The patches, opened.
    source : PatchSource
        Where they come from.

    Returns
    -------
    dict
        rows, shape of a patch, units, legend, classes with their counts, unlabelled rows, groups and their names,
        splits, rows probed, and for each channel the 2nd, 50th and 98th percentile, extremes, and share of missing
        values in the probe.
    """
    rows = np.unique(np.linspace(0, len(samples) - 1, min(_PROBED, len(samples))).astype(np.int64))
    probe = samples.take(rows)
    groups = np.unique(samples.group[samples.group >= 0])
    return {
        "path": str(source.path),
        "rows": len(samples),
        "shape": [int(side) for side in samples.x.shape[1:]],
        "units": source.units(samples.features),
        "legend": samples.legend.scheme,
        "classes": samples.counts(),
        "unlabelled": int((samples.y == 0).sum()),
        "groups": len(groups),
        "group_names": list(source.group_names(samples).values()),
        "ground_known": bool(len(samples) and np.isfinite(samples.extent).all()),
        "splits": {name: len(index) for name, index in source.splits().items()},
        "probed": len(rows),
        "channels": [_channel(name, probe[:, nth]) for nth, name in enumerate(samples.features)],
    }


def _channel(name: str, values: npt.NDArray[np.float32]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    low, median, high = np.percentile(known, (2, 50, 98)).tolist() if known.size else (None, None, None)
    return {
        "name": name,
        "min": float(known.min()) if known.size else None,
        "p2": low,
        "median": median,
        "p98": high,
        "max": float(known.max()) if known.size else None,
        "missing": 1 - known.size / values.size if values.size else 0.0,
    }


def _sensors(source: PatchSource) -> tuple[Samples | None, Samples | None]:
    """Open Sentinel-2 (or whatever the patches are) and, of a So2Sat file that has it, the raw Sentinel-1."""
    try:
        optical = source.open()
    except InputError:
        radar = _radar(source)
        if radar is None:
            raise
        return None, radar
    return optical, _radar(source) if optical.features == SO2SAT_SENTINEL2 else None


def _radar(source: PatchSource) -> Samples | None:
    try:
        radar = open_samples(source.path, sensors=("s1",), radar="raw", part=source.part)
    except InputError:
        return None  # not So2Sat's, or without Sentinel-1
    return radar if radar.features == SO2SAT_SENTINEL1 else None
