"""What a network costs: the published numbers, and single layers by their formula."""

import pytest
import timm
import torch
from torch import nn

from jpegprep.learners.complexity import complexity

# Parameters in millions and multiply-adds in billions at an image size: Tan and Le, ICML 2019,
# Table 2; Sandler et al., CVPR 2018, Table 4.
PUBLISHED = {
    "efficientnet_b0": (224, 5.29, 0.39),
    "efficientnet_b1": (240, 7.79, 0.70),
    "mobilenetv2_100": (224, 3.5, 0.30),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_costs_what_its_paper_says(name: str) -> None:
    """Parameters agree in every printed digit, multiply-adds within 2 %: papers round them."""
    side, parameters, multiply_adds = PUBLISHED[name]
    cost = complexity(timm.create_model(name, pretrained=False), side)
    assert cost["parameters"] / 1e6 == pytest.approx(parameters, abs=0.006)
    assert cost["multiply_adds"] / 1e9 == pytest.approx(multiply_adds, rel=0.02)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("groups", "stride", "kernel"), [(1, 1, 3), (1, 2, 3), (3, 2, 5)])
def test_a_convolution_costs_its_formula(groups: int, stride: int, kernel: int, bias: bool) -> None:
    """Each of 12 x (32/s)² outputs is a sum of k² x 3/groups products; a bias is 12 parameters."""
    layer = nn.Conv2d(3, 12, kernel, stride, kernel // 2, groups=groups, bias=bias)
    products = kernel**2 * 3 // groups
    assert complexity(layer, 32) == {
        "parameters": 12 * products + 12 * bias,
        "multiply_adds": (32 // stride) ** 2 * 12 * products,
    }


def test_a_classifier_costs_its_formula() -> None:
    """A linear layer from 3 x 8 x 8 values to 10 has 192 x 10 weights, each used once."""
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(192, 10))
    assert complexity(network, 8) == {"parameters": 1930, "multiply_adds": 1920}


def test_measuring_leaves_the_network_as_it_was() -> None:
    """Afterwards the network trains as before: no value, place or mode of it has changed."""
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    complexity(network, 16)
    assert torch.equal(torch.rand(3), expected)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(before[name], x) for name, x in network.state_dict().items())
