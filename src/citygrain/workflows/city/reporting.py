"""Say what came of a run: the report again, and the summary in a few lines."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from citygrain.workflows.city.baselines import baseline_lines
from citygrain.workflows.city.city_map import run_city_map
from citygrain.workflows.city.finished_run import read_manifest
from citygrain.workflows.manifest import Manifest
from citygrain.workflows.references import product_lines

__all__ = ["report_again", "summary_lines"]


def report_again(folder: Path) -> None:
    """Write the report of a run again, from its manifest; steps that are missing are done.

    Raises
    ------
    InputError
        If the folder is no run's.
    """
    config, inputs = read_manifest(folder)
    known = {*config.scene.paths, Path(config.reference.path), *config.assess.paths}
    truth = [Path(path) for path in inputs if Path(path) not in known]
    run_city_map(config, folder, redo=("report",), truth=truth[0] if truth else None)


def summary_lines(figures: Mapping[str, Any], manifest: Manifest) -> Iterator[str]:
    """Give the few lines that a run ends with.

    Parameters
    ----------
    figures : mapping
        The content of ``assessment.json``.
    manifest : Manifest
        The run's record.
    """
    steps = manifest.listed()
    reused = [step["name"] for step in steps if step["reused"]]
    if reused:
        yield f"reused: {', '.join(reused)} (--fresh does them again)"
    for step in steps:
        if not step["reused"]:
            yield f"{step['name']:>10} {step['seconds']:7.1f} s {step['peak_mb']:7.0f} MB"
    unit, number = figures["unit"], figures["split_detail"]["units"]["test"]
    ground = f"unseen {figures['split_detail']['by']}"
    yield from _sampled(figures.get("validation_sample"))
    yield f"{ground}, {number} {unit}s: {_scores(figures[unit])}"
    yield from product_lines(figures)
    yield from baseline_lines(figures)
    if unit == "superpixel":
        yield f"{ground}, pixel by pixel: {_scores(figures['pixel'])}"
    if "model" in figures:
        yield f"model {' and '.join(figures['model']['chosen'])}: {figures['model']['why']}"
    if "lcz" in figures[unit]:
        yield f"{ground}, Local Climate Zones: {_zone_scores(figures[unit]['lcz'])}"
    yield f"all {unit}s, trained ones included (optimistic): {_scores(figures['resubstitution'][unit])}"
    if "truth" in figures:
        yield f"map against the truth, unseen blocks, pixel by pixel: {_scores(figures['truth']['map'])}"
        yield f"reference against the truth, the same pixels: {_scores(figures['truth']['reference'])}"
    yield f"map {manifest.folder / 'map.tif'}, report {manifest.folder / 'report.html'}"


def _sampled(sample: Mapping[str, Any] | None) -> Iterator[str]:
    """Say what labelled points tell of the whole map, if they can."""
    if sample is None:
        return
    number = sample["points"]["labelled"]
    if not sample["probability_sample"]:
        yield f"{number} labelled points, no probability sample: agreement {sample['counts']['overall_accuracy']:.3f}"
        return
    figure = sample["area_adjusted"]["overall_accuracy"]
    low, high = figure["interval_95"]
    right = f"overall accuracy {figure['value']:.3f} [{low:.3f}, {high:.3f}]"
    yield f"whole map, {number} points of a {sample['design']['name']} sample: {right}"


def _scores(part: Mapping[str, Any]) -> str:
    interval = part.get("interval_95", {}).get("overall_accuracy")
    spread = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    names = ("overall_accuracy", "kappa", "macro_f1")
    overall, kappa, macro = ("undefined" if part[name] is None else f"{part[name]:.3f}" for name in names)
    return f"overall accuracy {overall}{spread}, kappa {kappa}, macro F1 {macro}"


def _zone_scores(zones: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'undefined' if value is None else f'{value:.3f}'}" for name, value in zones.items())
