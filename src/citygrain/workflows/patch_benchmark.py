"""Several models on the same patches: one split and the honest one beside it, one table, the matrices side by side.

Each model on each split (and fold) is a step of its own, recorded in the manifest: a benchmark that was interrupted
goes on, and one that is asked for one more model trains that one only.
"""

import csv
import io
import itertools
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from citygrain.errors import InputError
from citygrain.files import make_folder, write_text
from citygrain.models.catalogue import MODELS, ModelName, make_model
from citygrain.models.classifier import Classifier
from citygrain.models.devices import ONE, Devices
from citygrain.models.shelf import find_model, published_models
from citygrain.samples.samples import Samples
from citygrain.tiles import Progress
from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, make_board, run_text
from citygrain.workflows.manifest import Manifest, Observer, fingerprint, versions
from citygrain.workflows.patch_scores import score_rows
from citygrain.workflows.patch_source import PatchSource, content_mark
from citygrain.workflows.patch_splits import Given, Part, Split, SplitName, make_splits
from citygrain.workflows.patch_table import Entry, write_tables
from citygrain.workflows.patch_training import fitting_samples, held_out, how_read
from citygrain.workflows.training import training_hooks

__all__ = ["BenchmarkPlan", "Contender", "run_benchmark"]


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


def run_benchmark(
    plan: BenchmarkPlan,
    folder: Path,
    *,
    fresh: bool = False,
    kind: str = "png",
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train and score every model on every split, or what is left of it, and write tables, matrices and a report.

    Patches are read from disk as they are needed; a forest holds its training rows in memory, a network a few batches.

    Parameters
    ----------
    plan : BenchmarkPlan
        What is compared on what.
    folder : Path
        Gets ``table.csv``, ``table.json``, ``matrices*.png``, ``report.html``, ``manifest.json``, and for each split
        and model a folder with ``assessment.json``, ``confusion.csv``, and for each fold the model, its
        ``predictions.csv`` and ``run.json``.
    fresh : bool
        Do every step again, although its files are intact.
    kind : str
        Format of the matrices: ``png``, ``svg`` or ``pdf``.
    observer : callable, optional
        Told when a step starts, is reused, or ends.
    progress : callable, optional
        Called with (epochs done, epochs).

    Returns
    -------
    dict
        The content of ``table.json``; nothing on a machine that only helped.

    Raises
    ------
    CitygrainError
        If the input cannot be used or the output cannot be written; finished steps stay finished.
    """
    make_folder(folder)
    if fresh:
        (folder / "manifest.json").unlink(missing_ok=True)
    return _Bench(plan, folder, observer, progress, kind).run()


@dataclass
class _Bench:
    plan: BenchmarkPlan
    folder: Path
    observer: Observer | None
    progress: Progress | None
    kind: str = "png"

    @cached_property
    def manifest(self) -> Manifest:
        sources = [self.plan.source, self.plan.valid, self.plan.test]
        inputs = {str(source.path): content_mark(source.path) for source in sources if source is not None}
        head = {"config": self.plan.to_dict(), "seed": self.plan.seed, "versions": versions(), "inputs": inputs}
        return Manifest(self.folder, head, observer=self.observer)

    @cached_property
    def samples(self) -> Samples:
        return self.plan.source.open()

    @cached_property
    def group_names(self) -> dict[int, str]:
        return self.plan.source.group_names(self.samples)

    def run(self) -> dict[str, Any]:
        plan = self.plan
        given = Given(plan.source.splits(), *(None if s is None else s.open() for s in (plan.valid, plan.test)))
        splits, remarks = make_splits(
            self.samples, plan.split, given=given, folds=plan.folds, grouped=plan.grouped, seed=plan.seed
        )
        if not plan.devices.leads:
            self._help(splits)
            return {}
        entries = [self._entry(model, split) for split in splits for model in plan.models]
        facts = _facts(self.samples, plan.source)
        return write_tables(
            self.folder, entries, splits, remarks=remarks, facts=facts, manifest=self.manifest, kind=self.kind
        )

    def _help(self, splits: Sequence[Split]) -> None:
        """Help the first machine with what it trains, and write nothing."""
        for split, model in itertools.product(splits, self.plan.models):
            for number, part in enumerate(split.parts):
                name, ingredients, place = self._step(model, split, number)
                trains = not model.trained and model.name != "forest"
                if trains and not self.manifest.done(name, ingredients, [place.as_posix()]):
                    self._trained(model, part, _checkpoint(self.folder / place), self.folder)

    def _entry(self, model: Contender, split: Split) -> Entry:
        places = [self._part(model, split, number) for number in range(len(split.parts))]
        answers = [read_predictions(place / "predictions.csv") for place in places]
        runs = [json.loads((place / "run.json").read_text(encoding="utf-8")) for place in places]
        reference, mapped = (np.concatenate([a[i] for a in answers]) for i in (0, 1))
        group = np.concatenate([part.test.group for part in split.parts])
        rng = np.random.default_rng([self.plan.seed, 2])
        names = self.group_names if self.plan.test is None else {}
        scores = score_rows(reference, mapped, self.samples.legend, group=group, names=names, rng=rng)
        entry = Entry(model.label, split.name, scores, runs, self.samples.legend)
        place = self.folder / split.name / model.slug
        write_text(place / "assessment.json", json.dumps(scores, indent=1) + "\n")
        write_text(place / "confusion.csv", entry.assessment.to_csv())
        return entry

    def _part(self, model: Contender, split: Split, number: int) -> Path:
        """Train and score a model on one part of a split, unless that was done."""
        name, ingredients, place = self._step(model, split, number)
        part = split.parts[number]
        self.manifest.step(name, ingredients, [place.as_posix()], lambda: self._work(model, part, self.folder / place))
        return self.folder / place

    def _step(self, model: Contender, split: Split, number: int) -> tuple[str, dict[str, Any], Path]:
        """Return name, ingredients and folder of what is done for one part of a split."""
        part, world = split.parts[number], self.plan.devices.world
        fold = f" {number + 1}" if len(split.parts) > 1 else ""
        place = Path(split.name) / model.slug / (f"fold{number + 1}" if fold else "whole")
        ingredients = {
            "input": sorted(self.manifest.head["inputs"].values()),
            "reading": self.plan.source.to_dict(),
            "rows": part.mark,
            "model": model.mark(),
            "epochs": self.plan.epochs,
            "settings": self.plan.settings_of(model),
            "seed": self.plan.seed,
        }
        if world > 1 and not model.trained and model.name != "forest":
            ingredients["devices"] = world  # the same but for rounding and draws
        return f"{model.label} {split.name}{fold}", ingredients, place

    def _work(self, model: Contender, part: Part, place: Path) -> None:
        checkpoint = _checkpoint(place)
        shutil.rmtree(place, ignore_errors=True)
        start = time.perf_counter()
        classifier = self._trained(model, part, checkpoint, self.folder / FOLDER / place.relative_to(self.folder))
        trained = time.perf_counter()
        units = self.plan.source.units(part.test.features)
        mapped = classifier.predict(fitting_samples(classifier.card, part.test, units).x)
        predicted = time.perf_counter()
        classifier.save(place / "model")
        run = {
            "parameters": classifier.card.parameters,
            "epochs": classifier.card.epochs,
            "bytes": sum(file.stat().st_size for file in (place / "model").iterdir()),
            "training_rows": len(part.train),
            "training_seconds": None if model.trained else round(trained - start, 3),
            "test_rows": len(part.test),
            "prediction_seconds": round(predicted - trained, 4),
        }
        write_predictions(place / "predictions.csv", part.test, mapped)
        write_text(place / "run.json", json.dumps(run, indent=1) + "\n")
        shutil.rmtree(checkpoint, ignore_errors=True)

    def _trained(self, model: Contender, part: Part, checkpoint: Path, log: Path) -> Classifier:
        if model.trained:
            return find_model(model.name, cache=self.plan.cache)
        train, valid = part.train, part.valid
        if model.name == "forest" or model.recipe == "course":
            valid = None  # as taught: nothing is chosen on validation rows, so all of them train
        elif valid is None:
            train, valid = held_out(train, seed=self.plan.seed)
        name = cast(ModelName, model.name)
        board = make_board(log, name, train, replace(self.plan.board, texts=run_text(self.plan.source.to_dict())))
        classifier = self.plan.make(
            model,
            units=self.plan.source.units(train.features),
            preparation=how_read(self.plan.source, train),
            hooks=training_hooks(name, self.progress, checkpoint, board, devices=self.plan.devices),
        )
        classifier.fit(train, valid)
        if self.plan.devices.leads:
            finish_board(board, classifier, train, valid)
        return classifier


def _checkpoint(place: Path) -> Path:
    return place.with_name(f".{place.name}.checkpoint")  # outlives a kill, unlike what is half-written


def write_predictions(path: Path, test: Samples, mapped: npt.NDArray[np.uint8]) -> None:
    """Write reference, mapped class and group of each test row."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["row", "reference", "mapped", "group"])
    out.writerows(zip(test.unit.tolist(), test.y.tolist(), mapped.tolist(), test.group.tolist(), strict=True))
    write_text(path, text.getvalue())


def read_predictions(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return reference and mapped classes that `write_predictions` wrote."""
    table = np.loadtxt(path, np.int64, delimiter=",", skiprows=1, ndmin=2)
    return table[:, 1].astype(np.uint8), table[:, 2].astype(np.uint8)


def _facts(samples: Samples, source: PatchSource) -> dict[str, Any]:
    groups = np.unique(samples.group[samples.group >= 0])
    return {
        "path": str(source.path),
        "rows": len(samples),
        "channels": list(samples.features),
        "shape": [int(side) for side in samples.x.shape[1:]],
        "units": source.units(samples.features),
        "legend": samples.legend.scheme,
        "classes": samples.counts(),
        "groups": len(groups),
    }
