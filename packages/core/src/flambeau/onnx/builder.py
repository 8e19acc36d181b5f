"""What an operator's `.onnx` rule writes with: nodes, constants, shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import dtypes
from ..runtime.meta import Meta
from .library import element_type, onnx
from .sizes import OpenSize

_LAST = np.iinfo(np.int64).max


class Builder:
    """The model being written. `metas` knows each name's shape and dtype; `output` is the current call's result."""

    def __init__(self) -> None:
        self.nodes_made: list[Any] = []
        self.initializers: list[Any] = []
        self.metas: dict[str, Meta] = {}
        self.output: Meta = Meta((), dtypes.float32)
        self.axes: dict[str, tuple[str, int]] = {}  # open axis -> (input name, dimension)
        self.weights: dict[str, np.ndarray] = {}  # those that one call reads, and nothing else
        self._constants: dict[Any, str] = {}
        self._count = 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.output.shape

    def fresh(self, prefix: str = "t") -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    # -- nodes ----------------------------------------------------------------------------------------------------------

    def node(self, kind: str, inputs: Sequence[str | None], **attributes: Any) -> str:
        """Adds a node with one result and returns its name."""
        return self.nodes(kind, inputs, 1, **attributes)[0]

    def nodes(
        self, kind: str, inputs: Sequence[str | None], count: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Adds a node with `count` results."""
        names = tuple(self.fresh(kind.lower()) for _ in range(count))
        given = {}
        for k, v in attributes.items():
            if v is None:
                continue
            parts = v if isinstance(v, (list, tuple)) else [v]
            if any(isinstance(p, OpenSize) for p in parts):
                raise RuntimeError(
                    f"onnx.export: attribute {k} of {kind} must be fixed, but it depends on an open axis: {v}"
                )
            given[k] = list(v) if isinstance(v, tuple) else v
        self.nodes_made.append(
            onnx().helper.make_node(kind, [i or "" for i in inputs], list(names), **given)
        )
        if names:
            self.metas.setdefault(names[0], self.output)
        return names

    # -- constants ------------------------------------------------------------------------------------------------------

    def array(self, array: np.ndarray, name: str | None = None) -> str:
        """An initializer; equal small ones are shared."""
        key = (
            (array.dtype.str, array.shape, array.tobytes())
            if array.size <= 16 and name is None
            else None
        )
        if key in self._constants:
            return self._constants[key]
        name = name or self.fresh("const")
        if array.dtype.name == "bfloat16":
            raw = onnx().helper.make_tensor(
                name, onnx().TensorProto.BFLOAT16, array.shape, array.tobytes(), raw=True
            )
        else:
            raw = onnx().numpy_helper.from_array(
                np.ascontiguousarray(array).reshape(array.shape), name
            )
        self.initializers.append(raw)
        self.metas[name] = Meta(array.shape, dtypes.from_numpy(array.dtype))
        if key is not None:
            self._constants[key] = name
        return name

    def ints(self, values: Sequence[int]) -> str:
        """A 1-d int64 tensor; open sizes are computed from the inputs' shapes."""
        values = list(values)
        if not any(isinstance(v, OpenSize) for v in values):
            return self.array(np.array(values, dtype=np.int64).reshape(-1))
        parts = [
            self._open(v) if isinstance(v, OpenSize) else self.array(np.array([v], np.int64))
            for v in values
        ]
        return parts[0] if len(parts) == 1 else self.node("Concat", parts, axis=0)

    def _open(self, size: OpenSize) -> str:
        """A 1-element int64 tensor: the polynomial, from the inputs' shapes."""
        key = ("open", tuple(size.terms.items()))
        if key not in self._constants:
            total = None
            for axes, factor in size.terms.items():
                term = self._product(axes, factor)
                total = term if total is None else self.node("Add", [total, term])
            self._constants[key] = total or self.array(np.array([0], np.int64))
        return self._constants[key]

    def _product(self, axes: Sequence[str], factor: int) -> str:
        out = None if axes and factor == 1 else self.array(np.array([factor], np.int64))
        for axis in axes:
            name, dim = self.axes[axis]
            if ("axis", axis) not in self._constants:
                self._constants[("axis", axis)] = self.node("Shape", [name], start=dim, end=dim + 1)
            length = self._constants[("axis", axis)]
            out = length if out is None else self.node("Mul", [out, length])
        assert out is not None
        return out

    def scalar(self, value: int) -> str:
        """A 0-d int64 tensor."""
        if isinstance(value, OpenSize):
            return self.node("Squeeze", [self._open(value), self.ints([0])])
        return self.array(np.array(value, dtype=np.int64))

    def scalar_like(self, name: str, value: Any) -> str:
        """A 0-d tensor in the dtype of `name`."""
        return self.number(value, self.metas[name].dtype)

    def number(self, value: Any, d: dtypes.dtype) -> str:
        """A 0-d tensor of a number in dtype `d`."""
        if isinstance(value, OpenSize):
            return self.node("Cast", [self.scalar(value)], to=element_type(d))
        return self.array(np.array(value).astype(d.numpy))

    def like(self, name: str, value: Any) -> str:
        """A tensor of one number over and over, in the shape and dtype of `name`."""
        meta = self.metas[name]
        return self.array(np.full(meta.shape, value, meta.dtype.numpy))

    # -- forms that several rules share ----------------------------------------------------------------------------------

    def cast(self, name: str, d: dtypes.dtype) -> str:
        """`name` in another dtype."""
        out = self.node("Cast", [name], to=element_type(d))
        self.metas[out] = Meta(self.metas[name].shape, d)
        return out

    def reduce(self, kind: str, x: str, dim: Any, keepdim: bool) -> str:
        """A reduction; None or () reduces all dimensions."""
        if not self.metas[x].shape:
            return self.node("Abs" if kind == "ReduceL2" else "Identity", [x])
        if dim is None or dim == ():
            return self.node(kind, [x], keepdims=int(keepdim))
        return self.node(
            kind, [x, self.ints([dim] if isinstance(dim, int) else dim)], keepdims=int(keepdim)
        )

    def transposed(self, x: str) -> str:
        """A matrix the other way round. A weight is so from the start: quantizers look for weights, not behind nodes."""
        if x in self.weights:
            return self.array(self.weights[x].T, f"{x}.T")
        return self.node("Transpose", [x], perm=[1, 0])

    def reshape_to_output(self, x: str) -> str:
        """`x` in the shape of the current result."""
        return self.node(
            "Reshape",
            [x, self.ints(self.output_shape)],
            allowzero=int(0 in self.output_shape) or None,
        )

    def flip(self, x: str, dims: int | Sequence[int]) -> str:
        """Reversed along `dims`."""
        axes = [dims] if isinstance(dims, int) else list(dims)
        n = len(axes)
        return self.node(
            "Slice",
            [x, self.ints([-1] * n), self.ints([-_LAST] * n), self.ints(axes), self.ints([-1] * n)],
        )

    def basic_index(self, x: str, key: tuple) -> str:
        """x[key] for ints, slices, None and an ellipsis: one Slice, then a Reshape where dimensions come or go."""
        shape = self.metas[x].shape
        full = len(shape) - sum(1 for k in key if k is not None and k is not Ellipsis)
        starts, ends, axes, steps = [], [], [], []
        d, changes = 0, False
        for k in key:
            if k is Ellipsis:
                d += full
            elif k is None:
                changes = True
            else:
                if isinstance(k, slice):
                    if k != slice(None):
                        start, stop, step = k.indices(int(shape[d]))
                        open_end = k.stop is None or (
                            isinstance(shape[d], OpenSize) and k.stop is None
                        )
                        starts.append(k.start if isinstance(k.start, OpenSize) else start)
                        ends.append(
                            _LAST
                            if open_end
                            else k.stop
                            if isinstance(k.stop, OpenSize) or k.stop < 0
                            else stop
                        )
                        axes.append(d)
                        steps.append(step)
                else:
                    changes = True
                    starts.append(k)
                    ends.append(_LAST if k == -1 else k + 1)
                    axes.append(d)
                    steps.append(1)
                d += 1
        if axes:
            x = self.node("Slice", [x, *map(self.ints, (starts, ends, axes, steps))])
        return self.reshape_to_output(x) if changes else x if axes else self.node("Identity", [x])

    def windows(self, x: str, dim: int, size: int, step: int) -> str:
        """All windows along `dim`, picked by a table of places; the window is the last dimension."""
        rank = len(self.metas[x].shape)
        if not rank:
            return self.node("Expand", [x, self.ints([size])])
        d = dim % rank
        count = self.output_shape[d]
        inside = np.arange(size, dtype=np.int64)
        if isinstance(count, OpenSize):
            last = self.node("Mul", [self.scalar(count), self.scalar(step)])
            starts = self.node("Range", [self.scalar(0), last, self.scalar(step)])
            starts = self.node("Unsqueeze", [starts, self.ints([1])])
            places = self.node("Add", [starts, self.array(inside)])
        else:
            places = self.array(np.arange(count)[:, None] * step + inside)
        picked = self.node("Gather", [x, places], axis=d)
        return self.node("Transpose", [picked], perm=[*range(d + 1), *range(d + 2, rank + 1), d + 1])  # fmt: skip

    def index(self, x: str, indices: Sequence[str], positions: tuple[int, ...]) -> str:
        """x picked by index tensors: Gather for one, GatherND for several."""
        if len(positions) == 1:
            return self.node("Gather", [x, indices[0]], axis=positions[0])
        rank = len(self.metas[x].shape)
        rest = [d for d in range(rank) if d not in positions]
        moved = self.node("Transpose", [x], perm=[*positions, *rest])
        at = _place(positions)
        out = self.node("GatherND", [moved, self._tuples(indices)])
        order = _moved_to(at, self._rank_of(indices), len(rest))
        return self.node("Transpose", [out], perm=order) if at else out

    def index_put(
        self,
        x: str,
        value: str,
        indices: Sequence[str],
        positions: tuple[int, ...],
        accumulate: bool,
    ) -> str:
        """x with `value` written (or added) where index tensors point: ScatterND, their dimensions in front."""
        shape = self.metas[x].shape
        rest = [d for d in range(len(shape)) if d not in positions]
        order, at = [*positions, *rest], _place(positions)
        before, behind = ([shape[d] for d in part] for part in (rest[:at], rest[at:]))
        parts = [self.ints(before), self._picked(indices), self.ints(behind)]
        whole = self.node("Expand", [value, self.node("Concat", parts, axis=0)])
        if at:
            there = _moved_to(at, self._rank_of(indices), len(rest))
            whole = self.node("Transpose", [whole], perm=_inverse(there))
        front = self.node("Transpose", [x], perm=order)
        out = self.node(
            "ScatterND",
            [front, self._tuples(indices), whole],
            reduction="add" if accumulate else None,
        )
        return self.node("Transpose", [out], perm=_inverse(order))

    def _rank_of(self, indices: Sequence[str]) -> int:
        return max(len(self.metas[i].shape) for i in indices)

    def _picked(self, indices: Sequence[str]) -> str:
        """The shape of index tensors together, which may depend on values where they come from a mask."""
        shapes = [self.metas[i].shape for i in indices]
        if len(set(shapes)) == 1:
            return self.node("Shape", [indices[0]])
        rank = self._rank_of(indices)
        sizes = zip(*((1,) * (rank - len(s)) + tuple(s) for s in shapes))
        return self.ints([next((n for n in each if n != 1), 1) for each in sizes])

    def _tuples(self, indices: Sequence[str]) -> str:
        """Index tensors as one, its last dimension over them."""
        columns = [self.node("Unsqueeze", [i, self.ints([-1])]) for i in indices]
        if len({self.metas[i].shape for i in indices}) > 1:
            shape = self.node("Concat", [self._picked(indices), self.ints([1])], axis=0)
            columns = [self.node("Expand", [c, shape]) for c in columns]
        return self.node("Concat", columns, axis=-1)

    def choosing_kernels(self, channels: int, kernel: Sequence[int], d: dtypes.dtype) -> str:
        """Weights of a convolution that gives each channel's windows: of each kernel one element is one."""
        n = math.prod(kernel)
        ones = np.eye(n, dtype=d.numpy).reshape(n, 1, *kernel)
        return self.array(np.tile(ones, (channels, *(1,) * (1 + len(kernel)))))

    def pool(self, kind: str, x: str, windows: int, **attributes: Any) -> str:
        """A node that wants (N, C, *size), on an input with any number of dimensions before its `windows` last."""
        shape = self.metas[x].shape
        lead, size = shape[: len(shape) - windows], shape[len(shape) - windows :]
        if len(lead) == 2:
            return self.node(kind, [x], **attributes)
        x = self.node("Reshape", [x, self.ints([1, -1, *size])])
        return self.reshape_to_output(self.node(kind, [x], **attributes))

    def pool_padding(
        self, x: str, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
        out: Sequence[int],
    ) -> list[int]:  # fmt: skip
        """Padding before and behind each dimension such that ONNX's floor rule gives `out` windows."""
        size = self.metas[x].shape[-len(kernel) :]
        behind = []
        for n, k, s, p, d, o in zip(size, kernel, stride, padding, dilation, out):
            reach = (o - 1) * s + d * (k - 1) + 1
            behind.append(max(0, int(reach - n - p)))
        return [*map(int, padding), *behind]


def _place(positions: tuple[int, ...]) -> int:
    """Where the dimensions of index tensors stand in what they pick: in front, unless what they index is side by side."""
    return positions[0] if positions[-1] - positions[0] == len(positions) - 1 else 0


def _moved_to(at: int, picked: int, rest: int) -> list[int]:
    """The permutation that takes the first `picked` dimensions to `at`."""
    return [*range(picked, picked + at), *range(picked), *range(picked + at, picked + rest)]


def _inverse(order: Sequence[int]) -> list[int]:
    return [list(order).index(d) for d in range(len(order))]
