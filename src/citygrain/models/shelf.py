"""The shelf of published models: what they are, where they lie, and how one is fetched once and checked.

Weights stay where their authors published them, under their licence; the shelf knows the address, the checksum, and
what a user must know before trusting them: bands, processing level, training data, and what they must not be scored on.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.models.card import CARD
from citygrain.models.catalogue import load_model
from citygrain.models.classifier import Classifier
from citygrain.models.download import cache_folder, digest, fetch
from citygrain.tiles import Progress

__all__ = ["PublishedModel", "find_model", "published_file", "published_models", "recognise"]

_PIXEL_M2 = 100.0
_PATCH = 32


@dataclass(frozen=True)
class PublishedModel:
    """Weights that somebody published.

    Attributes
    ----------
    name : str
        Its name on the shelf.
    title : str
        What it is, in words.
    network : str
        Name of the architecture.
    sensor : str
        Name of the sensor.
    features : tuple of str
        Channels, in the order of its training.
    units : str
        Units of the features.
    level : str
        Processing level of the imagery that it was trained on.
    level_effect : str
        What another level was measured to do; empty if not measured.
    preparation : str
        How its input is made, in words.
    training : str
        What it was trained on.
    not_for : str
        What it must not be scored on.
    scores : mapping
        Published scores, 0 to 1, and the data they hold for under ``"data"``; empty if none were published.
    counts : tuple of int
        Training patches by class in the order of the legend; empty if not known.
    paper, doi : str
        Where it is described.
    licence, holder : str
        Licence of the weights, and whose they are.
    url : str
        Where the file lies, at a fixed commit.
    file : str
        Name of the file in the cache.
    size : int
        Its size in bytes.
    sha256 : str
        Its checksum.
    """

    name: str
    title: str
    network: str
    sensor: str
    features: tuple[str, ...]
    units: str
    level: str
    level_effect: str
    preparation: str
    training: str
    not_for: str
    scores: Mapping[str, Any]
    counts: tuple[int, ...]
    paper: str
    doi: str
    licence: str
    holder: str
    url: str
    file: str
    size: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self) | {"features": list(self.features), "counts": list(self.counts)}

    def load(self, path: Path, *, half: bool = False, threads: int | None = None) -> Classifier:
        """Make a classifier of the file at `path`, its card filled from the shelf.

        Parameters
        ----------
        path : Path
            The published file.
        half : bool
            Compute in bfloat16 where the processor has the instructions: quicker, and no longer the published
            probabilities (see `citygrain.models.keras_weights.import_keras` for how far they differ).
        threads : int, optional
            Threads of a prediction.

        Raises
        ------
        InputError
            If the file is not the published one.
        """
        from citygrain.models.keras_weights import import_keras  # noqa: PLC0415  # torch only to load a model

        told = (
            "name",
            "title",
            "level",
            "level_effect",
            "training",
            "not_for",
            "scores",
            "paper",
            "doi",
            "holder",
            "url",
        )
        return import_keras(
            path,
            self.network,
            features=self.features,
            size=_PATCH,
            counts=dict(zip(LCZ.names, self.counts, strict=True)) if self.counts else None,
            units=self.units,
            licence=self.licence,
            preparation={
                "tessellation": "grid",
                "window": _PATCH,
                "pixel_m2": _PIXEL_M2,
                "sensor": self.sensor,
                "level": self.level,
                "features": list(self.features),
                "words": self.preparation,
            },
            origin={key: value for key, value in self.to_dict().items() if key in told},
            half=half,
            threads=threads,
        )


@functools.cache
def published_models() -> dict[str, PublishedModel]:
    """Return the published models by name.

    Examples
    --------
    >>> for model in published_models().values():
    ...     print(model.name, model.network, len(model.features), model.licence)
    sen2lcz-mf sen2lcz 10 MIT
    resnet20-s2 resnet20 10 MIT
    resnet20-s1 resnet20 7 MIT
    """
    text = resources.files("citygrain").joinpath("data/published_models.json").read_text(encoding="utf-8")
    return {
        name: PublishedModel(name, **row | {key: tuple(row[key]) for key in ("features", "counts")})
        for name, row in json.loads(text).items()
    }


def find_model(
    name_or_folder: str | Path,
    *,
    cache: Path | None = None,
    half: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Classifier:
    """Load a model from its folder, or a published one by its name.

    Parameters
    ----------
    name_or_folder : str or Path
        A folder that holds a model, or a name of `published_models`. A folder of such a name comes first.
    cache : Path, optional
        Where published files are kept; the user's cache folder if not given.
    half, threads :
        Of a published model: see `PublishedModel.load`.
    progress : callable, optional
        Called with (bytes, all bytes) while a file is fetched.

    Raises
    ------
    InputError
        If there is no such model, or its file cannot be fetched: the line says which file to put where.

    Examples
    --------
    >>> find_model("sen2lcz")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    citygrain.errors.InputError: model 'sen2lcz'; wanted: a model's folder, or one of sen2lcz-mf, resnet20-s2, ...
    """
    folder, shelf = Path(name_or_folder), published_models()
    if (folder / CARD).is_file():
        return load_model(folder)
    if str(name_or_folder) in shelf:
        model = shelf[str(name_or_folder)]
        return model.load(published_file(model, cache=cache, progress=progress), half=half, threads=threads)
    if folder.is_dir():
        return load_model(folder)  # says what is missing there
    raise InputError(f"model {str(name_or_folder)!r}", wanted=f"a model's folder, or one of {', '.join(shelf)}")


def published_file(model: PublishedModel, *, cache: Path | None = None, progress: Progress | None = None) -> Path:
    """Return the path of a published model's file, fetched if it is not there yet (see `citygrain.models.download`).

    Parameters
    ----------
    model : PublishedModel
        The model.
    cache : Path, optional
        Where files are kept.
    progress : callable, optional
        Called with (bytes, all bytes).

    Raises
    ------
    InputError
        If it cannot be fetched, or what came is not the published file.
    OutputError
        If the folder cannot be written.
    """
    path = (cache or cache_folder()) / model.file
    fetch(model.url, path, sha256=model.sha256, size=model.size, progress=progress)
    return path


def recognise(path: Path) -> PublishedModel | None:
    """Return the published model whose file this is, or None."""
    if not path.is_file():
        return None
    sha256 = digest(path)
    return next((model for model in published_models().values() if model.sha256 == sha256), None)
