"""`opcheck`: whether a custom operator keeps what it has declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base import pytree
from ..autograd.modes import no_grad
from ..runtime.tensor import Tensor, history

TESTS = (
    "test_schema",
    "test_autograd_registration",
    "test_faketensor",
    "test_aot_dispatch_dynamic",
)


def opcheck(
    op: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    *,
    test_utils: str | Sequence[str] = TESTS,
    raise_exception: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
) -> dict[str, str]:
    """Tries a custom operator on a sample of arguments.

    Args:
        op: the operator, its name, or its entry in `flambeau.ops`.
        args, kwargs: a sample call.
        test_utils: which tests. `test_schema`: only arguments declared as mutated are written, and no result shares
            memory with an argument; `test_autograd_registration`: inputs that require grad give results that do;
            `test_faketensor`: the fake's shapes and dtypes are the kernel's; `test_aot_dispatch_dynamic`: the results
            of the compiled operator are the eager ones.
        raise_exception: whether a failing test raises; otherwise its text is in the result.
        atol, rtol: tolerances of the last test.

    Returns:
        The outcome of each test, "SUCCESS" or the error's text.

    >>> import flambeau
    >>> from flambeau.library import custom_op
    >>> @custom_op("mine::kept", mutates_args=())
    ... def kept(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return x.clone()
    >>> opcheck(kept, (flambeau.ones(2),), test_utils="test_schema")
    {'test_schema': 'SUCCESS'}
    """
    from . import find

    definition = find(op)
    names = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    unknown = [n for n in names if n not in TESTS]
    if unknown:
        raise ValueError(f"opcheck: unknown tests {unknown}; known are {list(TESTS)}")
    outcome = {}
    for name in names:
        try:
            _RUN[name](definition, args, kwargs or {}, atol, rtol)
            outcome[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(f"opcheck(op, ...): {name} failed with {error}") from error
            outcome[name] = str(error)
    return outcome


class OpCheckError(Exception):
    """A custom operator does not keep what it has declared."""


def _copied(value: Any) -> Any:
    def copy(v: Any) -> Any:
        if not isinstance(v, Tensor):
            return v
        made = v.detach().clone()
        return made.requires_grad_() if history(v) is not None else made

    leaves, spec = pytree.flatten(value)
    return pytree.unflatten([copy(v) for v in leaves], spec)


def _schema(definition: Any, args: tuple, kwargs: dict, atol: Any, rtol: Any) -> None:
    args, kwargs = _copied(args), _copied(kwargs)
    values = definition.schema.bind(args, kwargs)
    before = {n: v.detach().clone() for n, v in values.items() if isinstance(v, Tensor)}
    definition(*args, **kwargs)
    for a in definition.schema.arguments:
        v = values[a.name]
        if isinstance(v, Tensor) and not a.mutated and not _same(v, before[a.name]):
            raise RuntimeError(
                f"Argument {a.name} is not defined as mutable but was mutated: {definition.schema}"
            )


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _autograd(definition: Any, args: tuple, kwargs: dict, atol: Any, rtol: Any) -> None:
    args, kwargs = _copied(args), _copied(kwargs)
    tensors = [t for t in pytree.flatten((args, kwargs))[0] if isinstance(t, Tensor)]
    if not any(history(t) is not None for t in tensors) or definition.schema.mutates:
        return
    if definition.backward is None and definition.above is None and definition.composite is None:
        raise RuntimeError(
            f"{definition.schema.name}: an input requires grad and there is no gradient; use register_autograd"
        )
    made = definition(*args, **kwargs)
    outs = made if isinstance(made, (tuple, list)) else (made,)
    if not any(history(o) is not None for o in outs if isinstance(o, Tensor)):
        raise RuntimeError(f"{definition.schema.name}: an input requires grad and no result does")


def _fake(definition: Any, args: tuple, kwargs: dict, atol: Any, rtol: Any) -> None:
    if definition.composite is not None:
        return
    real = definition(*_copied(args), **_copied(kwargs))
    leaves, spec = pytree.flatten((args, kwargs))
    moved = [v.detach().to("meta") if isinstance(v, Tensor) else v for v in leaves]
    a, k = pytree.unflatten(moved, spec)
    fake = definition(*a, **k)
    pairs = zip(
        real if isinstance(real, (tuple, list)) else (real,),
        fake if isinstance(fake, (tuple, list)) else (fake,),
    )
    for i, (r, f) in enumerate(pairs):
        if r is not None and (r.shape != f.shape or r.dtype is not f.dtype):
            raise RuntimeError(
                f"result {i}: the kernel gives {r.dtype} {list(r.shape)}, the fake {f.dtype} {list(f.shape)}"
            )


def _compiled(definition: Any, args: tuple, kwargs: dict, atol: Any, rtol: Any) -> None:
    from ..jit import compile
    from ..testing import assert_close

    if definition.schema.mutates:
        return

    def call(*a: Any) -> Any:
        return definition(*a, **kwargs)

    with no_grad():
        expected, got = call(*_copied(args)), compile(call, fullgraph=True)(*_copied(args))
    assert_close(got, expected, atol=atol, rtol=rtol)


_RUN = dict(zip(TESTS, (_schema, _autograd, _fake, _compiled)))
