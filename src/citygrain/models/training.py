"""Training a network with Lightning: quiet, reproducible to the byte, and resumed from the last finished epoch.

Lightning brings the loop, the loggers and the checkpoints; the batches, the draws and the best weights are ours,
because they must not depend on where a training was interrupted.
"""

import contextlib
import logging
import math
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn
from torch.nn import functional

from citygrain.files import make_folder, whole_file
from citygrain.models.card import ModelCard
from citygrain.models.feed import Batch, Feed, spread_seed
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.networks.dropout import seed_dropout
from citygrain.models.parallel import Twins, split_network
from citygrain.models.precision import autocast
from citygrain.models.recipe import Recipe
from citygrain.tiles import Progress

_ADVICE = (
    r".*LeafSpec.* is deprecated",  # Lightning meets a newer PyTorch
    r"You defined a `validation_step` but have no `val_dataloader`",  # validation rows are optional
)

__all__ = ["STATE", "Hooks", "Job", "Training", "as_good_as_best", "run_training"]

_log = logging.getLogger(__name__)
_JUDGED = 64
"""Rows that a thread judges at a time: what they become on the way stays in the cache."""
STATE = "last.ckpt"
"""The state after the last finished epoch, in the checkpoint folder."""


@dataclass(frozen=True)
class Hooks:
    """What looks on while a network trains.

    Attributes
    ----------
    progress : callable, optional
        Called with (epochs done, epochs) after each epoch.
    checkpoint : Path, optional
        Folder for the state after the last finished epoch; a training that finds one there goes on from it.
    loggers : sequence
        Lightning loggers.
    callbacks : sequence
        Lightning callbacks.
    """

    progress: Progress | None = None
    checkpoint: Path | None = None
    loggers: Sequence[Any] = ()
    callbacks: Sequence[Any] = ()


@dataclass(frozen=True)
class Job:
    """What a training is asked for besides network, recipe and rows.

    Attributes
    ----------
    seed : int
        Source of every draw.
    half : bool
        Compute in bfloat16.
    key : str
        Fingerprint of network, recipe, seed and rows; a state with another one is not taken up.
    hooks : Hooks
        What looks on.
    card : ModelCard
        What the model is, for those who look on.
    """

    seed: int
    half: bool
    key: str
    hooks: Hooks
    card: ModelCard


class Training(pl.LightningModule):
    """A network in training: loss, optimiser, schedule, learning curves, best weights."""

    def __init__(self, network: nn.Module, recipe: Recipe, feed: Feed, *, job: "Job") -> None:
        super().__init__()
        self.network, self.recipe, self.feed = network, recipe, feed
        self.seed, self.bf16, self.key, self.hooks = job.seed, job.half, job.key, job.hooks
        self.card = job.card
        self.automatic_optimization = False  # halves of a batch go side by side
        self.over: Any = map
        self.judge: Callable[[Tensor], Tensor] = self.forward  # of validation rows
        self.split = split_network(network, self._precise, halves=recipe.halves)
        self.history: list[dict[str, float]] = []
        self.average: dict[str, Tensor] = {}
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.sums: dict[str, list[float]] = {"train": [0.0] * 3, "valid": [0.0] * 3}

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) in float32."""
        return self._precise(self.network)(x)

    def _precise(self, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            with autocast(self.bf16):
                return function(x).float()

        return run

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Take one step of the optimiser and of the schedule; return the loss of the batch."""
        x, target, weight = batch
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        seed = spread_seed(self.seed, self.global_step) >> 2

        def loss_of(logits: Tensor, rows: slice) -> Tensor:
            losses = self._losses(logits, target[rows], smoothing=self.recipe.label_smoothing)
            return (losses * weight[rows]).sum() / weight.sum()

        if self.split is not None:
            loss, logits = self.split.gradients(x, loss_of, self.over, seed=seed)
        else:
            seed_dropout(self.network, seed)
            logits = self(x)
            loss = loss_of(logits, slice(None))
            loss.backward()  # type: ignore[no-untyped-call]
        self._count(logits.detach(), target, loss.detach(), part="train")
        optimizer.step()
        self._follow()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        return loss.detach()

    def _follow(self) -> None:
        """Move the running average towards the weights; young averages move faster."""
        if self.recipe.averaging <= 0:
            return
        weights = self.network.state_dict()
        if not self.average:
            self.average = {name: value.detach().clone() for name, value in weights.items()}
        horizon = max(1.0, self.recipe.averaging * len(self.feed))
        share = max(1 / horizon, 10 / (10 + self.global_step))
        for name, value in self.average.items():
            if value.is_floating_point():
                value.lerp_(weights[name].detach(), share)
            else:
                value.copy_(weights[name])  # a count of batches

    def _swap(self) -> None:
        if self.average:
            weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
            self.network.load_state_dict(self.average)
            self.average = weights

    @contextlib.contextmanager
    def judged_network(self) -> Iterator[nn.Module]:
        """Give the network as it is judged: in evaluation mode, with the average weights where there is an average."""
        before = {name: module.training for name, module in self.network.named_modules()}
        self._swap()
        try:
            yield self.network.eval()
        finally:
            self._swap()
            for name, module in self.network.named_modules():
                module.training = before[name]

    def on_validation_start(self) -> None:
        """Judge the average, where there is one, by a copy of the network that is quicker."""
        self._swap()
        self.judge = self._precise(prepared_for_prediction(self.network, half=self.bf16).forward)

    def on_validation_end(self) -> None:
        """Train on with the weights themselves."""
        self._swap()

    def validation_step(self, batch: Batch, _: int) -> Tensor:
        """Add a batch to the validation sums; return its logits (n, k)."""
        x, target, weight = batch
        logits = torch.cat(list(self.over(self._judged, torch.split(x, _JUDGED))))
        loss = (self._losses(logits, target, smoothing=0.0) * weight).sum() / weight.sum()
        self._count(logits, target, loss, part="valid")
        return logits

    def _judged(self, x: Tensor) -> Tensor:
        with torch.inference_mode():  # each thread has a mode of its own
            return self.judge(x)

    def _losses(self, logits: Tensor, target: Tensor, *, smoothing: float) -> Tensor:
        return functional.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)

    def _count(self, logits: Tensor, target: Tensor, loss: Tensor, *, part: str) -> None:
        """Add a batch to the sums of the learning curves; a blended row counts as its larger part."""
        columns = target if target.ndim == 1 else target.argmax(1)
        n = len(target)
        for place, value in enumerate((float(loss) * n, float((logits.argmax(1) == columns).sum()), float(n))):
            self.sums[part][place] += value

    def configure_optimizers(self) -> Any:
        """Return Adam or AdamW with a learning rate by step."""
        recipe, steps = self.recipe, len(self.feed) * self.recipe.epochs
        groups = [
            {"params": [p for p in self.network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=recipe.rate, eps=recipe.epsilon, fused=True)
        rate = (lambda _: 1.0) if recipe.schedule == "constant" else (lambda step: _cosine(step, steps))
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Derive every draw of the epoch from the seed and the epoch's number."""
        self.feed.epoch = self.current_epoch
        if isinstance(self.split, Twins):
            self.split.level()  # a state that was taken up is the first twin's
        torch.manual_seed(spread_seed(self.seed, self.current_epoch) + 2)  # dropout
        self.sums = {"train": [0.0] * 3, "valid": [0.0] * 3}

    def on_train_epoch_end(self) -> None:
        """Write the learning curves, keep the best weights, stop when nothing gets better."""
        curves: dict[str, float] = {"epoch": float(self.current_epoch + 1)}
        curves |= self.means()
        curves["learning_rate"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        self.history.append(curves)
        for name, value in curves.items():
            self.log(name, value)
        self._judge()
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in curves.items() if name != "epoch")
        _log.info("epoch %d of %d: %s", self.current_epoch + 1, self.recipe.epochs, told)
        if self.hooks.checkpoint is not None:
            with whole_file(self.hooks.checkpoint / STATE) as partial:
                self.trainer.save_checkpoint(partial)
        if self.hooks.progress is not None:
            self.hooks.progress(self.current_epoch + 1, self.recipe.epochs)

    def means(self) -> dict[str, float]:
        """Return loss and accuracy of the epoch so far, of training and of validation rows."""
        means: dict[str, float] = {}
        for part, (loss, right, count) in self.sums.items():
            if count:
                means |= {f"{part}_loss": loss / count, f"{part}_accuracy": right / count}
        return means

    def _judge(self) -> None:
        accuracies = [epoch.get("valid_accuracy", math.nan) for epoch in self.history]
        if not self.recipe.keep_best or math.isnan(accuracies[-1]):
            return
        if as_good_as_best(accuracies, rows=int(self.sums["valid"][2])):
            self.best_epoch = len(accuracies)
            weights = self.average or self.network.state_dict()
            self.best = {name: value.detach().clone() for name, value in weights.items()}
        if 0 < self.recipe.patience <= len(accuracies) - self.best_epoch:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed training needs to end in the same bytes."""
        checkpoint["citygrain"] = {
            "key": self.key, "history": self.history, "best": self.best, "best_epoch": self.best_epoch,
            "average": self.average,
            "stopped": bool(self.trainer.should_stop),
        }  # fmt: skip

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the learning curves and best weights where they were left."""
        state = checkpoint["citygrain"]
        self.history, self.best, self.best_epoch = state["history"], state["best"], state["best_epoch"]
        self.average = state["average"]


def as_good_as_best(accuracies: Sequence[float], *, rows: int) -> bool:
    """Return whether the last accuracy is within one standard error of the highest.

    A few hundred validation rows, some of them wrong, cannot tell epochs apart by less; taking the highest would then
    pick an unfinished epoch by chance, where the end of the schedule is better.

    Parameters
    ----------
    accuracies : sequence of float
        Validation accuracy of each epoch, 0 to 1.
    rows : int
        Validation rows.

    Examples
    --------
    >>> as_good_as_best([0.80, 0.78], rows=100), as_good_as_best([0.80, 0.78], rows=10_000)
    (True, False)
    """
    highest = max(accuracies)
    return accuracies[-1] >= highest - math.sqrt(highest * (1 - highest) / rows)


def run_training(training: Training, valid: Feed | None) -> None:
    """Train from the start, or from the state in the checkpoint folder; the network ends with its final weights."""
    hooks, epochs = training.hooks, training.recipe.epochs
    state = _find_state(training)
    done = 0 if state is None else len(state["citygrain"]["history"])
    if state is not None and (done >= epochs or state["citygrain"]["stopped"]):
        training.load_state_dict(state["state_dict"])
        training.on_load_checkpoint(state)
    else:
        with _quiet():
            trainer = pl.Trainer(
                accelerator="cpu",
                devices=1,
                max_epochs=epochs,
                logger=list(hooks.loggers) or False,
                callbacks=list(hooks.callbacks),
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                log_every_n_steps=max(1, len(training.feed)),
                plugins=[LightningEnvironment()],
            )
            resume = None if state is None else hooks.checkpoint / STATE  # type: ignore[operator]  # it came from there
            trainer.fit(training, training.feed, valid, ckpt_path=resume, weights_only=True)
    final = training.best or training.average
    if final:
        training.network.load_state_dict(final)


def _find_state(training: Training) -> dict[str, Any] | None:
    if training.hooks.checkpoint is None:
        return None
    make_folder(training.hooks.checkpoint)
    path = training.hooks.checkpoint / STATE
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        same = state["citygrain"]["key"] == training.key
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


def _cosine(step: int, steps: int) -> float:
    """Rise over the first tenth of the steps, then fall as a cosine to nothing."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
