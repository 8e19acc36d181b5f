"""ONNX files as models: the file itself says names, datatypes and shapes, and flambeau's operators run it.

A size the file leaves open is -1. Where it does not say a shape at all, it is treated as any callable is: outputs are
learnt from the first run, inputs go unchecked. Nothing in the file is executed as code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .adapters import from_callable
from .datatypes import DTYPES
from .errors import LoadError
from .images import reader_for
from .model import Model, TensorSpec

_DATATYPES = {dtype.name: datatype for datatype, dtype in DTYPES.items()}


def load_onnx(path: Path, name: str) -> Model:
    """The model in an ONNX file; LoadError where it is none, or onnx is not installed."""
    import flambeau

    try:
        found: Any = flambeau.onnx.load(path)
    except ImportError as error:  # MissingExtra: it names the extra that brings onnx
        raise LoadError(f"{path}: {error}") from None
    except (OSError, RuntimeError) as error:
        raise LoadError(f"{path} cannot be loaded: {error}") from None
    try:
        inputs = _specs(found.input_names, found.input_dtypes, found.input_shapes)
        outputs = _specs(found.output_names, found.output_dtypes, found.output_shapes)
    except ValueError as error:
        raise LoadError(f"{path}: {error}") from None
    return Model(
        from_callable(found, found.output_names),
        name=name,
        platform="onnx",
        inputs=inputs,
        outputs=outputs,
        image=reader_for(inputs, None),
    )


def _specs(
    names: Sequence[str], dtypes: Iterable[Any], shapes: Sequence[Sequence[int | None] | None]
) -> tuple[TensorSpec, ...]:
    """The specs of all tensors; none where one of them has no shape."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return ()
    return tuple(
        TensorSpec(name, _DATATYPES[dtype.name], tuple(-1 if n is None else n for n in shape))
        for name, dtype, shape in zip(names, dtypes, known, strict=True)
    )
