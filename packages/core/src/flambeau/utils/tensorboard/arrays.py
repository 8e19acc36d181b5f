"""Whatever a user gives as data, as a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau

__all__ = ["as_array"]


def as_array(data: Any) -> np.ndarray:
    """A tensor, an array or a number as a NumPy array; bfloat16, which NumPy lacks, as float32."""
    if isinstance(data, np.ndarray):
        return data
    if np.isscalar(data):
        return np.array([data])
    if isinstance(data, flambeau.Tensor):
        if data.device.type == "meta":
            raise ValueError("tensorboard: a tensor on the meta device has no data to write")
        data = data.detach().cpu()
        return (data.float() if data.dtype is flambeau.bfloat16 else data).numpy()
    raise NotImplementedError(f"Got {type(data)}, but numpy array or torch tensor are expected.")
