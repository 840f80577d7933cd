"""What TensorBoard shows of a training: numbers, graph, distributions, pictures, curves, points and text.

A callback of Lightning looks on and takes no draw, so a training with it ends in the same bytes. What it costs is
counted: after the first epoch, what is dear is left out in an epoch that begins with its account overdrawn.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from citygrain.models.block_names import parameter_names
from citygrain.models.board_events import EventLog, clear_events, tag_of
from citygrain.models.board_graph import graph_of
from citygrain.models.board_points import Points, choose_points, look_at, pixel_tables
from citygrain.models.board_projector import Sprite, clear_points, sprite_sheet, write_points
from citygrain.models.board_scores import confusion_matrix, f1_scores, final_scores, point_columns, settings_of
from citygrain.models.board_settings import settings_page
from citygrain.models.board_views import (
    Crop,
    Pictures,
    class_colors,
    given_patches,
    read_patches,
    sprites_of,
    wrong_patches,
)
from citygrain.models.card import ModelCard
from citygrain.models.classifier import spread_columns
from citygrain.models.feed import Batch, Feed
from citygrain.models.neural import NeuralClassifier
from citygrain.models.training import Training
from citygrain.samples.samples import Samples

__all__ = ["STEPS", "Board", "BoardPlan"]

STEPS = "steps"
"""Folder, below that of the epochs, of the run whose entries count steps of the optimiser."""

_SHARES = {"steps": 0.003, "epochs": 0.006, "views": 0.006, "points": 0.007}
"""Share of the time that passes that may go into the entries of each step, of each epoch, patches and maps, points."""
_FIRST_STEPS = 100  # are written whatever they cost
_LEAST_POINTS, _MOST_POINTS = 300, 5000
_CHECKPOINTS = 3  # that the points are shown at: the first epoch, the middle one where it is paid for, the end
_VIEWS = 5  # times that patches and the map are drawn


@dataclass(frozen=True)
class BoardPlan:
    """What is shown, and how.

    Attributes
    ----------
    folder : Path
        Gets the event files and the projector's.
    pictures : Pictures
        How pictures are drawn.
    bands : tuple of str
        Features for red, green and blue of patches and sprites; empty for rows that are no patches.
    points : int or None
        Rows that the projector shows, 5,000 at most; if not given, so many that they cost about 1 % of the training.
    crop : Crop or None
        Part of the scene that is mapped while the network learns.
    texts : mapping of str to str
        Texts by title: the run's configuration.
    """

    folder: Path
    pictures: Pictures
    bands: tuple[str, ...] = ()
    points: int | None = None
    crop: Crop | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


class Board(pl.Callback):
    """Looks on while a network trains, and writes what TensorBoard shows; `finish` adds what is known at the end."""

    def __init__(self, plan: BoardPlan) -> None:
        super().__init__()
        self.plan = plan
        self._logs: dict[str, EventLog] = {}
        self._points: Points | None = None
        self._sprite: Sprite | None = None
        self._logits: list[Tensor] = []
        self._given: tuple[Tensor, Tensor] | None = None
        self._norms: list[float] = []
        self._sums = [0.0] * 3  # of the epoch, before the batch
        self._scores: dict[int, float] = {}  # macro F1 by epoch
        self._clock = self._begun = time.perf_counter()
        self._spent = dict.fromkeys(_SHARES, 0.0)
        self._dearest = dict.fromkeys(_SHARES, 0.0)  # single entry
        self._steps = 0
        self._training_seconds = 0.0

    # What Lightning calls.

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the log, or go on with it; write what is known before the first step."""
        done = int(trainer.current_epoch)
        if not done:
            clear_points(self.plan.folder)
            for folder in (self.plan.folder, self.plan.folder / STEPS):
                clear_events(folder)
        self._open(None if not done else (done + 1, int(trainer.global_step) + 1))
        self._begun = self._clock = time.perf_counter()
        if not done:
            self._before(pl_module)
        self._clock = time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        """Keep the first batch of an epoch whose patches are drawn."""
        if batch_idx == 0:
            self._norms, self._training_seconds, self._clock = [], 0.0, time.perf_counter()
            due = self._due(pl_module.current_epoch + 1, pl_module.recipe.epochs, _VIEWS)
            self._given = (
                (batch[0][:16].cpu().clone(), batch[1][:16].cpu().clone()) if due and self.plan.bands else None
            )
            self._sums = [0.0] * 3

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Write the numbers of a step, unless steps have cost their share."""
        now = time.perf_counter()
        seconds, self._training_seconds = now - self._clock, self._training_seconds + now - self._clock
        sums = list(pl_module.sums["train"])
        loss, right, count = (after - before for after, before in zip(sums, self._sums, strict=True))
        self._sums, self._steps = sums, self._steps + 1
        if self._steps <= _FIRST_STEPS or self._affords("steps"):
            with self._spending("steps"):
                self._norms.append(_gradient_norm(pl_module))
                values = {
                    "step/loss": loss / count,
                    "step/accuracy": right / count,
                    "step/learning rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
                    "step/gradient norm": self._norms[-1],
                    "step/samples per second": count / max(seconds, 1e-9),
                }
                self._logs[STEPS].scalars(values, step=int(trainer.global_step))
        self._clock = time.perf_counter()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to collect."""
        self._logits = []

    def on_validation_batch_end(self, *args: Any, **_: Any) -> None:
        """Keep the logits of a batch: (trainer, module, logits, ...)."""
        self._logits.append(args[2].float())

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the numbers of an epoch, and what is dear as far as it is due and paid for."""
        epoch, epochs = int(trainer.current_epoch) + 1, int(pl_module.recipe.epochs)
        valid: Feed | None = trainer.val_dataloaders if self._logits else None
        with self._spending("epochs"):
            rich = epoch in (1, epochs) or self._affords("epochs")
            self._logs[""].scalars(self._numbers(trainer, pl_module), step=epoch)
            if valid is not None:
                self._judge(valid, pl_module.card, epoch, rich=rich)
            if rich:
                self._distributions(pl_module, epoch)
        with self._spending("views"):
            if self._due(epoch, epochs, _VIEWS) and (epoch == 1 or self._affords("views")):
                self._views(pl_module, valid, epoch)
        with self._spending("points"):
            if self._due(epoch, epochs, _CHECKPOINTS - 1) and epoch < epochs and self._affords("points", after=1):
                name, points = f"features, epoch {epoch:03d}", self._chosen(pl_module, valid)
                with pl_module.judged_network() as network:
                    self._show_points(network, pl_module.card, points, name)
        self._logits = []
        for log in self._logs.values():
            log.flush()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Bring to disk what was written."""
        self.close()

    # What is known at the end.

    def finish(self, model: NeuralClassifier, train: Samples, valid: Samples | None) -> None:
        """Write what is known of the trained model: points, patches that it gets wrong, its card, settings and scores.

        Parameters
        ----------
        model : NeuralClassifier
            With its final weights.
        train, valid : Samples
            What it was fitted on.
        """
        card = model.card
        epoch = len(card.history)
        self._open((epoch + 1, 2**62))  # nothing of the steps is taken back
        points = self._points or choose_points(train, valid, self._number(len(train), epoch))
        seen = self._show_points(model.module_, card, points, "features of the trained network")
        judged = points.valid if points.valid.any() else ~points.valid
        if self.plan.bands:
            wrong = wrong_patches(points.samples[judged], seen[judged], self.plan.bands, self.plan.pictures)
            if wrong is not None:
                self._logs[""].picture("patches/wrong, surest first", wrong, step=epoch + 1)
        self._logs[""].text("model card", card.to_json(), step=epoch)
        final = self._final(card, valid)
        self._logs[""].summaries(settings_page(settings_of(card, len(train)), list(final)))
        self._logs[""].scalars(final, step=0)
        self.close()

    def close(self) -> None:
        """Bring to disk what was written, and end."""
        for log in self._logs.values():
            log.close()
        self._logs = {}

    # The parts.

    def _open(self, goes_on_from: tuple[int, int] | None) -> None:
        if not self._logs:
            epoch, step = goes_on_from or (None, None)
            self._logs[""] = EventLog(self.plan.folder, goes_on_from=epoch)
            self._logs[STEPS] = EventLog(self.plan.folder / STEPS, goes_on_from=step)

    def _before(self, training: Training) -> None:
        log, card = self._logs[""], training.card
        log.graph(graph_of(training.network, card.input_shape, name=card.network))
        log.layout({"learning curves": {name: [f"{name}/train", f"{name}/valid"] for name in ("loss", "accuracy")}})
        for title, content in self.plan.texts.items():
            log.text(title, content)
        if self.plan.bands:
            log.picture("patches/as read", read_patches(training.feed.samples, *self._drawn), step=0)
        log.flush()

    @property
    def _drawn(self) -> tuple[tuple[str, ...], Pictures]:
        return self.plan.bands, self.plan.pictures

    def _numbers(self, trainer: Any, training: Training) -> dict[str, float]:
        numbers = {"/".join(reversed(name.split("_"))): value for name, value in training.means().items()}
        rows = training.sums["train"][2]
        numbers["learning rate"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        numbers["samples per second"] = rows / max(self._training_seconds, 1e-9)
        if self._norms:
            numbers["gradient norm"] = float(np.mean(self._norms))
        return numbers

    def _judge(self, valid: Feed, card: ModelCard, epoch: int, *, rich: bool) -> None:
        """Write scores, curves and matrix of the validation rows."""
        probabilities = spread_columns(torch.cat(self._logits).softmax(1).cpu().numpy(), card)
        columns = card.legend.columns(valid.samples.y)
        matrix = confusion_matrix(probabilities.argmax(1), columns, len(card.legend))
        scores = f1_scores(matrix)
        log = self._logs[""]
        log.scalars(
            {tag_of("F1 of validation", name): score for name, score in zip(card.legend.names, scores, strict=True)}
            | {"macro F1 of validation": float(np.nanmean(scores))},
            step=epoch,
        )
        self._scores[epoch] = float(np.nanmean(scores))
        if not rich:
            return
        for column in card.present:
            tag = tag_of("precision and recall", card.legend.names[column])
            log.precision_recall(tag, columns == column, probabilities[:, column], step=epoch)
        log.picture("confusion of validation", self.plan.pictures.confusion(matrix, card.legend), step=epoch)

    def _distributions(self, training: Training, epoch: int) -> None:
        names = parameter_names(training.card.network, training.network)
        weights = {names[path]: weight for path, weight in training.network.named_parameters()}
        self._logs[""].histograms(weights, step=epoch)

    def _views(self, training: Training, valid: Feed | None, epoch: int) -> None:
        """Draw patches and the map."""
        log, card = self._logs[""], training.card
        if self._given is not None:
            log.picture("patches/as the network gets them", given_patches(*self._given, card, *self._drawn), step=epoch)
        last = training.recipe.epochs
        if valid is not None and self.plan.bands and 1 < epoch < last:  # most are wrong yet; at the end `finish` draws
            probabilities = spread_columns(torch.cat(self._logits).softmax(1).cpu().numpy(), card)
            wrong = wrong_patches(valid.samples, probabilities, *self._drawn)
            if wrong is not None:
                log.picture("patches/wrong, surest first", wrong, step=epoch)
        if self.plan.crop is not None:
            with training.judged_network() as network:
                seen = look_at(network, self.plan.crop.rows, card)
            codes = card.legend.codes(seen.probabilities.argmax(1))
            log.picture("map", self.plan.crop.draw(codes), step=epoch)

    def _chosen(self, training: Training, valid: Feed | None) -> Points:
        if self._points is None:
            number = self._number(len(training.feed) * training.recipe.batch, training.recipe.epochs)
            self._points = choose_points(training.feed.samples, valid.samples if valid else None, number)
        return self._points

    def _number(self, rows: int, epochs: int) -> int:
        """Return how many points there are: a step costs three passes, a point one at each checkpoint."""
        paid = int(_SHARES["points"] * 3 * rows * max(1, epochs) / _CHECKPOINTS)
        return min(self.plan.points or max(paid, _LEAST_POINTS), _MOST_POINTS)

    def _show_points(self, network: Any, card: ModelCard, points: Points, name: str) -> npt.NDArray[np.float32]:
        """Write pixels and features of the points, with what is predicted of them; return their probabilities."""
        folder, bands = self.plan.folder, self.plan.bands
        seen = look_at(network, points.samples.x, card)
        metadata = point_columns(points, seen.probabilities)
        if self._sprite is None and bands:
            sheet, side = sprite_sheet(sprites_of(points, *self._drawn), class_colors(points.samples))
            self._sprite = Sprite(self.plan.pictures.png(sheet), side)
        for table, values in pixel_tables(points.samples.x, card, bands).items():
            write_points(folder, table, values, metadata=metadata, sprite=self._sprite)
        write_points(folder, name, seen.features, metadata=metadata, sprite=self._sprite)
        return seen.probabilities

    def _final(self, card: ModelCard, valid: Samples | None) -> dict[str, float]:
        if not card.history:
            return {}
        best, scores = final_scores(card, 0 if valid is None else len(valid))
        return scores | ({"final/macro F1 of validation": self._scores[best]} if best in self._scores else {})

    @staticmethod
    def _due(epoch: int, epochs: int, times: int) -> bool:
        """Tell whether an epoch is the first, the last, or one of `times` spread between."""
        return epoch in (1, epochs) or epoch % max(1, round(epochs / times)) == 0

    def _affords(self, account: str, *, after: int = 0) -> bool:
        """Tell whether an account's share pays for one more of its dearest entries, and for `after` to come."""
        price = (1 + after) * self._dearest[account]
        return self._spent[account] + price <= _SHARES[account] * (time.perf_counter() - self._begun)

    @contextmanager
    def _spending(self, account: str) -> Iterator[None]:
        start = time.thread_time()  # not what other programs took meanwhile
        yield
        spent = time.thread_time() - start
        self._spent[account] += spent
        self._dearest[account] = max(self._dearest[account], spent)


def _gradient_norm(training: Training) -> float:
    norms = [weight.grad.norm() for weight in training.network.parameters() if weight.grad is not None]
    return float(torch.stack(norms).norm()) if norms else 0.0
