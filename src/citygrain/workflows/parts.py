"""Choices that a configuration implies: which rows train, validate and test, and which legend is meant."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.samples.balance import balance
from citygrain.samples.codes import CodeTable, code_table
from citygrain.samples.group_roles import assign_group_roles
from citygrain.samples.polygons import polygon_ids
from citygrain.samples.samples import Samples, join_samples
from citygrain.samples.split import ROLES, assign_roles
from citygrain.samples.vector import is_vector
from citygrain.scene.codes import read_class_names, read_codes
from citygrain.workflows.config import RunConfig
from citygrain.workflows.references import reference_options
from citygrain.workflows.units import Units, strip_tiles

__all__ = ["choose_rows", "few_patches", "group_units", "map_table", "most_common", "recoded_map"]

log = logging.getLogger(__name__)

_LEAST_VALID = 50
"""Validation rows below which the best epoch would be chosen by chance."""


def group_units(samples: Samples, units: Units, config: RunConfig, segments: Path | None = None) -> Samples:
    """Return the samples with `group` = what they are split by.

    That is the polygon that most of each unit's labelled ground lies in, or the superpixel (in `segments`) of each
    pixel. Samples that are split by blocks stay as they are.

    Raises
    ------
    InputError
        If the reference is a raster, which has no polygons.
    """
    if config.samples.split == "blocks":
        return samples
    if config.samples.split == "superpixels" and segments is not None:
        return replace(samples, group=read_codes(segments).values.ravel().astype(np.int64) - 1)
    c = config.reference
    if not is_vector(Path(c.path)):
        came = f"[samples] split = 'polygons' with {Path(c.path).name}, a raster"
        raise InputError(came, wanted="a reference of polygons", mend="set split = 'blocks'")
    o = reference_options(c)
    legend, ignore = o["legend"], o["ignore"]
    numbers = polygon_ids(c.path, units.geobox, field=o["field"], layer=c.layer, legend=legend, ignore=ignore)
    strips = ((units.parts(tile), numbers.values[tile.slices]) for tile in strip_tiles(numbers.shape))
    return replace(samples, group=most_common(strips, len(units)))


def most_common(strips: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]], n: int) -> npt.NDArray[np.int64]:
    """Return the number, other than 0, that most pixels of each unit have; -1 where there is none.

    Parameters
    ----------
    strips : iterable of (ndarray of int, ndarray of int)
        Row of the unit at each pixel (-1 = none), and number of each pixel (0 = none), strip by strip.
    n : int
        Units.

    Examples
    --------
    >>> most_common([(np.array([[0, 0, 0, 1]]), np.array([[7, 8, 8, 0]], np.int32))], 2).tolist()
    [8, -1]
    """
    found, counts = np.empty((2, 0), np.int64), np.empty(0, np.int64)
    for units, numbers in strips:
        there = (units >= 0) & (numbers > 0)
        pairs, more = np.unique(np.stack([units[there], numbers[there]]), axis=1, return_counts=True)
        found, place = np.unique(np.hstack([found, pairs]), axis=1, return_inverse=True)
        counts = np.bincount(place.ravel(), np.concatenate([counts, more]), found.shape[1]).astype(np.int64)
    order = np.argsort(counts, kind="stable")  # the largest count is written last
    most = np.full(n, -1, np.int64)
    most[found[0, order]] = found[1, order]
    return most


def choose_rows(samples: Samples, config: RunConfig) -> tuple[Samples, dict[str, npt.NDArray[Any]]]:
    """Choose the rows to train and to validate on, and tell the role of every unit.

    Parameters
    ----------
    samples : Samples
        One row for each unit.
    config : RunConfig
        Number for each class, blocks, balance, seed.

    Returns
    -------
    samples : Samples
        Training rows, balanced, and validation rows.
    table : dict of str to ndarray
        For each unit: `role` (see `citygrain.samples.split.ROLES`), `block`, `y`, `purity`.
    """
    c, rng = config.samples, np.random.default_rng([config.seed, 0])
    if c.split != "blocks":
        role, block = assign_group_roles(samples, rng=rng, valid_share=c.valid_share)
    else:
        spare = c.rare == "leave out"
        role, block = assign_roles(samples, float(c.block), rng=rng, valid_share=c.valid_share, spare_rare=spare)
    role = _worth_validating(role)
    course = config.model.recipe == "course"
    train = balance(
        samples[role == 1],
        per_class=c.per_class,
        rng=np.random.default_rng([config.seed, 1]),
        oversample=c.balance == "oversample" or (c.balance == "auto" and course),
        augment=not course,
    )
    drawn = join_samples(train, samples[role == 2])
    drawn.group[:] = block[drawn.unit]
    return drawn, {"role": role, "block": block, "y": samples.y, "purity": samples.purity}


def _worth_validating(role: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Give the validation rows back to training where they are too few to judge by."""
    held = int((role == ROLES.index("valid")).sum())
    if 0 < held < _LEAST_VALID:
        log.info("%d samples are too few to validate on (%d or more): they are trained on", held, _LEAST_VALID)
        return np.where(role == ROLES.index("valid"), ROLES.index("train"), role).astype(np.uint8)
    return role


def map_table(classes: Mapping[str, str] | None, legend: Legend | None) -> CodeTable:
    """Return what the values of a map file stand for, given as for a reference; see `CodeTable.recode`."""
    scheme = legend.scheme if legend else "custom"
    return code_table(classes=classes, legend=legend, merge=None, colors=None, ignore=(), scheme=scheme)


def recoded_map(path: Path, values: xr.DataArray, table: CodeTable) -> npt.NDArray[np.uint8]:
    """Return a map file's values as codes of the table's legend.

    Raises
    ------
    InputError
        If a value has no class.
    """
    return table.recode(values.values, file=path.name, names=read_class_names(path))


def few_patches(samples: Samples, number: int = 8) -> Samples:
    """Return the first patches of each class, to be looked at."""
    rows = [np.flatnonzero(samples.y == c.code)[:number] for c in samples.legend]
    return samples[np.concatenate(rows)]
