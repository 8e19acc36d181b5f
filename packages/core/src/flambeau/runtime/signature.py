"""What was wrong with the arguments of a call that failed: they are held against the annotations of its function.

A call that succeeds never comes here, so that good errors cost good calls nothing. `raise_clearly` is called from the
`except` of every public function; PyTorch checks before a call, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NoReturn, TypeVar

from .._base.devices import device
from .._base.dtypes import dtype
from .older import rearranged
from .tensor import Tensor

# The errors that a wrong argument ends in if nobody looks at it first. A RuntimeError says what is wrong by itself, but an
# argument of a wrong type comes before, as PyTorch looks at types first.
BLAMED = (
    AttributeError, TypeError, ValueError, KeyError, IndexError, ZeroDivisionError, MemoryError, OverflowError,
    AssertionError, SyntaxError, RuntimeError,
)  # fmt: skip
# Python's and NumPy's own words, which say nothing to a caller who sees neither.
_INTERNAL = re.compile(
    r"object has no attribute|must be real number|argument of type|malformed|values to unpack|'s length|not supported between instances|unsupported operand|bad operand|object is not"
    r"|cannot be interpreted|has no len|cannot unpack|ufunc|could not convert|invalid literal|unhashable|convertible to"
    r"|can only concatenate|np\.|numpy(?! array)|can't multiply|argument must be|arg must be"
)


# What annotations leave out: `x.permute(0)`, `x.view(dtype)` and `div(1.0, x)` are right.
_OTHERWISE = (
    "must be tuple of ints, not int", "not dtype", "Tensor, not int", "Tensor, not float", "Tensor, not complex",
)  # fmt: skip


def raise_clearly(
    name: str,
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    error: Exception,
    unannotated: str | None = None,
) -> NoReturn:
    """Raises what `error`, in which `function(*args, **kwargs)` ended, means to the caller; itself if it says it well.

    `unannotated` is what parameters without an annotation are.
    """
    try:
        inside = isinstance(error, (AttributeError, KeyError))  # what came was taken for a tensor
        text = misfit(
            name, function, args, kwargs, unannotated, inside, isinstance(error, TypeError)
        )
        if isinstance(error, RuntimeError):
            if text is None or text.endswith(_OTHERWISE):
                raise error
            raise TypeError(text) from None
        if text is not None:
            raise TypeError(text) from None
        if isinstance(error, ZeroDivisionError):
            raise RuntimeError(f"{name}(): ZeroDivisionError: an argument is zero by which is divided") from None  # fmt: skip
        if isinstance(error, MemoryError):
            wanted = getattr(error, "_total_size", None)
            size = "" if wanted is None else f": you tried to allocate {wanted} bytes"
            raise RuntimeError(
                f"{name}(): DefaultCPUAllocator: can't allocate memory{size}"
            ) from None
        words = str(error)
        if isinstance(error, IndexError) and (
            words.endswith("index out of range") or hasattr(error, "axis")
        ):
            raise IndexError(_dimension(name, args, kwargs, error)) from None
        if isinstance(error, AttributeError) and not _given(error.obj, args, kwargs):
            raise error  # a slip of ours, which must not read like a wrong call
        if isinstance(error, (AttributeError, KeyError, SyntaxError)) or _INTERNAL.search(words):
            if type(error).__module__.startswith("numpy"):  # no loop for these dtypes
                kinds = dict.fromkeys(t.dtype.name for t in _tensors_of(args, kwargs))
                raise NotImplementedError(
                    f'"{name}" not implemented for {", ".join(kinds)}'
                ) from None
            raise TypeError(_strangers(name, function, args, kwargs, error)) from error
        raise error
    finally:
        del error  # its traceback has this frame: each would keep the other, and the arguments, until they are collected


F = TypeVar("F", bound=Callable[..., Any])


def explained(function: F) -> F:
    """`function`, which is no operator, with errors as operators have them."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BLAMED as error:
            raise_clearly(function.__name__, function, args, kwargs, error)

    return call  # type: ignore[return-value]


def _tensors_of(args: tuple, kwargs: dict[str, Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in (*args, *kwargs.values()):
        for v in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(v, Tensor):
                found.append(v)
    return found


def _given(value: Any, args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether a value is an argument of the call, a part of one, or of a kind with one that is no tensor."""
    for a in (*args, *kwargs.values()):
        for part in (a, *a) if isinstance(a, (tuple, list)) else (a,):
            if part is value or (type(part) is type(value) and not isinstance(value, Tensor)):
                return True
    return False


def _dimension(name: str, args: tuple, kwargs: dict[str, Any], error: Exception) -> str:
    """The sentence for a dimension that is not there, of a body that looked for it in a shape."""
    dim, ndim = getattr(error, "axis", None), getattr(error, "ndim", None)
    if dim is not None and ndim:
        return f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})"
    shapes = [tuple(t.shape) for t in _tensors_of(args, kwargs)]
    if () in shapes:
        return f"{name}(): Dimension specified as {dim or 0} but tensor has no dimensions"
    return f"{name}(): Dimension out of range: tensors of more dimensions are expected, but got {shapes}"


def _strangers(
    name: str, function: Callable[..., Any], args: tuple, kwargs: dict[str, Any], error: Exception
) -> str:
    """The sentence where no annotation says what is wrong: what is no tensor and no number is most likely it."""
    names = function.__code__.co_varnames
    given = [(names[i] if i < len(names) else str(i), a) for i, a in enumerate(args)]
    kinds = (Tensor, int, float, type(None), dtype, device)
    strange = [(p, v) for p, v in (*given, *kwargs.items()) if not isinstance(v, kinds)]
    named = [(p, v) for p, v in strange if f"'{type(v).__name__}'" in str(error)]
    for p, v in named or strange:
        return f"{name}(): argument '{p}' has an invalid type: {type(v).__name__}"
    got = ", ".join(type(v).__name__ for _, v in (*given, *kwargs.items()))
    return f"{name}() received an invalid combination of arguments - got ({got})"


def numbers_for_tensors(
    op: Any, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]] | None:
    """The arguments with 0-d tensors that stand where numbers belong as these numbers, or in an older order put right; else None."""
    older = rearranged(op.name, args, kwargs)
    if older is not None:
        return older
    names = {p for _, p in op.attrs}
    found = False

    def settle(name: str, value: Any) -> Any:
        nonlocal found
        if name in names and isinstance(value, Tensor) and value.ndim == 0 and not value._level:
            found = True
            return value.item()
        return value

    made = tuple(settle(p, a) for p, a in zip(op.params, args)) + args[len(op.params) :]
    named = {k: settle(k, v) for k, v in kwargs.items()}
    return (made, named) if found else None


def misfit(
    name: str,
    function: Callable[..., Any],
    args: tuple,
    kwargs: dict[str, Any],
    unannotated: str | None = None,
    strict: bool = False,
    real: bool = False,
) -> str | None:
    """PyTorch's sentence for the first argument that is not of its kind; None if all may be right.

    With `strict` tensors must be tensors where numbers may stand, with `real` complex numbers are no floats.
    """
    import inspect  # 5 ms, for those who err

    notes = function.__annotations__
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    given: list[tuple[int, Any, Any]] = []
    for i, p in enumerate(positional):
        if i < len(args):
            # x.permute(0, 1): the rest are gathered
            last = len(args) > len(positional) and i == len(positional) - 1
            loose = last and "tuple[int" in str(notes.get(p.name))
            given.append((i + 1, p, args[i:] if loose else args[i]))
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL:
        rest = enumerate(args[len(positional) :], len(positional) + 1)
        given += [(i, parameters[-1], value) for i, value in rest]
    by_name = {p.name: p for p in parameters}
    given += [(0, by_name[k], v) for k, v in kwargs.items() if k in by_name]
    for position, p, value in given:
        note = notes.get(p.name, unannotated)
        if note is None or value is p.default:
            continue
        note = str(note).replace("Meta", "Tensor") if strict else str(note)
        wrong = _wrong(note, value)
        if wrong is None and real and type(value) is complex and "float" in _alternatives(note):
            wrong = "float, not complex"
        if wrong is not None:
            where = f" (position {position})" if position else ""
            return f"{name}(): argument '{p.name}'{where} must be {wrong}"
    return None


def _wrong(note: str, value: Any) -> str | None:
    """How `value` fails to be what `note` says, as "int, not str"; None if it fits, or nothing can be said."""
    kinds = _alternatives(note)
    known = [k for k in kinds if k in _KINDS]
    if len(known) < len(kinds):
        return None
    if any(_KINDS[k][1](value) for k in known):
        return None
    names = " or ".join(dict.fromkeys(_KINDS[k][0] for k in known if k != "None"))
    if names.endswith("tuple of ints") and isinstance(value, (tuple, list)):
        at = next(i for i, v in enumerate(value) if not _is_int(v))
        return f"{names}, but found element of type {type(value[at]).__name__} at pos {at}"
    if names == "tuple of Tensors" and isinstance(value, (tuple, list)):
        at = next(i for i, v in enumerate(value) if not isinstance(v, Tensor))
        return f"{names}, but found element of type {type(value[at]).__name__} at pos {at}"
    return f"{names}, not {type(value).__name__}"


def _alternatives(note: str) -> list[str]:
    """`int | tuple[int, ...]` as its parts."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(note):
        depth += (c == "[") - (c == "]")
        if c == "|" and not depth:
            parts.append(note[start:i].strip())
            start = i + 1
    return [*parts, note[start:].strip()]


def _is_int(v: Any) -> bool:
    if isinstance(v, Tensor):
        return v.numel() == 1 and not v.is_floating_point() and not v.is_complex()
    return hasattr(v, "__index__")


def _is_number(v: Any) -> bool:
    if isinstance(v, Tensor):
        return v.numel() == 1
    return isinstance(v, (int, float, complex)) or hasattr(v, "__float__")


def _is_bool(v: Any) -> bool:
    return type(v).__name__ in ("bool", "bool_") or (isinstance(v, Tensor) and v.numel() == 1)


def _ints(v: Any) -> bool:
    if isinstance(v, (str, bytes, Tensor)):
        return False
    return isinstance(v, Sequence) and all(map(_is_int, v))


def _numbers(v: Any) -> bool:
    return isinstance(v, Sequence) and not isinstance(v, str) and all(map(_is_number, v))


def _tensors(v: Any) -> bool:
    return isinstance(v, Tensor) or (
        isinstance(v, (tuple, list)) and all(isinstance(x, Tensor) for x in v)
    )


def _is_tensor(v: Any) -> bool:
    return isinstance(v, Tensor) or hasattr(type(v), "__torch_function__")


def _is_operand(v: Any) -> bool:
    """A tensor, or a number where the operator takes one: its own check says where it does not."""
    return _is_tensor(v) or (_is_number(v) and not isinstance(v, str))


# By annotation: what PyTorch calls it, and whether a value is one.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Tensor": ("Tensor", _is_tensor),
    "Meta": ("Tensor", _is_operand),
    "Sequence[Tensor]": ("tuple of Tensors", _tensors),
    "Sequence[Meta]": ("tuple of Tensors", _tensors),
    "int": ("int", _is_int),
    "float": ("Number", _is_number),
    "complex": ("Number", _is_number),
    "bool": ("bool", _is_bool),
    "str": ("str", lambda v: isinstance(v, str)),
    "None": ("None", lambda v: v is None),
    "tuple[int, ...]": ("tuple of ints", _ints),
    "tuple[int, int]": ("tuple of ints", _ints),
    "Sequence[int]": ("tuple of ints", _ints),
    "tuple[float, ...]": ("tuple of floats", _numbers),
    "tuple[float, float]": ("tuple of floats", _numbers),
    "Sequence[float]": ("tuple of floats", _numbers),
    "dtype": ("dtype", lambda v: isinstance(v, dtype) or v in (int, float, bool, complex)),
    "dtypes.dtype": ("dtype", lambda v: isinstance(v, dtype) or v in (int, float, bool, complex)),
    "Device": ("device", lambda v: isinstance(v, (device, str, int))),
}
