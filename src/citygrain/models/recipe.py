"""How a network is trained, as a value: the course's way, and ours.

A recipe says everything but the network and the seed, and is written into the model card.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from citygrain.errors import InputError

__all__ = ["COURSE", "DEFAULT", "PATCHES", "Recipe", "recipe_named"]


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes
    ----------
    name : str
        ``"course"``, ``"default"``, or a name of your own.
    epochs : int
        Passes over the training rows.
    batch : int
        Rows of an optimiser step.
    least_rows : int
        Rows that an epoch draws at least; fewer training rows are drawn several times.
    rate : float
        Highest learning rate.
    schedule : str
        ``"constant"``, or ``"cosine"`` with a warm-up over the first tenth of the steps.
    weight_decay : float
        Decoupled weight decay (AdamW); 0 is plain Adam.
    epsilon : float
        Adam's epsilon.
    label_smoothing : float
        Share of each label that is spread over all classes, 0 to 1.
    balance : float
        Weight of a class = (mean count / its count) to this power: 0 none, 1 full balance.
    sampling : float
        How far an epoch draws the classes equally often: 0 as they come, 1 each class as often as any other.
    trust_purity : bool
        Weigh each row by the share of its majority class.
    scaling : str
        Learned on the training rows: ``"standard"`` mean and deviation of each channel, ``"robust"`` median and
        quartiles, with values beyond ten deviations cut off; ``"none"`` leaves the values. NaN becomes 0.
    augment : bool
        Turn and mirror the patches in the eight ways of the square.
    shift : float
        Move the patches at random by up to this share of their side; the edge is reflected.
    window : float
        Side of the random window that the early epochs see of each patch, as a share of the patch's side: learning
        goes quicker on less, and no window is seen twice. No patch is cut below 24 pixels; 1 shows all of it.
    windowed : float
        Share of the epochs that see windows; the rest see whole patches.
    mixup : float
        Blend pairs of rows and their labels, by a share drawn from Beta(mixup, mixup); 0 blends nothing.
    jitter : float
        Deviation of a random gain and offset of each channel of each row, in standard deviations.
    averaging : float
        Judge and keep a running average of the weights over about this many epochs; 0 keeps the weights themselves.
    keep_best : bool
        End with the weights of the latest epoch whose validation accuracy is within one standard error of the best.
    patience : int
        Stop after this many epochs that are clearly worse than the best; 0 never stops.
    views : int
        Turned and mirrored views of a patch that a prediction averages, 1 to 8.
    halves : bool
        Let the halves of a batch pass a network with batch normalisation side by side, each with statistics of its
        own (Hoffer et al. 2017); otherwise the whole batch has one, as in the literature.
    half : bool
        Use bfloat16 where the processor has the instructions.
    """

    name: str
    epochs: int
    batch: int
    least_rows: int
    rate: float
    schedule: str
    weight_decay: float
    epsilon: float
    label_smoothing: float
    balance: float
    sampling: float
    trust_purity: bool
    scaling: str
    augment: bool
    shift: float
    window: float
    windowed: float
    mixup: float
    jitter: float
    averaging: float
    keep_best: bool
    patience: int
    views: int
    halves: bool
    half: bool

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"{self.epochs} epochs", wanted="at least 1")
        numbers = {key: value for key, value in asdict(self).items() if isinstance(value, float)}
        strange = [key for key, value in numbers.items() if not 0 <= value < math.inf]  # nan is neither
        if strange:
            raise InputError(f"recipe setting {strange[0]} = {numbers[strange[0]]}", wanted="a number, 0 or more")
        if not self.rate or not self.epsilon or self.label_smoothing > 1:
            came = f"rate {self.rate}, epsilon {self.epsilon}, label_smoothing {self.label_smoothing}"
            raise InputError(came, wanted="rate and epsilon above 0, label_smoothing from 0 to 1")
        if self.least_rows < 1 or self.patience < 0:
            raise InputError(
                f"least_rows {self.least_rows}, patience {self.patience}", wanted="least_rows from 1, patience from 0"
            )
        if self.batch < 1 or not 1 <= self.views <= 8:
            raise InputError(f"batch {self.batch}, views {self.views}", wanted="batch from 1, views from 1 to 8")
        if self.schedule not in ("constant", "cosine"):
            raise InputError(f"schedule {self.schedule!r}", wanted="constant or cosine")
        if self.scaling not in ("none", "standard", "robust"):
            raise InputError(f"scaling {self.scaling!r}", wanted="none, standard or robust")
        if not 0 < self.window <= 1 or self.windowed > 1:
            raise InputError(
                f"window {self.window}, windowed {self.windowed}", wanted="window above 0 to 1, windowed from 0 to 1"
            )
        if not 0 <= self.sampling <= 1 or not 0 <= self.shift < 0.5:
            raise InputError(
                f"sampling {self.sampling}, shift {self.shift}",
                wanted="sampling from 0 to 1, shift from 0 to below 0.5",
            )

    def to_dict(self) -> dict[str, object]:
        """Return the settings as plain values, for JSON."""
        return asdict(self)

    def changed(self, options: Mapping[str, object]) -> "Recipe":
        """Return the recipe with some settings changed; numbers and yes or no may come as text.

        Raises
        ------
        InputError
            If there is no setting of that name, or the value is of another type.

        Examples
        --------
        >>> DEFAULT.changed({"mixup": "0.2", "augment": "no"}).mixup
        0.2
        """
        kinds = {key: type(value) for key, value in asdict(self).items() if key != "name"}
        strange = [key for key in options if key not in kinds]
        if strange:
            raise InputError(f"recipe setting {strange[0]!r}", wanted=f"one of {', '.join(kinds)}")
        return replace(self, **{key: _typed(key, value, kinds[key]) for key, value in options.items()})  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "Recipe":
        """Read back what `to_dict` wrote.

        Raises
        ------
        InputError
            If a setting is missing, unknown, or of another type.

        Examples
        --------
        >>> Recipe.from_dict(DEFAULT.to_dict()) == DEFAULT
        True
        """
        kinds = {key: type(value) for key, value in asdict(COURSE).items()}
        if set(values) != set(kinds) or any(type(values[key]) is not kind for key, kind in kinds.items()):
            raise InputError("a recipe with other settings than ours", wanted=", ".join(kinds))
        return cls(**values)  # type: ignore[arg-type]  # the types were compared just above


def _typed(key: str, value: object, kind: type) -> object:
    word = str(value).strip().lower()
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[word]
        return kind(word)
    except (KeyError, ValueError):
        spoken = {bool: "yes or no", int: "a whole number", float: "a number"}.get(kind, "a word")
        raise InputError(f"recipe setting {key} = {value!r}", wanted=spoken) from None


COURSE = Recipe(
    name="course",
    epochs=10,
    batch=32,
    least_rows=1,
    rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    epsilon=1e-7,
    label_smoothing=0.0,
    balance=0.0,
    sampling=0.0,
    trust_purity=False,
    scaling="none",
    augment=False,
    shift=0.0,
    window=1.0,
    windowed=0.0,
    mixup=0.0,
    jitter=0.0,
    averaging=0.0,
    keep_best=False,
    patience=0,
    views=1,
    halves=False,
    half=False,
)
"""As taught: Adam with Keras's settings, raw values, batches of 32, float32; ten epochs, of whole patches five."""

DEFAULT = Recipe(
    name="default",
    epochs=10,
    batch=64,
    least_rows=2_000,
    rate=2e-3,
    schedule="cosine",
    weight_decay=0.05,
    epsilon=1e-8,
    label_smoothing=0.05,
    balance=0.5,
    sampling=0.0,
    trust_purity=True,
    scaling="standard",
    augment=True,
    shift=0.0,
    window=1.0,
    windowed=0.0,
    mixup=0.0,
    jitter=0.1,
    averaging=1.0,
    keep_best=True,
    patience=5,
    views=1,
    halves=False,
    half=True,
)
"""Superpixels: what held up best on blocks that were not trained on."""

PATCHES = Recipe(
    name="patches",
    epochs=36,
    batch=64,
    least_rows=2_000,
    rate=2e-3,
    schedule="cosine",
    weight_decay=0.05,
    epsilon=1e-8,
    label_smoothing=0.1,
    balance=0.0,
    sampling=0.0,
    trust_purity=True,
    scaling="robust",
    augment=True,
    shift=0.1,
    window=0.625,
    windowed=0.7,
    mixup=0.0,
    jitter=0.0,
    averaging=2.0,
    keep_best=True,
    patience=0,
    views=8,
    halves=True,
    half=True,
)
"""Whole patches (So2Sat, EuroSAT): residual networks from scratch."""


def recipe_named(name: str, *, epochs: int | None = None) -> Recipe:
    """Return the recipe called `name`, with another number of epochs if given.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> recipe_named("course", epochs=5).epochs
    5
    """
    known = {recipe.name: recipe for recipe in (COURSE, DEFAULT, PATCHES)}
    if name not in known:
        raise InputError(f"recipe {name!r}", wanted=f"one of {', '.join(known)}")
    return known[name] if epochs is None else replace(known[name], epochs=epochs)
