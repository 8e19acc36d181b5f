"""Models against torchvision: names, initial values from one seed, printed forms, outputs."""

from __future__ import annotations

import numpy
import pytest
import torch
import torchvision.models as reference

import flambeau
import flambeau_vision.models as ours

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
def test_same_layers_names_and_shapes(name: str) -> None:
    with torch.device("meta"):
        theirs = getattr(reference, name)()
    with flambeau.device("meta"):
        mine = getattr(ours, name)()
    assert repr(mine) == repr(theirs)
    shapes = [
        [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
        for model in (mine, theirs)
    ]
    assert shapes[0] == shapes[1]


def without_dropout(model: object) -> object:
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return model


# In float64: batch norm over a few pixels magnifies float32's roundings on the way back.
@pytest.mark.parametrize(
    "name, training",
    [
        ("resnet18", False),
        ("resnet18", True),
        ("resnet50", True),
        ("mobilenet_v2", False),
        ("mobilenet_v2", True),
    ],
)
def test_same_outputs_and_gradients(name: str, training: bool) -> None:
    torch.manual_seed(0)
    theirs = without_dropout(getattr(reference, name)(num_classes=7).train(training)).double()
    mine = without_dropout(getattr(ours, name)(num_classes=7).train(training)).double()
    mine.load_state_dict(
        {key: flambeau.tensor(value.numpy()) for key, value in theirs.state_dict().items()}
    )
    images = numpy.random.default_rng(0).standard_normal((2, 3, 40, 40))
    got, expected = mine(flambeau.from_numpy(images)), theirs(torch.from_numpy(images))
    numpy.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-7)
    got.square().mean().backward()
    expected.square().mean().backward()
    gradients = {key: parameter.grad.numpy() for key, parameter in theirs.named_parameters()}
    largest = max(numpy.abs(gradient).max() for gradient in gradients.values())
    for key, parameter in mine.named_parameters():
        numpy.testing.assert_allclose(
            parameter.grad.numpy(), gradients[key], rtol=1e-5, atol=1e-8 * largest, err_msg=key
        )


def test_a_checkpoint_of_torchvision_loads(tmp_path: object) -> None:
    theirs = reference.resnet18(num_classes=4)  # of random values
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    mine = ours.resnet18(num_classes=4)
    mine.load_state_dict(flambeau.load(tmp_path / "resnet18.pth"))
    for key, value in theirs.state_dict().items():
        assert numpy.array_equal(mine.state_dict()[key].numpy(), value.numpy())
