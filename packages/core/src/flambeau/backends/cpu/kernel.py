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
from functools import partial
from typing import Any

import numpy as np

from ... import ir
from ..._base.checks import wrap_dims
from ...ir import loops
from . import library, native
from .native import address

# Elements that one thread takes at a time: an eighth of all, within these bounds. Longer runs are kinder to the memory
# (0.63 instead of 0.90 ms for silu of 4M floats), shorter ones share small arrays and even out a busy machine.
LEAST_BLOCK, MOST_BLOCK = 1 << 14, 1 << 18
LINE = 64  # elements, of one byte the least
REMEMBERED = 1024  # layouts per kernel; forgotten all at once beyond that


def source_of(nest: loops.Nest) -> str:
    """The C file of a nest: the headers of scalar functions and, where it has a loop on vectors, of theirs, then the function."""
    vectors = library.header("fb_wide.h") if "FB_WIDE" in nest.text else ""
    return f"{library.header('fb_math.h')}\n{vectors}\n{nest.text}"


class Launch:
    """A compiled nest with its sizes and strides, ready for a call on raw memory."""

    __slots__ = (
        "__weakref__", "count", "finish", "grain", "keep", "partials", "plan", "runs", "sizes", "strides",
    )  # fmt: skip

    def __init__(self, nest: loops.Nest) -> None:
        self.keep = library.load(source_of(nest))
        function = ctypes.cast(getattr(self.keep, nest.name), ctypes.c_void_p)
        self.finish = None
        if nest.kind == "full":
            self.finish = native.enter(getattr(self.keep, f"{nest.name}_finish"))
            self.finish.restype = None
        self.sizes = (ctypes.c_int64 * len(nest.sizes))(*nest.sizes)
        self.strides = (ctypes.c_int64 * max(1, len(nest.strides)))(*nest.strides)
        self.count, self.partials = nest.count, nest.partials
        block = min(max(nest.count * nest.inner // 8, LEAST_BLOCK), MOST_BLOCK)
        step = max(1, block // max(1, nest.inner))
        if nest.kind == "elementwise" and nest.inner == 1:
            step = -(-step // LINE) * LINE  # whole lines of the cache, whole vectors
        # Columns are shared in whole cache blocks of accumulators.
        self.grain = max(step, loops.BLOCK) if nest.kind == "columns" else step
        addresses = function.value, ctypes.addressof(self.sizes), ctypes.addressof(self.strides)
        # As `launch.c` reads it; no memory of NumPy's, which may be that of a program that is being recorded.
        kind: Any = ctypes.c_int64 * 5
        numbers = kind(*addresses, self.count, self.grain)
        self.plan = np.frombuffer(numbers, np.int64)
        native.lasting[address(self.plan)] = self
        self.runs = _LAUNCHERS.float32

    def __call__(self, pointers: Sequence[int], params: Sequence[float] = ()) -> None:
        """Runs on arrays given by address, inputs then results. The memory must match the layout that was planned."""
        work = [np.empty(self.count, d) for d in self.partials]
        every = [*pointers, *map(address, work)]
        arrays = (ctypes.c_void_p * len(every))(*every)
        numbers = (ctypes.c_double * max(1, len(params)))(*params)
        self.runs.run_all(address(self.plan), arrays, numbers)
        if self.finish is not None:
            last = ctypes.c_int64(0), ctypes.c_int64(self.count)
            self.finish(arrays, numbers, self.sizes, self.strides, *last)

    def caller(self, arrays: int, params: int) -> Callable[..., None] | None:
        """The quickest call, `f(*addresses, *params)`, for so many arrays and parameters; None where there is only `__call__`."""
        name = f"run{arrays}n{params}" if params else f"run{arrays}"
        run = None if self.partials else getattr(self.runs, name, None)
        return None if run is None else partial(run, address(self.plan))

    def again(self, arrays: Sequence[np.ndarray], params: int) -> Callable[..., int] | None:
        """`f(*ids of arrays and result, *params)` for arrays that are laid out as these, 1 for others; None where there is none."""
        name = f"alike{len(arrays) + 1}" + (f"n{params}" if params else "")
        run = None if self.partials else getattr(self.runs, name, None)
        form = None if run is None else native.form_of(address(self.plan), arrays)
        if run is None or form is None:
            return None
        call: Any = partial(run, address(form))
        call.keep = self, form, [a.dtype for a in arrays]
        return call


_LAUNCHERS = native.Kernels("launch.c")


def is_loop(function: Any) -> bool:
    """Whether a C function that was called runs a nest: an element of a result is written when those of its operands were read."""
    declared = getattr(function, "declared", ())
    return "const int64_t *plan" in declared[:1]


class Plan:
    """A kernel for arrays of one layout: the launch, and what makes the memory of each result."""

    __slots__ = ("launch", "makers", "only", "quick")

    def __init__(self, launch: Launch, makers: Sequence[Maker], arrays: int, params: int) -> None:
        self.launch, self.makers = launch, makers
        self.quick = launch.caller(arrays + 1, params) if len(makers) == 1 else None
        self.only = makers[0]

    def __call__(
        self, arrays: Sequence[np.ndarray], params: Sequence[float] = ()
    ) -> tuple[np.ndarray, ...]:
        """The results. The arrays are of the layout that was planned, and those of NumPy (scalars own no memory)."""
        quick = self.quick
        if quick is not None:
            memory, shown = self.only()
            quick(*[address(a) for a in arrays], address(memory), *params)
            return (shown,)
        made = [m() for m in self.makers]
        self.launch([address(a) for a in (*arrays, *[m for m, _ in made])], params)
        return tuple([shown for _, shown in made])

    def fits(self, target: np.ndarray) -> bool:
        """Whether the one result would have the dtype and layout of `target`, which may be written to."""
        maker = self.only
        return (
            len(self.makers) == 1
            and (target.dtype, target.shape, target.strides) == maker.layout
            and target.flags.writeable
        )

    def into(
        self, target: np.ndarray, arrays: Sequence[np.ndarray], params: Sequence[float] = ()
    ) -> None:
        """The one elementwise result into `target`, which `fits`.

        It may be one of the arrays, element for element; that it overlaps none otherwise is the caller's care.
        """
        pointers = [*[address(a) for a in arrays], address(target)]
        if self.quick is not None:
            self.quick(*pointers, *params)
        else:
            self.launch(pointers, params)


class Maker:
    """Makes the memory of a result, and the array over it that callers see."""

    __slots__ = ("back", "dtype", "laid", "layout")

    def __init__(
        self, shape: tuple[int, ...], order: Sequence[int], shown: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self.dtype = dtype
        if list(order) == sorted(order):
            self.laid, self.back = shown, None
        else:
            self.laid = tuple(shape[d] for d in order)
            self.back = tuple(sorted(range(len(shape)), key=list(order).__getitem__))
        example = np.empty(self.laid, dtype)
        example = example if self.back is None else example.transpose(self.back)
        self.layout = dtype, example.shape, example.strides

    def __call__(self) -> tuple[np.ndarray, np.ndarray]:
        memory = np.empty(self.laid, self.dtype)
        return memory, memory if self.back is None else memory.transpose(self.back)


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
        self._plans: dict[tuple, Plan] = {}  # by the dtypes and layouts of the inputs
        self._lock = threading.Lock()

    def __call__(self, *arrays: np.ndarray, **params: float) -> tuple[np.ndarray, ...]:
        """The results for `arrays`, in the order of `inputs`; they must have the dtypes that `inputs` names."""
        arrays = tuple([a if type(a) is np.ndarray else np.asarray(a) for a in arrays])
        return self.plan(arrays)(arrays, [params[p] for p in self.params])

    def plan(self, arrays: Sequence[np.ndarray]) -> Plan:
        """How arrays of this layout are worked on; made when the layout is new."""
        key: list[Any] = []
        for a in arrays:
            key += (a.dtype, a.shape, a.strides)
        found = self._plans.get(tuple(key))
        return self._remember(tuple(key), arrays) if found is None else found

    def nest(self, arrays: Sequence[np.ndarray]) -> loops.Nest:
        """The loop nest for arrays of this layout; `.text` is its C."""
        return self._plan(arrays)[0]

    def _remember(self, key: tuple, arrays: Sequence[np.ndarray]) -> Plan:
        for (name, dtype), a in zip(self.inputs.items(), arrays, strict=True):
            if a.dtype.name != dtype:
                raise TypeError(
                    f"kernel argument {name}: expected an array of {dtype}, but got {a.dtype.name}"
                )
        nest, makers = self._plan(arrays)
        plan = Plan(Launch(nest), makers, len(arrays), len(self.params))
        with self._lock:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[key] = plan
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
            made = range(len(shape)) if o.fold else order
            makers.append(Maker(kept, made, shown, np.dtype(o.dtype)))
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
