"""`jit.trace`: a function run on examples, its operator calls kept as a program.

Composite functions (`conv2d`, `flatten`, `dropout`) are kept whole. Which sizes of the arguments the program depends on
is found by running the function at other sizes too: those that agree stay open, the others are fixed and checked.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..._base import pytree
from ...autograd.modes import no_grad
from ...graph import Call, Graph, Value
from ...graph.passes import dead_code
from ...nn.modules.module import Module
from ...onnx.sizes import corners, open_up
from ...ops.creation import zeros
from ...random import get_rng_state, set_rng_state
from ...runtime.dispatch import Step
from ...runtime.tensor import Tensor
from ...transforms.trace import Tracer
from .module import BASE, ScriptFunction, ScriptModule
from .optimized import original
from .traced import Place, Traced, member, perform

_here = threading.local()
MOST_OPEN = 3


class TracerWarning(Warning):
    """What a trace froze although it may differ for other arguments."""


class TracingCheckError(RuntimeError):
    """The traced program does not give what the function gives."""


def running() -> bool:
    """Whether a trace is under way."""
    return getattr(_here, "depth", 0) > 0


def trace(
    func: Callable[..., Any],
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Sequence[Any] | None = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    example_kwarg_inputs: dict[str, Any] | None = None,
) -> Any:
    """A module or function as the program it ran on the example arguments.

    Python's own decisions (branches, loops, numbers read from tensors) are frozen as the example made them; numbers read
    from tensors raise a TracerWarning. With `check_trace` the program and the function are compared on the examples and
    on `check_inputs`.

    >>> import flambeau
    >>> layer = flambeau.jit.trace(flambeau.nn.Linear(3, 2), flambeau.zeros(1, 3))
    >>> layer(flambeau.ones(5, 3)).shape
    flambeau.Size([5, 2])
    """
    if isinstance(func, (ScriptModule, ScriptFunction)):
        return func
    func = original(func)
    if not callable(func):
        raise TypeError(f"trace: expected a function or a module, got {type(func).__name__}")
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("trace: example_inputs or example_kwarg_inputs must be given")
    args = _as_args(example_inputs)
    params = _parameters(func)
    if example_kwarg_inputs:
        args = _by_name(params, args, example_kwarg_inputs)
    program = _program(func, args, params, strict)
    made: Any
    if isinstance(func, Module):
        made = _members(func)
        made._programs["forward"] = program
    else:
        made = ScriptFunction(program)
    if check_trace:
        for case in [args, *map(_as_args, check_inputs or ())]:
            _compare(func, made, case, check_tolerance)
    return made


class _Method:
    """A method of a module, traced as one of its programs."""

    def __init__(self, owner: Module, name: str) -> None:
        self.owner, self.name = owner, name
        self.call = owner if name == "forward" else getattr(owner, name)

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


def trace_module(
    mod: Module,
    inputs: dict[str, Any],
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Sequence[dict[str, Any]] | None = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
) -> ScriptModule:
    """A module with several methods as programs: `inputs` has the example arguments of each, by name.

    Everything else is as for `trace`. `check_inputs` are further dicts like `inputs`.

    >>> import flambeau
    >>> class Coder(flambeau.nn.Module):
    ...     def encode(self, x):
    ...         return x * 2
    ...     def decode(self, x):
    ...         return x / 2
    >>> x = flambeau.ones(3)
    >>> coder = flambeau.jit.trace_module(Coder(), {"encode": x, "decode": x})
    >>> coder.decode(coder.encode(x))
    tensor([1., 1., 1.])
    """
    if not isinstance(mod, Module):
        raise AttributeError(f"trace_module: expected a module, got {type(mod).__name__}")
    if not isinstance(inputs, dict):
        raise AttributeError(
            f"trace_module: expected a dict of examples by method name, got {type(inputs).__name__}"
        )
    mod = original(mod)
    for name in inputs:
        if not callable(getattr(mod, name, None)):
            raise AttributeError(f"trace_module: {type(mod).__name__} has no method {name!r}")
    made = _members(mod)
    methods = {name: _Method(mod, name) for name in inputs}
    for name, method in methods.items():
        args = _as_args(inputs[name])
        made._programs[name] = _program(method, args, _parameters(method), strict)
    for case in [inputs, *(check_inputs or ())] if check_trace else ():
        for name, given in case.items():
            _compare(
                methods[name],
                made if name == "forward" else getattr(made, name),
                _as_args(given),
                check_tolerance,
            )
    return made


def _owner(func: Any) -> Module | None:
    """The module whose parameters and buffers the program of `func` is given."""
    if isinstance(func, _Method):
        return func.owner
    return func if isinstance(func, Module) else None


def _as_args(given: Any) -> tuple:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (tuple, list)) else (given,)


def _parameters(func: Any) -> list[str]:
    try:
        if isinstance(func, _Method):
            func = getattr(func.owner, func.name)
        signature = inspect.signature(func.forward if isinstance(func, Module) else func)
    except (TypeError, ValueError):
        return []
    return [
        p.name
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]


def _by_name(params: list[str], args: tuple, named: dict[str, Any]) -> tuple:
    rest = params[len(args) :]
    wanted = rest[: len(named)]
    if set(wanted) != set(named):
        raise TypeError(f"trace: examples for {sorted(named)} do not fit the arguments {rest}")
    return (*args, *(named[n] for n in wanted))


# -- running ---------------------------------------------------------------------------------------------------------------


def _program(func: Any, args: tuple, params: list[str], strict: bool) -> Traced:
    owner = _owner(func)
    before = dict(owner.named_buffers()) if owner is not None else {}
    graph, made, breaks = _run(func, args)
    if owner is not None and any(
        dict(owner.named_buffers()).get(n) is not b for n, b in before.items()
    ):
        raise RuntimeError(
            "trace: the module puts another tensor in a buffer's place, which a program cannot; write into it (copy_), or "
            "use jit.script"
        )
    for how in dict.fromkeys(breaks):
        warnings.warn(
            f"a value of a tensor is read while tracing ({how}); the program keeps what it was for the example",
            TracerWarning, stacklevel=4,
        )  # fmt: skip
    shape = _structure(made, strict)
    tensors = [x for x in pytree.flatten(args)[0] if isinstance(x, Tensor)]
    graph, sizes = _opened(func, args, tensors, graph)
    paths = _paths(func, graph)
    counter = itertools.count()
    wanted = pytree.map_(lambda x: Place(next(counter)) if isinstance(x, Tensor) else x, args)
    name = "forward" if isinstance(func, Module) else getattr(func, "__name__", "function")
    name = func.name if isinstance(func, _Method) else name
    program = Traced(name, graph, paths, list(wanted), params, shape, sizes, owner is not None)
    return program


def _run(func: Any, args: tuple) -> tuple[Graph, Any, list[str]]:
    tracer = Tracer(lambda op: True)
    for a in pytree.flatten(args)[0]:
        if isinstance(a, Tensor):
            tracer.input(a)
    _here.depth = getattr(_here, "depth", 0) + 1
    try:
        with no_grad(), tracer:
            made = func(*args)
            leaves = _tensors(made)
            tracer.graph.outputs = [tracer.read(x) for x in leaves]
    finally:
        _here.depth -= 1
    return _plain(dead_code(tracer.graph)), made, tracer.breaks


def _plain(graph: Graph) -> Graph:
    """Steps of views as plain tuples: operator, other inputs, attributes, place among several."""
    for c in graph.calls:
        if "steps" in c.attrs:
            steps: list[Step] = c.attrs["steps"]
            if any(isinstance(r, Tensor) for s in steps for r in s.rest):
                raise RuntimeError("trace: a write into a view that a tensor chose cannot be kept")
            c.attrs = {
                "steps": tuple((s.op.name, tuple(s.rest), dict(s.attrs), s.index) for s in steps)
            }
    return graph


def _tensors(made: Any) -> list[Tensor]:
    if isinstance(made, Tensor):
        return [made]
    if isinstance(made, (tuple, list)):
        return [t for m in made for t in _tensors(m)]
    if isinstance(made, dict):
        return [t for m in made.values() for t in _tensors(m)]
    return []


def _structure(made: Any, strict: bool) -> Any:
    """What the function returned, with places for tensors."""
    count = itertools.count()

    def walk(x: Any) -> Any:
        if isinstance(x, Tensor):
            return Place(next(count))
        if isinstance(x, tuple):
            return tuple(walk(v) for v in x)
        if isinstance(x, (list, dict)):
            if strict:
                raise RuntimeError(
                    f"trace: the function returns a {type(x).__name__}, which a caller could change; return a tuple, or "
                    "pass strict=False"
                )
            return (
                [walk(v) for v in x] if isinstance(x, list) else {k: walk(v) for k, v in x.items()}
            )
        if x is None or isinstance(x, (bool, int, float, str)):
            return x
        raise RuntimeError(f"trace: the function returns a {type(x).__name__}; expected tensors")

    return walk(made)


def _paths(func: Any, graph: Graph) -> list[str | None]:
    """Names of the parameters and buffers among the captured tensors."""
    owner = _owner(func)
    if owner is None:
        return [None] * len(graph.captured)
    named = [*owner.named_parameters(), *owner.named_buffers()]
    names = {id(t): n for n, t in reversed(named)}
    for v in graph.captured:
        if id(v.tensor) in names:
            v.meta, v.name = v.tensor._meta, v.name
    return [names.get(id(v.tensor)) for v in graph.captured]


@contextmanager
def _unchanged(func: Any) -> Iterator[None]:
    """Buffers and random numbers afterwards are as before."""
    owner = _owner(func)
    kept = [] if owner is None else [(b, b.detach().clone()) for b in owner.buffers()]
    seed = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(seed)
        with no_grad():
            for b, was in kept:
                b.copy_(was)


# -- open sizes ------------------------------------------------------------------------------------------------------------


def _opened(func: Any, args: tuple, tensors: list[Tensor], graph: Graph) -> tuple[Graph, Any]:
    """The program with open sizes marked, and the sizes of its inputs.

    Dimensions of equal size in the first place of several inputs count as one (the batch).
    """
    fixed: list[list[int | str]] = [[int(n) for n in x.shape] for x in tensors]
    axes: dict[str, list[tuple[int, int]]] = {}
    for i, x in enumerate(tensors):
        for d, n in enumerate(x.shape):
            if n == 0:
                continue
            label = f"n{n}" if d == 0 else f"d{i}_{d}"
            axes.setdefault(label, []).append((i, d))
    found: dict[str, list[tuple[int, int]]] = {}
    best = None
    for label, places in axes.items():
        if len(found) == MOST_OPEN:
            break
        made = _at_other_sizes(func, args, tensors, {**found, label: places})
        if made is not None:
            found[label], best = places, made
    if best is None:
        return graph, fixed
    for label, places in found.items():
        for i, d in places:
            fixed[i][d] = label
    return best, fixed


def _at_other_sizes(func: Any, args: tuple, tensors: list[Tensor], axes: dict) -> Graph | None:
    """The program with these axes open; None where it depends on them otherwise than by products."""
    sizes = {label: int(tensors[p[0][0]].shape[p[0][1]]) for label, p in axes.items()}

    def at(wanted: dict[str, int]) -> Graph:
        swapped = {}
        for i, x in enumerate(tensors):
            shape = list(x.shape)
            for label, places in axes.items():
                for j, d in places:
                    if j == i:
                        shape[d] = wanted[label]
            swapped[id(x)] = (
                zeros(shape, dtype=x.dtype, device=x.device) if shape != list(x.shape) else x
            )
        with _unchanged(func):
            return _run(func, pytree.map_(lambda x: swapped.get(id(x), x), args))[0]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traces = {
                c: at({a: n + (a in c) for a, n in sizes.items()}) for c in corners(list(sizes))
            }
            longer = {a: n + 3 for a, n in sizes.items()}
            proof = at(longer)
        others = [*traces.values(), proof]
        if any(_wiring(g) != _wiring(others[0]) for g in others):
            return None
        return open_up(traces, proof, sizes, longer)
    except (
        Exception
    ):  # whatever the function raises at sizes it is not made for: it stays fixed there
        return None


def _wiring(graph: Graph) -> Any:
    """Which results go where, and every attribute that is no number."""
    number: dict[int, int] = {}
    for v in (*graph.inputs, *graph.captured, *graph.constants):
        number[id(v)] = len(number)
    lines = []
    for c in graph.calls:
        lines.append(
            (
                c.op,
                [number[id(v)] if isinstance(v, Value) else -1 for v in c.inputs],
                _shape_free(c.attrs),
            )
        )
        for v in c.outputs:
            number[id(v)] = len(number)
    return (
        lines,
        [number[id(v)] for v in graph.outputs],
        [(number[id(a)], number[id(b)]) for a, b in graph.writes],
    )


def _shape_free(x: Any) -> Any:
    if isinstance(x, dict):
        return [(k, _shape_free(v)) for k, v in x.items()]
    if isinstance(x, (tuple, list)):
        return [_shape_free(v) for v in x]
    if isinstance(x, int) and not isinstance(x, bool):
        return "int"
    return repr(x) if not isinstance(x, slice) else "slice"


# -- modules ---------------------------------------------------------------------------------------------------------------


def _members(module: Module) -> ScriptModule:
    """Modules of the same names with the same parameters and buffers, and no Python."""
    made = ScriptModule(type(module).__name__)
    made.__dict__.update(
        training=module.training, _parameters=dict(module._parameters), _buffers=dict(module._buffers),
        _non_persistent_buffers_set=set(module._non_persistent_buffers_set),
    )  # fmt: skip
    for name, child in module._modules.items():
        if child is not None:
            made._modules[name] = _members(child)
    return made


def _compare(func: Any, made: Any, args: tuple, tolerance: float) -> None:
    """TracingCheckError where the program gives something else than the function."""
    seed = get_rng_state()
    with _unchanged(func), no_grad():
        expected = _tensors(func(*_copies(args)))
        set_rng_state(seed)
    with _unchanged(func), no_grad():
        got = _tensors(made(*_copies(args)))
    for i, (a, b) in enumerate(zip(expected, got)):
        if a.shape != b.shape or not a.to(b.dtype).allclose(
            b, rtol=tolerance, atol=tolerance, equal_nan=True
        ):
            raise TracingCheckError(
                f"trace: result {i} of the program differs from the function's; it depends on something besides its "
                "arguments (a counter, a global, time)"
            )


def _copies(args: tuple) -> tuple:
    return pytree.map_(lambda x: x.clone() if isinstance(x, Tensor) else x, args)


__all__ = [
    "BASE",
    "Call",
    "Traced",
    "TracerWarning",
    "TracingCheckError",
    "member",
    "perform",
    "trace",
    "trace_module",
]
