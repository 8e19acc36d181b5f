"""What a checkpoint may name when it is loaded with `weights_only=True`, and what users added to that.

A name in a pickle is a request to call something. Here each name that PyTorch's checkpoints need is answered by a
small function or value of ours, so that nothing is ever imported because a file said so. Functions that would take
memory or run a codec of the file's choice (`bytearray(10**12)`, `encode(x, "bz2")`) are answered by narrower ones.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._base import dtypes, formats
from .._base.checks import check, fail
from .._base.devices import CPU
from .._base.devices import device as Device
from ..runtime.tensor import Size, Tensor
from ..storage import TypedStorage
from . import composed
from .names import UNTYPED, dtype_of_name, dtype_of_storage, torch_name
from .storage import UntypedStorage, rebuild_tensor

_added: dict[str, Any] = {}


def add_safe_globals(safe_globals: list[Callable | tuple[Callable, str]]) -> None:
    """Lets files loaded with `weights_only=True` use these classes and functions.

    Each is a class or function, or a pair of one and the full name under which files mention it. Whoever adds
    something trusts every file that is loaded afterwards to call it with arguments of its choice.

    >>> from fractions import Fraction
    >>> add_safe_globals([Fraction])
    >>> get_safe_globals()
    [<class 'fractions.Fraction'>]
    >>> clear_safe_globals()
    """
    for entry in safe_globals:
        target, name = entry if isinstance(entry, tuple) else (entry, None)
        if not (callable(target) and (name is None or isinstance(name, str))):
            fail(
                f"add_safe_globals: expected classes, functions or (class, name) pairs, got {entry!r}",
                TypeError,
            )
        if name is None and (known := torch_name(target.__module__, target.__qualname__)):
            _added[".".join(known)] = target  # what files call it, PyTorch's and ours
        _added[name or _name_of(target)] = target


def _name_of(target: Any) -> str:
    return f"{target.__module__}.{target.__qualname__}"


def get_safe_globals() -> list[Callable | tuple[Callable, str]]:
    """What `add_safe_globals` added."""
    return [
        target if name == _name_of(target) else (target, name)
        for name, target in _added.items()
        if name != ".".join(torch_name(target.__module__, target.__qualname__) or ())
    ]


def clear_safe_globals() -> None:
    """Forgets what was added."""
    _added.clear()


@contextmanager
def safe_globals(safe_globals: list[Callable | tuple[Callable, str]]) -> Iterator[None]:
    """Adds classes and functions for the length of a `with` block."""
    before = dict(_added)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _added.clear()
        _added.update(before)


def find(module: str, name: str) -> Any:
    """What a name in a file stands for; KeyError if it is not allowed."""
    full = f"{_PYTHON2.get(module, module)}.{name}"
    if module == "torch" and name in composed.SCHEMES:
        return composed.scheme(name)
    return _added[full] if full in _added else _ALLOWED[full]


def is_allowed(full: str) -> bool:
    """Whether files may use what is called so."""
    return full in _ALLOWED or full in _added


def is_ours(module: str, name: str) -> bool:
    """Whether the name is one of PyTorch's that we answer ourselves, whoever may be asking."""
    return (f"{module}.{name}" in _ALLOWED or name in composed.SCHEMES) and module.split(".")[
        0
    ] == "torch"


def may_be_called(target: Any) -> bool:
    """Whether a file may call what it was given; everything that `find` returns, but no value made since."""
    return id(target) in _CALLABLES or any(target is added for added in _added.values())


def is_added_type(kind: type) -> bool:
    """Whether objects of this very class may have their state set by a file."""
    return any(kind is added for added in _added.values())


class StorageKind:
    """The class of a storage as files name it: only says how its bytes are to be read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dtype = dtype_of_storage[name]
        self.typed = name != UNTYPED


def _rebuild_v2(
    storage: Any, offset: int, size: Any, stride: Any, requires_grad: Any, *_hooks: Any
) -> Tensor:
    dtype, raw = _opened(storage)
    _check_dtype(dtype)
    return rebuild_tensor(raw, dtype, offset, size, stride, bool(requires_grad))


def _rebuild_v3(
    storage: Any,
    offset: int,
    size: Any,
    stride: Any,
    requires_grad: Any,
    _hooks: Any,
    dtype: Any,
    *_more: Any,
) -> Tensor:
    _, raw = _opened(storage)
    _check_dtype(dtype)
    return rebuild_tensor(raw, dtype, offset, size, stride, bool(requires_grad))


def _check_dtype(dtype: Any) -> None:
    check(
        isinstance(dtype, dtypes.dtype),
        lambda: f"load: expected a dtype, got {type(dtype).__name__}",
    )
    check(
        dtype not in dtypes.QUANTIZED,
        lambda: f"load: {dtype} numbers without what they mean; expected a quantized tensor",
    )


def _rebuild_v1(storage: Any, offset: int, size: Any, stride: Any) -> Tensor:
    return _rebuild_v2(storage, offset, size, stride, False)


def _rebuild_meta(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    _check_dtype(dtype)
    nothing = UntypedStorage(None, Device("meta"), 2**63 - 1)
    return rebuild_tensor(nothing, dtype, 0, size, stride, bool(requires_grad))


def _opened(storage: Any) -> tuple[dtypes.dtype, UntypedStorage]:
    check(
        isinstance(storage, LoadedStorage),
        lambda: f"load: expected a storage, got {type(storage).__name__}",
    )
    return storage.kind.dtype, storage.storage


class LoadedStorage(TypedStorage):
    """A storage as one tensor of a file sees it: the bytes, and the class it was saved with.

    Where the file holds a storage for itself this is what the user gets, and the bytes are looked up then.
    """

    def __init__(self, kind: StorageKind, storage: UntypedStorage) -> None:
        self.kind, self.storage = kind, storage
        self.dtype = kind.dtype

    @property
    def _untyped(self) -> Any:
        return self.storage.public()

    def __reduce__(self) -> tuple:
        return TypedStorage(wrap_storage=self._untyped, dtype=self.dtype).__reduce__()


def _rebuild_parameter(data: Any, requires_grad: Any, *_hooks: Any) -> Tensor:
    from ..nn.parameter import Parameter

    check(
        isinstance(data, Tensor), lambda: f"load: a parameter of a {type(data).__name__} cannot be"
    )
    return Parameter(data, bool(requires_grad))


def _rebuild_parameter_with_state(data: Any, requires_grad: Any, _hooks: Any, state: Any) -> Tensor:
    return _with_attributes(_rebuild_parameter(data, requires_grad), state)


def _rebuild_from_type(function: Any, kind: Any, args: Any, state: Any) -> Tensor:
    if not may_be_called(function) or not isinstance(args, tuple):
        fail(f"load: {function!r} is not a function that rebuilds tensors")
    tensor = function(*args)
    if isinstance(kind, composed.Kind):
        return composed.filled(kind, tensor, state)
    check(isinstance(tensor, Tensor), lambda: "load: the file makes no tensor where it has to")
    if kind is not Tensor:
        check(
            isinstance(kind, type) and issubclass(kind, Tensor) and isinstance(tensor, Tensor),
            lambda: f"load: {kind!r} is not a class of tensors",
        )
        tensor = Tensor._make_subclass(kind, tensor, tensor.requires_grad)
    return _with_attributes(tensor, state)


def _with_attributes(tensor: Tensor, state: Any) -> Tensor:
    """Sets what users hung on a tensor, never anything that the class or the engine defines."""
    for name, value in state.items() if isinstance(state, dict) else ():
        if isinstance(name, str) and (
            name == "_is_buffer" or not (name.startswith("_") or hasattr(Tensor, name))
        ):
            setattr(tensor, name, value)
    return tensor


def _encode(text: Any, codec: Any = "utf-8") -> bytes:
    """How protocol 2 writes bytes; other codecs can blow up a few bytes into gigabytes."""
    check(
        isinstance(text, str) and codec in ("latin1", "latin-1", "utf-8"),
        lambda: (
            f"load: bytes are written with latin1 in checkpoints, but the file asks for {codec!r}"
        ),
    )
    return text.encode(codec)


def _bytearray(content: Any = b"", codec: Any = "latin1") -> bytearray:
    """Never from a number, which would be a size."""
    if isinstance(content, str):
        content = _encode(content, codec)
    check(
        isinstance(content, bytes),
        lambda: f"load: a bytearray of a {type(content).__name__} cannot be",
    )
    return bytearray(content)


def _device(kind: Any = "cpu", index: Any = None) -> Device:
    return Device(kind, index) if kind != "cpu" or index is not None else CPU


def _layout(name: Any) -> formats.layout:
    found = [x for x in formats.LAYOUTS if name == f"torch.{x.name}"]
    check(found, lambda: f"load: the file names a layout {name!r}, which is not known")
    return found[0]


class _Values(threading.local):
    """Whether tensors have their values while a pickle is read: in the legacy format these follow it."""

    are_there = True


values_known = _Values()


def _rebuild_sparse(layout: Any, data: Any) -> Any:
    """A sparse tensor of its parts; what the file says of them is checked, as of all that comes from outside."""
    from ..sparse import create

    if layout is formats.sparse_coo:
        indices, values, size, *rest = data
        options = {
            "is_coalesced": bool(rest and rest[0]),
            "check_invariants": values_known.are_there,
        }
        return create.sparse_coo_tensor(indices, values, size, **options)
    comp, plain, values, size = data
    return create.sparse_compressed_tensor(comp, plain, values, size, layout=layout)


_PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}

_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.complex": complex,
    "builtins.bytearray": _bytearray,
    "_codecs.encode": _encode,
    "torch.Size": Size,
    "torch.device": _device,
    "torch.Tensor": Tensor,
    "torch._utils._rebuild_tensor": _rebuild_v1,
    "torch._utils._rebuild_tensor_v2": _rebuild_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_v3,
    "torch._utils._rebuild_meta_tensor_no_storage": _rebuild_meta,
    "torch._utils._rebuild_sparse_tensor": _rebuild_sparse,
    "torch._utils._rebuild_qtensor": composed.rebuild_quantized,
    "torch._utils._rebuild_nested_tensor": composed.rebuild_nested,
    "torch.nested._internal.nested_tensor._rebuild_njt": composed.rebuild_jagged,
    "torch.nested._internal.nested_tensor.NestedTensor": composed.JAGGED,
    "torch._dynamo.decorators._DimRange": composed.DimRange,
    "torch._utils._rebuild_wrapper_subclass": composed.rebuild_shell,
    "torch.masked.maskedtensor.core.MaskedTensor": composed.MASKED,
    "torch.serialization._get_layout": _layout,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter_with_state,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    **{f"torch.{name}": dtype for name, dtype in dtype_of_name.items()},
    **{f"torch.{x.name}": x for x in formats.FORMATS},
    **{f"torch.{name}": StorageKind(name) for name in dtype_of_storage},
    f"torch.storage.{UNTYPED}": StorageKind(UNTYPED),
}

# A Tensor class is named only to say what to make of a tensor; calling it is not for files.
_CALLABLES = frozenset(id(v) for v in _ALLOWED.values() if callable(v) and v is not Tensor)
