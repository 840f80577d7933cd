"""A network in training, as Lightning takes it: step, schedule, learning curves, best weights.

Lightning brings the loop, the loggers and the checkpoints; the batches, the draws and the best weights are ours,
because they must not depend on where a training was interrupted. Where several processes train together, each takes its
share of each batch, and what they find is averaged, so that the step is that of the whole batch.
"""

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from citygrain.errors import InputError
from citygrain.files import whole_file
from citygrain.models.crew import average, joined_parts, total
from citygrain.models.feed import Batch, Feed, shares, spread_seed
from citygrain.models.hooks import Job
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.networks.dropout import seed_dropout
from citygrain.models.parallel import Twins, split_network
from citygrain.models.precision import autocast, device
from citygrain.models.recipe import Recipe

__all__ = ["STATE", "Training", "as_good_as_best"]

_log = logging.getLogger(__name__)
_JUDGED = 64
"""Rows that a thread judges at a time: what they become on the way stays in the cache."""
STATE = "last.ckpt"
"""The state after the last finished epoch, in the checkpoint folder."""


class Training(pl.LightningModule):
    """A network in training: loss, optimiser, schedule, learning curves, best weights."""

    def __init__(self, network: nn.Module, recipe: Recipe, feed: Feed, *, job: Job) -> None:
        super().__init__()
        self.network, self.recipe, self.feed = network, recipe, feed
        self.seed, self.bf16, self.key, self.hooks = job.seed, job.half, job.key, job.hooks
        self.card = job.card
        self.automatic_optimization = False  # halves of a batch go side by side
        self.over: Any = map
        self.judge: Callable[[Tensor], Tensor] = self.forward  # of validation rows
        self.split = split_network(network, self._precise, halves=recipe.halves)
        if device().type != "cpu" and not isinstance(self.split, Twins):
            self.split = None  # halves side by side are for processor cores
        self.world, self.rank = 1, 0  # processes that train together, and which of them this is
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
            with autocast(self.bf16, x.device.type):
                return function(x).float()

        return run

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Take one step of the optimiser and of the schedule; return the loss of the batch."""
        x, target, weight = batch
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        seed = self._drawing(self.global_step) >> 2

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
        if self.world > 1:
            self._average(weight.sum())
        optimizer.step()
        self._follow()
        self.lr_schedulers().step()  # type: ignore[union-attr]
        return loss.detach()

    def _average(self, weight: Tensor) -> None:
        """Average gradients and running statistics over all processes, by the weight of their rows."""
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        statistics = [value for value in self.network.buffers() if value.is_floating_point()]
        average([*gradients, *statistics], weight)

    def _drawing(self, number: int) -> int:
        """Return a seed for draws of this process, in step or epoch `number`."""
        return spread_seed(self.seed, number, *([self.rank] if self.world > 1 else []))

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
        rows = shares(len(x), self.world)[self.rank]
        own = x[rows] if rows.start < rows.stop else x[:1]
        logits = torch.cat(list(self.over(self._judged, torch.split(own, len(x) if x.is_cuda else _JUDGED))))
        if self.world > 1:
            logits = joined_parts(logits, rows, len(x))
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

    def on_fit_start(self) -> None:
        """Learn which process this is, and take its share of each batch."""
        self.world, self.rank = self.trainer.world_size, self.global_rank
        self.feed.share = self.rank, self.world
        if self.world > 1 and isinstance(self.split, Twins):
            self.split = None  # a process has a part of each batch as it is
        for weights in (self.average, self.best):
            weights |= {name: value.to(self.device) for name, value in weights.items()}

    def on_train_start(self) -> None:
        """Refuse to go on where not all processes found the same state."""
        if self.world > 1 and total([self.current_epoch], self.device) != [self.world * self.current_epoch]:
            raise InputError(
                "machines that see different checkpoints", wanted="one output folder that all of them share"
            )

    def on_train_epoch_start(self) -> None:
        """Derive every draw of the epoch from the seed and the epoch's number."""
        self.feed.epoch = self.current_epoch
        if isinstance(self.split, Twins):
            self.split.level()  # a state that was taken up is the first twin's
        torch.manual_seed(self._drawing(self.current_epoch) + 2)  # dropout
        self.sums = {"train": [0.0] * 3, "valid": [0.0] * 3}

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Put the learning curves of all processes together, before anybody looks at them."""
        if self.world > 1 and batch_idx + 1 == len(self.feed):
            self.sums["train"] = total(self.sums["train"], self.device)

    def on_train_epoch_end(self) -> None:
        """Write the learning curves, keep the best weights, stop when nothing gets better."""
        curves: dict[str, float] = {"epoch": float(self.current_epoch + 1)}
        curves |= self.means()
        curves["learning_rate"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        self.history.append(curves)
        for name, value in curves.items():
            self.log(name, value, sync_dist=self.world > 1)  # the same everywhere
        self._judge()
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in curves.items() if name != "epoch")
        _log.info("epoch %d of %d: %s", self.current_epoch + 1, self.recipe.epochs, told)
        if self.hooks.checkpoint is not None:
            self._keep_state(self.hooks.checkpoint / STATE)
        if self.hooks.progress is not None:
            self.hooks.progress(self.current_epoch + 1, self.recipe.epochs)

    def _keep_state(self, path: Path) -> None:
        """Write the state; the first process does, the others wait for it."""
        if self.rank:
            self.trainer.save_checkpoint(path)
            return
        with whole_file(path) as partial:
            self.trainer.save_checkpoint(partial)

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


def _cosine(step: int, steps: int) -> float:
    """Rise over the first tenth of the steps, then fall as a cosine to nothing."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
