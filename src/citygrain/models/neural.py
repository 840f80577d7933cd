"""Neural classifiers: a network by name, trained by a recipe, behind the protocol of all classifiers.

The class holds no training code and no layers: those are `training` and `networks`. What it adds is the contract:
legend order, missing classes, the card, and files that say what they are.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from citygrain.errors import CitygrainError, InputError
from citygrain.models.architectures import network_of
from citygrain.models.augment import square_view
from citygrain.models.card import ModelCard, read_card
from citygrain.models.classifier import CardedModel, batches, labelled, same_features, spread_columns
from citygrain.models.devices import ONE, Devices
from citygrain.models.feed import Feed, prepare
from citygrain.models.hooks import Hooks, Job
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.normalisation import Normalisation, learn_normalisation, learn_robust_normalisation
from citygrain.models.parallel import workers
from citygrain.models.penultimate import last_inputs, last_linear
from citygrain.models.precision import autocast, bf16_pays, device
from citygrain.models.recipe import Recipe
from citygrain.models.store import read_weights, write_model
from citygrain.samples.samples import Samples

__all__ = ["NeuralClassifier"]

_log = logging.getLogger(__name__)
_WEIGHTS = "weights.safetensors"
_BATCH = 128  # rows at a time: a layer's values of 32 x 32 patches stay in the processor's cache
_LEARNERS = {"standard": learn_normalisation, "robust": learn_robust_normalisation}


@dataclass
class NeuralClassifier(CardedModel):
    """A network trained by a recipe.

    Attributes
    ----------
    kind : str
        ``"mlp"`` or ``"cnn"``, for the card.
    network : str
        Name of the architecture, one of `citygrain.models.architectures.NETWORKS`.
    recipe : Recipe
        How it is trained.
    seed : int
        Source of every draw: same rows and seed, same bytes.
    threads : int or None
        Threads of training (at most two) and prediction; None = PyTorch's choice. No bit depends on it, but for a
        network with batch statistics under a recipe without halves.
    units : str
        Units of the features.
    preparation : mapping
        How the rows were made; travels in the card.
    licence : str
        Licence of the weights.
    hooks : Hooks
        Progress, checkpoint folder, loggers and callbacks.
    devices : Devices
        Where it trains; it predicts on one device.
    """

    kind: str
    network: str
    recipe: Recipe
    seed: int = 0
    threads: int | None = None
    units: str = "reflectance"
    preparation: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "unspecified"
    hooks: Hooks = field(default_factory=Hooks)
    devices: Devices = ONE
    _card: ModelCard | None = field(default=None, repr=False)
    _module: nn.Module | None = field(default=None, repr=False)
    _ready: dict[bool, nn.Module] = field(default_factory=dict, repr=False)  # for prediction, by precision

    @property
    def module_(self) -> nn.Module:
        """The trained network, in evaluation mode."""
        if self._module is None:
            raise InputError("a model that was not trained", mend="call fit or load first")
        return self._module

    def fit(self, train: Samples, valid: Samples | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        train : Samples
            Rows to learn from; those without a class are left out.
        valid : Samples, optional
            Rows on other ground: they choose the epoch whose weights are kept, and stop the training early.

        Raises
        ------
        InputError
            If there are fewer than two classes, or the network does not take such rows.
        ModelMismatchError
            If the validation rows differ from the training rows in features, legend or shape.
        """
        from citygrain.models.fitting import Task, train_network  # noqa: PLC0415 - Lightning for training only

        train = labelled(train)
        card = self._new_card(train)
        feeds = [self._feed(train, card, seed=self.seed)]
        if valid is not None:
            same_features(train, valid)
            known = valid[np.isin(valid.y, train.legend.values[list(card.present)])]
            feeds += [self._feed(known, card, seed=None)] if len(known) else []
        job = Job(self.seed, card.half, _fingerprint(card, train, valid), self.hooks, card)
        judges = feeds[1] if len(feeds) > 1 else None
        training = train_network(Task(self.recipe, feeds[0], judges, job, self.threads, self.devices))
        network = training.network
        size = sum(p.numel() for p in network.parameters())
        self._module, self._ready = network.eval(), {}
        self._card = replace(card, history=training.history, epochs=len(training.history), parameters=size)
        return self

    def predict_proba(self, x: Any) -> npt.NDArray[np.float32]:
        """Return class probabilities (n, k) in legend order.

        Parameters
        ----------
        x : array-like, (n, c) or (n, c, h, w)
            Rows, read in slices; values that are not finite count as missing.

        Raises
        ------
        ModelMismatchError
            If the rows have another shape than those of the training.
        """
        card, network = self.card, self._prepared()
        normalisation = Normalisation.from_dict(card.normalisation)
        out = np.zeros((int(x.shape[0]), len(card.legend)), np.float32)

        def judge(batch: tuple[slice, npt.NDArray[np.float32]]) -> tuple[slice, npt.NDArray[np.float32]]:
            with torch.inference_mode():
                rows = prepare(batch[1], normalisation, half=self._half).to(device())
                learned = self._views(network, rows).cpu()
            return batch[0], spread_columns(learned.numpy(), card)

        with workers(self.threads) as over:
            for rows, probabilities in over(judge, batches(x, card, size=_BATCH)):
                out[rows] = probabilities
        return out

    def predict(self, x: Any) -> npt.NDArray[np.uint8]:
        """Return the code of the most likely class of each row, (n,)."""
        return self.legend_.codes(self.predict_proba(x).argmax(1))

    @property
    def importance_(self) -> npt.NDArray[np.float32]:
        """Ones, (d,): a network's last features are its own, and none of them is weighted."""
        return np.ones(last_linear(self.module_).in_features, np.float32)

    def embed(self, x: Any) -> npt.NDArray[np.float32]:
        """Return what the last linear layer decides on, (n, d), for rows as they are, in one view.

        Parameters
        ----------
        x : array-like, (n, c) or (n, c, h, w)
            Rows, read in slices.

        Raises
        ------
        InputError
            If the network has no linear layer.
        """
        card, network, width = self.card, self._prepared(), len(self.importance_)
        normalisation = Normalisation.from_dict(card.normalisation)
        out = np.empty((int(x.shape[0]), width), np.float32)

        def look(batch: tuple[slice, npt.NDArray[np.float32]]) -> None:
            with torch.inference_mode(), autocast(self._half, device().type):
                network(prepare(batch[1], normalisation, half=self._half).to(device()))
            out[batch[0]] = seen.pop(threading.get_ident()).float().cpu().numpy()

        with last_inputs(network) as seen, workers(self.threads) as over:
            for _ in over(look, batches(x, card, size=_BATCH)):
                pass
        return out

    def save(self, folder: Path) -> None:
        """Write ``card.json`` and ``weights.safetensors`` into `folder`.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        tensors = {name: value.contiguous() for name, value in self.module_.state_dict().items()}
        write_model(folder, self.card, save_tensors(tensors), name=_WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Rebuild a model from its card and weights.

        Raises
        ------
        InputError
            If the folder holds no such model, or it is damaged.
        """
        card = read_card(folder)
        weights = read_weights(folder, card, name=_WEIGHTS)
        try:
            recipe = Recipe.from_dict(dict(card.recipe))
            model = cls(card.kind, card.network, recipe, seed=card.seed, units=card.units, licence=card.licence)
            network = network_of(card)
            network.load_state_dict(load_tensors(weights))
            Normalisation.from_dict(card.normalisation)
        except (SafetensorError, RuntimeError, CitygrainError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"the model in {folder} is damaged: {reason:.200}", mend="train it again") from None
        model.preparation, model._card, model._module = card.preparation, card, network.eval()
        return model

    @property
    def _half(self) -> bool:
        return self.recipe.half and bf16_pays()

    def _prepared(self) -> nn.Module:
        if self._half not in self._ready:
            self._ready[self._half] = prepared_for_prediction(self.module_, half=self._half).to(device())
        return self._ready[self._half]

    def _new_card(self, train: Samples) -> ModelCard:
        learn = None if self.recipe.scaling == "none" else _LEARNERS[self.recipe.scaling](train.x, train.features)
        return ModelCard(
            kind=self.kind,
            network=self.network,
            recipe=self.recipe.to_dict(),
            parameters=0,
            features=train.features,
            input_shape=tuple(int(side) for side in train.x.shape[1:]),
            units=self.units,
            normalisation=(learn or Normalisation.none(len(train.features))).to_dict(),
            legend=train.legend,
            counts=train.counts(),
            seed=self.seed,
            half=self._half,
            versions={name: metadata.version(name) for name in ("citygrain", "torch", "lightning")},
            licence=self.licence,
            preparation=dict(self.preparation),
        )

    def _feed(self, samples: Samples, card: ModelCard, *, seed: int | None) -> Feed:
        place = np.full(len(card.legend), -1, np.int64)
        place[list(card.present)] = np.arange(len(card.present))
        columns = place[card.legend.columns(samples.y)]
        return Feed(
            samples,
            columns,
            self._weights(samples, columns),
            normalisation=Normalisation.from_dict(card.normalisation),
            recipe=self.recipe,
            seed=seed,
            half=card.half,
        )

    def _weights(self, samples: Samples, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        counts = np.bincount(columns)
        weights = (counts[counts > 0].mean() / np.maximum(counts, 1)) ** self.recipe.balance
        rows = weights[columns] * (samples.purity if self.recipe.trust_purity else 1.0)
        return np.asarray(np.maximum(rows, 1e-3), np.float32)

    def _views(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return probabilities, averaged over the views that the recipe asks for."""
        total = torch.zeros((), device=x.device)
        views = self.recipe.views if x.ndim == 4 else 1
        for way in range(views):
            with autocast(self._half, x.device.type):
                logits = network(square_view(x, way) if way else x)
            total = total + logits.float().softmax(1)
        return total / views


def _fingerprint(card: ModelCard, train: Samples, valid: Samples | None) -> str:
    digest = hashlib.sha256(json.dumps(card.to_json()).encode())
    for samples in (train, valid):
        if samples is not None:
            digest.update(samples.y.tobytes() + samples.purity.tobytes())
            digest.update(np.asarray(samples.x[:64], np.float32).tobytes())  # enough to tell two sets of rows apart
    return digest.hexdigest()
