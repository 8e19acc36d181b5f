"""Networks of other people, compiled, predict what they predict eagerly."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest
from conftest import SOURCES, _run

SCRIPT = pathlib.Path(__file__).with_name("compiled_networks.py")
NETWORKS = [
    ["resnet18", "resnext50_32x4d", "seresnet18", "densenet121", "mobilenetv3_small_100"],
    ["efficientnet_b0", "convnext_atto", "ghostnet_100", "repvgg_a0", "hrnet_w18_small"],
    ["vit_tiny_patch16_224", "mobilevit_xxs", "poolformer_s12", "levit_128s", "dla34"],
]


@pytest.mark.parametrize("names", NETWORKS, ids="-".join)
def test_a_compiled_network_predicts_as_it_does_eagerly(names):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed; nox -s thirdparty installs it")
    _run([str(SCRIPT), *names], SOURCES)
