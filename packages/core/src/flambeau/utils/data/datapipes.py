"""Data pipes: datasets that are applied one to another, as in `torch.utils.data`. The base classes and their decorators.

A class of pipes that is registered by name (`functional_datapipe`) is a method of all pipes. Of an `IterDataPipe` one
iterator is valid at a time; beginning another resets the pipe. Ready-made pipes (`map`, `batch`, ...) are not here:
they were torchdata's, and are given up there.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from flambeau.utils.data.dataset import Dataset, IterableDataset

__all__ = [
    "DFIterDataPipe",
    "DataChunk",
    "IterDataPipe",
    "MapDataPipe",
    "argument_validation",
    "functional_datapipe",
    "guaranteed_datapipes_determinism",
    "non_deterministic",
    "runtime_validation",
    "runtime_validation_disabled",
]

T = TypeVar("T", covariant=True)
_U = TypeVar("_U")


class DataChunk(list[_U]):
    """A list of samples that belong together, such as a batch.

    >>> print(DataChunk([1, 2]).as_str(indent="- "))
    - [1, 2]
    """

    def __init__(self, items: Any) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """The samples in brackets, after `indent`."""
        return indent + "[" + ", ".join(str(item) for item in self) + "]"

    def __iter__(self) -> Iterator[_U]:
        yield from super().__iter__()

    def raw_iterator(self) -> Iterator[_U]:
        """The samples as they were given."""
        yield from self.items


# -- types ---------------------------------------------------------------------------------------------------------------


class _Kind:
    """What a pipe yields: the type in ``IterDataPipe[...]``."""

    def __init__(self, hint: Any) -> None:
        self.hint = hint

    def __repr__(self) -> str:
        return getattr(self.hint, "__qualname__", None) or repr(self.hint)

    def issubtype(self, other: _Kind) -> bool:
        """Whether everything of this type is of the other, as far as can be told."""
        return _within(self.hint, other.hint)

    def issubtype_of_instance(self, value: Any) -> bool:
        """Whether a value is of this type."""
        return _holds(value, self.hint)


def _within(hint: Any, outer: Any) -> bool:
    if outer in (Any, object) or hint == outer or isinstance(outer, TypeVar):
        return True
    if _is_union(hint):
        return all(_within(part, outer) for part in typing.get_args(hint))
    if _is_union(outer):
        return any(_within(hint, part) for part in typing.get_args(outer))
    a, b = typing.get_origin(hint) or hint, typing.get_origin(outer) or outer
    if not (isinstance(a, type) and isinstance(b, type) and issubclass(a, b)):
        return False
    inner, wanted = typing.get_args(hint), typing.get_args(outer)
    if not wanted:
        return True
    return len(inner) == len(wanted) and all(_within(i, w) for i, w in zip(inner, wanted))


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _holds(value: Any, hint: Any) -> bool:
    if hint in (Any, object) or isinstance(hint, TypeVar):
        return True
    if hint is None:
        return value is None
    if _is_union(hint):
        return any(_holds(value, part) for part in typing.get_args(hint))
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is None:
        return not isinstance(hint, type) or isinstance(value, hint)
    if not isinstance(origin, type):
        return True
    if not isinstance(value, origin):
        return False
    inside: Any = value
    if issubclass(origin, tuple):
        if len(inner) == 2 and inner[1] is ...:
            return all(_holds(v, inner[0]) for v in inside)
        return len(inside) == len(inner) and all(_holds(v, i) for v, i in zip(inside, inner))
    if issubclass(origin, Mapping):
        return all(_holds(k, inner[0]) and _holds(v, inner[1]) for k, v in inside.items())
    if issubclass(origin, (Sequence, set, frozenset)):
        return all(_holds(v, inner[0]) for v in inside)
    return True


# -- pipes ---------------------------------------------------------------------------------------------------------------


class _Pipe:
    """What both kinds of pipes have: functions by name, and a type."""

    functions: ClassVar[dict[str, Callable[..., Any]]]
    type: ClassVar[_Kind] = _Kind(Any)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = typing.get_origin(base)
            if isinstance(origin, type) and issubclass(origin, _Pipe):
                (hint,) = typing.get_args(base)
                cls.type = _Kind(Any if isinstance(hint, TypeVar) else hint)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).functions:
            function = functools.partial(self.functions[name], self)
            return functools.update_wrapper(function, self.functions[name], assigned=("__doc__",))
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Makes `function(pipe, ...)` a method of all pipes."""
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: Any, enable_df_api_tracing: bool = False
    ) -> None:
        """Makes a class of pipes, `cls_to_register(pipe, ...)`, a method of all pipes."""
        if function_name in cls.functions:
            raise ValueError(
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )

        def function(source_dp: Any, *args: Any, **kwargs: Any) -> Any:
            return cls_to_register(source_dp, *args, **kwargs)

        cls.functions[function_name] = functools.update_wrapper(
            function, cls_to_register, assigned=("__doc__",), updated=()
        )

    def __repr__(self) -> str:
        return type(self).__qualname__

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]


class IterDataPipe(_Pipe, IterableDataset[T]):
    """A pipe that yields samples: define `__iter__`, and `reset` if it keeps something between passes.

    One iterator at a time is valid; beginning another calls `reset`.

    >>> @functional_datapipe("doubled_example")
    ... class Doubled(IterDataPipe):
    ...     def __init__(self, source):
    ...         self.source = source
    ...     def __iter__(self):
    ...         for x in self.source:
    ...             yield 2 * x
    >>> list(Doubled([1, 2]).doubled_example())
    [4, 8]
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    _valid_iterator_id: int = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__iter__" in cls.__dict__:
            cls.__iter__ = _single(cls.__dict__["__iter__"])  # type: ignore[method-assign]

    def __iter__(self) -> Iterator[T]:
        return self

    def reset(self) -> None:
        """Called when a pass begins. Does nothing here."""

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_valid_iterator_id"}


def _single(begin: Callable[..., Any]) -> Callable[..., Any]:
    """`__iter__` whose iterators are valid until the next one begins."""

    @functools.wraps(begin)
    def guarded(self: IterDataPipe[Any]) -> Iterator[Any]:
        self._valid_iterator_id += 1
        self.reset()
        made = begin(self)
        return made if made is self else _Only(self, made)

    return guarded


class _Only:
    """The iterator of a pipe, as long as no other has begun."""

    def __init__(self, pipe: IterDataPipe[Any], inner: Iterator[Any]) -> None:
        self._pipe, self._inner, self._id = pipe, inner, pipe._valid_iterator_id

    def __iter__(self) -> _Only:
        return self

    def __next__(self) -> Any:
        if self._pipe._valid_iterator_id != self._id:
            raise RuntimeError(
                "This iterator has been invalidated because another iterator has been created from the same "
                f"IterDataPipe: {self._pipe!r}\nThis may be caused multiple references to the same IterDataPipe."
            )
        return next(self._inner)


class DFIterDataPipe(IterDataPipe[T]):
    """A pipe of data frames."""

    def _is_dfpipe(self) -> bool:
        return True


class MapDataPipe(_Pipe, Dataset[T]):
    """A pipe with `__getitem__`, and `__len__` where it can be told."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


# -- decorators ----------------------------------------------------------------------------------------------------------


class functional_datapipe:
    """Registers a class of pipes under a name: ``pipe.name(...)`` is then ``Class(pipe, ...)``.

    `enable_df_api_tracing` is for torchdata's data frames, which are not here; it has to be False.
    """

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        if enable_df_api_tracing:
            raise NotImplementedError(
                "functional_datapipe: tracing of data frames is not supported"
            )
        self.name = name
        self.enable_df_api_tracing = enable_df_api_tracing

    def __call__(self, cls: Any) -> Any:
        """Registers `cls` and returns it."""
        owner = getattr(cls, "__self__", cls)
        pipe = owner.cls if isinstance(owner, non_deterministic) else cls
        for base in (IterDataPipe, MapDataPipe):
            if isinstance(pipe, type) and issubclass(pipe, base):
                base.register_datapipe_as_function(self.name, cls)
                return cls
        raise TypeError("`functional_datapipe` can only decorate IterDataPipe")


_determinism = False


class guaranteed_datapipes_determinism:
    """While in force, pipes marked as non-deterministic cannot be made."""

    def __init__(self) -> None:
        global _determinism
        self.prev, _determinism = _determinism, True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        global _determinism
        _determinism = self.prev


class non_deterministic:
    """Marks a class of pipes whose order or values differ from pass to pass.

    Used with a function, ``@non_deterministic(lambda *args: ...)``, that says by the arguments whether the pipe is so.
    """

    def __init__(self, arg: Any) -> None:
        self.cls: Any = None
        self.deterministic_fn: Callable[..., bool] | None = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    f"Only `IterDataPipe` can be decorated with `non_deterministic`, but {arg.__name__} is found"
                )
            self.cls = arg
        elif callable(arg):
            self.deterministic_fn = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Makes the pipe, or takes the class to be marked."""
        if self.cls is not None:
            self._check(True, "")
            return self.cls(*args, **kwargs)
        cls = args[0]
        if not (isinstance(cls, type) and issubclass(cls, IterDataPipe)):
            raise TypeError(f"Only `IterDataPipe` can be decorated, but {cls.__name__} is found")
        self.cls = cls
        return self.deterministic_wrapper_fn

    def deterministic_wrapper_fn(self, *args: Any, **kwargs: Any) -> Any:
        """Makes the pipe, unless its arguments make it what is not allowed."""
        assert self.deterministic_fn is not None
        found = self.deterministic_fn(*args, **kwargs)
        if not isinstance(found, bool):
            raise TypeError(
                "deterministic_fn of `non_deterministic` decorator is required "
                f"to return a boolean value, but {type(found)} is found"
            )
        self._check(found, " with the inputs")
        return self.cls(*args, **kwargs)

    def _check(self, found: bool, how: str) -> None:
        if _determinism and found:
            raise TypeError(
                f"{self.cls.__name__} is non-deterministic{how}, but you set 'guaranteed_datapipes_determinism'. "
                "You can turn off determinism for this DataPipe if that is acceptable for your application"
            )


def argument_validation(f: Callable[..., Any]) -> Callable[..., Any]:
    """Checks that arguments annotated as ``IterDataPipe[...]`` are pipes of that type."""
    signature, hints = inspect.signature(f), typing.get_type_hints(f)

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            hint = hints.get(name)
            pipe = typing.get_origin(hint) or hint
            if not (isinstance(pipe, type) and issubclass(pipe, IterDataPipe)):
                continue
            if not isinstance(value, IterDataPipe):
                raise TypeError(
                    f"Expected argument '{name}' as a IterDataPipe, but found {type(value)}"
                )
            wanted = _Kind(typing.get_args(hint)[0]) if typing.get_args(hint) else pipe.type
            if not value.type.issubtype(wanted):
                raise TypeError(
                    f"Expected type of argument '{name}' as a subtype of hint {wanted}, but found {value.type}"
                )
        return f(*args, **kwargs)

    return wrapper


_validation = True


class runtime_validation_disabled:
    """While in force, what pipes yield is not checked."""

    def __init__(self) -> None:
        global _validation
        self.prev, _validation = _validation, False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        global _validation
        _validation = self.prev


def runtime_validation(f: Callable[..., Any]) -> Callable[..., Any]:
    """Checks that what an `__iter__` yields is of its pipe's type."""
    if f.__name__ != "__iter__":
        raise TypeError(f"Can not decorate function {f.__name__} with 'runtime_validation'")

    @functools.wraps(f)
    def wrapper(self: Any) -> Iterator[Any]:
        for value in f(self):
            if _validation and not self.type.issubtype_of_instance(value):
                raise RuntimeError(
                    f"Expected an instance as subtype of {self.type}, but found {value}({type(value)})"
                )
            yield value

    return wrapper
