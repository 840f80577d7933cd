"""Prediction of the three taught networks, beside Keras `predict` and beside plain PyTorch.

    python -m benchmarks.prediction [--quick]

Our weights are put into the same network built in Keras (`benchmarks.keras_networks`), so both answer the same rows
with the same probabilities; the largest difference is kept beside the figure. Keras is timed at the batch that suits it
best (32, 128 or 512, tried beforehand). Ours is timed in float32 and, where the processor multiplies bfloat16, also in
that, as our own recipes do; the wanted ratio is judged there. Plain PyTorch is what one would write first: batches of
128, eager, float32, rows before columns.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.frame import Row, beside, command_line, seconds, turns
from benchmarks.patches import city_patches, lcz_samples
from benchmarks.peers import Peers
from citygrain.models.catalogue import make_model
from citygrain.samples.samples import Samples

BATCHES = (32, 128, 512)
ONE_VIEW: dict[str, object] = {"views": 1, "least_rows": 68}
"""A patch is judged once, as plain PyTorch does."""
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A network: our name, Keras's, parameters as Keras counts them, rows to predict, and the ratio wanted."""

    model: str
    network: str
    called: str
    parameters: int
    rows: int
    wanted: float


CASES = (
    Case("cnn", "course-cnn", "course CNN", 217_604, 8_192, 8),
    Case("resnet50", "resnet50", "ResNet-50", 23_606_289, 1_024, 3),
    Case("sen2lcz", "sen2lcz", "Sen2LCZ-Net-MF", 793_348, 2_048, 4),
)


def main(*, quick: bool = False) -> list[Row]:
    """Return the rows of each network."""
    with Peers() as peers, TemporaryDirectory() as name:
        rows = [row for case in CASES for row in measured(case, peers, Path(name), quick=quick)]
    return [*rows, published(quick=quick)]


def published(*, quick: bool) -> Row:
    """Return the row of the pre-activation ResNet-20 of the So2Sat products, which no course teaches."""
    count, pairs = (32, 1) if quick else (2_048, 3)
    samples = lcz_samples(min(count, 235))
    x = np.resize(np.asarray(samples.x[:], np.float32), (count, *samples.x.shape[1:]))
    exact, quicker = (make_model("resnet20", epochs=1, options=ONE_VIEW | {"half": half}) for half in (False, True))
    models: list[Any] = [model.fit(samples[:68]) for model in (exact, quicker)]
    return beside_plain("prediction, ResNet-20", models[1], models[0].module_, x, pairs=pairs)


def beside_plain(what: str, model: Any, network: nn.Module, x: Rows, *, pairs: int) -> Row:
    """Return the row of a model beside its own network called plainly."""
    plain = nn.Sequential(network.to(memory_format=torch.contiguous_format), nn.Softmax(1))
    found = turns(seconds(lambda: model.predict_proba(x)), seconds(lambda: eager(plain, x)), pairs=pairs)
    return beside(f"{what}, plain", "eager PyTorch", found, wanted=None, rows=len(x))


def measured(case: Case, peers: Peers, folder: Path, *, quick: bool) -> list[Row]:
    count, pairs = (32, 1) if quick else (case.rows, 3)
    samples = rows_of(case, count, quick=quick)
    x = np.resize(np.asarray(samples.x[:], np.float32), (count, *samples.x.shape[1:]))
    asked = {"name": case.network, "x": folder / f"{case.model}.npy", "classes": len(samples.legend)}
    np.save(asked["x"], np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    exact, quicker = (trained(case, samples, half=half) for half in (False, True))
    weights, out = folder / f"{case.model}.npz", folder / f"{case.model}-out.npy"
    np.savez(weights, *keras_weights(exact.module_, x.shape[1:]))
    told = peers.ask("predict", **asked, batch=128, weights=weights, out=out)
    if told["parameters"] != case.parameters:
        raise AssertionError(f"{case.called}: {told['parameters']} parameters in Keras, {case.parameters} wanted")
    apart = float(np.abs(np.load(out) - exact.predict_proba(x)).max())
    if apart > 1e-3:
        raise AssertionError(f"{case.called}: probabilities differ by {apart}")
    batch = min(BATCHES, key=lambda size: [peers.ask("predict", **asked, batch=size)["seconds"] for _ in range(2)][1])

    def keras() -> float:
        return float(peers.ask("predict", **asked, batch=batch)["seconds"])

    rows, what = [], f"prediction, {case.called}"
    models = {"float32": exact, "bfloat16": quicker} if quicker.card.half else {"float32": exact}
    for precision, model in models.items():
        found = turns(seconds(lambda model=model: model.predict_proba(x)), keras, pairs=pairs)  # type: ignore[misc]
        judged = case.wanted if precision == list(models)[-1] else None
        detail = {"rows": count, "keras_batch": batch, "largest_difference": apart}
        rows.append(beside(f"{what}, {precision}", "Keras predict", found, wanted=judged, **detail))
    return [*rows, beside_plain(what, models[list(models)[-1]], exact.module_, x, pairs=pairs)]


def rows_of(case: Case, count: int, *, quick: bool) -> Samples:
    if case.model != "cnn":
        return lcz_samples(min(count, 235))
    return city_patches(40, 128) if quick else city_patches(2_000, 1024)


def trained(case: Case, samples: Samples, *, half: bool) -> Any:
    """Return a model of the taught network, trained for an epoch on a few rows: its weights are somebody's."""
    options = {"half": half}
    return make_model(case.model, recipe="course", epochs=1, options=options).fit(samples[:68])  # type: ignore[arg-type]


def keras_weights(network: nn.Module, shape: tuple[int, ...]) -> list[Any]:
    """Return the weights in Keras's shapes, layer by layer in our order."""
    found: list[Any] = []
    channels = shape[0]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            found += [module.weight.permute(2, 3, 1, 0), module.bias]
            channels = module.out_channels
        elif isinstance(module, nn.BatchNorm2d):
            found += [module.weight, module.bias, module.running_mean, module.running_var]
        elif isinstance(module, nn.Linear):
            weight, pixels = module.weight, module.in_features // channels
            if isinstance(network, nn.Sequential) and pixels > 1 and module.in_features % channels == 0:
                side = round(pixels**0.5)  # a flattened patch: Keras has the channels last
                weight = weight.reshape(-1, channels, side, side).permute(0, 2, 3, 1).reshape(len(weight), -1)
                channels = module.out_features
            found += [weight.T, module.bias]
    return [value.detach().contiguous().numpy() for value in found]


def eager(network: nn.Module, x: Rows) -> Rows:
    with torch.inference_mode():
        return np.concatenate([network(torch.from_numpy(x[at : at + 128])).numpy() for at in range(0, len(x), 128)])


if __name__ == "__main__":
    command_line(main, __doc__)
