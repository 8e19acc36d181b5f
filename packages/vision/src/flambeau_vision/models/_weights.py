"""What every model builder does with `weights`: refuses it, since nothing is downloaded."""

from __future__ import annotations


def refuse_weights(name: str, weights: object) -> None:
    """Raises ValueError naming the way to pretrained weights, unless `weights` is None."""
    if weights is not None:
        raise ValueError(
            f"{name}: weights {weights!r}; expected None, since flambeau downloads nothing: build "
            "the model, then model.load_state_dict(flambeau.load('checkpoint.pth')) with "
            "torchvision's own file"
        )
