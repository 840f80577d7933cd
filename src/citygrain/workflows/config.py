"""The configuration of a run: a TOML file, checked as a whole before any work begins.

Unknown keys are refused with the nearest known one; paths are relative to the file and may hold ``${NAME}``.
"""

import difflib
import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from citygrain.accuracy.conformal import LEVELS
from citygrain.errors import ConfigError
from citygrain.models.catalogue import ModelName
from citygrain.workflows.references import settled_merge

__all__ = [
    "AssessConfig",
    "ComputeConfig",
    "FeaturesConfig",
    "MapConfig",
    "ModelConfig",
    "ProjectorConfig",
    "ReferenceConfig",
    "RunConfig",
    "SamplesConfig",
    "SceneConfig",
    "SegmentsConfig",
    "UnitsConfig",
    "parse_config",
    "read_config",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SceneConfig(_Section):
    """The image (one file, or its bands one by one) or several dates of it, and what its numbers mean."""

    path: str | list[str] | None = None
    dates: list[str] | None = Field(None, min_length=1)
    bands: list[str] | None = None
    scale: float | None = Field(None, gt=0)
    offset: float | None = None
    sensor: str = "sentinel-2"
    reflectance: bool = True

    @model_validator(mode="after")
    def _one_image(self) -> "SceneConfig":
        if (self.path is None) == (self.dates is None):
            raise ValueError("wanted either path (one image) or dates (a list of images of the same ground)")
        return self

    @property
    def paths(self) -> list[Path]:
        """The files."""
        one = [self.path] if isinstance(self.path, str) else self.path
        return [Path(p) for p in (one or self.dates or [])]


class ReferenceConfig(_Section):
    """What is known of the ground: a raster, polygons or points, and the meaning of its codes.

    `merge` is groups of names, "urban", "finer" or "none", or a table (.csv); it is resolved into groups. A `product`
    (of a `year`) brings its legend and a merge.
    """

    path: str
    classes: dict[str, str] | None = None
    legend: str | None = None
    product: str | None = None
    year: int | None = None
    merge: dict[str, list[str]] | str | None = None
    colors: dict[str, str] | None = None
    field: str | None = None
    layer: str | None = None
    ignore: list[int | str] = []

    @model_validator(mode="after")
    def _one_meaning(self) -> "ReferenceConfig":
        if [self.classes, self.legend, self.product].count(None) != 2:
            raise ValueError(
                "wanted either classes = { code = name }, legend = a ready one, or product = a map product"
            )
        if self.year is not None and self.product is None:
            raise ValueError("wanted year with a product only")
        if isinstance(self.merge, str) and self.classes is not None:
            raise ValueError("wanted merge = { new = [names] } with classes; a table merges a legend or a product")
        return self


class FeaturesConfig(_Section):
    """What the segments and the model see: bands (all, if none is named), indices and band maths."""

    bands: list[str] | None = None
    indices: list[str] = ["NDVI", "MNDWI", "NDBI"]


class UnitsConfig(_Section):
    """What gets a class: superpixels, square cells (side in metres), or each pixel.

    A pixel is seen with the mean and deviation of a window of `context` pixels; 1 = the pixel alone.
    """

    kind: Literal["superpixels", "cells", "pixels"] = "superpixels"
    cell: float = Field(100.0, gt=0)
    context: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _odd(self) -> "UnitsConfig":
        if self.context % 2 == 0:
            raise ValueError(f"context = {self.context}; wanted an odd number, with the pixel in the middle")
        return self


class SegmentsConfig(_Section):
    """Superpixels: how many (or how large, in hectares), and how compact."""

    n_segments: int | None = Field(None, ge=1)
    area: float | None = Field(None, gt=0)
    compactness: float = Field(0.1, gt=0)
    iterations: int = Field(10, ge=1, le=1000)

    @model_validator(mode="after")
    def _one_size(self) -> "SegmentsConfig":
        if (self.n_segments is None) == (self.area is None):
            raise ValueError("wanted either n_segments or area (hectares)")
        return self


class SamplesConfig(_Section):
    """Patches: side in pixels, number of each class, and what splits them.

    That is: blocks (side in metres, or "auto": from the variogram), polygons, or, of pixels, superpixels. `rare` says
    what becomes of a class that is too rare for blocks to train and test it.
    """

    window: int = Field(25, ge=1)
    per_class: int = Field(1000, ge=1)
    split: Literal["blocks", "polygons", "superpixels"] = "blocks"
    block: float | Literal["auto"] = 1200.0
    balance: Literal["auto", "cap", "oversample"] = "auto"
    valid_share: float = Field(0.2, ge=0, le=0.5)
    rare: Literal["refuse", "leave out"] = "refuse"

    @field_validator("block", mode="plain")
    @classmethod
    def _side(cls, value: Any) -> float | str:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
        if value != "auto" and not number:
            raise ValueError('wanted a side in metres above 0, or "auto"')
        return "auto" if value == "auto" else float(value)


class ModelConfig(_Section):
    """The classifier, how it is trained (`options` change the recipe), and which features it uses (else all).

    ``auto`` trains forests and a network, and validation rows choose (`citygrain.models.choice`).
    """

    name: ModelName = "auto"
    recipe: Literal["default", "course"] = "default"
    epochs: int = Field(10, ge=1)
    options: dict[str, bool | int | float | str] = {}
    bands: list[str] | None = None

    @model_validator(mode="after")
    def _named(self) -> "ModelConfig":
        if self.name == "auto" and self.recipe == "course":
            raise ValueError("recipe = 'course' with name = 'auto'; wanted a model by name")
        return self


class MapConfig(_Section):
    """What is written with the map: `sets`, which classes each pixel may be (how many is always written).

    `level` is the share of the sets that are to hold the right class, 0.9, 0.95 or 0.99; if it is not given, the
    smallest that the map alone does not reach.
    """

    sets: bool = False
    level: float | None = None

    @model_validator(mode="after")
    def _known_level(self) -> "MapConfig":
        if self.level is not None and self.level not in LEVELS:
            raise ValueError(f"wanted a level of {', '.join(map(str, LEVELS))}")
        return self


class ProjectorConfig(_Section):
    """What TensorBoard's projector shows: bands of the small pictures (three), and how many points."""

    bands: list[str] | None = Field(None, min_length=3, max_length=3)
    points: int | None = Field(None, ge=2, le=5000)


class ComputeConfig(_Section):
    """What a run may take: memory ("4GB"; half the machine's by default), and what works on it.

    Superpixels, samples and map: worker processes of this machine, or a dask cluster by its address; by default this
    process with all processors. A network trains on devices (GPUs, else processes) of each machine, and machines.
    """

    memory: str | None = None
    workers: int | None = Field(None, ge=1)
    cluster: str | None = None

    devices: int = Field(1, ge=1)
    nodes: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"

    @property
    def asked(self) -> tuple[int, int, str]:
        """Devices, nodes, strategy."""
        return self.devices, self.nodes, self.strategy


class AssessConfig(_Section):
    """What else judges the map.

    Labelled points of `citygrain design`, their design file, the field with the class; a product and a second reference
    that the map stands beside, each given as a reference is.
    """

    points: str | None = None
    design: str | None = None
    field: str | None = None
    product: ReferenceConfig | None = None
    second_reference: ReferenceConfig | None = None

    @property
    def paths(self) -> list[Path]:
        """The files."""
        files = [Path(given) for given in (self.points, self.design) if given is not None]
        return [*files, *(Path(given.path) for given in (self.product, self.second_reference) if given is not None)]


class RunConfig(_Section):
    """A whole run; `tensorboard` says whether the training of a network is logged for TensorBoard."""

    scene: SceneConfig
    reference: ReferenceConfig
    features: FeaturesConfig = FeaturesConfig()
    units: UnitsConfig = UnitsConfig()
    segments: SegmentsConfig = SegmentsConfig(n_segments=9000)
    samples: SamplesConfig = SamplesConfig()
    model: ModelConfig = ModelConfig()
    map: MapConfig = MapConfig()
    seed: int = Field(0, ge=0)
    tensorboard: bool = True
    projector: ProjectorConfig = ProjectorConfig()
    compute: ComputeConfig = ComputeConfig()
    assess: AssessConfig = AssessConfig()


def read_config(path: Path, variables: Mapping[str, str]) -> RunConfig:
    """Read and check a configuration file.

    Parameters
    ----------
    path : Path
        TOML file.
    variables : mapping of str to str
        Values for ``${NAME}`` in paths.

    Raises
    ------
    ConfigError
        If the file is missing, not TOML, or holds an unknown key or an impossible value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", wanted="a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return parse_config(content, folder=path.parent, variables=variables, name=str(path))


def parse_config(
    content: Mapping[str, Any],
    *,
    folder: Path = Path(),
    variables: Mapping[str, str] | None = None,
    name: str = "config",
) -> RunConfig:
    """Check a configuration given as plain values.

    Parameters
    ----------
    content : mapping
        Sections of the TOML file.
    folder : Path
        Folder that relative paths start from.
    variables : mapping of str to str, optional
        Values for ``${NAME}`` in paths.
    name : str
        How messages call the configuration.

    Raises
    ------
    ConfigError
        If there is an unknown key or an impossible value.

    Examples
    --------
    >>> parse_config({"scene": {"path": "s2.tif"}, "refrence": {}})
    Traceback (most recent call last):
    ...
    citygrain.errors.ConfigError: config: refrence is unknown; wanted: one of scene, reference, features, units, \
segments, samples, model, map, seed, tensorboard, projector, compute, assess; did you mean reference?
    """
    try:
        config = RunConfig.model_validate(content)
    except ValidationError as error:
        raise _first_mistake(error, name) from None
    if config.samples.split == "superpixels" and config.units.kind != "pixels":
        came = f"{name}: [samples] split = 'superpixels' with [units] kind = {config.units.kind!r}"
        raise ConfigError(came, wanted="kind = 'pixels'", mend="or set split = 'blocks', which keeps them whole, too")
    paths = [_resolved(p, folder, variables or {}, name) for p in map(str, config.scene.paths)]
    place = "dates" if config.scene.dates else "path"
    scene = config.scene.model_copy(update={place: paths[0] if isinstance(config.scene.path, str) else paths})
    reference = _resolved_reference(config.reference, folder, variables or {}, name)
    given = {key: getattr(config.assess, key) for key in ("points", "design")}
    files = {key: _resolved(path, folder, variables or {}, name) for key, path in given.items() if path is not None}
    beside = {
        key: _resolved_reference(value, folder, variables or {}, name)
        for key in ("product", "second_reference")
        if (value := getattr(config.assess, key)) is not None
    }
    assess = config.assess.model_copy(update=files | beside)
    return config.model_copy(update={"scene": scene, "reference": reference, "assess": assess})


def _resolved_reference(
    given: ReferenceConfig, folder: Path, variables: Mapping[str, str], name: str
) -> ReferenceConfig:
    """Return a reference with its path and its merge, which a product or a table may bring."""
    merge = given.merge
    if isinstance(merge, str) and merge.lower().endswith(".csv"):
        merge = _resolved(merge, folder, variables, name)
    path = _resolved(given.path, folder, variables, name)
    return given.model_copy(
        update={"path": path, "merge": settled_merge(given.legend, given.product, given.year, merge)}
    )


def _resolved(path: str, folder: Path, variables: Mapping[str, str], name: str) -> str:
    try:
        filled = string.Template(path).substitute(variables)
    except KeyError as error:
        raise ConfigError(
            f"{name}: {path} needs the variable {error.args[0]}", wanted="a value", mend=f"export {error.args[0]}=..."
        ) from None
    except ValueError:
        raise ConfigError(f"{name}: {path!r} is not a path", wanted="${NAME} with a closed brace, or $$") from None
    return str(folder / filled)


def _first_mistake(error: ValidationError, name: str) -> ConfigError:
    """Turn pydantic's report into one line; unknown keys first, since they often explain the rest."""
    mistakes = sorted(error.errors(), key=lambda m: m["type"] != "extra_forbidden")
    first = mistakes[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = _known_keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, 1, 0.5)
        mend = f"did you mean {near[0]}?" if near else ""
        return ConfigError(f"{name}: {_dotted(place)} is unknown", wanted=f"one of {', '.join(known)}", mend=mend)
    if first["type"] == "missing":
        return ConfigError(f"{name}: {_dotted(place)} is missing", mend=f"add {place[-1]} to the file")
    came = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
    return ConfigError(f"{name}: {_dotted(place)}{came}", wanted=first["msg"].removeprefix("Value error, wanted "))


def _known_keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in place:
        annotation = model.model_fields[part].annotation
        annotation = next((kind for kind in get_args(annotation) if kind is not type(None)), annotation)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _dotted(place: list[str]) -> str:
    return f"[{place[0]}] {'.'.join(place[1:])}" if len(place) > 1 else place[0]
