"""Reading pickles from files that one has no reason to trust, and, if asked for, from those one has.

`RestrictedUnpickler` is the standard library's unpickler in Python, with its table of opcodes cut down to those that
build plain data, and with the ones that call, instantiate or set state asking `globals` first. The C unpickler would
not do: overriding `find_class` leaves it setting attributes on classes and allocating what an opcode claims.
`TrustingUnpickler` is the C one, which imports and calls whatever the file names.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any

from ..runtime.tensor import Tensor
from . import globals as allowed
from .composed import DimRange

_PLAIN_OPCODES = (
    b"PROTO", b"FRAME", b"STOP", b"MARK", b"POP", b"POP_MARK", b"DUP", b"NONE", b"NEWTRUE", b"NEWFALSE",
    b"INT", b"BININT", b"BININT1", b"BININT2", b"LONG", b"LONG1", b"LONG4", b"FLOAT", b"BINFLOAT",
    b"UNICODE", b"BINUNICODE", b"SHORT_BINUNICODE", b"BINUNICODE8", b"STRING", b"BINSTRING", b"SHORT_BINSTRING",
    b"BINBYTES", b"SHORT_BINBYTES", b"BINBYTES8", b"BYTEARRAY8",
    b"EMPTY_LIST", b"LIST", b"EMPTY_DICT", b"DICT", b"EMPTY_SET", b"FROZENSET",
    b"EMPTY_TUPLE", b"TUPLE", b"TUPLE1", b"TUPLE2", b"TUPLE3",
    b"GET", b"BINGET", b"LONG_BINGET", b"PUT", b"BINPUT", b"LONG_BINPUT", b"MEMOIZE",
    b"GLOBAL", b"STACK_GLOBAL", b"BINPERSID",
)  # fmt: skip

# What the standard unpickler raises on bytes that are no pickle, one opcode at a time.
_DAMAGE = (
    EOFError, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
    RecursionError, struct.error,
)  # fmt: skip


_PythonUnpickler: Any = pickle._Unpickler


class RestrictedUnpickler(_PythonUnpickler):
    """Builds plain data, tensors and what `add_safe_globals` allows. UnpicklingError for all else."""

    def __init__(
        self, stream: IO[bytes], load_storage: Callable[[Any], Any], encoding: str = "utf-8"
    ) -> None:
        super().__init__(stream, encoding=encoding)
        self._load_storage = load_storage

    def load(self) -> Any:
        try:
            return super().load()
        except (pickle.UnpicklingError, RuntimeError) as error:
            if isinstance(error, RecursionError):
                raise damaged(error) from error
            raise
        except _DAMAGE as error:
            raise damaged(error) from error

    def find_class(self, module: str, name: str) -> Any:
        try:
            return allowed.find(module, name)
        except KeyError:
            raise pickle.UnpicklingError(_refusal(module, name)) from None

    def persistent_load(self, pid: Any) -> Any:
        return self._load_storage(pid)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        function = self.stack[-1]
        _check_call(function, args)
        self.stack[-1] = function(*args)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        kind = self.stack.pop()
        if (
            kind is DimRange
            or kind is OrderedDict
            or (isinstance(kind, type) and allowed.is_added_type(kind))
        ):
            self.append(kind.__new__(kind, *args))
        else:
            raise pickle.UnpicklingError(
                f"load: weights_only=True does not let the file instantiate {kind!r}"
            )

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is DimRange:
            return  # nobody reads it
        if type(target) is OrderedDict:
            target.__dict__.update(state)
        elif allowed.is_added_type(type(target)):
            _set_state(target, state)
        else:
            raise pickle.UnpicklingError(
                f"load: weights_only=True does not let the file set the state of a {type(target).__name__}"
            )

    def load_append(self) -> None:
        value = self.stack.pop()
        _expect(self.stack[-1], list).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        _expect(self.stack[-1], list).extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _expect(self.stack[-1], dict)[key] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        _expect(self.stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))

    def load_additems(self) -> None:
        items = self.pop_mark()
        _expect(self.stack[-1], set).update(items)

    def load_refused(self) -> None:
        raise pickle.UnpicklingError(
            "load: the pickle in this file uses an instruction that checkpoints do not need; it is damaged or hostile"
        )

    dispatch = dict.fromkeys(range(256), load_refused)
    dispatch.update(
        (code[0], _PythonUnpickler.dispatch[code[0]])
        for code in (getattr(pickle, name.decode()) for name in _PLAIN_OPCODES)
    )
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.APPEND[0]] = load_append
    dispatch[pickle.APPENDS[0]] = load_appends
    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.ADDITEMS[0]] = load_additems


def trusting_unpickler(pickle_module: Any) -> type:
    """An unpickler class that imports and calls what the file names; PyTorch's names become ours."""

    class TrustingUnpickler(pickle_module.Unpickler):
        def __init__(
            self, stream: IO[bytes], load_storage: Callable[[Any], Any], **arguments: Any
        ) -> None:
            super().__init__(stream, **arguments)
            self._load_storage = load_storage

        def find_class(self, module: str, name: str) -> Any:
            if allowed.is_ours(module, name):
                return allowed.find(module, name)
            if module.split(".")[0] == "torch":
                return _counterpart(module, name)
            return super().find_class(module, name)

        def persistent_load(self, pid: Any) -> Any:
            return self._load_storage(pid)

    return TrustingUnpickler


def damaged(error: BaseException) -> pickle.UnpicklingError:
    """The one error for bytes that are no pickle."""
    return pickle.UnpicklingError(
        f"load: the pickle in this file is damaged: {type(error).__name__}: {error}"
    )


def _counterpart(module: str, name: str) -> Any:
    """`flambeau.nn.modules.linear.Linear` for `torch.nn.modules.linear.Linear`.

    Where our files are cut differently the name is looked for in the packages above, which show all public names.
    """
    from importlib import import_module

    if module == "torch._C" and name in _BASES:
        return _BASES[name]()
    if module in _BUILT_IN:
        name = name.removeprefix(module.rpartition("_")[2] + "_")
    ours = _BUILT_IN.get(module, "flambeau" + module[len("torch") :])
    while ours:
        try:
            found = import_module(ours)
            for part in name.split("."):
                found = getattr(found, part)
            return found
        except (ImportError, AttributeError):
            ours = ours.rpartition(".")[0]
    raise pickle.UnpicklingError(
        f"load: the file needs {module}.{name}, which flambeau has no counterpart of"
    )


def _check_call(function: Any, args: Any) -> None:
    if not allowed.may_be_called(function):
        raise pickle.UnpicklingError(
            f"load: weights_only=True does not let the file call {function!r}"
        )
    if type(args) is not tuple:
        raise pickle.UnpicklingError(
            "load: the pickle in this file is damaged: a call without arguments"
        )


def _expect(target: Any, kind: type) -> Any:
    if type(target) is not kind and not (kind is dict and type(target) in _DICTS):
        raise pickle.UnpicklingError(
            f"load: expected a {kind.__name__} to fill, found a {type(target).__name__}"
        )
    return target


def _set_state(target: Any, state: Any) -> None:
    """As the standard unpickler does for classes that the user vouches for."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(target, name, value)


def _refusal(module: str, name: str) -> str:
    full = f"{module}.{name}"
    if full in _UNSUPPORTED:
        return f"load: the file holds {_UNSUPPORTED[full]}, which flambeau does not have"
    return (
        f"Weights only load failed: the file asks for {full}, which is not allowed by default. If you trust this class "
        f"or function, call flambeau.serialization.add_safe_globals([{name}]); if you trust the whole file, which may "
        "then run any code, pass weights_only=False"
    )


# Where PyTorch's files find functions that are written in C++.
_BUILT_IN = {
    "torch._C._nn": "flambeau.nn.functional",
    "torch._C._fft": "flambeau.fft",
    "torch._C._linalg": "flambeau.linalg",
    "torch._C._special": "flambeau.special",
}
# Their methods are functions and methods too: `getattr(_VariableFunctionsClass, "tanh")`.
_BASES = {"_VariableFunctionsClass": lambda: __import__("flambeau"), "TensorBase": lambda: Tensor}
_DICTS = (dict, OrderedDict, allowed.Counter)
_UNSUPPORTED = {
    "torch.float4_e2m1fn_x2": "float4_e2m1fn_x2 numbers",
    **{f"torch.bits{name}": "bits without a meaning" for name in ("8", "16", "1x8", "2x4", "4x2")},
    "torch.QUInt4x2Storage": "quantized numbers of 4 bits",
    "torch.QUInt2x4Storage": "quantized numbers of 2 bits",
}
