"""Weights of Keras: the same probabilities as Keras, and no trust in the file."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from citygrain.errors import InputError
from citygrain.legend import LCZ
from citygrain.models.architectures import build_network
from citygrain.models.catalogue import load_model
from citygrain.models.keras_names import KERAS_LAYERS
from citygrain.models.keras_weights import import_keras, read_keras_weights
from citygrain.sensors import SAR_FEATURES, SO2SAT_SENTINEL2

PUBLISHED = {
    "sen2lcz": ("sen2lcz_mf_best_32.hdf5", SO2SAT_SENTINEL2, "x_s2", "p_sen2lcz_mf_best_32"),
    "resnet20": ("s2_resnet20_2019-06-27.h5", SO2SAT_SENTINEL2, "x_s2", "p_s2_resnet20"),
    "radar": ("s1_resnet20_2019-06-22.h5", SAR_FEATURES, "x_s1_random", "p_s1_resnet20"),
}
PARTS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


@pytest.fixture
def weights(data: Path) -> Path:
    return data / "so2sat/weights"


@cache
def network(name: str = "sen2lcz", channels: int = 10) -> nn.Module:
    torch.manual_seed(3)
    module = build_network(name, ("B",) * channels, (channels, 32, 32), 17).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return module


def write_keras(path: Path, module: nn.Module, name: str = "sen2lcz", *, root: str = "") -> Path:
    """Write what Keras's `save_weights` (or, below "model_weights", `save`) would."""
    with h5py.File(path, "w") as file:
        top = file.create_group(root) if root else file
        top.attrs["layer_names"] = [layer.encode() for layer in ("input_1", *KERAS_LAYERS[name])]
        for layer, place in KERAS_LAYERS[name].items():
            part = module.get_submodule(place)
            if isinstance(part, nn.BatchNorm2d):
                arrays = {key: getattr(part, own) for key, own in PARTS.items()}
            else:
                weight = part.get_parameter("weight")
                kernel = weight.permute(2, 3, 1, 0) if weight.ndim == 4 else weight.T
                arrays = {"kernel": kernel, "bias": part.get_parameter("bias")}
            group = top.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{key}:0".encode() for key in arrays]
            for key, values in arrays.items():
                group[f"{layer}/{key}:0"] = values.detach().numpy()
    return path


@pytest.mark.parametrize("case", PUBLISHED)
def test_softmax_is_that_of_keras(weights: Path, case: str) -> None:
    file, features, x, expected = PUBLISHED[case]
    model = import_keras(weights / file, "sen2lcz" if case == "sen2lcz" else "resnet20", features=features, threads=1)
    with np.load(weights / "reference_vectors_keras.npz") as reference:
        proba = model.predict_proba(reference[x].transpose(0, 3, 1, 2))
        np.testing.assert_allclose(proba, reference[expected], rtol=0, atol=1e-5)


def test_berlin(data: Path, weights: Path) -> None:
    with h5py.File(data / "so2sat/berlin_lcz_patches.h5") as file:
        x, y = file["sen2"][:].transpose(0, 3, 1, 2), file["label"][:].argmax(1) + 1
    model = import_keras(weights / PUBLISHED["sen2lcz"][0], "sen2lcz", threads=1)
    assert (model.predict(x) == y).sum() == 172


def test_an_imported_model_is_a_model_like_any_other(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "w.h5", network())
    model = import_keras(path, "sen2lcz", licence="MIT", origin={"level": "top-of-atmosphere"}, threads=1)
    x = np.random.default_rng(0).random((3, 10, 32, 32), np.float32)
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    card = again.card
    assert (card.features, card.legend, card.licence) == (SO2SAT_SENTINEL2, LCZ, "MIT")
    assert (card.input_shape, card.units, card.parameters) == ((10, 32, 32), "reflectance", 791_428)
    assert card.origin["level"] == "top-of-atmosphere" and len(card.origin["sha256"]) == 64
    assert not card.half and card.recipe["name"] == "imported"


@pytest.mark.parametrize("root", ["", "model_weights"])
@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_weights_go_where_they_came_from(tmp_path: Path, name: str, root: str) -> None:
    module = network(name)
    model = import_keras(write_keras(tmp_path / "w.h5", module, name, root=root), name, threads=1)
    came = model.module_.state_dict()
    for key, value in module.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(came[key], value), key


@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_every_weight_of_a_network_has_a_layer_of_its_own(name: str) -> None:
    places = list(KERAS_LAYERS[name].values())
    with torch.device("meta"):
        module = build_network(name, ("B",) * 10, (10, 32, 32), 17)
    assert len(set(places)) == len(places)
    assert {key.rpartition(".")[0] for key in module.state_dict()} == set(places)


def test_layers_of_equal_shape_are_told_apart() -> None:
    sen2lcz, resnet = KERAS_LAYERS["sen2lcz"], KERAS_LAYERS["resnet20"]
    assert (sen2lcz["dense_5"], sen2lcz["dense_4"]) == ("heads.2", "heads.3")
    for around, up, block in (
        ("conv2d_5", "conv2d_4", 0),
        ("conv2d_12", "conv2d_11", 2),
        ("conv2d_19", "conv2d_18", 4),
    ):
        assert (resnet[around], resnet[up]) == (f"blocks.{block}.shortcut", f"blocks.{block}.body.6")


Spoil = Callable[[h5py.File], Any]
KERNEL = "conv2d_3/conv2d_3/kernel:0"


def put(values: Any, at: str = KERNEL, **how: Any) -> Spoil:
    def spoil(file: h5py.File) -> None:
        del file[at]
        file.create_dataset(at, **({"data": values} if values is not None else {}), **how)

    return spoil


def link(target: Any) -> Spoil:
    def spoil(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = target

    return spoil


def virtual(file: h5py.File) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 3, 16, 16), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (3, 3, 16, 16))
    file.create_virtual_dataset(KERNEL, layout)


def named(names: Any, layer: str = "") -> Spoil:
    return lambda file: (file[layer] if layer else file).attrs.__setitem__(
        "weight_names" if layer else "layer_names", names
    )


HUGE = {"shape": (2**40,), "dtype": "f4", "chunks": (2**20,), "compression": "gzip"}
WIDE = {"shape": (3, 3, 16, 16), "maxshape": (None,) * 4, "dtype": "f4", "chunks": (300, 300, 16, 16)}
HOSTILE: dict[str, tuple[Spoil, str]] = {
    "other shape": (put(np.zeros((3, 3, 16, 8))), "shape 3 x 3 x 16 x 8; wanted: 3 x 3 x 16 x 16"),
    "claims terabytes": (put(None, **HUGE), "shape 1099511627776"),
    "pieces larger than itself": (put(None, **WIDE), "pieces larger"),
    "integers": (put(np.zeros((3, 3, 16, 16), int)), "no array of numbers"),
    "text": (put("x"), "no array of numbers"),
    "a group": (lambda file: (file.pop(KERNEL), file.create_group(KERNEL)), "no array of numbers"),
    "not finite": (put(np.full((3, 3, 16, 16), np.nan)), "not finite"),
    "negative variance": (
        put(np.full(16, -1.0), "batch_normalization_1/batch_normalization_1/moving_variance:0"),
        "negative",
    ),
    "another file": (link(h5py.ExternalLink("/etc/passwd", "x")), "there is no kernel:0"),
    "a soft link": (link(h5py.SoftLink("/conv2d_4/conv2d_4/kernel:0")), "there is no kernel:0"),
    "virtual": (virtual, "outside the file"),
    "external": (
        put(None, shape=(3, 3, 16, 16), dtype="f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]),
        "outside the file",
    ),
    "no such layer": (named([b"conv2d_1"]), "without layer batch_normalization_1"),
    "no names": (lambda file: file.attrs.pop("layer_names"), "damaged"),
    "names of numbers": (named(np.zeros(3)), "without layer"),
    "a scalar for names": (named(3), "damaged"),
    "not text": (named([b"\xff\xfe"], "conv2d_3"), "damaged|with"),
    "a weight too few": (
        named([b"conv2d_3/kernel:0"], "conv2d_3"),
        "layer conv2d_3 .* with kernel; wanted: bias, kernel",
    ),
    "a foreign weight": (named([b"a/pickle:0"], "conv2d_3"), "with pickle"),
    "a name that leads away": (named([b"../kernel:0", b"../bias:0"], "conv2d_3"), "damaged"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_keras(tmp_path_factory.mktemp("keras") / "w.h5", network()).read_bytes()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_one_line(tmp_path: Path, sound: bytes, case: str) -> None:
    spoil, message = HOSTILE[case]
    path = tmp_path / "w.h5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=message) as caught:
        import_keras(path, "sen2lcz")
    assert "\n" not in str(caught.value)


def test_truncated_foreign_and_missing_files(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "w.h5"
    for content in (sound[:200_000], sound[:100], b"", b"PK\x03\x04 a zip", sound[1:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged.*wanted: weights saved by Keras 2"):
            import_keras(path, "sen2lcz")
    with pytest.raises(InputError, match="there is no file"):
        import_keras(tmp_path / "none.h5", "sen2lcz")
    with pytest.raises(InputError, match="damaged"):
        import_keras(tmp_path, "sen2lcz")


def test_weights_of_another_network_or_sensor_are_refused(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "w.h5", network("resnet20", 7), "resnet20")
    with pytest.raises(InputError, match="without layer dense_2, dense_5, dense_4"):
        import_keras(path, "sen2lcz")
    with pytest.raises(InputError, match=r"conv2d_1/kernel .* 3 x 3 x 7 x 16; wanted: 3 x 3 x 10 x 16"):
        import_keras(path, "resnet20")
    with pytest.raises(InputError, match="one of sen2lcz, resnet20"):
        import_keras(path, "resnet50")
    assert import_keras(path, "resnet20", features=SAR_FEATURES, units="radar").features_ == SAR_FEATURES


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "w.h5", network())
    with h5py.File(path, "r+") as file:
        file.create_dataset("conv2d_99/secret", **HUGE)
    assert set(read_keras_weights(path, {"dense_1": {"kernel": (32, 17), "bias": (17,)}})) == {"dense_1"}
