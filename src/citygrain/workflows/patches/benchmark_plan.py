"""What a benchmark compares on what: the models (to train by a recipe, or trained already), the patches, the split."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from citygrain.errors import InputError
from citygrain.models.catalogue import MODELS, ModelName, make_model
from citygrain.models.classifier import Classifier
from citygrain.models.devices import ONE, Devices
from citygrain.models.shelf import published_models
from citygrain.workflows.board import BoardChoice
from citygrain.workflows.manifest import fingerprint
from citygrain.workflows.patches.patch_source import PatchSource, content_mark
from citygrain.workflows.patches.patch_splits import SplitName

__all__ = ["BenchmarkPlan", "Contender"]


@dataclass(frozen=True)
class Contender:
    """A model in a benchmark: a name and a recipe to train it by, or a trained one (a folder, or published) to score.

    Examples
    --------
    >>> Contender.parse("mlp:course"), Contender.parse("forest", recipe="course").label
    (Contender(name='mlp', recipe='course'), 'forest:course')
    """

    name: str
    recipe: str

    @classmethod
    def parse(cls, text: str, *, recipe: str = "default") -> "Contender":
        """Read ``name`` or ``name:recipe``."""
        name, _, own = text.partition(":")
        return cls(name, own or recipe) if name in MODELS else cls(text, "")

    @property
    def label(self) -> str:
        """How tables call it; the default recipe goes unsaid."""
        return self.name if self.recipe in ("", "default") else f"{self.name}:{self.recipe}"

    @property
    def slug(self) -> str:
        """Name of its folder."""
        return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in self.label)

    @property
    def trained(self) -> bool:
        """Whether it is only scored."""
        return not self.recipe

    def mark(self) -> str:
        """Return what changes when the model does.

        Raises
        ------
        InputError
            If there is no such model.
        """
        if not self.trained:
            return self.label
        if Path(self.name).is_dir():
            files = sorted(file for file in Path(self.name).iterdir() if file.is_file())  # not the log of its training
            return fingerprint({file.name: content_mark(file) for file in files})
        known = published_models()
        if self.name not in known:
            named = ", ".join((*MODELS, *known))
            raise InputError(f"model {self.name!r}", wanted=f"one of {named}, or a model's folder")
        return known[self.name].sha256


@dataclass(frozen=True)
class BenchmarkPlan:
    """What is compared on what.

    Attributes
    ----------
    source : PatchSource
        All patches, or those to train on.
    models : tuple of Contender
        In the order of the table.
    split : str
        ``course``, ``file``, ``group`` or ``random``.
    valid, test : PatchSource or None
        Other files to validate and test on; then the split is ``file``.
    folds : int
        Folds of the splits random and group; 0 is one part.
    grouped : bool
        Score on the grouped split too, where groups are known.
    epochs : int or None
        Epochs of the networks; each recipe's own if not given.
    settings : dict
        Settings of the networks' recipes to change, such as ``{"half": "yes"}``.
    seed : int
        Source of every draw.
    cache : Path or None
        Where published models are kept; the user's cache folder, if not given.
    board : BoardChoice
        What is logged of each training for TensorBoard, in ``tensorboard`` within the output folder.
    devices : Devices
        Where networks train. Machines after the first only help.
    """

    source: PatchSource
    models: tuple[Contender, ...]
    split: SplitName = "course"
    valid: PatchSource | None = None
    test: PatchSource | None = None
    folds: int = 0
    grouped: bool = True
    epochs: int | None = None
    settings: dict[str, object] = field(default_factory=dict)
    seed: int = 0
    cache: Path | None = None
    board: BoardChoice = BoardChoice()  # noqa: RUF009 - frozen
    devices: Devices = ONE

    @classmethod
    def of(cls, path: Path | str, models: str, *, recipe: str = "default", **options: Any) -> "BenchmarkPlan":
        """Make a plan from a path and names as the command line takes them: ``"forest,mlp:course"``.

        Parameters
        ----------
        path : Path or str
            The patches.
        models : str
            Models, separated by commas.
        recipe : str
            Recipe of the models that name none.
        **options
            The other fields.

        Examples
        --------
        >>> [model.label for model in BenchmarkPlan.of("a.h5", "forest,forest:course").models]
        ['forest', 'forest:course']
        """
        named = tuple(Contender.parse(name.strip(), recipe=recipe) for name in models.split(","))
        return cls(PatchSource(Path(path)), named, **options)

    def __post_init__(self) -> None:
        labels = [model.slug for model in self.models]
        if not labels or len(set(labels)) != len(labels):
            raise InputError(f"models {', '.join(labels) or 'none'}", wanted="one or more, each once")
        if self.split != "file" and (self.valid or self.test):
            raise InputError(f"patches of other files beside the split {self.split!r}", wanted="the split 'file'")
        for model in self.models:
            if model.trained:
                model.mark()
            else:
                self.make(model)

    def make(self, model: Contender, **others: Any) -> Classifier:
        """Return a classifier for `model`, not trained yet; `others` go to `make_model`."""
        name, options = cast(ModelName, model.name), self.settings_of(model)
        others["devices"] = ONE if name == "forest" else self.devices
        return make_model(name, recipe=model.recipe, epochs=self.epochs, options=options, seed=self.seed, **others)

    def settings_of(self, model: Contender) -> dict[str, object]:
        """Return the settings that concern `model`: a forest has no recipe, a trained model had its own."""
        return {} if model.trained or model.name == "forest" else self.settings

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return asdict(self)
