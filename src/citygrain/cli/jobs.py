"""Commands for the whole job: run, demo, report."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from citygrain.cli.console import console, show_steps
from citygrain.cli.options import (
    ClusterOption,
    DevicesOption,
    JsonOption,
    MemoryOption,
    ModelOption,
    NodesOption,
    OutOption,
    StrategyOption,
    WorkersOption,
    configuration,
    devices_of,
)
from citygrain.models.devices import ONE, Devices

if TYPE_CHECKING:
    from citygrain.workflows.config import RunConfig


def run(
    config: Annotated[Path, typer.Argument(help="Configuration (TOML).")],
    out: OutOption = Path("runs/latest"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Do every step again.")] = False,
    as_json: JsonOption = False,
    devices: DevicesOption = None,
    nodes: NodesOption = None,
    strategy: StrategyOption = None,
    memory: MemoryOption = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Do the whole job: superpixels, samples, model, map, assessment, report."""
    read = configuration(config)
    if workers is not None or cluster is not None:  # either takes the place of what the configuration says
        read = _computing(read, workers=workers, cluster=cluster)
    if memory is not None:
        read = _computing(read, memory=memory)
    chosen = devices_of(devices, nodes, strategy, given=read.compute.asked)
    _whole_job(read, out, fresh, as_json, devices=chosen)


def demo(
    out: OutOption = Path("runs/demo"),
    size: Annotated[int, typer.Option(min=256, help="Side of the city in pixels of 10 m.")] = 1024,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another city.")] = 0,
    model: ModelOption = "cnn",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do every step again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Do the whole job on a synthetic city whose truth is known."""
    from citygrain.workflows.city.demo import write_demo

    config, truth = write_demo(out, size=size, seed=seed, model=model)
    _whole_job(configuration(config), out, fresh, as_json, truth=truth)


def report(folder: Annotated[Path, typer.Argument(help="Output folder of a run.")]) -> None:
    """Write the report of a finished run again."""
    from citygrain.workflows.city.reporting import report_again

    report_again(folder)
    console.print(f"{folder / 'report.html'}")


def _computing(config: "RunConfig", **given: Any) -> "RunConfig":
    return config.model_copy(update={"compute": config.compute.model_copy(update=given)})


def _whole_job(
    config: "RunConfig", out: Path, fresh: bool, as_json: bool, *, truth: Path | None = None, devices: Devices = ONE
) -> None:
    from citygrain.workflows.city.city_map import STEPS, run_city_map
    from citygrain.workflows.city.reporting import summary_lines

    with show_steps() as (observer, progress):
        redo = STEPS if fresh else ()
        manifest = run_city_map(
            config, out, redo=redo, truth=truth, observer=observer, progress=progress, devices=devices
        )
    if not devices.leads:
        console.print(f"helped to train what is in {out}", markup=False)
        return
    text = (out / "assessment.json").read_text(encoding="utf-8")
    if as_json:
        typer.echo(text, nl=False)
        return
    for line in summary_lines(json.loads(text), manifest):
        console.print(line, markup=False)
