"""`torch.compiler`: what `flambeau.compile` is told about functions, and its cache.

`compile` runs a function once, records the calls of operators, and keeps them as one program. Python inside runs while that is
done and not again, so that hints for a compiler that reads Python (`allow_in_graph`, `substitute_in_graph`,
`nested_compile_region`) change nothing: what they ask for holds anyway.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ._base import pytree
from ._base.checks import check
from .jit import Compiled, compile, reset
from .jit.stances import get_default_backend, set_default_backend, set_stance
from .runtime import state
from .runtime.tensor import Tensor
from .transforms.trace import Tracer


def _tracers() -> Iterator[Tracer]:
    if state.active:
        yield from (mode for mode in state.local.modes if isinstance(mode, Tracer))


def is_compiling() -> bool:
    """Whether this call is being recorded, by `compile` or by an exporter.

    >>> import flambeau
    >>> flambeau.compiler.is_compiling()
    False
    """
    return any(True for _ in _tracers())


is_dynamo_compiling = is_compiling


def is_exporting() -> bool:
    """Whether this call is being recorded by an exporter, such as `flambeau.onnx.export`."""
    return any(tracer._keep is not None for tracer in _tracers())


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """A function or module that no compiled program contains: a function under `compile` that calls it runs eagerly.

    Of a compiled function, the function itself. A program is of whole calls here, so that `recursive=False` means the same.

    >>> import flambeau
    >>> @flambeau.compiler.disable
    ... def shown(x):
    ...     return x + 1
    >>> shown(flambeau.zeros(1))
    tensor([1.])
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    check(
        callable(fn),
        lambda: f"disable() expects a function or module, but got {type(fn).__name__}",
        TypeError,
    )
    if isinstance(getattr(fn, "_compiled", fn), Compiled):
        return getattr(fn, "_compiled", fn)._function
    if callable(getattr(fn, "forward", None)) and not isinstance(fn, type):
        made = copy.copy(fn)  # with the same parameters
        made.forward = disable(fn.forward, reason=reason)
        return made
    told = f"{getattr(fn, '__qualname__', type(fn).__name__)}, which compiler.disable excludes"
    told += f" ({reason})" if reason else ""

    @functools.wraps(fn)
    def outside(*args: Any, **kwargs: Any) -> Any:
        for tracer in _tracers():
            if tracer._keep is None:  # an exporter has nothing to run eagerly: it takes the calls
                tracer.breaks.append(told)
        return fn(*args, **kwargs)

    return outside


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose result compiled programs take as it was when they were recorded, without computing it again.

    Whether that is right is not looked at.

    >>> import flambeau
    >>> table = flambeau.compiler.assume_constant_result(lambda: flambeau.arange(3.0) ** 2)
    >>> f = flambeau.compile(lambda x: x + table())
    >>> f(flambeau.zeros(3))
    tensor([0., 1., 4.])
    """

    @functools.wraps(fn)
    def constant(*args: Any, **kwargs: Any) -> Any:
        before = state.local.modes
        if not is_compiling():
            return fn(*args, **kwargs)
        state.local.modes = tuple(mode for mode in before if not isinstance(mode, Tracer))
        try:
            result = fn(*args, **kwargs)
        finally:
            state.local.modes = before
        # Memory of its own: a program must not follow what is written to an argument later.
        return pytree.map_(lambda x: x.detach().clone() if isinstance(x, Tensor) else x, result)

    return constant


def allow_in_graph(fn: Any) -> Any:
    """The function, or functions, as they are: whatever they call is recorded anyway."""
    for one in fn if isinstance(fn, (list, tuple)) else (fn,):
        check(
            callable(one),
            lambda: "allow_in_graph expects a callable",
            AssertionError,
        )
    return fn


def substitute_in_graph(
    original_fn: Callable[..., Any],
    *,
    can_constant_fold_through: bool = False,
    skip_signature_check: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for what a compiler may read in place of a C function. Here the C function itself runs while recording.

    The two must take the same parameters, as in PyTorch; the decorated function calls the original.
    """
    check(
        callable(original_fn),
        lambda: (
            f"substitute_in_graph expects a function but got {type(original_fn).__name__}: {original_fn!r}"
        ),
        TypeError,
    )

    def decorate(traceable_fn: Callable[..., Any]) -> Callable[..., Any]:
        check(
            inspect.isfunction(traceable_fn),
            lambda: f"@substitute_in_graph(...) expects a function but got {traceable_fn!r}",
            TypeError,
        )
        if not skip_signature_check:
            _check_signatures(original_fn, traceable_fn)

        @functools.wraps(traceable_fn)
        def original(*args: Any, **kwargs: Any) -> Any:
            return original_fn(*args, **kwargs)

        return original

    return decorate


def _check_signatures(original: Callable[..., Any], handler: Callable[..., Any]) -> None:
    try:
        wanted = inspect.signature(original)
    except (TypeError, ValueError):  # C functions without one
        return
    shown = [
        [(p.name, p.kind) for p in signature.parameters.values()]
        for signature in (wanted, inspect.signature(handler))
    ]
    check(
        shown[0] == shown[1],
        lambda: (
            f"Signature mismatch between {original} and {handler}: "
            f"{wanted} != {inspect.signature(handler)}"
        ),
        TypeError,
    )


def nested_compile_region(
    fn: Any = None, *, options: Any = None, max_reuse_entries: int = 8, reuse_hash_fn: Any = None
) -> Any:
    """The function as it is: a hint that its calls repeat, which saves PyTorch time while compiling."""
    if fn is None:
        return nested_compile_region
    check(callable(fn), lambda: "nested_compile_region expects a callable", TypeError)
    return fn


def wrap_numpy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy arrays as one of tensors: arguments and results are converted, sharing their memory.

    Such a call leaves a compiled program, and no gradient goes through it.

    >>> import flambeau, numpy
    >>> flambeau.compiler.wrap_numpy(numpy.flip)(flambeau.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    import numpy

    from .ops.creation import as_tensor

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = pytree.map_(
            lambda x: x.numpy() if isinstance(x, Tensor) else x, (args, kwargs)
        )
        return pytree.map_(
            lambda x: as_tensor(x.copy() if _is_backward(x) else x) if isinstance(x, (numpy.ndarray, numpy.generic)) else x,
            fn(*args, **kwargs),
        )  # fmt: skip

    return wrapped


def _is_backward(array: Any) -> bool:
    return any(step < 0 for step in array.strides)


# -- how compiled functions run ----------------------------------------------------------------------------


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """What `compile` takes as `backend`: "inductor" is another name of flambeau's own; "eager", a debug tag, compiles nothing.

    >>> import flambeau
    >>> flambeau.compiler.list_backends()
    ['flambeau', 'inductor']
    """
    tags = {"flambeau": set(), "inductor": set(), "eager": {"debug"}}
    return sorted(name for name, has in tags.items() if not has & set(exclude_tags or ()))


def cudagraph_mark_step_begin() -> None:
    """In PyTorch, lets CUDA graphs reuse the memory of the step before. Memory is never reused while a tensor holds it here."""


# -- the cache ---------------------------------------------------------------------------------------------


@dataclasses.dataclass
class CacheInfo:
    """What an archive of compiled kernels holds: {"kernels": [names]}."""

    artifacts: defaultdict[str, list[str]] = dataclasses.field(
        default_factory=lambda: defaultdict(list)
    )

    def empty(self) -> bool:
        """Whether it holds nothing."""
        return not self.artifacts


def save_cache_artifacts() -> tuple[bytes, CacheInfo] | None:
    """The machine code that this process compiled or took from its cache; None where there is none.

    For `load_cache_artifacts` on a machine with the same processor and compiler, which spares it the compilation.
    """
    from .backends.cpu import artifacts, available

    if not available():
        return None
    data, names = artifacts.collect()
    return (data, CacheInfo(defaultdict(list, kernels=names))) if names else None


def load_cache_artifacts(serialized_artifacts: bytes) -> CacheInfo | None:
    """Puts what `save_cache_artifacts` gave into this machine's cache. ValueError for anything else.

    It is machine code and will be run: load only what you would run as a program.
    """
    from .backends.cpu import artifacts

    names = artifacts.place(serialized_artifacts)
    return CacheInfo(defaultdict(list, kernels=names)) if names else None


__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "get_default_backend",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "load_cache_artifacts",
    "nested_compile_region",
    "reset",
    "save_cache_artifacts",
    "set_default_backend",
    "set_stance",
    "substitute_in_graph",
    "wrap_numpy",
]
