"""Stances: what compiled functions do where they have no program, or instead of looking for one (`compiler.set_stance`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._base.checks import check
from ..runtime import state
from ..transforms.trace import Tracer

KNOWN = (
    "default", "eager_then_compile", "aot_eager_then_compile", "force_eager", "eager_on_recompile", "fail_on_recompile",
)  # fmt: skip
FIRST_EAGER = ("eager_then_compile", "aot_eager_then_compile")


class Stance:
    """A stance, whether only the arguments of a call choose its program, and a backend in place of every function's own."""

    __slots__ = ("backend", "name", "trusts")

    def __init__(self, name: str, trusts: bool = False, backend: Any = None) -> None:
        self.name, self.trusts, self.backend = name, trusts, backend


class Now:
    """The stance in force, in all threads. `plain`: nobody needs to ask further."""

    stance = Stance("default")
    plain = True


now = Now()


def enter(stance: Stance) -> None:
    """While the count of modes in force is not zero, compiled functions call what they were made of."""
    eager = (stance.name == "force_eager") - (now.stance.name == "force_eager")
    if eager:
        state._count(eager)
    now.stance = stance
    plain = stance.name in ("default", "force_eager")
    now.plain = plain and stance.backend is None and not stance.trusts


class set_stance:
    """Says what compiled functions do from the call on, or inside a `with`, or while a decorated function runs.

    - "default": a call without a program makes one.
    - "force_eager": the functions themselves run.
    - "eager_on_recompile": programs that are there run; a call without one runs eagerly, and makes none.
    - "fail_on_recompile": a call without a program is a RuntimeError.
    - "eager_then_compile": a function's first call runs eagerly, the next makes a program.
    - "aot_eager_then_compile": the same; activation checkpointing needs no compiler here.

    `skip_guard_eval_unsafe` looks at a call's arguments only, where all programs of a function were made with the same globals,
    closures and module attributes: a change of those goes unnoticed. `force_backend` replaces every function's `backend`.

    >>> import flambeau
    >>> f = flambeau.compile(lambda x: x + 1)
    >>> with flambeau.compiler.set_stance("force_eager"):
    ...     f(flambeau.zeros(1)), f
    (tensor([1.]), <compiled <lambda>, 0 programs>)
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
    ) -> None:  # fmt: skip
        check(
            stance in KNOWN,
            lambda: f"invalid torch.compile stance '{stance}'; expected one of {', '.join(KNOWN)}",
        )
        check(
            force_backend in (None, "flambeau", "inductor", "eager") or callable(force_backend),
            lambda: f"compiler.set_stance: unknown backend {force_backend!r}",
            ValueError,
        )
        check(
            force_backend is None or stance == "default",
            lambda: "non-default stance cannot have force_backend set",
        )
        compiling = state.active and any(isinstance(m, Tracer) for m in state.local.modes)
        check(
            not compiling,
            lambda: "set_stance must not be called while a function is being compiled",
        )
        if force_backend == "eager":
            stance, force_backend = "force_eager", None
        self.stance = Stance(stance, bool(skip_guard_eval_unsafe), force_backend)
        self._before = now.stance
        enter(self.stance)

    def __enter__(self) -> None:
        enter(self.stance)

    def __exit__(self, *error: object) -> None:
        enter(self._before)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        enter(self._before)  # a decorator: only while the function runs

        @functools.wraps(fn)
        def inside(*args: Any, **kwargs: Any) -> Any:
            before = now.stance
            enter(self.stance)
            try:
                return fn(*args, **kwargs)
            finally:
                enter(before)

        return inside


_default: Any = "inductor"


def set_default_backend(backend: Any) -> None:
    """What `compile` takes where no `backend` is given: a name, a function, or None for flambeau's own again."""
    global _default
    check(
        backend is None or isinstance(backend, str) or callable(backend),
        lambda: f"backend must be a string or callable, got {type(backend)}",
        TypeError,
    )
    _default = "inductor" if backend is None else backend


def get_default_backend() -> Any:
    """What `compile` takes where no `backend` is given: "inductor", another name of flambeau's own, unless another was set.

    >>> import flambeau
    >>> flambeau.compiler.get_default_backend()
    'inductor'
    """
    return _default


def eagerly(name: str, programs: int, called: bool) -> bool:
    """Whether a call without a program runs eagerly under the stance in force. RuntimeError where it must not be at all.

    `name` and `programs` are the function's, `called` says whether it was called under this stance before.
    """
    stance = now.stance.name
    if stance == "fail_on_recompile":
        raise RuntimeError(
            "Detected recompile when torch.compile stance is 'fail_on_recompile'. "
            f"function name: '{name}'; it has {programs} programs, none for these shapes, dtypes, arguments and surroundings"
        )
    return stance == "eager_on_recompile" or (stance in FIRST_EAGER and not programs and not called)
