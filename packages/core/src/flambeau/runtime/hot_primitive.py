"""The hot path of primitives that take only arrays, such as matmul: small, plain, of one float dtype.

What `hot` does for elementwise operators: the same steps as `dispatch.apply`, without those that such
a call does not need. Everything else (numbers, wrappers, modes, other devices, errors) goes there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import backend as backends
from . import dispatch, state, tape
from .hot import F32, F64
from .operator import Operator
from .tensor import Tensor, new

ndarray = np.ndarray
LARGE = 1 << 20  # elements from which providers are asked
local = state.local
_set, _reset, _QUIET = state.error_state.set, state.error_state.reset, state.quiet


def make(op: Operator) -> Callable[..., Any]:
    """The public function of a primitive without static arguments."""
    general = dispatch.call
    names = op.params
    count = len(names)
    required = count - sum(d is None for d in op.defaults)
    kernel: Any = None
    xp: Any = None

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal kernel, xp
        given = len(args)
        if kwargs or state.active or not required <= given <= count or local.promotion is not None:
            return general(op, args, kwargs)
        raw = []
        first = None
        recorded = False
        for t in args:
            if t is None:
                raw.append(None)
                continue
            try:
                a = t._array
            except AttributeError:
                return general(op, args, kwargs)
            d = a.dtype
            if type(a) is not ndarray or a.size > LARGE:
                return general(op, args, kwargs)
            if first is None:
                if d is not F32 and d is not F64:
                    return general(op, args, kwargs)
                first = d
            elif d is not first:
                return general(op, args, kwargs)
            raw.append(a)
            if t._node is not None or t._base is not None:
                recorded = True
        if given < count:
            args = (*args, *(None,) * (count - given))
            raw.extend((None,) * (count - given))
        if kernel is None:
            kernel, xp = op.kernels[None], backends.of_device("cpu").xp
        token = _set(_QUIET)
        try:
            made = kernel(xp, *raw)
        except (ValueError, IndexError, TypeError):
            return general(op, args, kwargs)  # which explains
        finally:
            _reset(token)
        out = new(Tensor)
        out._array = made if type(made) is ndarray else np.asarray(made)
        if recorded and local.grad and any_history(args):
            tape.record(op, out, args, {})
        return out

    return call


def any_history(tensors: tuple) -> bool:
    """Whether one of them leads back to a leaf."""
    return any(
        t is not None and (t._node if t._base is None else tape.history(t)) is not None
        for t in tensors
    )
