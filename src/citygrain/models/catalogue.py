"""Models by name: what ``[model] name`` means in a configuration, and what a model's folder holds.

PyTorch is loaded only when a neural model is made, so a forest starts at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from citygrain.errors import InputError
from citygrain.models.card import read_card
from citygrain.models.classifier import Classifier
from citygrain.models.devices import ONE, Devices

if TYPE_CHECKING:
    from citygrain.models.hooks import Hooks

__all__ = ["MODELS", "PATCH_MODELS", "ModelName", "load_model", "make_model"]

ModelName = Literal["auto", "forest", "mlp", "cnn", "resnet50", "resnet20", "sen2lcz", "fusion", "patchnet"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)
"""All names, for messages and options."""
PATCH_MODELS: tuple[ModelName, ...] = ("resnet50", "resnet20", "sen2lcz", "fusion", "patchnet")
"""Networks for whole patches, without a superpixel in the middle."""

_NETWORKS: dict[tuple[str, str], str] = {
    ("mlp", "course"): "course-mlp",
    ("mlp", "default"): "row-mlp",
    ("cnn", "course"): "course-cnn",
    ("cnn", "default"): "segment-net",
    **{(name, recipe): name for name in PATCH_MODELS for recipe in ("course", "default")},
}
_COURSE_EPOCHS = {"cnn": 10}
"""Epochs of the course that taught a network; 5 in the course on Local Climate Zones, which taught the others."""


def make_model(
    name: ModelName,
    *,
    recipe: str = "default",
    epochs: int | None = None,
    options: Mapping[str, object] | None = None,
    seed: int = 0,
    threads: int | None = None,
    units: str = "reflectance",
    preparation: Mapping[str, Any] | None = None,
    hooks: "Hooks | None" = None,
    devices: Devices = ONE,
) -> Classifier:
    """Make a classifier, ready to fit.

    Parameters
    ----------
    name : str
        ``auto`` trains several and chooses (`citygrain.models.choice`); ``forest`` and ``mlp`` take rows of
        statistics or patches; ``cnn`` patches with a superpixel in the middle;
        ``resnet50``, ``resnet20``, ``sen2lcz``, ``fusion`` (Sentinel-1 and -2) and ``patchnet`` whole patches.
    recipe : {"default", "course"}
        ``"course"`` trains exactly as the course does.
    epochs : int, optional
        Epochs of a network; the recipe's own if not given. A forest has none.
    options : mapping, optional
        Settings of a network's recipe to change, such as ``{"mixup": 0.2}`` (`citygrain.models.recipe.Recipe`); of a
        forest ``trees``, ``share`` and ``sees`` (`citygrain.models.forest.ForestClassifier`).
    seed : int
        Source of every draw.
    threads : int, optional
        Threads of training and prediction; the library's own choice if not given.
    units : str
        Units of the features.
    preparation : mapping, optional
        How the rows are made; travels in the model card.
    hooks : Hooks, optional
        Progress, checkpoint folder, loggers and callbacks of a network's training
        (`citygrain.models.training.Hooks`).
    devices : Devices
        Where a network trains; a forest takes the processors of one machine.

    Raises
    ------
    InputError
        If there is no model or recipe of that name.

    Examples
    --------
    >>> make_model("forest").recipe
    'default'
    """
    devices.check(name)
    if name == "auto":
        given = {"epochs": epochs, "seed": seed, "threads": threads, "units": units, "preparation": preparation}
        return _automatic(given | {"hooks": hooks, "devices": devices}, recipe, options)
    if name == "forest":
        from citygrain.models.forest import ForestClassifier  # noqa: PLC0415  # scikit-learn only for a forest

        return ForestClassifier(
            recipe=recipe,
            seed=seed,
            threads=threads,
            units=units,
            preparation=dict(preparation or {}),
            **_forest_settings(options or {}),
        )
    if (name, recipe) not in _NETWORKS:
        raise InputError(
            f"model {name!r} with recipe {recipe!r}", wanted=f"one of {', '.join(MODELS)}, recipe default or course"
        )
    from citygrain.models.hooks import Hooks  # noqa: PLC0415
    from citygrain.models.neural import NeuralClassifier  # noqa: PLC0415  # torch only for a network
    from citygrain.models.recipe import recipe_named  # noqa: PLC0415

    settings = "patches" if name in PATCH_MODELS and recipe == "default" else recipe
    if epochs is None and recipe == "course":
        epochs = _COURSE_EPOCHS.get(name, 5)
    changed = recipe_named(settings, epochs=epochs).changed(options or {})
    if changed.window < 1 and name not in PATCH_MODELS:
        raise InputError(
            f"recipe setting window = {changed.window} for model {name!r}",
            wanted=f"a network of patches of any size: {', '.join(PATCH_MODELS)}",
        )
    return NeuralClassifier(
        name,
        _NETWORKS[name, recipe],
        changed,
        seed=seed,
        threads=threads,
        units=units,
        preparation=dict(preparation or {}),
        hooks=hooks or Hooks(),
        devices=devices,
    )


def _forest_settings(options: Mapping[str, object]) -> dict[str, Any]:
    """Return the settings of a forest; they may come as text."""
    kinds = {"trees": int, "share": float, "sees": str}
    strange = [key for key in options if key not in kinds]
    if strange:
        raise InputError(f"setting {strange[0]!r} of a forest", wanted=" or ".join(kinds))
    try:
        return {key: kinds[key](str(value)) for key, value in options.items()}
    except ValueError:
        came = ", ".join(f"{key} = {value}" for key, value in options.items())
        raise InputError(f"a forest with {came}", wanted="trees: a whole number, share: from 0 to 1") from None


def _automatic(given: Mapping[str, Any], recipe: str, options: Mapping[str, object] | None) -> Classifier:
    from citygrain.models.choice import FORESTS, AutoClassifier  # noqa: PLC0415 - it makes models by name too
    from citygrain.tiles import processors  # noqa: PLC0415

    if recipe != "default":
        raise InputError(f"model 'auto' with recipe {recipe!r}", wanted="recipe default, or a model by name")

    def member(name: str) -> Classifier:
        if name not in FORESTS:
            return make_model(cast(ModelName, name), options=options, **given)
        threads = given["threads"] or processors()  # no bit depends on it
        return make_model("forest", options=FORESTS[name], **{**given, "threads": threads, "devices": ONE})

    return AutoClassifier(member, dict(given["preparation"] or {}), seed=given["seed"])


def load_model(folder: Path) -> Classifier:
    """Load a model of any kind from its folder.

    Raises
    ------
    InputError
        If the folder holds no model, or it is damaged.
    """
    kind = read_card(folder).kind
    if kind == "auto":
        from citygrain.models.choice import AutoClassifier  # noqa: PLC0415 - it loads models too

        return AutoClassifier.load(folder)
    if kind == "forest":
        from citygrain.models.forest import ForestClassifier  # noqa: PLC0415

        return ForestClassifier.load(folder)
    from citygrain.models.neural import NeuralClassifier  # noqa: PLC0415

    return NeuralClassifier.load(folder)
