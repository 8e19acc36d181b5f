"""`compile`: runs a function once under the tracer, and its program ever after, as long as the guards hold.

What is guarded: the structure of the arguments; shape, dtype and device of their tensors; their other values; gradient
mode, default dtype and device; and what the function reaches besides them (`guards`). What the program cannot express
runs eagerly and is said once: numbers read from tensors, gradients, results that share an argument's memory, other
devices.
"""

from __future__ import annotations

import functools
import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

from .._base import dtypes, pytree
from .._base.devices import default
from ..graph.passes import simplify
from ..runtime import state
from ..runtime.operator import find
from ..runtime.tensor import Tensor
from ..transforms.trace import Tracer
from .guards import frozen, surroundings
from .program import Program

LIMIT = 16  # programs of one function; beyond that new shapes run eagerly
_every: list[Compiled] = []


class Broken(RuntimeError):
    """With fullgraph=True: why the function is no one program."""


class Compiled:
    """A function with its compiled programs. Attributes and methods of a module are reached through it."""

    def __init__(
        self, function: Callable[..., Any], fullgraph: bool = False, name: str | None = None
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self._function, self._fullgraph = function, fullgraph
        self._shown = name or str(getattr(function, "__qualname__", type(function).__name__))
        self._programs: dict[Any, Program | str] = {}
        self._said: set[str] = set()
        self._lock = threading.Lock()
        self._surroundings = surroundings(function)
        _every.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.active or state.local.batch:
            return self._function(
                *args, **kwargs
            )  # an outer tracer or transform sees the function itself
        leaves, spec = pytree.flatten((args, kwargs))
        tensors = [x for x in leaves if isinstance(x, Tensor)]
        if any(t._level for t in tensors):
            return self._function(*args, **kwargs)
        key = self._key(leaves, spec)
        found = self._programs.get(key)
        if isinstance(found, Program) and found.fits():
            if found.shared(tensors):
                return self._function(*args, **kwargs)
            made = found(tensors)
            return _rebuild(found.result, made)  # type: ignore[attr-defined]
        if isinstance(found, str):
            return self._function(*args, **kwargs)
        return self._first(key, tensors, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_function"], name)

    def __repr__(self) -> str:
        return f"<compiled {self._shown}, {len(self._programs)} programs>"

    # -- the first call -------------------------------------------------------------------------------------------------

    def _first(self, key: Any, tensors: list[Tensor], args: tuple, kwargs: dict) -> Any:
        """Traces the call, which gives its result too, and keeps the program or why there is none."""
        with self._lock:
            if len(self._programs) >= LIMIT:
                self._say(f"more than {LIMIT} programs (shapes or values keep changing)")
                return self._function(*args, **kwargs)
            tracer = Tracer()
            for t in tensors:
                tracer.input(t)
            with tracer:
                result = self._function(*args, **kwargs)
                outs, spec = pytree.flatten(result)
                tracer.graph.outputs = [tracer.read(x) for x in outs if isinstance(x, Tensor)]
            reason = _obstacle(tracer, outs, tensors)
            if reason is None:
                program = Program(simplify(tracer.graph))
                if program.shared(tensors):
                    return result  # of this call only: others may come with memory of their own
                program.result = ([None if isinstance(x, Tensor) else (x,) for x in outs], spec)  # type: ignore[attr-defined]
                self._programs[key] = program
                _show(self._shown, program, tensors)
            else:
                self._programs[key] = reason
                if self._fullgraph:
                    raise Broken(f"flambeau.compile({self._shown}, fullgraph=True): {reason}")
                self._say(reason)
            return result

    def _say(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            warnings.warn(f"flambeau.compile: {self._shown} runs eagerly: {reason}", stacklevel=4)

    # -- guards ---------------------------------------------------------------------------------------------------------

    def _key(self, leaves: list, spec: Any) -> Any:
        parts: list[Any] = [spec, state.local.grad, dtypes.get_default_dtype(), default.device]
        for x in leaves:
            if isinstance(x, Tensor):
                a = x._array
                parts.append(
                    (a.shape, a.dtype.num, a.dtype.itemsize, type(a), x.requires_grad, a.strides)
                )
            else:
                parts.append(frozen(x))
        parts.extend(read() for read in self._surroundings)
        return tuple(parts)


# -- what a program cannot be ----------------------------------------------------------------------------------------------


def _obstacle(tracer: Tracer, outs: list, tensors: list[Tensor]) -> str | None:
    """Why the traced call is not kept as a program; None where it is."""
    graph = tracer.graph
    if tracer.breaks:
        return f"it leaves the program by {', '.join(dict.fromkeys(tracer.breaks))}"
    if any(isinstance(x, Tensor) and x.requires_grad for x in outs):
        return "its results require gradients; call it under no_grad(), or detach its inputs"
    for v in (*graph.inputs, *graph.captured, *graph.constants):
        if v.meta.device.type != "cpu":
            return f"it uses {v.meta.device}"
    owners = {id(v) for v in (*graph.inputs, *graph.captured, *graph.constants)}
    makers = {id(v): c for c in graph.calls for v in c.outputs}
    seen: set[int] = set()
    for v in graph.outputs:
        while id(v) in makers and _shares(makers[id(v)].op):
            v = makers[id(v)].inputs[0]
        if id(v) in owners:
            return "a result shares memory with an argument or a captured tensor; return a copy"
        if id(v) in seen:
            return "two results share memory; return copies"
        seen.add(id(v))
    return None


def _shares(op: str) -> bool:
    return find(op).family == "view" or op == "stop_gradient"


def _rebuild(result: tuple, made: list[Tensor]) -> Any:
    template, spec = result
    tensors = iter(made)
    return pytree.unflatten([next(tensors) if x is None else x[0] for x in template], spec)


def _show(name: str, program: Program, tensors: list[Tensor]) -> None:
    """Prints the stages that FLAMBEAU_PRINT names: trace, fuse, c."""
    wanted = os.environ.get("FLAMBEAU_PRINT", "").split(",")
    if "trace" in wanted:
        print(f"# {name}: trace\n{program.graph}", end="")
    if "fuse" in wanted:
        print(f"# {name}: fuse\n{program.fused_text()}")
    if "c" in wanted:
        print(f"/* {name}: c */\n{program.c_text(tensors)}".rstrip())


# -- the public function ---------------------------------------------------------------------------------------------------


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "flambeau",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """A function or module that runs as one program after its first call; usable as a decorator.

    Each combination of shapes, dtypes and plain arguments is a program of its own. Python inside the function runs only
    while tracing, so that it must not count on being run at every call. `fullgraph=True` makes what cannot be captured an
    error instead of an eager call. `dynamic`, `mode` and `options` are accepted; every program is made for its shapes.

    >>> import flambeau
    >>> f = flambeau.compile(lambda x: (x * 2 + 1).tanh().sum(1))
    >>> f(flambeau.zeros(2, 3))
    tensor([2.2848, 2.2848])
    """
    if model is None:
        return lambda model: compile(
            model,
            fullgraph=fullgraph,
            dynamic=dynamic,
            backend=backend,
            mode=mode,
            options=options,
            disable=disable,
        )
    if not callable(model):
        raise TypeError(f"compile() expects a function or module, but got {type(model).__name__}")
    if disable or backend == "eager":
        return model
    if callable(backend):
        raise TypeError(
            "compile(): backend must be 'flambeau' or 'eager'; backends of one's own are not supported"
        )
    if backend not in ("flambeau", "inductor"):
        raise ValueError(f"compile(): unknown backend {backend!r}; expected 'flambeau' or 'eager'")
    return Compiled(model, fullgraph)


def explain(compiled: Compiled) -> str:
    """What became of each program of a compiled function: its steps after fusion, or why it runs eagerly.

    >>> import flambeau
    >>> f = flambeau.compile(lambda x: x.exp() + 1)
    >>> _ = f(flambeau.zeros(2)); print(flambeau.jit.explain(f))
    program 0:
    fused (2,) -> v2
        v1 = exp(x0)
        v2 = add(v1, 1.0)
    """
    parts = []
    for i, p in enumerate(compiled._programs.values()):
        parts.append(
            f"program {i}:\n{p.fused_text()}"
            if isinstance(p, Program)
            else f"program {i}: eager, because {p}"
        )
    return "\n".join(parts)


def reset() -> None:
    """Forgets all compiled programs."""
    for c in _every:
        c._programs.clear()
