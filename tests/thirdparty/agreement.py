"""Where two sides' results differ: structure, texts, numbers, tensors to the tolerance of their dtype."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import flambeau

# As assert_close's, with room for the rounding of some hundred operations in another order.
TOLERANCES = {"float64": (1e-6, 1e-8), "float32": (2e-4, 5e-5), "float16": (5e-3, 1e-3)}


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """One line for every place where the sides differ."""
    if isinstance(theirs, flambeau.Tensor):
        yield from _tensors(ours, theirs, where)
    elif isinstance(theirs, dict):
        if not isinstance(ours, dict) or list(ours) != list(theirs):
            yield f"{where}: keys {list(ours)} instead of {list(theirs)}"
            return
        for key in theirs:
            yield from differences(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            yield f"{where}: {ours} instead of {theirs}"
            return
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(a, b, f"{where}/{index}")
    elif isinstance(theirs, float):
        if not (
            math.isclose(ours, theirs, rel_tol=2e-4, abs_tol=2e-5)
            or (ours != ours and theirs != theirs)
        ):
            yield f"{where}: {ours} instead of {theirs}"
    elif ours != theirs:
        yield f"{where}: {ours!r} instead of {theirs!r}"


def _tensors(ours: Any, theirs: Any, where: str) -> Iterator[str]:
    if not isinstance(ours, flambeau.Tensor):
        yield f"{where}: {type(ours).__name__} instead of a tensor"
        return
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        yield f"{where}: {ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
        return
    name = str(theirs.dtype).rpartition(".")[2]
    a, b = (x.detach().numpy() for x in (ours, theirs))
    if name not in TOLERANCES:
        if not np.array_equal(a, b):
            yield f"{where}: {int((a != b).sum())} of {a.size} values differ"
        return
    relative, absolute = TOLERANCES[name]
    # Of gradients that cancel, the largest one sets the scale.
    scale = np.abs(b[np.isfinite(b)]).max(initial=0.0)
    close = np.isclose(a, b, rtol=relative, atol=absolute * max(1.0, scale), equal_nan=True)
    if not close.all():
        worst = np.nanmax(np.abs(a - b)[~close])
        yield f"{where}: {int((~close).sum())} of {a.size} values differ, by up to {worst:.3g}, at a scale of {scale:.3g}"
