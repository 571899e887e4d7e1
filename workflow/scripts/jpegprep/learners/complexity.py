"""What a network costs: its parameters, and its multiply-adds for one image."""

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode


def complexity(model: torch.nn.Module, image_size: int) -> dict[str, int]:
    """Count a network's parameters and the multiply-adds of one image.

    Multiply-adds are those of convolutions and matrix products, as the EfficientNet paper counts
    them (Tan and Le, ICML 2019, Table 2); torch's counter counts each as two operations.

    Args:
        model: takes (n, 3, image_size, image_size).
        image_size: in pixels.

    Returns:
        ``parameters`` and ``multiply_adds``.
    """
    shadow = copy.deepcopy(model).to("meta").eval()  # shapes alone: nothing is computed
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        shadow(torch.empty(1, 3, image_size, image_size, device="meta"))
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "multiply_adds": counter.get_total_flops() // 2,
    }
