"""Calls with arguments that do not belong there, made from calls that work; and what is a fault in taking them.

Whatever is passed, a call must give a result or one clear error of a class that PyTorch uses: no crash, no hang, no Python
internals (AttributeError, KeyError, ...) and no words of NumPy's; and where it failed, inputs stay as they were.
"""

from __future__ import annotations

import inspect
import itertools
import re
import resource
import signal
import warnings
from contextlib import contextmanager

from other_calls import arguments, key_of

import flambeau
from flambeau.runtime.operator import registry
from flambeau.testing import samples_of

ALLOWED = (RuntimeError, TypeError, ValueError, IndexError, OverflowError)
# Subclasses of the above that are Python's or NumPy's business, not the user's.
NEVER = (RecursionError, UnicodeError)
WORDS = re.compile(
    r"ufunc|numpy|ndarray|np\.|object has no attribute|could not be broadcast|unhashable"
    r"|object is not (callable|iterable|subscriptable)|values to unpack|cannot unpack|operand type|cannot be interpreted"
    r"|could not convert|convertible to|can only concatenate|must be real number|argument of type"
    r"|positional argument: '_|xp\.|<lambda>|axis \d+ is out of bounds|list index|tuple index"
    r"|not supported between instances|has no len|malformed|invalid literal|for an array with shape"
)
SECONDS = 5
MEMORY = 16 << 30


def wrong_tensors(t):
    """What may be passed where `t` belongs."""
    if not has_memory(t):
        yield "a dense tensor", flambeau.ones(2, 3)
        yield from (("a string", "tensor"), ("None", None), ("a list", [1.0, [2.0]]))
        yield "an object", object()
        return
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


def has_memory(t):
    """Whether a tensor is a plain one: not sparse, nested or quantized."""
    return "_array" in t.__dict__ and not t.is_quantized


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
    elif isinstance(v, (flambeau.dtype, flambeau.device)) or callable(v):
        yield from ((repr(x), x) for x in ("nonsense", 3, None, 1.5))
        yield "an object", object()


def wrong_calls(args, kwargs, method=False):
    """(what is wrong, arguments) for each way in which one argument of a call does not fit; a method's first is a tensor."""
    args, kwargs = list(args), dict(kwargs)
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
                if place != 0 or not method or isinstance(w, flambeau.Tensor):
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
    tensors = [p for p in places if isinstance(at(p), flambeau.Tensor) and has_memory(at(p))]
    for one in tensors if len(tensors) > 1 else []:
        yield f"argument {one}: on meta", put(one, at(one).detach().to("meta"))
    yield "one argument too many", ([*args, object()], kwargs)
    yield "an unknown keyword", (args, {**kwargs, "nonsense": 1})
    if args and not method:
        yield "the first argument absent", (args[1:], kwargs)


# -- the functions -------------------------------------------------------------------------------------------------------


def spaces():
    from flambeau import fft, linalg, masked, special
    from flambeau.nn import functional
    from flambeau.signal import windows

    return (flambeau, flambeau.Tensor, functional, linalg, fft, special, masked, windows)


def operators():
    """Operators that a user can call: those with a public name. Others get their arguments from these."""
    named = {
        id(getattr(space, name, None))
        for space in spaces()
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


# What acts on the process, on files or on another layer's objects: tested where it is.
APART = re.compile(
    r"set_|manual_seed|seed$|save|load|compile|from_file|use_deterministic|vmap|share_memory_|pin_memory|show_config"
    r"|record_stream|cuda|module_load|as_subclass|get_device_module|.*dlpack|cond$|while_loop|frombuffer|untyped_storage"
    r"|thread_safe_generator|is_storage|tolist|numpy|resize_$|cosines$|steps$|zeros$|kaiser_shape$|triangle$|as_size$"
)


def samples_for(name, function, is_method):
    """Calls of a function that is no operator, which work: those listed, an operator's of the same name, or found by trying."""
    key = key_of(name)
    if key in ELSEWHERE:
        return []
    if key is not None and (
        not is_method or isinstance(arguments(flambeau, key)[0][0], flambeau.Tensor)
    ):
        return [arguments(flambeau, key)]
    name = name.rpartition(".")[2]
    op = registry.get(name.rstrip("_"))
    if op is not None:
        try:
            calls = [(s.args, s.kwargs) for s in samples_of(op)[:2]]
        except LookupError:
            calls = []
        calls = [c for c in calls if works(function, *c)]
        if calls:
            return calls
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    x = flambeau.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    tensors = (x, x.long(), x[0], x > 2, x.to(flambeau.complex64), x.expand(2, 2, 3))
    images = (flambeau.ones(1, 2, 4, 4), flambeau.ones(1, 2, 4, 4, 4))
    pool = (
        *tensors,
        *images,
        2,
        0.5,
        (2, 3),
        "mean",
        flambeau.float64,
        flambeau.device("cpu"),
        [0, 1],
        len,
    )
    count = len(required) - is_method if required else 0
    firsts = [(t,) for t in tensors] if is_method else [()]
    found = []
    for n in (count, count + 1):
        if n > 3:
            break
        for call in itertools.product(firsts, *[pool] * n):
            args = (*call[0], *call[1:])
            if works(function, args, {}):
                found.append((args, {}))
                break
    return found


def others():
    """(name, function, calls that work) of public functions and methods that are no operators."""
    known = {id(op.public) for op in registry.values()}
    seen = set()
    for space in spaces():
        for name in sorted(dir(space)):
            function = getattr(space, name, None)
            if (
                name.startswith("_")
                or not callable(function)
                or isinstance(function, type)
                or id(function) in known
                or hasattr(function, "op")
                or id(function) in seen
                or APART.match(name)
            ):
                continue
            seen.add(id(function))
            yield f"{space.__name__.removeprefix('flambeau.')}.{name}", function


# The first four need a tensor that requires a gradient, which `fresh` does not keep (see tests/autograd); then one that speaks
# of NumPy, and one that asserts, as PyTorch's.
ELSEWHERE = {
    "backward",
    "register_hook",
    "register_post_accumulate_grad_hook",
    "retain_grad",
    "from_numpy",
    "nn.functional.multi_head_attention_forward",
}


# -- one call --------------------------------------------------------------------------------------------------------------


class Hang(BaseException):
    """Not an Exception: nothing on the way may swallow it."""


def alarmed(*_):
    raise Hang


@contextmanager
def guarded():
    """No call may take longer than `SECONDS` or more than `MEMORY`."""
    before = signal.signal(signal.SIGALRM, alarmed)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if soft == resource.RLIM_INFINITY else min(soft, MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def outcome(function, args, kwargs):
    """What a call gives, or the error or `Hang` in which it ends."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return function(*args, **kwargs)
    except BaseException as error:
        # Its frames lead to the caller's, which keeps the error: tensors that override would be in force until collected.
        error.__context__ = error.__cause__ = None
        return error.with_traceback(None)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def works(function, args, kwargs):
    return not isinstance(outcome(function, *fresh(args, kwargs)), BaseException)


def fresh(args, kwargs):
    """The arguments with tensors of their own, which a call may write into."""

    def copy(x):
        if isinstance(x, flambeau.Tensor):
            return x if x.is_meta else x.detach().clone()
        return type(x)([copy(v) for v in x]) if type(x) in (list, tuple) else x

    return [copy(a) for a in args], {k: copy(v) for k, v in kwargs.items()}


def trouble_of(made):
    """What is wrong with an outcome; None if nothing."""
    if isinstance(made, Hang):
        return f"no answer within {SECONDS} s"
    if not isinstance(made, BaseException):
        return None
    text = f"{type(made).__name__}: {made}"
    if not isinstance(made, ALLOWED) or isinstance(made, NEVER) or not str(made):
        return text
    return text if WORDS.search(str(made)) else None


def tensors_in(args, kwargs):
    for v in (*args, *kwargs.values()):
        for x in v if isinstance(v, (list, tuple)) else (v,):
            if isinstance(x, flambeau.Tensor) and not x.is_meta and has_memory(x):
                yield x


def faults(name, function, calls, method=False, copies=False):
    """What is wrong with how `function` takes wrong calls made from `calls`; of each kind of fault one."""
    found = {}
    for good_args, good_kwargs in calls:
        for what, (args, kwargs) in wrong_calls(good_args, good_kwargs, method):
            if copies:
                args, kwargs = fresh(args, kwargs)
            before = [(t, t.detach()._array.tobytes()) for t in tensors_in(args, kwargs)]
            made = outcome(function, args, kwargs)
            trouble = trouble_of(made)
            if isinstance(made, Exception) and any(t._array.tobytes() != b for t, b in before):
                trouble = f"an input was changed, and then {type(made).__name__}: {made}"
            if trouble is not None:
                key = re.sub(r"\d+", "#", trouble[:60])
                given = ", ".join(str(getattr(a, "shape", a)) for a in good_args)
                found.setdefault(key, f"{name}({given}), {what}: {trouble[:200]}")
    return list(found.values())
