"""The course's ResNet-50, the published networks and the fusion: sizes, shapes, and rows judged alone."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from citygrain.errors import InputError
from citygrain.models.architectures import build_network
from citygrain.models.networks.dropout import seed_dropout
from citygrain.models.networks.keras_layers import he_normal
from citygrain.sensors import SO2SAT_SENTINEL2

S2 = SO2SAT_SENTINEL2
BOTH = ("VH_DB", "VV_DB", "COHERENCE", *S2)
NETWORKS = {"resnet50": S2, "resnet20": S2, "sen2lcz": S2, "fusion": BOTH}
SIZES = {
    ("resnet50", 10): (23_553_297, 23_606_289),
    ("resnet20", 10): (573_409, 576_897),
    ("resnet20", 7): (572_977, 576_465),
    ("sen2lcz", 10): (791_428, 793_348),
}
"""Trainable numbers, and all that Keras counts: running statistics too."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On a busy machine PyTorch's threads wait for each other longer than these networks take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    features = NETWORKS[name]
    return build_network(name, features, (len(features), 32, 32), 17)


def rows(name: str, n: int, *, size: int = 16) -> Tensor:
    return torch.randn(n, len(NETWORKS[name]), size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "channels"), SIZES)
def test_sizes_are_the_published_ones(name: str, channels: int) -> None:
    with torch.device("meta"):
        network = build_network(name, ("B",) * channels, (channels, 32, 32), 17)
    trainable = sum(weight.numel() for weight in network.parameters())
    statistics = sum(value.numel() for key, value in network.named_buffers() if ".running_" in f".{key}")
    assert (trainable, trainable + statistics) == SIZES[name, channels]


@pytest.mark.parametrize("size", [9, 25, 32, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_square_patches_of_any_size_give_logits(name: str, size: int) -> None:
    network = built(name).eval()
    with torch.inference_mode():
        logits = network(rows(name, 1, size=size))
    assert logits.shape == (1, 17) and torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_is_judged_alone(name: str) -> None:
    network, x = built(name).eval(), rows(name, 3)
    with torch.inference_mode():
        together, alone = network(x), torch.cat([network(row[None]) for row in x])
        turned = network(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(together, turned, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_reach_every_weight(name: str) -> None:
    network = built(name).train()
    network.zero_grad()
    nn.functional.cross_entropy(network(rows(name, 2)), torch.tensor([0, 16])).backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), key
        # Before a normalisation a bias changes nothing; what follows a gate of zero learns from the second step on.
        if weight.ndim > 1 and not (name == "fusion" and ".body." in key):
            assert weight.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", ["sen2lcz", "fusion"])
def test_dropout_follows_its_own_seed(name: str) -> None:
    network, x = built(name).train(), rows(name, 4)
    drawn = []
    for seed in (1, 2, 1):
        seed_dropout(network, seed)
        drawn.append(network(x))
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])


def test_sen2lcz_answers_with_the_mean_of_four_softmaxes() -> None:
    network, x = built("sen2lcz").eval(), rows("sen2lcz", 3)
    seen: list[Tensor] = []
    for head in network.heads:  # type: ignore[union-attr]
        head.register_forward_hook(lambda _, __, logits: seen.append(logits.softmax(1)))
    logits = network(x)
    torch.testing.assert_close(logits.softmax(1), torch.stack(seen).mean(0))
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(3))


def test_sen2lcz_stays_finite_where_probabilities_vanish() -> None:
    network = build_network("sen2lcz", S2, (10, 16, 16), 17).eval()
    for head in network.heads:  # type: ignore[union-attr]
        head.bias.data[0] = 500.0  # the other classes' softmax is below the smallest float32
    logits = network(rows("sen2lcz", 2))
    assert torch.isfinite(logits).all() and (logits[:, 1:] < -400).all()


def test_fusion_finds_its_sensors_by_name_wherever_they_stand() -> None:
    torch.manual_seed(0)
    first = build_network("fusion", BOTH, (13, 16, 16), 4).eval()
    order = [12, 0, 5, 1, 3, 2, 4, *range(6, 12)]
    mixed = build_network("fusion", tuple(BOTH[place] for place in order), (13, 16, 16), 4).eval()
    mixed.load_state_dict(first.state_dict())
    x = rows("fusion", 3)
    radar = [name for name in (BOTH[place] for place in order) if name in BOTH[:3]]
    assert radar == list(BOTH[:3])  # the order within the radar stays, that within the optical bands does not
    optical = [place for place in order if place >= 3]
    torch.testing.assert_close(mixed(x[:, order]), first(torch.cat([x[:, :3], x[:, optical]], 1)))


WRONG = {
    "one sensor": ("fusion", S2, (10, 32, 32), "both Sentinel-1 and Sentinel-2"),
    "other sensor": ("fusion", ("VV", "VH"), (2, 32, 32), "both Sentinel-1 and Sentinel-2"),
    "rows": ("resnet50", S2, (10,), "square patches"),
    "oblong": ("sen2lcz", S2, (10, 32, 31), "square patches"),
    "tiny for four stages": ("sen2lcz", S2, (10, 7, 7), "at least 8"),
    "tiny for pooling": ("resnet50", S2, (10, 4, 4), "at least 5"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_rows_that_a_network_cannot_take_are_refused(mistake: str) -> None:
    name, features, shape, message = WRONG[mistake]
    with pytest.raises(InputError, match=message):
        build_network(name, features, shape, 3)


def test_he_normal_has_kerass_variance_and_is_cut_at_two_deviations() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 128, 3)
    he_normal(layer)
    std = (2 / (32 * 9)) ** 0.5
    assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
    assert layer.weight.abs().max() <= 2 * std / 0.8796 and (layer.bias == 0).all()  # type: ignore[union-attr]
