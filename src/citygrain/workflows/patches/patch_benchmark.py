"""Several models on the same patches: one split and the honest one beside it, one table, the matrices side by side.

Each model on each split (and fold) is a step of its own, recorded in the manifest: a benchmark that was interrupted
goes on, and one that is asked for one more model trains that one only.
"""

import itertools
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from citygrain.accuracy.assess import assess
from citygrain.files import make_folder, write_text
from citygrain.models.catalogue import ModelName
from citygrain.models.classifier import Classifier
from citygrain.models.shelf import find_model
from citygrain.samples.samples import Samples
from citygrain.tiles import Progress
from citygrain.workflows.board import FOLDER, finish_board, log_test_scores, make_board, run_text
from citygrain.workflows.manifest import Manifest, Observer, versions
from citygrain.workflows.patches.benchmark_plan import BenchmarkPlan, Contender
from citygrain.workflows.patches.patch_predictions import read_predictions, write_predictions
from citygrain.workflows.patches.patch_scores import score_rows
from citygrain.workflows.patches.patch_source import PatchSource, content_mark
from citygrain.workflows.patches.patch_splits import Given, Part, Split, make_splits
from citygrain.workflows.patches.patch_table import Entry, write_tables
from citygrain.workflows.patches.patch_training import fitting_samples, held_out, how_read
from citygrain.workflows.training import training_hooks

__all__ = ["run_benchmark"]


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
        classifier = self._trained(model, part, checkpoint, self._log(place))
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
        if not model.trained and model.name != "forest":
            known = part.test.y > 0
            scores = assess(part.test.y[known], mapped[known], part.test.legend).to_dict()
            log_test_scores(self._log(place), self.plan.board, scores)
        shutil.rmtree(checkpoint, ignore_errors=True)

    def _log(self, place: Path) -> Path:
        return self.folder / FOLDER / place.relative_to(self.folder)

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
