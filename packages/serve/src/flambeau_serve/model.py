"""A model as serving sees it: named tensors in, named tensors out.

`Model` knows nothing about HTTP, files or flambeau: it is a name, what goes in, what comes out, and one function
from arrays to arrays. What a client sends is held against `inputs` before the function sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .datatypes import Array, datatype_of, dtype_of
from .errors import InputError, LoadError

if TYPE_CHECKING:
    from .images import ImageReader

Predict = Callable[[dict[str, Array]], Mapping[str, Array]]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, datatype and shape of one input or output; -1 in the shape is any size.

    >>> from flambeau_serve import TensorSpec
    >>> TensorSpec("image", "FP32", (-1, 1, 28, 28)).as_json()
    {'name': 'image', 'datatype': 'FP32', 'shape': [-1, 1, 28, 28]}
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        dtype_of(self.datatype)
        if not all(type(size) is int and (size == -1 or size > 0) for size in self.shape):
            raise ValueError(
                f"shape of {self.name!r} must hold sizes from 1 up, or -1 for any; got {self.shape}"
            )

    @classmethod
    def parse(cls, text: str) -> TensorSpec:
        """Read the command line's form of a spec.

        >>> from flambeau_serve import TensorSpec
        >>> TensorSpec.parse("image:FP32:-1,1,28,28").shape
        (-1, 1, 28, 28)
        """
        parts = text.split(":")
        try:
            name, datatype, shape = parts
            return cls(name, datatype, tuple(int(size) for size in shape.split(",") if size))
        except ValueError as error:
            reason = f": {error}" if len(parts) == 3 else ""
            raise ValueError(
                f"{text!r} is no tensor; write it as image:FP32:-1,1,28,28{reason}"
            ) from None

    @property
    def batched(self) -> bool:
        """Whether the first size is free, so that requests may be joined along it."""
        return bool(self.shape) and self.shape[0] == -1

    def as_json(self) -> dict[str, Any]:
        """The spec as the protocol's metadata writes it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    def check(self, array: Array) -> None:
        """InputError unless `array` has this datatype and shape."""
        datatype = datatype_of(array.dtype)
        if datatype != self.datatype:
            raise InputError(
                f"input {self.name!r} has datatype {datatype}; expected {self.datatype}"
            )
        fits = len(array.shape) == len(self.shape) and all(
            expected in (-1, size) for size, expected in zip(array.shape, self.shape, strict=True)
        )
        if not fits:
            raise InputError(
                f"input {self.name!r} has shape {list(array.shape)}; expected {list(self.shape)}"
                + (" (-1 is any size)" if -1 in self.shape else "")
            )


class Model:
    """A served model: `predict` maps arrays by name to arrays by name.

    With `inputs` left empty whatever comes is passed on in the order it came, unchecked, and the model's own
    complaint is the client's answer. `image` reads PNG and JPEG into the one input, for models that take pictures.

    >>> import numpy as np
    >>> from flambeau_serve import Model, TensorSpec
    >>> double = Model(lambda arrays: {"y": arrays["x"] * 2}, name="double",
    ...                inputs=[TensorSpec("x", "INT64", (-1,))])
    >>> double.predict({"x": np.array([1, 2])})
    {'y': array([2, 4])}
    """

    def __init__(
        self,
        predict: Predict,
        *,
        name: str = "model",
        version: str = "1",
        platform: str = "flambeau",
        inputs: Iterable[TensorSpec] = (),
        outputs: Iterable[TensorSpec] = (),
        labels: Sequence[str] = (),
        image: ImageReader | None = None,
    ) -> None:
        for kind, text in (("name", name), ("version", version)):
            if not _NAME.fullmatch(text):
                raise LoadError(
                    f"model {kind} {text!r} cannot stand in a URL; "
                    "use letters, digits, dots, dashes and underscores"
                )
        self.name = name
        self.version = version
        self.platform = platform
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.labels = tuple(labels)
        self.image = image
        self._predict = predict
        self._by_name = {spec.name: spec for spec in self.inputs}

    def __repr__(self) -> str:
        return f"Model({self.name!r}, inputs={list(self.inputs)}, outputs={list(self.outputs)})"

    @property
    def batched(self) -> bool:
        """Whether requests may be joined: every declared input and output has a free first size."""
        specs = self.inputs + self.outputs
        return bool(self.inputs) and all(spec.batched for spec in specs)

    def check(self, arrays: Mapping[str, Array]) -> None:
        """InputError unless `arrays` are exactly the declared inputs, if any are declared."""
        if not self.inputs:
            return
        for name, array in arrays.items():
            if name not in self._by_name:
                known = ", ".join(self._by_name)
                raise InputError(f"input {name!r} is unknown; model {self.name!r} takes {known}")
            self._by_name[name].check(array)
        missing = [name for name in self._by_name if name not in arrays]
        if missing:
            raise InputError(f"input {missing[0]!r} is missing")

    def predict(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Check the arrays and run the model on them, in the order of `inputs`."""
        self.check(arrays)
        ordered = {name: arrays[name] for name in self._by_name} or dict(arrays)
        return {name: np.asarray(array) for name, array in self._predict(ordered).items()}

    def metadata(self) -> dict[str, Any]:
        """The body of `GET /v2/models/NAME`."""
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": self.platform,
            "inputs": [spec.as_json() for spec in self.inputs],
            "outputs": [spec.as_json() for spec in self.outputs],
        }

    def warm_up(self) -> None:
        """Run once on zeros, so that the first client does not wait for compilation.

        Outputs that were not declared are learnt from what comes out. Nothing is run where a size other than the
        first is free: no size would be a fair guess.
        """
        if not self.inputs or any(-1 in spec.shape[1:] for spec in self.inputs):
            return
        try:
            results = self.predict({spec.name: _zeros(spec) for spec in self.inputs})
        except Exception as error:  # whatever a user's model raises: told at once, not per request
            shapes = ", ".join(f"{s.name} {s.datatype}{list(s.shape)}" for s in self.inputs)
            raise LoadError(
                f"model {self.name!r} fails on zeros of its declared inputs ({shapes}): "
                f"{type(error).__name__}: {error}"
            ) from error
        if not self.outputs:
            free = all(spec.batched for spec in self.inputs)
            self.outputs = tuple(_spec_of(name, array, free) for name, array in results.items())


def _zeros(spec: TensorSpec) -> Array:
    shape = tuple(max(size, 1) for size in spec.shape)
    if spec.datatype == "BYTES":
        return np.full(shape, b"", dtype=np.object_)
    return np.zeros(shape, dtype=dtype_of(spec.datatype))


def _spec_of(name: str, array: Array, free: bool) -> TensorSpec:
    """The spec of an output seen once with a batch of one."""
    shape = array.shape
    if free and shape and shape[0] == 1:
        shape = (-1, *shape[1:])
    return TensorSpec(name, datatype_of(array.dtype), shape)
