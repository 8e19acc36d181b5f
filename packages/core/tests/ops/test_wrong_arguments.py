"""Every operator, called wrongly: arguments of its samples replaced by what does not belong there.

Whatever is passed, a call must give a result or one clear error of a class that PyTorch uses: no crash, no hang, no
Python internals (AttributeError, KeyError, ...) and no words of NumPy's; and inputs stay as they were.
"""

from __future__ import annotations

import re
import signal
import warnings

import pytest

import flambeau
from flambeau.runtime.operator import registry
from flambeau.testing import samples_of

ALLOWED = (RuntimeError, TypeError, ValueError, IndexError, OverflowError)
# Subclasses of the above that are Python's or NumPy's business, not the user's.
NEVER = (RecursionError, UnicodeError)
WORDS = re.compile(
    r"ufunc|numpy|ndarray|np\.|object has no attribute|could not be broadcast|unhashable"
    r"|object is not (callable|iterable|subscriptable)|unpack|operand type|cannot be interpreted"
    r"|positional argument: '_|xp\.|<lambda>|axis \d+ is out of bounds|list index|tuple index"
    r"|not supported between instances|has no len"
)
SECONDS = 5


def reachable():
    """The operators that a user can call: those with a public name. Others get their arguments from these."""
    from flambeau import fft, linalg, masked, special
    from flambeau.nn import functional
    from flambeau.signal import windows

    named = {
        id(getattr(space, name, None))
        for space in (flambeau, flambeau.Tensor, functional, linalg, fft, special, masked, windows)
        for name in dir(space)
        if not name.startswith("_")
    }
    for name, op in sorted(registry.items()):
        if "::" not in name and (op.method or id(op.public) in named):
            try:
                samples_of(op)
            except LookupError:
                continue
            yield op


SAMPLED = list(reachable())


def wrong_tensors(t):
    """What may be passed where `t` belongs."""
    plain = t.detach()
    yield "0-d", flambeau.ones((), dtype=t.dtype)
    yield "no elements", flambeau.ones(0, dtype=t.dtype)
    yield "one more dimension", plain.unsqueeze(0)
    yield "other sizes", flambeau.ones(tuple(s + 1 for s in t.shape), dtype=t.dtype)
    yield "five dimensions", flambeau.ones((2, 1, 3, 1, 2), dtype=t.dtype)
    for kind in ("bool", "uint8", "int64", "float16", "bfloat16", "complex64"):
        if kind != t.dtype.name and not (t.is_complex() and kind != "int64"):
            yield kind, plain.to(getattr(flambeau, kind))
    if t.is_floating_point():
        yield "NaN", flambeau.full(tuple(t.shape), float("nan"), dtype=t.dtype)
        yield "infinity", flambeau.full(tuple(t.shape), float("inf"), dtype=t.dtype)
    if t.dtype.name == "int64":
        yield "far too large", plain + 10**12
        yield "negative", -plain - 10**6
    yield "a string", "tensor"
    yield "None", None
    yield "a list", [1.0, [2.0]]
    yield "an object", object()


def wrong_values(v):
    """What may be passed where the static argument `v` belongs."""
    if isinstance(v, bool):
        yield from ((repr(x), x) for x in (None, "yes", 2))
    elif isinstance(v, int):
        yield from (
            (repr(x), x) for x in (-1, -100, 0, 7, 2**40, 2**62, -(2**62), 1.5, None, "a", (1, 2))
        )
    elif isinstance(v, float):
        yield from ((repr(x), x) for x in (float("nan"), float("inf"), -1.0, 0, None, "a", 1j))
    elif isinstance(v, str):
        yield from ((repr(x), x) for x in ("nonsense", 3, None))
    elif isinstance(v, (tuple, list)) and all(isinstance(x, int) for x in v):
        some = [(), (0,), (-1,) * len(v), (-100,) * len(v), (2**40,) * len(v), (2**62,) * len(v)]
        yield from ((repr(x), x) for x in (*some, (*v, 1), tuple(v)[:-1], (1.5,), None, "a", 3))


def wrong_calls(sample):
    """(what is wrong, arguments) for each way in which one argument of the sample does not fit."""
    args, kwargs = list(sample.args), dict(sample.kwargs)
    places = [*range(len(args)), *kwargs]

    def at(place):
        return args[place] if isinstance(place, int) else kwargs[place]

    def put(place, value):
        a, k = list(args), dict(kwargs)
        (a if isinstance(place, int) else k)[place] = value
        return a, k

    for place in places:
        v = at(place)
        if isinstance(v, flambeau.Tensor):
            for what, w in wrong_tensors(v):
                yield f"argument {place}: {what}", put(place, w)
        elif isinstance(v, (list, tuple)) and any(isinstance(x, flambeau.Tensor) for x in v):
            for i, x in enumerate(v):
                if isinstance(x, flambeau.Tensor):
                    for what, w in wrong_tensors(x):
                        yield (
                            f"argument {place}[{i}]: {what}",
                            put(place, type(v)([*v[:i], w, *v[i + 1 :]])),
                        )
            yield f"argument {place}: nothing", put(place, type(v)(()))
        else:
            for what, w in wrong_values(v):
                yield f"argument {place}: {what}", put(place, w)
    tensors = [p for p in places if isinstance(at(p), flambeau.Tensor)]
    for one in tensors if len(tensors) > 1 else []:
        yield f"argument {one}: on meta", put(one, at(one).detach().to("meta"))
    yield "one argument too many", ([*args, object()], kwargs)
    yield "an unknown keyword", (args, {**kwargs, "nonsense": 1})
    if args:
        yield "the first argument absent", (args[1:], kwargs)


class Hang(BaseException):
    """Not an Exception: nothing on the way may swallow it."""


def alarmed(*_):
    raise Hang


def faults(op):
    """What is wrong with how `op` takes wrong calls."""
    found = {}
    samples = samples_of(op)
    chosen = samples if len(samples) <= 4 else [samples[0], samples[1], samples[len(samples) // 2], samples[-1]]  # fmt: skip
    for sample in chosen:
        kept = [(t, t.detach().clone()) for t in sample.tensors]
        for what, (args, kwargs) in wrong_calls(sample):
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                op.public(*args, **kwargs)
                trouble = None
            except Hang:
                trouble = f"no answer within {SECONDS} s"
            except ALLOWED as error:
                trouble = None
                if isinstance(error, NEVER) or WORDS.search(str(error)) or not str(error):
                    trouble = f"{type(error).__name__}: {error}"
            except BaseException as error:
                trouble = f"{type(error).__name__}: {error}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if trouble is not None:
                key = re.sub(r"\d+", "#", f"{trouble[:90]}")
                found.setdefault(key, f"{op.name}({sample!r}), {what}: {trouble[:200]}")
        for t, before in kept:
            same = (t.detach() == before) | ((t.detach() != t.detach()) & (before != before))
            if not bool(same.all()):
                found["inputs"] = f"{op.name}({sample!r}): an input was changed by a wrong call"
    return list(found.values())


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_wrong_calls_are_refused_clearly(op):
    before = signal.signal(signal.SIGALRM, alarmed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = faults(op)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert found == []
