"""The fitting of a network with Lightning: quiet, reproducible to the byte, resumed from the last finished epoch.

The processes, one for each device, are those of `citygrain.models.crew`; the loop is Lightning's.
"""

import contextlib
import logging
import pickle
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy

from citygrain.errors import InputError
from citygrain.files import make_folder
from citygrain.models.architectures import network_of
from citygrain.models.crew import Crew, crew
from citygrain.models.devices import Devices
from citygrain.models.feed import Feed
from citygrain.models.hooks import Hooks, Job
from citygrain.models.parallel import has_batch_statistics, workers
from citygrain.models.precision import device
from citygrain.models.recipe import Recipe
from citygrain.models.training import STATE, Training

__all__ = ["Task", "train_network"]

_log = logging.getLogger(__name__)
_ADVICE = (
    r".*LeafSpec.* is deprecated",  # Lightning meets a newer PyTorch
    r"You defined a `validation_step` but have no `val_dataloader`",  # validation rows are optional
)


@dataclass(frozen=True)
class Task:
    """What a process needs to train a network.

    Attributes
    ----------
    recipe : Recipe
        How.
    train : Feed
        Rows to learn from.
    valid : Feed or None
        Rows to judge by.
    job : Job
        Seed, precision, what looks on.
    threads : int or None
        Threads of each process; None = PyTorch's choice, divided by the processes.
    devices : Devices
        Where it trains.
    """

    recipe: Recipe
    train: Feed
    valid: Feed | None
    job: Job
    threads: int | None
    devices: Devices

    def for_helpers(self) -> "Task":
        """Return what a helper needs: nobody looks on there."""
        return replace(self, job=replace(self.job, hooks=Hooks(checkpoint=self.job.hooks.checkpoint)))


def train_network(task: Task) -> Training:
    """Train from the start, or from the state in the checkpoint folder; the network ends with its final weights.

    Raises
    ------
    InputError
        If there are fewer rows than devices, or the rows cannot be sent to another process.
    CitygrainError
        If a process that helps is lost.
    """
    fewest = min(task.recipe.batch, len(task.train.columns))
    if fewest < task.devices.world:
        raise InputError(
            f"{task.devices.world} devices for batches of {task.recipe.batch} of {len(task.train.columns)} rows",
            wanted=f"at most {fewest}, a row for each of them",
        )
    with crew(task.devices, _train, task.for_helpers()) as place:
        return _train(task, place)


def _train(task: Task, place: Crew | None) -> Training:
    job, threads = task.job, task.threads or torch.get_num_threads()
    if place is not None:
        threads = max(1, threads // task.devices.count)
    with workers(threads) as over:
        torch.manual_seed(job.seed)
        network = network_of(job.card)
        training = Training(network, task.recipe, task.train, job=job)
        training.over = over
        if training.split is None and has_batch_statistics(network):
            torch.set_num_threads(threads)  # the statistics of a whole batch cannot be had by halves
        _run(training, task, place)
    training.over = map  # the threads are gone
    return training


def _run(training: Training, task: Task, place: Crew | None) -> None:
    hooks, epochs = task.job.hooks, task.recipe.epochs
    state = _find_state(task.job)
    done = 0 if state is None else len(state["citygrain"]["history"])
    if state is not None and (done >= epochs or state["citygrain"]["stopped"]):
        training.load_state_dict(state["state_dict"])
        training.on_load_checkpoint(state)
    else:
        with _quiet():
            trainer = pl.Trainer(
                **_places(place),
                max_epochs=epochs,
                logger=list(hooks.loggers) or False,
                callbacks=list(hooks.callbacks),
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                log_every_n_steps=max(1, len(task.train)),
            )
            resume = None if state is None else hooks.checkpoint / STATE  # type: ignore[operator]  # it came from there
            trainer.fit(training, task.train, task.valid, ckpt_path=resume, weights_only=True)
    final = training.best or training.average
    if final:
        training.network.load_state_dict(final)


class _Together(DDPStrategy):
    """Lightning's, without its launcher: the crew is there already."""

    def _configure_launcher(self) -> None:
        self._launcher = None


def _places(place: Crew | None) -> dict[str, Any]:
    """Return what Lightning's Trainer is told of the devices."""
    accelerator = {"cuda": "cuda", "cpu": "cpu"}[device().type]
    if place is None:
        return {"accelerator": accelerator, "devices": 1, "plugins": [LightningEnvironment()]}
    return {
        "accelerator": accelerator,
        "devices": place.devices.count,
        "num_nodes": place.devices.nodes,
        "strategy": _Together(),
        "plugins": [place],
    }


def _find_state(job: Job) -> dict[str, Any] | None:
    if job.hooks.checkpoint is None:
        return None
    make_folder(job.hooks.checkpoint)
    path = job.hooks.checkpoint / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        same = state["citygrain"]["key"] == job.key
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError):
        same = False
    if not same:
        _log.warning("%s is of another training or damaged: starting afresh", path)
        return None
    _log.info("going on after epoch %d from %s", len(state["citygrain"]["history"]), path)
    return state


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's banners, and its advice that does not fit our feeds, from the user."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.WARNING)
        with warnings.catch_warnings():
            for advice in _ADVICE:
                warnings.filterwarnings("ignore", message=advice)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
