"""Wrap what users have (modules, functions, labels) into the one shape serving knows: arrays by name to arrays by name.

The only file that imports flambeau, and only once a callable is wrapped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from .datatypes import Array
from .errors import LoadError
from .model import Model, Predict, TensorSpec


def from_callable(function: Callable[..., Any], outputs: Sequence[str] = ()) -> Predict:
    """Call `function` with one tensor per input, in order, without recording gradients.

    A module, compiled or not, is put in eval mode and fed on the device of its parameters. What comes back is a
    tensor, a sequence of them or a dict; without names in `outputs` (or keys) they are called `output`, or
    `output_0`, `output_1`, ... BYTES inputs stay object arrays.
    """
    import flambeau

    # A compiled module is no nn.Module, but passes on what it is asked for.
    if callable(to_eval := getattr(function, "eval", None)):
        to_eval()
    parameters = getattr(function, "parameters", tuple)
    device: Any = next((parameter.device for parameter in parameters()), "cpu")

    def to_tensor(array: Array) -> Any:
        if array.dtype == np.object_:
            return array
        tensor: Any = flambeau.from_numpy(array)
        return tensor.to(device)

    def predict(arrays: dict[str, Array]) -> dict[str, Array]:
        with flambeau.no_grad():
            result = function(*map(to_tensor, arrays.values()))
        return {name: _to_array(value) for name, value in _named(result, outputs).items()}

    return predict


def _to_array(value: Any) -> Array:
    """A tensor, array or number as an array on the host."""
    import flambeau

    if not isinstance(value, flambeau.Tensor):
        return np.asarray(value)
    tensor: Any = value
    tensor = tensor.detach().cpu()
    if tensor.dtype == flambeau.bfloat16:  # as in PyTorch, numpy() has no such dtype
        array: Array = tensor.view(flambeau.int16).numpy().view(bfloat16)
        return array
    return np.asarray(tensor.numpy())


def _named(result: Any, names: Sequence[str]) -> dict[str, Any]:
    if isinstance(result, Mapping):
        return {str(name): value for name, value in result.items()}
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    if names and len(names) != len(values):
        raise TypeError(f"the model returned {len(values)} outputs; {len(names)} are declared")
    if not names:
        names = ["output"] if len(values) == 1 else [f"output_{i}" for i in range(len(values))]
    return dict(zip(names, values, strict=True))


def with_labels(model: Model, labels: Sequence[str], scores: str = "logits") -> Model:
    """The same model with two more outputs: `label` (BYTES) and `probability` (FP32, one per label).

    They are read off the first output, whose last size must be the number of labels. `scores` says what it holds:
    "logits", to which softmax is applied, or "probabilities".
    """
    if scores not in ("logits", "probabilities"):
        raise LoadError(f"scores must be 'logits' or 'probabilities', got {scores!r}")
    names = np.array([str(label) for label in labels], dtype=np.object_)

    def predict(arrays: dict[str, Array]) -> dict[str, Array]:
        outputs = model.predict(arrays)
        first = next(iter(outputs.values()))
        if first.ndim == 0 or first.shape[-1] != len(names):
            raise TypeError(f"{len(names)} labels do not fit an output of shape {first.shape}")
        chances = _softmax(first) if scores == "logits" else first.astype(np.float32)
        return outputs | {"label": names[chances.argmax(-1)], "probability": chances}

    return Model(
        predict,
        name=model.name,
        version=model.version,
        platform=model.platform,
        inputs=model.inputs,
        outputs=_labelled(model.outputs, len(names)),
        labels=names.tolist(),
        image=model.image,
    )


def _labelled(outputs: tuple[TensorSpec, ...], count: int) -> tuple[TensorSpec, ...]:
    """The specs with those of `label` and `probability` behind; none where none were declared."""
    if not outputs:
        return ()
    lead = outputs[0].shape[:-1]
    return (
        *outputs,
        TensorSpec("label", "BYTES", lead),
        TensorSpec("probability", "FP32", (*lead, count)),
    )


def _softmax(logits: Array) -> Array:
    exponents = np.exp(logits.astype(np.float32) - logits.max(-1, keepdims=True).astype(np.float32))
    total: Array = exponents / exponents.sum(-1, keepdims=True)
    return total
