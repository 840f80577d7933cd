"""The networks are the ones that were taught, and ours sees what it says it sees."""

import copy

import pytest
import torch

from citygrain.errors import InputError
from citygrain.models.architectures import NETWORKS, build_network
from citygrain.models.networks.course_cnn import SMALLEST, course_cnn, seen_side
from citygrain.models.networks.segment_net import SegmentNet, centre_weights


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_course_cnn_has_the_taught_parameters() -> None:
    network = build_network("course-cnn", ("B04", "B03", "B02"), (3, 25, 25), 4)
    assert count(network) == 217_604
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            fan = layer.weight[0].numel() + layer.weight.shape[0] * layer.weight[0, 0].numel()
            assert layer.weight.abs().max() <= (6 / fan) ** 0.5
            assert (layer.bias == 0).all()


def test_course_mlp_has_the_taught_parameters() -> None:
    assert count(build_network("course-mlp", ("B",) * 10, (10, 32, 32), 17)) == 1_313_041


@pytest.mark.parametrize("size", [SMALLEST, 25, 32])
def test_course_cnn_takes_patches_of_any_size_from_the_smallest_on(size: int) -> None:
    assert course_cnn(2, size, 3)(torch.zeros(2, 2, size, size)).shape == (2, 3)
    with pytest.raises(InputError, match="at least 19"):
        course_cnn(2, SMALLEST - 1, 3)


@pytest.mark.parametrize("size", [SMALLEST, 22, 25, 27])
def test_course_cnn_answers_and_learns_as_taught(size: int) -> None:
    """Rectifying before the pooling, and looking at whole patches, is the same, and so are the gradients."""
    torch.manual_seed(0)
    network, x = course_cnn(3, size, 4), torch.randn(5, 3, size, size)
    conv1, pool, relu, conv2, _, _, conv3, *rest = (copy.deepcopy(layer) for layer in network)
    conv1._forward_pre_hooks.clear()
    taught = torch.nn.Sequential(conv1, relu, pool, conv2, relu, pool, conv3, *rest)
    answers = [each(x) for each in (network, taught)]
    torch.testing.assert_close(*answers)
    gradients = [
        torch.autograd.grad(answer.square().sum(), list(each.parameters()))
        for answer, each in zip(answers, (network, taught), strict=True)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("size", range(SMALLEST, 33))
def test_course_cnn_sees_all_that_bears_on_the_answer_and_no_more(size: int) -> None:
    torch.manual_seed(0)
    network, x = course_cnn(1, size, 2), torch.rand(1, 1, size, size, requires_grad=True)
    for weights in network.parameters():
        torch.nn.init.constant_(weights, 0.01)  # nothing is rectified away
    network[0]._forward_pre_hooks.clear()
    pools = [layer for layer in network if isinstance(layer, torch.nn.MaxPool2d)]
    for pool in pools:  # every pixel of a pooled square bears on its mean
        network[list(network).index(pool)] = torch.nn.AvgPool2d(2)
    seen = torch.autograd.grad(network(x).sum(), x)[0][0, 0] != 0
    assert seen.any(0).nonzero().max() + 1 == seen.any(1).nonzero().max() + 1 == seen_side(size)


def test_unknown_networks_and_oblong_patches_are_refused() -> None:
    with pytest.raises(InputError, match="segment-net"):
        build_network("resnet-9000", ("B02",), (1, 25, 25), 2)
    with pytest.raises(InputError, match="square"):
        build_network("segment-net", ("B02",), (1, 25, 24), 2)
    assert set(NETWORKS) >= {"course-cnn", "course-mlp", "row-mlp", "segment-net"}


@pytest.mark.parametrize("size", [5, 12, 25, 32])
def test_segment_net_takes_any_size_and_an_empty_mask(size: int) -> None:
    torch.manual_seed(0)
    network = SegmentNet(4, size, 3, segment=3).eval()
    x = torch.randn(2, 4, size, size)
    x[:, 3] = 0
    assert torch.isfinite(network(x)).all()


def test_segment_net_knows_which_pixels_are_the_superpixel() -> None:
    torch.manual_seed(0)
    network = SegmentNet(3, 25, 3, segment=2).eval()
    x = torch.randn(1, 3, 25, 25)
    x[:, 2] = 0
    x[:, 2, 8:17, 8:17] = 1
    other = x.clone()
    other[:, 2] = 0
    other[:, 2, 11:14, 4:21] = 1
    assert (network(x) - network(other)).abs().max() > 1e-4


def test_segment_net_finds_its_mask_by_name_wherever_it_stands() -> None:
    torch.manual_seed(0)
    last = build_network("segment-net", ("B02", "B03", "SEGMENT"), (3, 25, 25), 2).eval()
    first = build_network("segment-net", ("SEGMENT", "B02", "B03"), (3, 25, 25), 2).eval()
    first.load_state_dict(last.state_dict())
    x = torch.rand(4, 3, 25, 25)
    torch.testing.assert_close(first(x[:, [2, 0, 1]]), last(x))


def test_centre_weights_are_symmetric_and_highest_in_the_middle() -> None:
    weights = centre_weights(25)[0, 0]
    assert weights[12, 12] == weights.max()
    torch.testing.assert_close(weights, weights.flip(0).T)
