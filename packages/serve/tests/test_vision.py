"""Serving sees what training with flambeau-vision saw."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import numpy as np
import pytest

pytest.importorskip("flambeau_vision")

from PIL import Image

from flambeau_serve import ImageReader, Model, Preprocess, TensorSpec
from flambeau_vision import transforms

SPEC = TensorSpec("image", "FP32", (-1, 3, 24, 32))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def photograph() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def compose() -> transforms.Compose:
    return transforms.Compose(
        [transforms.Resize((24, 32)), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    )


def test_preprocess_is_that_of_training(
    photograph: Image.Image, compose: transforms.Compose
) -> None:
    ours = Preprocess(24, 32, 3, mean=MEAN, std=STD)(photograph)
    np.testing.assert_allclose(ours, compose(photograph).numpy(), rtol=1e-5, atol=1e-6)


def test_a_transform_of_vision_is_served(
    photograph: Image.Image,
    compose: transforms.Compose,
    serve: Callable[..., httpx.Client],
) -> None:
    model = Model(
        lambda arrays: {"mean": arrays["image"].mean((2, 3))},
        inputs=[SPEC],
        image=ImageReader(SPEC, compose),
    )
    file = io.BytesIO()
    photograph.save(file, "PNG")
    answer = serve(model).post("/v2/models/model/infer", files={"image": file.getvalue()})
    want = compose(photograph).numpy().mean((1, 2))
    np.testing.assert_allclose(answer.json()["outputs"][0]["data"], want, rtol=1e-5)
