"""What a run's score stands beside: the commonest class, a forest on mean spectra, a product, and the ceiling.

All are judged on the same held-out units as the map. The first two are learned on the run's own training units.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.baselines import majority_class, paired_scores
from citygrain.errors import InputError
from citygrain.legend import Legend
from citygrain.models.catalogue import make_model
from citygrain.models.choice import FORESTS, PLAIN
from citygrain.samples.draw import majority, unit_counts
from citygrain.samples.reference import read_reference
from citygrain.samples.samples import Samples
from citygrain.samples.split import ROLES
from citygrain.samples.store import read_units
from citygrain.workflows.city.mean_spectra import mean_spectra
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.config import ReferenceConfig
from citygrain.workflows.references import config_product, reference_options

__all__ = ["baseline_caveats", "baseline_lines", "baselines", "ceiling", "is_plain"]

_WORDS = {"majority": "the commonest class everywhere", "mean_spectra": "a forest on mean spectra", "product": ""}

Table = Mapping[str, npt.NDArray[Any]]
Codes = npt.NDArray[np.uint8]

_MOST = 30_000
"""Test units that the baselines are scored on; of more, so many are drawn, whole blocks or not."""


def baselines(data: RunData, table: Table, mapped: Codes, legend: Legend, *, itself: bool = False) -> dict[str, Any]:
    """Judge what costs nothing, or is there already, on the map's own test units.

    Parameters
    ----------
    data : RunData
        The run's rasters.
    table : mapping of str to ndarray
        For each unit: `role`, `block`, `y`, `purity`.
    mapped : ndarray of uint8, (n,)
        Class of each unit on the map.
    legend : Legend
        The classes.
    itself : bool
        The map was made by the forest on mean spectra, which need not be trained again.

    Returns
    -------
    dict
        Plain values: `meaning`, `units`, and under `majority`, `mean_spectra` and `product` what
        `citygrain.accuracy.baselines.paired_scores` gives, with a `name` and the split (`on`).
    """
    test = np.flatnonzero((table["role"] == ROLES.index("test")) & (table["y"] > 0))
    if len(test) > _MOST:
        test = np.sort(np.random.default_rng([data.config.seed, 4]).choice(test, _MOST, replace=False))
    commonest = majority_class(table["y"][table["role"] == ROLES.index("train")], legend)
    others = {
        "majority": (f"always {legend.names[legend.columns([commonest])[0]]}", np.full(len(test), commonest, np.uint8)),
        "mean_spectra": (
            "forest on mean spectra",
            mapped[test] if itself else _of_forest(data, table, legend, test),
        ),
    }
    product = data.config.assess.product
    if product is not None:
        name = str(config_product(product) or Path(product.path).name)
        others["product"] = (name, unit_codes(product, data, legend, "product")[test])
    held = f"held-out test {data.config.samples.split}"
    found: dict[str, Any] = {"meaning": _MEANING, "on": held, "units": len(test)}
    for key, (name, codes) in others.items():
        rng = np.random.default_rng([data.config.seed, 5])
        scores = paired_scores(table["y"][test], mapped[test], codes, table["block"][test], legend, rng=rng)
        found[key] = {"name": name, "on": held, **scores}
    return found


_MEANING = (
    "each beside the map on the same held-out units; difference: map minus baseline, with percentiles over whole "
    "blocks or polygons drawn again; majority: the commonest class of the training ground, everywhere; mean_spectra: "
    "100 extremely randomised trees on the mean of each feature over the unit, trained on the model's training units"
)


def ceiling(data: RunData, table: Table, mapped: Codes, legend: Legend) -> dict[str, Any] | None:
    """Judge the reference itself by a second one, on the test units that both label: no map can be known better.

    Parameters
    ----------
    data, table, mapped, legend
        As for `baselines`.

    Returns
    -------
    dict, or None if no second reference is given
        `references`: how far they agree. `map_against_first`, `map_against_second`: the map on the same units.
    """
    second = data.config.assess.second_reference
    if second is None:
        return None
    test = np.flatnonzero((table["role"] == ROLES.index("test")) & (table["y"] > 0))
    codes, first, block = unit_codes(second, data, legend, "second_reference")[test], table["y"][test], table["block"]
    if not codes.any():
        raise InputError(f"{Path(second.path).name} labels no test unit", wanted="a second reference of this ground")
    rng = np.random.default_rng([data.config.seed, 6])
    by_second = paired_scores(codes, mapped[test], first, block[test], legend, rng=rng)
    by_first = paired_scores(first, mapped[test], codes, block[test], legend, rng=rng)
    return {
        "name": Path(second.path).name,
        "meaning": "agreement of the run's reference with a second one on the test units that both label: where they "
        "differ one is wrong, so an accuracy above this says nothing more about the map",
        "on": f"held-out test {data.config.samples.split}",
        "units": by_second["units"],
        "blocks": by_second["blocks"],
        "references": by_second["other"],
        "map_against_first": by_first["map"],
        "map_against_second": by_second["map"],
    }


def unit_codes(given: ReferenceConfig, data: RunData, legend: Legend, key: str) -> Codes:
    """Return the class of each unit in a product or second reference, by name in the run's legend; 0 = none.

    Raises
    ------
    InputError
        If it holds a class that the run does not have.
    """
    geobox = data.features.odc.geobox if data.config.units.kind == "superpixels" else data.units.geobox
    codes, own = read_reference(Path(given.path), geobox, **reference_options(given))
    known = {c.name.lower(): c.code for c in legend}
    present = np.unique(codes.values)
    strange = [c.name for c in own if c.name.lower() not in known and c.code in present]
    if strange:
        raise InputError(
            f"{Path(given.path).name} holds {', '.join(strange)}, no class of this run",
            wanted=f"{', '.join(legend.names)}",
            mend=f"give [assess.{key}] merge = {{ {legend.names[0]} = [...], ... }}",
        )
    table = np.zeros(256, np.uint8)
    for c in own:
        table[c.code] = known.get(c.name.lower(), 0)
    return majority(unit_counts(data.units, codes.copy(data=table[codes.values]), legend), legend)[0]


def _of_forest(data: RunData, table: Table, legend: Legend, test: npt.NDArray[np.int64]) -> Codes:
    """Return what a forest on mean spectra says of the test units, trained on the model's training units."""
    drawn = read_units(data.folder / "samples.h5")
    drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]  # in the model's order, each once
    train = drawn[table["role"][drawn] == ROLES.index("train")]
    means = mean_spectra(data.chosen, data.units, np.concatenate([train, test]))
    names = tuple(str(name) for name in data.chosen.band.values)
    y, purity = table["y"][train], table["purity"][train].astype(np.float32)
    rows = Samples.of(means[: len(train)], y, features=names, legend=legend, purity=purity)
    forest = make_model("forest", options=FORESTS[PLAIN], seed=data.config.seed)
    return forest.fit(rows).predict(means[len(train) :])


def baseline_lines(figures: Mapping[str, Any]) -> list[str]:
    """Say in a line each what the map stands beside.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.
    """
    found, lines = figures.get("baselines", {}), []
    for key, words in _WORDS.items():
        if key in found:
            part = found[key]
            few = part["units"] != found["units"]  # a product may leave some without a class
            where = f"on {part['units']:,} of these {figures['unit']}s" if few else f"on the same {figures['unit']}s"
            lines.append(
                f"{where}, {words or part['name']}: overall accuracy {_figure(part['other'])}; "
                f"the map minus this {_figure(part['difference'])}"
            )
    top = figures.get("ceiling")
    if top:
        lines.append(
            f"the two references agree at {_figure(top['references'])} of {top['units']} units that both label; there "
            f"the map agrees with the first at {_figure(top['map_against_first'])}, with {top['name']} at "
            f"{_figure(top['map_against_second'])}"
        )
    return lines


def baseline_caveats(figures: Mapping[str, Any]) -> list[str]:
    """Say where the map is no better than what costs nothing.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.

    Examples
    --------
    >>> difference = {"overall_accuracy": -0.01, "interval_95": {"overall_accuracy": [-0.02, 0.01]}}
    >>> part = {"name": "forest on mean spectra", "difference": difference}
    >>> baseline_caveats({"unit": "superpixel", "baselines": {"mean_spectra": part}})
    ['The model cannot be told apart from a forest on mean spectra, on the same held-out superpixels.']
    """
    said = []
    for key, words in _WORDS.items():
        part = figures.get("baselines", {}).get(key)
        bounds = part and part["difference"]["interval_95"].get("overall_accuracy")
        if not bounds or bounds[0] > 0:
            continue
        name, points = words or part["name"], -100 * part["difference"]["overall_accuracy"]
        where = f"on the same held-out {figures['unit']}s"
        if bounds[1] < 0:
            said.append(f"The model is worse than {name}, {where}: by {points:.1f} percentage points.")
        elif key == "mean_spectra" and is_plain(figures):
            said.append(f"The model is {name}: none that sees more was clearly better on ground that chose it.")
        else:
            said.append(f"The model cannot be told apart from {name}, {where}.")
    return said


def is_plain(figures: Mapping[str, Any]) -> bool:
    """Tell whether the map was made by the forest on mean spectra that it stands beside.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.
    """
    return bool(figures.get("model", {}).get("chosen") == [PLAIN])


def _figure(part: Mapping[str, Any]) -> str:
    bounds = part["interval_95"].get("overall_accuracy")
    spread = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
    return f"{part['overall_accuracy']:.3f}{spread}"
