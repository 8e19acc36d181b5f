"""Compiled kernels on NumPy arrays: expressions in, a callable out.

    gelu = compile_elementwise({"out": expression}, {"x": "float32"})
    y, = gelu(x)                                   # any shape, any strides, broadcasting

A `Kernel` plans a loop nest per layout of its arrays (`ir.loops`), compiles the nest's text when it is new, and
remembers both. Sizes are arguments of the compiled function: another batch size compiles nothing.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ... import ir
from ..._base.checks import wrap_dims
from ...ir import loops
from . import library, threads

# Elements that one thread takes at a time: an eighth of all, within these bounds. Longer runs are kinder to the memory
# (0.63 instead of 0.90 ms for silu of 4M floats), shorter ones share small arrays and even out a busy machine.
LEAST_BLOCK, MOST_BLOCK = 1 << 14, 1 << 18
REMEMBERED = 1024  # layouts per kernel; forgotten all at once beyond that

Layout = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def source_of(nest: loops.Nest) -> str:
    """The C file of a nest: the header of scalar functions, then the function."""
    return f"{library.header('fb_math.h')}\n{nest.text}"


class Launch:
    """A compiled nest with its sizes and strides, ready for a call on raw memory."""

    __slots__ = (
        "count",
        "finish",
        "function",
        "grain",
        "keep",
        "partials",
        "shapes",
        "sizes",
        "strides",
    )

    def __init__(self, nest: loops.Nest) -> None:
        self.keep = library.load(source_of(nest))
        self.function = ctypes.cast(getattr(self.keep, nest.name), ctypes.c_void_p)
        self.finish = getattr(self.keep, f"{nest.name}_finish") if nest.kind == "full" else None
        self.sizes = (ctypes.c_int64 * len(nest.sizes))(*nest.sizes)
        self.strides = (ctypes.c_int64 * max(1, len(nest.strides)))(*nest.strides)
        self.count, self.partials = nest.count, nest.partials
        block = min(max(nest.count * nest.inner // 8, LEAST_BLOCK), MOST_BLOCK)
        step = max(1, block // max(1, nest.inner))
        # Columns are shared in whole cache blocks of accumulators.
        self.grain = max(step, loops.BLOCK) if nest.kind == "columns" else step

    def __call__(self, pointers: Sequence[int], params: Sequence[float] = ()) -> None:
        """Runs on arrays given by address, inputs then results. The memory must match the layout that was planned."""
        work = [np.empty(self.count, d) for d in self.partials]
        every = [*pointers, *(w.__array_interface__["data"][0] for w in work)]
        arrays = (ctypes.c_void_p * len(every))(*every)
        numbers = (ctypes.c_double * max(1, len(params)))(*params)
        count = ctypes.c_int64(self.count)
        threads.pool().fb_run(
            self.function,
            arrays,
            numbers,
            self.sizes,
            self.strides,
            count,
            ctypes.c_int64(self.grain),
        )
        if self.finish is not None:
            self.finish(arrays, numbers, self.sizes, self.strides, ctypes.c_int64(0), count)


class Output:
    """One result of a kernel: its expression, its dtype, and the reduction it ends in (a name of `loops.FOLDS`)."""

    __slots__ = ("dtype", "expr", "fold", "name")

    def __init__(self, name: str, expr: ir.Expr, dtype: str, fold: str | None = None) -> None:
        self.name, self.expr, self.dtype, self.fold = name, expr, dtype, fold


class Kernel:
    """A callable on NumPy arrays, made of expressions; see `compile_elementwise` and `compile_reduction`."""

    def __init__(
        self,
        outputs: Sequence[Output],
        inputs: Mapping[str, str],
        params: Sequence[str] = (),
        dim: Any = (),
        keepdim: bool = False,
    ) -> None:
        self.outputs, self.inputs, self.params = tuple(outputs), dict(inputs), tuple(params)
        self.dim, self.keepdim = dim, keepdim
        self._plans: dict[
            Layout, tuple[Launch, list[Callable[[], tuple[np.ndarray, np.ndarray]]]]
        ] = {}
        self._lock = threading.Lock()

    def __call__(self, *arrays: np.ndarray, **params: float) -> tuple[np.ndarray, ...]:
        """The results for `arrays`, in the order of `inputs`; they must have the dtypes that `inputs` names."""
        arrays = tuple(
            [a if isinstance(a, np.ndarray) else np.asarray(a) for a in arrays]
        )  # scalars own no memory
        for (name, dtype), a in zip(self.inputs.items(), arrays, strict=True):
            if a.dtype.name != dtype:
                raise TypeError(
                    f"kernel argument {name}: expected an array of {dtype}, but got {a.dtype.name}"
                )
        layout = tuple([(a.shape, a.strides) for a in arrays])
        plan = self._plans.get(layout)
        if plan is None:
            plan = self._remember(layout, arrays)
        launch, makers = plan
        made = [m() for m in makers]
        pointers = [a.__array_interface__["data"][0] for a in arrays]
        pointers += [memory.__array_interface__["data"][0] for memory, _ in made]
        launch(pointers, [params[p] for p in self.params])
        return tuple([shown for _, shown in made])

    def nest(self, arrays: Sequence[np.ndarray]) -> loops.Nest:
        """The loop nest for arrays of this layout; `.text` is its C."""
        return self._plan(arrays)[0]

    def _remember(self, layout: Layout, arrays: Sequence[np.ndarray]) -> Any:
        nest, makers = self._plan(arrays)
        plan = (Launch(nest), makers)
        with self._lock:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[layout] = plan
        return plan

    def _plan(self, arrays: Sequence[np.ndarray]) -> tuple[loops.Nest, list]:
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        inputs = [_described(name, a) for name, a in zip(self.inputs, arrays)]
        reduced = wrap_dims(self.dim, len(shape)) if any(o.fold for o in self.outputs) else ()
        if not shape:
            reduced = ()
        order = _memory_order(shape, arrays)
        results, makers = [], []
        for o in self.outputs:
            kept = tuple(1 if o.fold and d in reduced else n for d, n in enumerate(shape))
            strides = _dense(kept, range(len(shape)) if o.fold else order)
            results.append(loops.Result(o.name, o.expr, o.dtype, strides, o.fold))
            squeezed = tuple(n for d, n in enumerate(shape) if d not in reduced)
            shown = squeezed if o.fold and not self.keepdim else kept
            makers.append(_maker(kept, None if o.fold else order, shown, np.dtype(o.dtype)))
        return loops.nest(inputs, results, self.params, reduced, shape), makers


def _described(name: str, a: np.ndarray) -> loops.Array:
    size = a.dtype.itemsize
    if any(s % size for s in a.strides):
        raise ValueError(
            f"kernel argument {name}: strides {a.strides} are no multiples of {size} bytes; copy it first"
        )
    return loops.Array(name, a.dtype.name, a.shape, tuple(s // size for s in a.strides))


def _memory_order(shape: tuple[int, ...], arrays: Sequence[np.ndarray]) -> list[int]:
    """Dimensions from outermost to innermost in memory, as the first array of the whole shape has them."""
    like = next((a for a in arrays if a.shape == shape), None)
    if like is None or like.flags.c_contiguous:
        return list(range(len(shape)))
    return sorted(range(len(shape)), key=lambda d: (-abs(like.strides[d]), d))


def _dense(shape: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a dense array whose dimensions lie in memory in this order."""
    strides, step = [0] * len(shape), 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)


def _maker(
    shape: tuple[int, ...], order: Sequence[int] | None, shown: tuple[int, ...], dtype: np.dtype
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Makes the memory of a result, and the array over it that callers see."""
    if order is None or list(order) == list(range(len(shape))):

        def plain() -> tuple[np.ndarray, np.ndarray]:
            memory = np.empty(shown, dtype)
            return memory, memory

        return plain
    laid = tuple(shape[d] for d in order)
    back = tuple(sorted(range(len(shape)), key=list(order).__getitem__))

    def permuted() -> tuple[np.ndarray, np.ndarray]:
        memory = np.empty(laid, dtype)
        return memory, memory.transpose(back)

    return permuted


def compile_elementwise(
    outputs: Mapping[str, ir.Expr],
    inputs: Mapping[str, str],
    params: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
) -> Kernel:
    """A kernel of one or more elementwise expressions over the arrays `inputs` (name to dtype).

    Results have the dtype that the inputs meet in unless `dtypes` says otherwise. Nothing is compiled before the first
    call.

    >>> import numpy as np
    >>> from flambeau import ir
    >>> double = compile_elementwise({"out": ir.var("x") * 2}, {"x": "float32"})
    >>> double.nest([np.ones(3, np.float32)]).kind
    'elementwise'
    """
    meet = np.result_type(*inputs.values()).name
    return Kernel(
        [Output(n, e, (dtypes or {}).get(n, meet)) for n, e in outputs.items()], inputs, params
    )


def compile_reduction(
    outputs: Mapping[str, tuple[str, ir.Expr]],
    inputs: Mapping[str, str],
    dim: Any = None,
    keepdim: bool = False,
    params: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
) -> Kernel:
    """A kernel of elementwise chains that end in reductions over `dim`: each output is (fold, expression).

    >>> import numpy as np
    >>> from flambeau import ir
    >>> norm = compile_reduction({"out": ("sum", ir.square(ir.var("x")))}, {"x": "float32"}, dim=-1)
    >>> norm.nest([np.ones((2, 3), np.float32)]).kind
    'rows'
    """
    meet = np.result_type(*inputs.values()).name
    made = [Output(n, e, (dtypes or {}).get(n, meet), fold) for n, (fold, e) in outputs.items()]
    return Kernel(made, inputs, params, dim, keepdim)
