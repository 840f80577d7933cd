"""The main job: from a scene and a reference to a map that says how good it is.

Each step reads what earlier steps wrote, so a run that went on after a kill takes the same way as one that was not
killed, and ends in the same files.
"""

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from citygrain.accuracy.assess import assess
from citygrain.features.stack import compute_features
from citygrain.files import make_folder, write_text
from citygrain.grid_patches import GridPatches
from citygrain.legend import Legend
from citygrain.maps.predict import predict_map
from citygrain.maps.thematic_map import ThematicMap
from citygrain.models.card import read_card
from citygrain.models.catalogue import load_model, make_model
from citygrain.models.devices import ONE, Devices
from citygrain.samples.draw import draw_samples, unit_counts
from citygrain.samples.reference import read_reference
from citygrain.samples.store import read_samples, read_table, write_samples
from citygrain.scene.codes import read_codes
from citygrain.scene.write import write_cog
from citygrain.segments.slic import superpixels
from citygrain.tessellation import Pixels
from citygrain.tiles import Progress
from citygrain.workflows.board import FOLDER, BoardChoice, finish_board, make_board, map_crop, run_text
from citygrain.workflows.config import RunConfig
from citygrain.workflows.dates import join_dates, read_dates
from citygrain.workflows.manifest import Manifest, Observer, hash_file, versions
from citygrain.workflows.parts import choose_rows, few_patches, group_units, named_legend
from citygrain.workflows.training import training_hooks, wait_for
from citygrain.workflows.units import (
    NOUNS,
    Units,
    choose_features,
    choose_units,
    number_units,
    on_scene,
    preparation,
    unit_values,
)
from citygrain.workflows.verdict import caveats, verdict

if TYPE_CHECKING:
    from citygrain.models.board_views import Crop
    from citygrain.models.classifier import Classifier
    from citygrain.models.tensorboard import Board
    from citygrain.report.html import RunRecord
    from citygrain.samples.samples import Samples

__all__ = ["STEPS", "run_city_map", "run_record"]

STEPS = ("segments", "samples", "train", "map", "assess", "report")
"""The steps that write files, in order."""


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
    make_folder(folder)
    job = _Job(config, folder, redo, truth, observer, progress, devices)
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
    return _Job(config, folder, (), None, None, None)._record()


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

    @cached_property
    def manifest(self) -> Manifest:
        c = self.config
        inputs = [*c.scene.paths, Path(c.reference.path), *([self.truth] if self.truth else [])]
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

    # What the steps need in memory.

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        with self.manifest.timed(name):
            return work()

    @cached_property
    def dates(self) -> list[xr.DataArray]:
        """The scene, or each of its dates."""
        dates: list[xr.DataArray] = self._timed("read", lambda: read_dates(self.config.scene))
        return dates

    @cached_property
    def features(self) -> xr.DataArray:
        c, dates = self.config.features, self.dates
        bands = c.bands or [str(name) for name in dates[0].band.values]
        names = [*bands, *(index for index in c.indices if index not in bands)]

        def work() -> xr.DataArray:
            return join_dates([compute_features(date, names) for date in dates])

        features: xr.DataArray = self._timed("features", work)
        return features

    @cached_property
    def reference(self) -> tuple[xr.DataArray, Legend]:
        c = self.config.reference
        options: dict[str, Any] = c.model_dump(exclude={"path", "legend"}) | {"legend": named_legend(c.legend)}
        geobox = self.features.odc.geobox if self.config.units.kind == "superpixels" else self.units.geobox
        reference: tuple[xr.DataArray, Legend] = self._timed(
            "reference", lambda: read_reference(Path(c.path), geobox, **options)
        )
        return reference

    @cached_property
    def units(self) -> Units:
        superpixels_ = self.config.units.kind == "superpixels"
        return choose_units(
            self.features, read_codes(self.folder / "segments.tif") if superpixels_ else None, self.config
        )

    @cached_property
    def chosen(self) -> xr.DataArray:
        """The features that the model sees."""
        return choose_features(self.features, self.config.model.bands, self.config.scene.sensor)

    # The steps.

    def segment(self) -> None:
        """Make superpixels; cells and pixels need no making."""
        if self.config.units.kind != "superpixels":
            return
        c = self.config.segments

        def work() -> None:
            labels = superpixels(
                self.features,
                n_segments=c.n_segments,
                area_ha=c.area,
                compactness=c.compactness,
                iterations=c.iterations,
                progress=self.progress,
            )
            write_cog(
                self.folder / "segments.tif", labels.values, labels.odc.geobox, nodata=0, band_names=["superpixel"]
            )

        self.manifest.step(
            "segments",
            self._segment_ingredients,
            ["segments.tif"],
            work,
            needs=[lambda: self.features, lambda: self.reference],
        )

    def sample(self) -> None:
        def work() -> None:
            reference, legend = self.reference
            samples = draw_samples(self.chosen, self.units, reference, legend=legend)
            samples = group_units(samples, self.units, self.config)
            drawn, table = choose_rows(samples, self.config)
            table["counts"] = unit_counts(self.units, reference, legend)
            write_samples(self.folder / "samples.h5", drawn, table=table)

        self.manifest.step(
            "samples",
            self._sample_ingredients,
            ["samples.h5"],
            work,
            needs=[lambda: self.features, lambda: self.reference],
        )

    def train(self) -> None:
        def work() -> None:
            model, board, train, valid = self._fitted()
            model.save(self.folder / "model")
            finish_board(board, model, train, valid)
            shutil.rmtree(self.folder / ".checkpoint", ignore_errors=True)

        self.manifest.step("train", self._train_ingredients, ["model"], work, needs=[lambda: self.features])

    def help(self) -> None:
        """Help the first machine to train, unless that was done; write nothing."""
        if not self.manifest.done("train", self._train_ingredients, ["model"]):
            wait_for(lambda: self.manifest.done("samples", self._sample_ingredients, ["samples.h5"]), "its samples")
            self._fitted()

    def _fitted(self) -> "tuple[Classifier, Board | None, Samples, Samples | None]":
        """Train the model; return it with what looked on and what it was fitted on."""
        c = self.config.model
        samples = read_samples(self.folder / "samples.h5")
        role = read_table(self.folder / "samples.h5")["role"][samples.unit]
        board = make_board(self.folder / FOLDER, c.name, samples, self._board, crop=lambda: self._crop(samples.legend))
        model = make_model(
            c.name,
            **c.model_dump(include={"recipe", "epochs", "options"}),
            seed=self.config.seed,
            preparation=preparation(self.config, self.features, self.units),
            units=str(self.features.attrs["units"]),
            hooks=training_hooks(c.name, self.progress, self.folder / ".checkpoint", board, devices=self.devices),
            devices=self.devices,
        )
        train, valid = samples[role == 1], samples[role == 2] if (role == 2).any() else None
        return model.fit(train, valid), board, train, valid

    def map(self) -> None:
        def work() -> None:
            model = load_model(self.folder / "model")
            city = predict_map(self.chosen, self.units, model, progress=self.progress)
            city.write(self.folder / "map.tif")

        outputs = ["map.tif", "map.tif.aux.xml", "map.qml", "map.clr", "confidence.tif"]
        self.manifest.step("map", self._train_ingredients, outputs, work, needs=[lambda: self.features])

    def assess(self) -> None:
        def work() -> None:
            table = read_table(self.folder / "samples.h5")
            city = self._city()
            mapped = unit_values(city.codes.values, number_units(self.units), len(table["role"]))
            figures = verdict(table, mapped, city.legend, self.config)
            if self.truth:
                figures["truth"] = self._against_truth(city, table["role"] == 3)
            write_text(self.folder / "assessment.json", json.dumps(figures, indent=1) + "\n")
            test = assess(table["y"][table["role"] == 3], mapped[table["role"] == 3], city.legend)
            write_text(self.folder / "confusion.csv", test.to_csv())

        truth = self.manifest.head["inputs"].get(str(self.truth))
        ingredients = {"map": self._train_ingredients, "truth": truth}
        self.manifest.step("assess", ingredients, ["assessment.json", "confusion.csv"], work)

    def report(self) -> None:
        def work() -> None:
            from citygrain.report.html import write_report  # noqa: PLC0415 - matplotlib only for the report

            write_report(self.folder / "report.html", self._record())

        needs = [lambda: self.features, lambda: self.reference]
        ingredients = {"map": self._train_ingredients, "truth": self.manifest.head["inputs"].get(str(self.truth))}
        self.manifest.step("report", ingredients, ["report.html"], work, needs=needs)

    @property
    def _board(self) -> BoardChoice:
        """What TensorBoard shows; no file of a step depends on it."""
        c = self.config
        bands = None if c.projector.bands is None else tuple(c.projector.bands)
        return BoardChoice(c.tensorboard, bands, c.projector.points, run_text(c.model_dump()))

    def _crop(self, legend: Legend) -> "Crop":
        return map_crop(self.chosen, self.units, legend)

    def _city(self) -> ThematicMap:
        return ThematicMap.read(self.folder / "map.tif", read_card(self.folder / "model").legend)

    def _against_truth(self, city: ThematicMap, tested: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Score map and reference, pixel by pixel in the test blocks, against what is really there."""
        really, legend = read_reference(Path(self.truth or ""), city.geobox, legend=city.legend)
        where = np.append(tested, False)[number_units(self.units)]
        reference, _ = self.reference
        scores = {"map": city.codes.values[where], "reference": reference.values[where]}
        return {side: assess(really.values[where], codes, legend).to_dict() for side, codes in scores.items()}

    def _record(self) -> "RunRecord":
        from citygrain.report.html import RunRecord  # noqa: PLC0415 - matplotlib only for the report

        city, samples = self._city(), read_samples(self.folder / "samples.h5")
        table = read_table(self.folder / "samples.h5")
        figures = json.loads((self.folder / "assessment.json").read_text(encoding="utf-8"))
        card, units, scene = read_card(self.folder / "model"), self.units, self.dates[0]
        role = np.array([0, 1, 1, 2], np.uint8)[table["role"]]

        def drawn(raster: xr.DataArray) -> npt.NDArray[Any]:
            return on_scene(raster.values, units, (scene.shape[1], scene.shape[2]))

        return RunRecord(
            title=self.folder.resolve().name,
            scene=scene,
            unit=NOUNS[self.config.units.kind],
            segments=None if isinstance(units, GridPatches | Pixels) else units.labels.values,
            legend=city.legend,
            reference_pixel=drawn(self.reference[0]),
            reference_unit=drawn(units.scatter(table["y"])),
            map_codes=drawn(city.codes),
            confidence=drawn(city.confidence),
            split=drawn(units.scatter(role)),
            assessment=figures,
            history=[dict(epoch) for epoch in card.history],
            patches=few_patches(samples) if len(samples.x.shape) == 4 else None,
            steps=self.manifest.listed(),
            config=self.config.model_dump(),
            caveats=caveats(figures, table, self.config),
            cell=units.stride if isinstance(units, GridPatches) else 1,
        )
