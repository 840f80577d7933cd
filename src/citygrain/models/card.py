"""The model card: what a model was trained on and expects, as JSON, checked at every use.

A model without its bands, units and scaling is a file of numbers; with them it can refuse a scene that it does not fit.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from citygrain.errors import InputError, ModelMismatchError
from citygrain.legend import Legend
from citygrain.sensors import light_seen_at

__all__ = ["CARD", "ModelCard", "read_card"]

CARD = "card.json"
"""Name of the card in a model's folder."""

_FORMAT = 1


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was trained on, and what it expects.

    Attributes
    ----------
    kind : str
        ``"forest"``, ``"mlp"``, ``"cnn"``, or ``"auto"``: see `citygrain.models.choice`.
    network : str
        Name of the architecture.
    recipe : mapping
        Settings of the training, its name under ``"name"``.
    parameters : int
        Trained numbers of a network, nodes of a forest.
    features : tuple of str
        Feature names in order.
    input_shape : tuple of int
        Shape of one row: (c,) or (c, h, w).
    units : str
        Units of the features, ``"reflectance"``.
    normalisation : mapping
        ``mean`` and ``std`` of each feature.
    legend : Legend
        The classes in column order.
    counts : mapping of str to int
        Training rows by class name; a class with 0 was not learned.
    seed : int
        Source of every draw.
    epochs : int
        Epochs trained; 0 for a forest.
    half : bool
        Computed in bfloat16 where it was trained.
    versions : mapping of str to str
        Libraries that trained it.
    licence : str
        Licence of the weights.
    preparation : mapping
        How the rows were made (tessellation, window, area of the segments, indices, sensor).
    origin : mapping
        Of weights that were trained elsewhere: title, source, processing level, training data, published scores.
    history : list of mapping
        Learning curves, one mapping per epoch.
    checksum : str
        SHA-256 of the weights file; empty before saving.
    trust : mapping
        What was found out on validation rows: ``temperature`` (value, rows, blocks, reason), ``sets`` (a rule for
        sets of classes) and ``applicability`` (checksum of a file beside the weights); whatever of it is there.
    """

    kind: str
    network: str
    recipe: Mapping[str, Any]
    parameters: int
    features: tuple[str, ...]
    input_shape: tuple[int, ...]
    units: str
    normalisation: Mapping[str, Sequence[float]]
    legend: Legend
    counts: Mapping[str, int]
    seed: int
    epochs: int = 0
    half: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    licence: str = "unspecified"
    preparation: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    checksum: str = ""
    trust: Mapping[str, Any] = field(default_factory=dict)

    @property
    def temperature(self) -> float:
        """What probabilities are tempered by; 1 where nothing was fitted."""
        return float(self.trust.get("temperature", {}).get("value", 1.0))

    @property
    def level(self) -> str:
        """Processing level of the scene it was trained on, ``"L2A"``; empty where nothing told, as in older cards."""
        return str(self.preparation.get("level", ""))

    def check(
        self, features: Sequence[str], units: str, input_shape: Sequence[int] | None = None, *, level: str = ""
    ) -> None:
        """Refuse rows that are not what the model was trained on.

        Parameters
        ----------
        features : sequence of str
            Feature names of the rows, in order.
        units : str
            Units of the features.
        input_shape : sequence of int, optional
            Shape of one row.
        level : str
            Processing level of the scene, ``"L1C"``, ``"L2A"``, ``"TOA"``, ``"SR"``; empty where nothing tells. A model
            of surface reflectance does not fit the top of the atmosphere, and the other way round.

        Raises
        ------
        ModelMismatchError
            If anything differs; both sides are named.
        """
        if tuple(features) != self.features:
            raise ModelMismatchError(
                f"features {', '.join(features) or 'none'}",
                wanted=f"{', '.join(self.features)}, as the model was trained",
                mend=_difference(features, self.features),
            )
        if units != self.units:
            raise ModelMismatchError(
                f"features in units {units or 'unknown'!r}",
                wanted=f"{self.units!r}, as the model was trained",
                mend="set [scene] scale, or train on this scene",
            )
        came, wanted = light_seen_at(level), light_seen_at(self.level)
        if came and wanted and came != wanted:
            raise ModelMismatchError(
                f"a scene of {level}, reflectance at the {came}",
                wanted=f"{self.level}, reflectance at the {wanted}, as the model was trained",
                mend=f"take the {self.level} product of the same day, or train on this scene",
            )
        if input_shape is not None:
            self.check_shape(input_shape)

    def check_shape(self, input_shape: Sequence[int]) -> None:
        """Refuse rows of another shape than (c,) or (c, h, w) of the training.

        Raises
        ------
        ModelMismatchError
            If the shape differs; both are named.
        """
        if tuple(input_shape) != self.input_shape:
            raise ModelMismatchError(
                f"rows of shape {_times(input_shape)}",
                wanted=f"{_times(self.input_shape)}, as the model was trained",
                mend="use the same tessellation and window",
            )

    @property
    def present(self) -> tuple[int, ...]:
        """Legend columns of the classes that were learned."""
        return tuple(column for column, name in enumerate(self.legend.names) if self.counts[name] > 0)

    def to_json(self) -> str:
        """Return the card as JSON text, keys in the order of the fields."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["legend"] = {"scheme": self.legend.scheme, "classes": self.legend.to_list()}
        return json.dumps({"citygrain_model": _FORMAT, **values}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read back what `to_json` wrote.

        Raises
        ------
        InputError
            If it is not a card: broken JSON, a missing or unknown key, a value of another type.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"a model card that is not JSON (line {error.lineno})", wanted="card.json") from None
        if not isinstance(values, dict) or values.pop("citygrain_model", None) != _FORMAT:
            raise InputError("JSON that is no model card", wanted=f'"citygrain_model": {_FORMAT}')
        values.setdefault("origin", {})  # these two are not in older cards
        values.setdefault("trust", {})
        wanted = {f.name for f in dataclasses.fields(cls)}
        _refuse_keys(wanted - set(values), set(values) - wanted)
        return cls(**_typed(values))


def read_card(folder: Path) -> ModelCard:
    """Read the card in a model's folder.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    try:
        return ModelCard.from_json((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no model", wanted=f"a folder with {CARD}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / CARD} cannot be read: {error}") from None
    except InputError as error:
        raise InputError(f"{folder / CARD}: {error.came}", wanted=error.wanted, mend="train the model again") from None


def _refuse_keys(missing: set[str], unknown: set[str]) -> None:
    if missing or unknown:
        what = [f"without {', '.join(sorted(missing))}"] if missing else []
        what += [f"with unknown {', '.join(sorted(unknown))}"] if unknown else []
        raise InputError(f"a model card {' and '.join(what)}", wanted="the keys that citygrain writes")


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, type | tuple[type, ...]] = {
        "kind": str, "network": str, "recipe": dict, "parameters": int, "features": list, "input_shape": list,
        "units": str, "normalisation": dict, "legend": dict, "counts": dict, "seed": int, "epochs": int, "half": bool,
        "versions": dict, "licence": str, "preparation": dict, "origin": dict, "history": list, "checksum": str,
        "trust": dict,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(values[key], kind):
            raise InputError(f"a model card whose {key} is {values[key]!r:.40}", wanted="a value that citygrain wrote")
    _check_trust(values["trust"])
    try:
        legend = Legend.from_list(values["legend"]["scheme"], values["legend"]["classes"])
        shape = tuple(int(side) for side in values["input_shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"a model card with a broken legend or shape: {error}") from None
    features = tuple(str(name) for name in values["features"])
    if set(values["counts"]) != set(legend.names) or not shape or shape[0] != len(features):
        raise InputError("a model card whose counts, legend, features and shape do not fit each other")
    return values | {"legend": legend, "input_shape": shape, "features": features}


def _check_trust(trust: dict[str, Any]) -> None:
    for name, part in trust.items():
        if not isinstance(part, dict):
            raise InputError(f"a model card whose {name} is {part!r:.40}", wanted="a value that citygrain wrote")
    value = trust.get("temperature", {}).get("value", 1.0)
    if not isinstance(value, int | float) or not 0.01 <= value <= 100:
        raise InputError(f"a model card of temperature {value!r:.40}", wanted="0.01 to 100")


def _difference(came: Sequence[str], wanted: Sequence[str]) -> str:
    missing, extra = [n for n in wanted if n not in came], [n for n in came if n not in wanted]
    if not missing and not extra:
        return "put them in the model's order"
    parts = [f"missing {', '.join(missing)}"] if missing else []
    return "; ".join(parts + ([f"too many {', '.join(extra)}"] if extra else []))


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape)
