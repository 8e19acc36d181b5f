"""`kl_divergence`, and how a pair of classes finds its formula."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import total_ordering
from typing import Any

from ...runtime.tensor import Tensor
from ..distribution import Distribution

_KL_REGISTRY: dict[tuple[type, type], Callable[..., Tensor]] = {}
_KL_MEMOIZE: dict[tuple[type, type], Callable[..., Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """A decorator: the function computes KL(p || q) for distributions of these classes and their subclasses.

    Of several that fit, the one for the nearest classes is taken; where p's and q's order disagree, there is a warning.

    >>> from flambeau.distributions import Normal, kl_divergence, register_kl
    >>> class Mine(Normal): pass
    >>> @register_kl(Mine, Mine)
    ... def _(p, q): return p.loc * 0 + 42
    >>> kl_divergence(Mine(0.0, 1.0), Mine(0.0, 1.0))
    tensor(42.)
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        # Any class will do, as in PyTorch: pyro's base of distributions is none of these.
        if not isinstance(kind, type):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def register(fun: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _KL_REGISTRY[type_p, type_q] = fun
        _KL_MEMOIZE.clear()  # what was found before may not be the nearest any more
        return fun

    return register


@total_ordering
class _Match:
    """A pair of classes, smaller where each comes earlier in the other's inheritance."""

    def __init__(self, *types: type) -> None:
        self.types = types

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Match) and self.types == other.types

    __hash__ = None  # type: ignore[assignment]

    def __le__(self, other: _Match) -> bool:
        for x, y in zip(self.types, other.types):
            if not issubclass(x, y):
                return False
            if x is not y:
                break
        return True


def _dispatch_kl(type_p: type, type_q: type) -> Callable[..., Tensor]:
    fitting = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not fitting:
        return NotImplemented
    left = min(_Match(*m) for m in fitting).types
    right = min(_Match(*reversed(m)) for m in fitting).types
    chosen = _KL_REGISTRY[left]  # type: ignore[index]
    if chosen is not _KL_REGISTRY[right[1], right[0]]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl({left[0].__name__}, "
            f"{right[0].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return chosen


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback-Leibler divergence KL(p || q): the mean of log p(x) - log q(x) over p, one number per batch element.

    NotImplementedError where no formula is registered for the two classes.

    >>> from flambeau.distributions import Normal
    >>> kl_divergence(Normal(1.0, 1.0), Normal(0.0, 1.0))
    tensor(0.5000)
    """
    pair = type(p), type(q)
    try:
        fun = _KL_MEMOIZE[pair]
    except KeyError:
        fun = _KL_MEMOIZE[pair] = _dispatch_kl(*pair)
    if fun is NotImplemented:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return fun(p, q)
