"""What a run can be told, section by section; `citygrain.workflows.config_file` reads it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from citygrain.accuracy.conformal import LEVELS
from citygrain.models.catalogue import ModelName

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
