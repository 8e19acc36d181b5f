"""Values of modules and programs as JSON, and back. Tensors are numbers in a list, which is stored beside the JSON."""

from __future__ import annotations

import base64
from enum import Enum
from typing import Any, NoReturn

from ..._base import dtypes, formats
from ..._base.devices import device as Device
from ...runtime.tensor import Size, Tensor
from .classes import Struct
from .names import found, spelling

VERSION = 1
_LAYOUTS = {str(x): x for x in (*formats.LAYOUTS, *formats.FORMATS)}
_DTYPES = {d.name: d for d in dtypes.ALL}


def damaged(why: str) -> NoReturn:
    """The one error of files that are not what they should be."""
    raise RuntimeError(f"jit.load: the file is damaged: {why}")


class Writer:
    """Values to JSON; collects the tensors on the way, each once."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self._at: dict[int, int] = {}
        self.classes: dict[Any, str] = {}

    def tensor(self, value: Tensor) -> int:
        """The tensor's place in the list."""
        if id(value) not in self._at:
            self._at[id(value)] = len(self.tensors)
            self.tensors.append(value)
        return self._at[id(value)]

    def value(self, value: Any, what: str) -> Any:
        """JSON of a value; TypeError where `what` is no data."""
        kind = self.classes.get(value.kind if isinstance(value, Struct) else type(value))
        if kind is not None:
            return self._object(kind, value, what)
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return {"float": value.hex()}
        if isinstance(value, complex):
            return {"complex": [value.real.hex(), value.imag.hex()]}
        if isinstance(value, Tensor):
            return {"tensor": self.tensor(value)}
        if isinstance(value, list):
            return [self.value(v, what) for v in value]
        if isinstance(value, Size):
            return {"size": list(value)}
        if isinstance(value, tuple):
            return {"tuple": [self.value(v, what) for v in value]}
        if isinstance(value, dict):
            return {"dict": [[self.value(k, what), self.value(v, what)] for k, v in value.items()]}
        if isinstance(value, slice):
            parts = (value.start, value.stop, value.step)
            return {"slice": [self.value(v, what) for v in parts]}
        if value is Ellipsis:
            return {"ellipsis": 0}
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, dtypes.dtype):
            return {"dtype": value.name}
        if isinstance(value, Device):
            return {"device": str(value)}
        if isinstance(value, (formats.layout, formats.memory_format)):
            return {"layout": str(value)}
        name = spelling(value)
        if name is not None and name.startswith("flambeau."):
            return {"function": name}
        raise TypeError(f"jit.save: {what} holds a {type(value).__name__}, which is no data")

    def _object(self, kind: str, value: Any, what: str) -> Any:
        if isinstance(value, Enum):
            return {"member": [kind, value.name]}
        if isinstance(value, Struct):
            fields = {n: self.value(v, what) for n, v in value.values.items()}
            return {"object": [kind, fields]}
        return {"named": [kind, [self.value(v, what) for v in value]]}


class Reader:
    """JSON to values; RuntimeError for whatever a `Writer` does not write."""

    def __init__(self, tensors: list[Tensor], device: Any = None) -> None:
        self.tensors = tensors
        self.classes: dict[str, Any] = {}

    def tensor(self, at: Any) -> Tensor:
        """The tensor at a place."""
        if type(at) is not int or not 0 <= at < len(self.tensors):
            damaged(f"it has no tensor {at!r}")
        return self.tensors[at]

    def value(self, node: Any) -> Any:
        """The value of a piece of JSON."""
        if node is None or isinstance(node, (bool, int, str)):
            return node
        if isinstance(node, list):
            return [self.value(v) for v in node]
        if not isinstance(node, dict) or len(node) != 1:
            damaged(f"{str(node)[:60]} is no value")
        ((kind, body),) = node.items()
        try:
            return self._kind(kind, body)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            damaged(f"{str(node)[:60]} is no value ({error})")

    def _kind(self, kind: str, body: Any) -> Any:
        if kind == "float":
            return float.fromhex(body)
        if kind == "complex":
            return complex(*map(float.fromhex, body))
        if kind == "tensor":
            return self.tensor(body)
        if kind == "size":
            return Size([int(v) for v in body])
        if kind == "tuple":
            return tuple(self.value(v) for v in body)
        if kind == "dict":
            return {self.value(k): self.value(v) for k, v in body}
        if kind == "slice":
            return slice(*[self.value(v) for v in body])
        if kind == "ellipsis":
            return Ellipsis
        if kind == "bytes":
            return base64.b64decode(body)
        if kind == "dtype":
            return _DTYPES[body]
        if kind == "device":
            return Device(body)
        if kind == "layout":
            return _LAYOUTS[body]
        if kind == "member":
            return self.classes[body[0]].__members__[body[1]]
        if kind == "named":
            return self.classes[body[0]](*[self.value(v) for v in body[1]])
        if kind == "object":
            made = Struct(self.classes[body[0]])
            for name, value in body[1].items():
                made.script_set(name, self.value(value))
            return made
        if kind == "function":
            space, _, name = body.rpartition(".")
            if spelling(made := found(space, name)) is None:
                raise KeyError(name)
            return made
        raise KeyError(kind)
