"""Recording a network's kernels as CUDA graphs, where there is no GPU to record them on."""

import pytest
import timm
import torch
import trainings

from jpegprep.learners.fitting import Classifier


@pytest.mark.skipif(torch.cuda.is_available(), reason="here a GPU records them: see make gpu")
def test_a_network_that_cannot_be_recorded_is_trained_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The log says so; neither its forward pass nor its running statistics change."""
    recipe = {**trainings.RECIPE, "gpu_graphs": True}
    model = Classifier(timm.create_model("tf_efficientnet_lite0", num_classes=3), recipe, steps=1)
    model.eval()
    images = torch.arange(2 * 3 * 64 * 64).reshape(2, 3, 64, 64).to(torch.uint8)
    before = model(images)
    model.record(2)
    assert "trains without CUDA graphs" in capsys.readouterr().out
    model.eval()
    assert torch.equal(model(images), before)
