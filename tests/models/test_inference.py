"""A network made ready to predict predicts the same."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from citygrain.models.architectures import NETWORKS, build_network
from citygrain.models.inference import prepared_for_prediction
from citygrain.models.precision import autocast, bf16_pays

FEATURES = ("VV_DB", "VH_DB", "B02", "B03", "SEGMENT")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lived_in(name: str) -> nn.Module:
    """A network whose running statistics, scales and shifts are not what they started as."""
    torch.manual_seed(0)
    network = build_network(name, FEATURES, (5, 20, 20), 7).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 2.0)):
                values.uniform_(low, high)  # type: ignore[union-attr]
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_networks_give_the_same_probabilities(name: str) -> None:
    network, x = lived_in(name), torch.rand(3, 5, 20, 20, generator=torch.Generator().manual_seed(2))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        expected, came = network(x), prepared_for_prediction(network)(x)
    torch.testing.assert_close(came.softmax(1), expected.softmax(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(came, expected, rtol=1e-3, atol=1e-3)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "left"), [("sen2lcz", 0), ("resnet50", 0), ("resnet20", 6), ("fusion", 0), ("patchnet", 0)]
)
def test_what_can_be_folded_is_folded(name: str, left: int) -> None:
    """Of the pre-activation network six remain: what goes around a block is normalised for the block alone."""
    ready = prepared_for_prediction(build_network(name, FEATURES, (5, 20, 20), 7))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in ready.modules()) == left
    assert not ready.training and not any(weight.requires_grad for weight in ready.parameters())


@pytest.mark.parametrize("size", [12, 20, 27, 32])
def test_resnet50_skips_what_its_next_stage_strides_over(size: int) -> None:
    """The same probabilities, stage outputs of every second pixel, and the model's own network as it was."""
    network, x = lived_in("resnet50"), torch.rand(2, 5, size, size, generator=torch.Generator().manual_seed(3))
    ready, seen = prepared_for_prediction(network), []
    for each in (network, ready):
        for stage in list(each.stages)[:3]:  # type: ignore[arg-type]
            stage.register_forward_hook(lambda *given: seen.append(given[2]))
    with torch.inference_mode():
        torch.testing.assert_close(ready(x).softmax(1), network(x).softmax(1), rtol=0, atol=1e-5)
    skipped, whole = seen[:3], seen[3:]
    torch.testing.assert_close(skipped[0], whole[0], rtol=1e-3, atol=1e-3)
    for ours, all_pixels in zip(skipped[1:], whole[1:], strict=True):
        torch.testing.assert_close(ours, all_pixels[:, :, ::2, ::2], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["sen2lcz", "resnet20"])
def test_weights_rounded_before_give_the_bits_of_weights_rounded_at_each_call(name: str) -> None:
    if not bf16_pays():
        pytest.skip("this processor has no bfloat16 instructions")
    network, x = lived_in(name), torch.rand(3, 5, 20, 20)
    with torch.inference_mode(), autocast(True):
        each, before = (prepared_for_prediction(network, half=half)(x) for half in (False, True))
        assert torch.equal(each, before)
        torch.testing.assert_close(each.float().softmax(1), network(x).float().softmax(1), rtol=0, atol=0.05)
