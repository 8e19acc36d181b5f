"""Models: names, counts, shapes, initial values, and that they learn."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import nn
from flambeau_vision import models

# Parameters of torchvision's models, from its documentation.
COUNTS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
    "mobilenet_v2": 3_504_872,
    "vgg11": 132_863_336,
    "vgg16_bn": 138_365_992,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name: str) -> None:
    with flambeau.device("meta"):
        model = getattr(models, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == COUNTS[name]


def test_vgg_works_on_other_sizes_than_its_own() -> None:
    with flambeau.device("meta"):  # 130 million parameters, not needed here
        model = models.vgg11_bn(num_classes=10)
        assert model(flambeau.zeros(2, 3, 64, 96)).shape == (2, 10)


def test_resnet_names() -> None:
    with flambeau.device("meta"):
        names = list(models.resnet18().state_dict())
    assert names[:2] == ["conv1.weight", "bn1.weight"]
    assert names[-2:] == ["fc.weight", "fc.bias"]
    assert "layer2.0.downsample.1.running_var" in names
    assert "layer1.0.downsample.0.weight" not in names
    assert len(names) == 122


def test_zero_init_residual_starts_each_block_as_the_identity() -> None:
    block = models.resnet.BasicBlock
    model = models.ResNet(block, [1, 1, 1, 1], num_classes=2, zero_init_residual=True)
    assert model.layer1[0].bn2.weight.abs().max().item() == 0.0
    images = flambeau.rand(2, 64, 4, 4)
    assert flambeau.equal(model.eval().layer1(images), images)
    assert model.layer1[0].bn1.weight.min().item() == 1.0


@pytest.mark.parametrize(
    "model, size",
    [
        (lambda: models.LeNet(), (1, 28, 28)),
        (lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], 10), (3, 32, 32)),
        (lambda: models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], 10), (3, 32, 32)),
        (lambda: models.MobileNetV2(10, width_mult=0.25), (3, 32, 32)),
    ],
)
@pytest.mark.slow
def test_output_shape_and_gradients_everywhere(model: object, size: tuple) -> None:
    network = model()
    out = network(flambeau.rand(2, *size))
    assert out.shape == (2, 10)
    out.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape


def test_dilation_keeps_the_size() -> None:
    block = models.resnet.Bottleneck
    wide = models.ResNet(block, [1, 1, 1, 1], 10, replace_stride_with_dilation=[False, True, True])
    assert wide.layer4[0].conv2.stride == (1, 1)
    assert wide.layer4[0].conv2.dilation == (2, 2)
    with pytest.raises(ValueError, match="three booleans"):
        models.ResNet(block, [1, 1, 1, 1], 10, replace_stride_with_dilation=[True])


@pytest.mark.slow
def test_lenet_learns() -> None:
    flambeau.manual_seed(0)
    model = models.lenet(num_classes=2)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=3e-3)
    # Left or right half lit.
    targets = flambeau.randint(0, 2, (32,))
    images = flambeau.rand(32, 1, 28, 28) * 0.2
    for image, target in zip(images, targets.tolist(), strict=True):
        image[:, :, 14 * target : 14 * target + 14] += 0.5
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
    assert (model(images).argmax(1) == targets).to(flambeau.float32).mean().item() == 1.0


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "mobilenet_v2"])
def test_weights_are_not_downloaded(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: weights 'DEFAULT'.*load_state_dict"):
        getattr(models, name)(weights="DEFAULT")


def test_refused_settings() -> None:
    with pytest.raises(ValueError, match="groups 2"):
        models.resnet.BasicBlock(8, 8, groups=2)
    with pytest.raises(NotImplementedError, match="dilation 2"):
        models.resnet.BasicBlock(8, 8, dilation=2)
    with pytest.raises(ValueError, match="stride 3"):
        models.mobilenetv2.InvertedResidual(8, 8, 3, 1)
    with pytest.raises(ValueError, match="expansion, channels, repeats, stride"):
        models.MobileNetV2(inverted_residual_setting=[[1, 2]])
