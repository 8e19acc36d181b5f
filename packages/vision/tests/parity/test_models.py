"""Models against torchvision: names, initial values from one seed, printed forms, outputs."""

from __future__ import annotations

import numpy
import pytest
import torch
import torchvision.models as reference

import flambeau
import flambeau_vision.models as ours

SMALL = ["resnet18", "resnet50", "mobilenet_v2"]
OPTIONS = {
    "resnet18": {"num_classes": 7},
    "resnet34": {"num_classes": 7, "zero_init_residual": True},
    "resnet50": {"num_classes": 7, "zero_init_residual": True},
    "mobilenet_v2": {"num_classes": 7, "width_mult": 0.5},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_same_names_and_initial_values(name: str) -> None:
    flambeau.manual_seed(5)
    mine = getattr(ours, name)(**OPTIONS[name])
    torch.manual_seed(5)
    theirs = getattr(reference, name)(**OPTIONS[name])
    got, expected = mine.state_dict(), theirs.state_dict()
    assert list(got) == list(expected)
    for key, value in expected.items():
        numpy.testing.assert_allclose(
            got[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-7, err_msg=key
        )
    assert repr(mine) == repr(theirs)


@pytest.mark.parametrize(
    "name", ["vgg11", "vgg16_bn", "resnet101", "resnext50_32x4d", "wide_resnet50_2"]
)
def test_same_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(reference, name)().state_dict()
    with flambeau.device("meta"):
        mine = getattr(ours, name)().state_dict()
    assert [(key, tuple(value.shape)) for key, value in mine.items()] == [
        (key, tuple(value.shape)) for key, value in theirs.items()
    ]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_same_outputs_and_gradients(name: str, training: bool) -> None:
    torch.manual_seed(0)
    theirs = getattr(reference, name)(num_classes=7).train(training)
    mine = getattr(ours, name)(num_classes=7).train(training)
    for dropout in (module for model in (mine, theirs) for module in model.modules()):
        if type(dropout).__name__ == "Dropout":
            dropout.p = 0.0
    mine.load_state_dict(
        {key: flambeau.tensor(value.numpy()) for key, value in theirs.state_dict().items()}
    )
    images = numpy.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(numpy.float32)
    got = mine(flambeau.from_numpy(images))
    expected = theirs(torch.from_numpy(images))
    scale = expected.abs().max().item()
    numpy.testing.assert_allclose(
        got.detach().numpy() / scale, expected.detach().numpy() / scale, atol=2e-4
    )
    got.square().mean().backward()
    expected.square().mean().backward()
    mine_grads = dict(mine.named_parameters())
    for key, parameter in theirs.named_parameters():
        size = parameter.grad.abs().max().item() + 1e-12
        difference = numpy.abs(mine_grads[key].grad.numpy() - parameter.grad.numpy()).max() / size
        # two images in a batch norm of 2x2 pixels: small differences grow on the way back
        assert difference < (5e-2 if training else 2e-3), (key, difference)


def test_a_checkpoint_of_torchvision_loads(tmp_path: object) -> None:
    theirs = reference.resnet18(num_classes=4)
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    mine = ours.resnet18(num_classes=4)
    mine.load_state_dict(flambeau.load(tmp_path / "resnet18.pth"))
    for key, value in theirs.state_dict().items():
        assert numpy.array_equal(mine.state_dict()[key].numpy(), value.numpy())
