"""The main job: from a scene and a reference to a map that says how good it is.

Each step reads what earlier steps wrote, so a run that went on after a kill takes the same way as one that was not
killed, and ends in the same files.
"""

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from citygrain.accuracy.assess import assess
from citygrain.engines import LateEngine
from citygrain.files import make_folder, write_text
from citygrain.legend import Legend
from citygrain.maps.map_writer import SET_SIZE, SETS
from citygrain.models.card import read_card
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.devices import ONE, Devices
from citygrain.samples.draw import draw_samples, unit_counts
from citygrain.samples.reference import read_reference
from citygrain.samples.store import read_samples, read_table, write_samples, write_table
from citygrain.scene.codes import open_codes, read_codes
from citygrain.tiles import Progress
from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, log_test_scores, make_board, map_crop, run_text
from citygrain.workflows.city.autocorrelation import FILE as VARIOGRAM
from citygrain.workflows.city.autocorrelation import measure_autocorrelation, with_block
from citygrain.workflows.city.baselines import baselines, ceiling, is_plain
from citygrain.workflows.city.confidence import trust_figures
from citygrain.workflows.city.run_data import RunData
from citygrain.workflows.city.run_report import make_record
from citygrain.workflows.city.validation_sample import validation_figures, validation_ingredients
from citygrain.workflows.city.verdict import verdict
from citygrain.workflows.city.whole_units import rows_seen, see_whole, units_seen
from citygrain.workflows.config import RunConfig
from citygrain.workflows.manifest import Manifest, Observer, hash_file, versions
from citygrain.workflows.memory import MemoryPlan, release_memory
from citygrain.workflows.parts import choose_rows, group_units
from citygrain.workflows.rasters import write_map, write_segments
from citygrain.workflows.references import reference_product, run_sources
from citygrain.workflows.training import imported_meanwhile, training_hooks, wait_for
from citygrain.workflows.trust import TestLog, known_ground, learn_trust, look_at_ground, set_rule, units_to_log
from citygrain.workflows.units import (
    map_values,
    number_units,
    preparation,
)

if TYPE_CHECKING:
    from citygrain.models.classifier import Classifier
    from citygrain.models.tensorboard import Board
    from citygrain.report.html import RunRecord
    from citygrain.samples.samples import Samples

__all__ = ["STEPS", "run_city_map", "run_record"]

STEPS = ("segments", "samples", "train", "map", "assess", "report")
"""The steps that write files, in order."""
_SAMPLED = ["samples.h5", VARIOGRAM]


def run_city_map(
    config: RunConfig,
    folder: Path,
    *,
    redo: Collection[str] = (),
    until: str = "report",
    truth: Path | None = None,
    observer: Observer | None = None,
    progress: Progress | None = None,
    devices: Devices | None = None,
) -> Manifest:
    """Do the whole job, or what is left of it.

    Parameters
    ----------
    config : RunConfig
        What to do.
    folder : Path
        Output folder; made if it is not there.
    redo : collection of str
        Steps (of `STEPS`) to do again although their files are intact.
    until : str
        Last step to do.
    truth : Path, optional
        Raster of the true classes, where they are known (a synthetic city): map and reference are scored against it.
    observer : callable, optional
        Told when a step starts, is reused, or ends.
    progress : callable, optional
        Called with (done, total) within long steps.
    devices : Devices, optional
        Where a network trains; as configured, if not given. Machines after the first only help; they share `folder`.

    Returns
    -------
    Manifest
        What was done; the files lie in `folder`.

    Raises
    ------
    CitygrainError
        If the input cannot be used or the output cannot be written; finished steps stay finished.
    """
    devices = devices or Devices(*config.compute.asked)
    devices.check(config.model.name)
    MemoryPlan.of(config.compute.memory)  # refused before anything is made
    with LateEngine(config.compute.workers, config.compute.cluster) as late:
        make_folder(folder)
        job = _Job(config, folder, redo, truth, observer, progress, devices, late)
        work = (job.segment, job.sample, job.train, job.map, job.assess, job.report)
        for name, step in zip(STEPS, work, strict=True) if devices.leads else [(until, job.help)]:
            step()
            if name == until:
                break
    return job.manifest


def run_record(config: RunConfig, folder: Path) -> "RunRecord":
    """Return what the report of a finished run is made from; nothing is done again, and nothing is written.

    Parameters
    ----------
    config : RunConfig
        The run, as its manifest has it.
    folder : Path
        Its output folder, all steps done.
    """
    job = _Job(config, folder, (), None, None, None)
    return make_record(folder, job.data, job.manifest.listed())


@dataclass
class _Job:
    """A run: its settings, and what it has in memory (each read or computed once, when first needed)."""

    config: RunConfig
    folder: Path
    redo: Collection[str]
    truth: Path | None
    observer: Observer | None
    progress: Progress | None
    devices: Devices = ONE
    late: LateEngine = field(default_factory=LateEngine)

    @cached_property
    def manifest(self) -> Manifest:
        c = self.config
        inputs = [*c.scene.paths, Path(c.reference.path), *c.assess.paths, *([self.truth] if self.truth else [])]
        head = {
            "config": c.model_dump(),
            "seed": c.seed,
            "versions": versions(),
            "inputs": {str(path): hash_file(path) for path in inputs},
        }
        return Manifest(self.folder, head, self.redo, self.observer)

    # What the steps are made of. Each dict holds all that the step's files depend on, earlier steps included.

    @property
    def _segment_ingredients(self) -> dict[str, Any]:
        c = self.config
        scene = [self.manifest.head["inputs"][str(path)] for path in c.scene.paths]
        settings = c.scene.model_dump(exclude={"path", "dates"})
        return {
            "scene": scene,
            "reading": settings,
            "features": c.features.model_dump(),
            "units": c.units.model_dump(),
            "slic": c.segments.model_dump(),
        }

    @property
    def _sample_ingredients(self) -> dict[str, Any]:
        c = self.config
        reference = c.reference.model_dump(exclude={"path"})
        content = self.manifest.head["inputs"][str(c.reference.path)]
        model = c.model.model_dump(include={"name", "recipe", "bands"})
        settings = {"reference": content, "reading": reference, "samples": c.samples.model_dump(), "model": model}
        return {"segments": self._segment_ingredients, **settings, "seed": c.seed}

    @property
    def _train_ingredients(self) -> dict[str, Any]:
        several = {"devices": self.devices.world} if self.devices.world > 1 else {}  # other draws, other rounding
        return {"samples": self._sample_ingredients, "model": self.config.model.model_dump(), **several}

    @property
    def _map_ingredients(self) -> dict[str, Any]:
        return {"train": self._train_ingredients, "map": self.config.map.model_dump()}

    def _assess_ingredients(self, truth: str | None) -> dict[str, Any]:
        beside = [self.manifest.head["inputs"][str(path)] for path in self.config.assess.paths]
        settings = self.config.assess.model_dump(exclude={"points", "design"})
        for key in ("product", "second_reference"):
            (settings[key] or {}).pop("path", None)
        beside += validation_ingredients(self.config)
        sources = run_sources(self.config)
        return {"map": self._map_ingredients, "truth": truth, "assess": settings, "beside": beside, "sources": sources}

    @cached_property
    def data(self) -> RunData:
        """The rasters."""
        return RunData(self.config, self.folder, self.manifest.timed)

    @property
    def _needs(self) -> list[Callable[[], object]]:
        return [lambda: self.data.features, lambda: self.data.reference]

    # The steps.

    def segment(self) -> None:
        """Make superpixels, where they are the units or split them; cells and pixels need no making."""
        if self.config.units.kind != "superpixels" and self.config.samples.split != "superpixels":
            return
        c = self.config.segments

        def work() -> None:
            with imported_meanwhile(self.config.model.name):
                write_segments(
                    self.folder / "segments.tif",
                    self.data.features,
                    n_segments=c.n_segments,
                    area_ha=c.area,
                    compactness=c.compactness,
                    iterations=c.iterations,
                    memory=self.data.bounded,
                    engine=self.late.engine,
                    progress=self.progress,
                )

        self.manifest.step(
            "segments",
            self._segment_ingredients,
            ["segments.tif"],
            work,
            needs=self._needs,
        )

    def sample(self) -> None:
        def work() -> None:
            reference, legend = self.data.reference
            samples = draw_samples(self.data.chosen, self.data.units, reference, legend=legend, engine=self.late.engine)
            samples = group_units(samples, self.data.units, self.config, self.folder / "segments.tif")
            found = measure_autocorrelation(samples, self.data.chosen, self.data.units, self.config)
            write_text(self.folder / VARIOGRAM, json.dumps(found, indent=1) + "\n")
            drawn, table = choose_rows(samples, with_block(self.config, self.folder))
            table["counts"] = unit_counts(self.data.units, reference, legend)
            write_samples(self.folder / "samples.h5", drawn, table=table)

        self.manifest.step(
            "samples",
            self._sample_ingredients,
            _SAMPLED,
            work,
            needs=self._needs,
        )

    def train(self) -> None:
        def work() -> None:
            model, board, train, valid = self._fitted()
            model.save(self.folder / "model")
            seen = rows_seen(model, train), valid and rows_seen(model, valid)
            learn_trust(self.folder / "model", model, *seen, seed=self.config.seed)
            finish_board(board, model, train, valid)
            shutil.rmtree(self.folder / ".checkpoint", ignore_errors=True)
            del model, board, train, valid, seen
            release_memory(cycles=True)

        self.manifest.step("train", self._train_ingredients, ["model"], work, needs=self._needs[:1])

    def help(self) -> None:
        """Help the first machine to train, unless that was done; write nothing."""
        if not self.manifest.done("train", self._train_ingredients, ["model"]):
            wait_for(lambda: self.manifest.done("samples", self._sample_ingredients, _SAMPLED), "its samples")
            self._fitted()

    def _fitted(self) -> "tuple[Classifier, Board | None, Samples, Samples | None]":
        """Train the model; return it with what looked on and what it was fitted on."""
        c = self.config.model
        samples = read_samples(self.folder / "samples.h5")
        role = read_table(self.folder / "samples.h5")["role"][samples.unit]
        board = make_board(
            self.folder / FOLDER,
            c.name,
            samples,
            self._board,
            crop=lambda: map_crop(self.data.chosen, self.data.units, samples.legend),
        )
        model = make_model(
            c.name,
            **c.model_dump(include={"recipe", "epochs", "options"}),
            seed=self.config.seed,
            preparation=preparation(self.config, self.data.features, self.data.units),
            units=str(self.data.features.attrs["units"]),
            hooks=training_hooks(c.name, self.progress, self.folder / ".checkpoint", board, devices=self.devices),
            devices=self.devices,
        )
        see_whole(model, samples, self.data)
        train, valid = samples[role == 1], samples[role == 2] if (role == 2).any() else None
        return model.fit(train, valid), board, train, valid

    def map(self) -> None:
        marked = set_rule(read_card(self.folder / "model"), self.config.map.level)

        def work() -> None:
            model = load_model(self.folder / "model")
            units = units_seen(self.data.units, model.card.preparation)
            tested = units_to_log(read_table(self.folder / "samples.h5"), seed=self.config.seed)
            heard = TestLog.of(tested, len(model.card.legend))
            write_map(
                self.folder / "map.tif",
                self.data.chosen,
                units,
                model,
                marker=marked.masks if marked else None,
                sets=self.config.map.sets,
                listener=heard,
                memory=self.data.bounded,
                engine=self.late.engine,
                progress=self.progress,
            )
            known = known_ground(self.folder / "model")
            ground = look_at_ground(self.data.chosen, units, model, known, seed=self.config.seed) if known else {}
            judged: dict[str, npt.NDArray[Any]] = {"unit": heard.units, "probabilities": heard.probabilities}
            write_table(self.folder / "judged.h5", judged | ground)

        outputs = ["map.tif", "map.tif.aux.xml", "map.qml", "map.clr", "confidence.tif", "judged.h5"]
        outputs += [SET_SIZE, *([SETS] if self.config.map.sets else [])] if marked else []
        self.manifest.step("map", self._map_ingredients, outputs, work, needs=self._needs[:1])

    def assess(self) -> None:
        def work() -> None:
            table = read_table(self.folder / "samples.h5")
            card = read_card(self.folder / "model")
            legend = card.legend
            mapped = map_values(open_codes(self.folder / "map.tif"), self.data.units)
            judged = read_table(self.folder / "judged.h5")
            figures = verdict(table, mapped, legend, with_block(self.config, self.folder))
            figures |= trust_figures(table, judged, card, mapped, self.config)
            if "why" in card.recipe:
                figures["model"] = {"chosen": card.recipe["chosen"], "why": card.recipe["why"]}
            figures["baselines"] = baselines(self.data, table, mapped, legend, itself=is_plain(figures))
            highest = ceiling(self.data, table, mapped, legend)
            figures |= {"ceiling": highest} if highest else {}
            if self.truth:
                figures["truth"] = self._against_truth(table["role"] == 3, legend)
            figures |= validation_figures(self.folder / "map.tif", legend, self.config)
            told = {"reference_product": reference_product(self.config.reference), "sources": run_sources(self.config)}
            figures |= {name: value for name, value in told.items() if value}
            write_text(self.folder / "assessment.json", json.dumps(figures, indent=1) + "\n")
            test = assess(table["y"][table["role"] == 3], mapped[table["role"] == 3], legend)
            write_text(self.folder / "confusion.csv", test.to_csv())
            if self.config.model.name != "forest":
                log_test_scores(self.folder / FOLDER, self._board, test.to_dict())

        truth = self.manifest.head["inputs"].get(str(self.truth))
        outputs = ["assessment.json", "confusion.csv"]
        self.manifest.step("assess", self._assess_ingredients(truth), outputs, work, needs=self._needs[:1])

    def report(self) -> None:
        def work() -> None:
            from citygrain.report.html import write_report  # noqa: PLC0415 - matplotlib only for the report

            write_report(self.folder / "report.html", make_record(self.folder, self.data, self.manifest.listed()))

        ingredients = self._assess_ingredients(self.manifest.head["inputs"].get(str(self.truth)))
        self.manifest.step("report", ingredients, ["report.html"], work, needs=self._needs)

    @property
    def _board(self) -> BoardChoice:
        """What TensorBoard shows; no file of a step depends on it."""
        c = self.config
        bands = None if c.projector.bands is None else tuple(c.projector.bands)
        return BoardChoice(c.tensorboard, bands, c.projector.points, run_text(c.model_dump()))

    def _against_truth(self, tested: npt.NDArray[np.bool_], legend: Legend) -> dict[str, Any]:
        """Score map and reference, pixel by pixel in the test blocks, against what is really there."""
        city, (reference, _) = read_codes(self.folder / "map.tif"), self.data.reference
        really, _ = read_reference(Path(self.truth or ""), city.odc.geobox, legend=legend)
        where = np.append(tested, False)[number_units(self.data.units)]
        scores = {"map": city.values[where], "reference": reference.values[where]}
        return {side: assess(really.values[where], codes, legend).to_dict() for side, codes in scores.items()}
