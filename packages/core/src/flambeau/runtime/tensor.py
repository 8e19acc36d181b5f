"""The Tensor: a thin object around a raw array. Its operators are attached by `methods`, from the registry.

State lives in class-level defaults, so that making a tensor is one allocation and one attribute store. A subclass
without `_array` (forward-mode and batched tensors) falls off the hot path by itself.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import dtypes
from .._base.devices import CPU, device
from . import backend as backends
from . import layouts, state
from .meta import Meta

if TYPE_CHECKING:
    from .attached import Attached
    from .tape import Node, Output
else:
    Attached = object

new = object.__new__
adopt: Any = None  # readies a subclass of Tensor; given by `ops.construct`, as is the constructor
constructor: Any = None


class Size(tuple[int, ...]):
    """A shape: a tuple of ints that prints as PyTorch's.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).shape.numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        n = 1
        for s in self:
            n *= s
        return n

    def __getitem__(self, key: Any) -> Any:
        got = tuple.__getitem__(self, key)
        return Size(got) if type(got) is tuple else got

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __repr__(self) -> str:
        return f"{dtypes.dtype.prefix}Size({list(self)})"

    def __reduce__(self) -> tuple:
        return (Size, (tuple(self),))


class Box:
    """What all views of one memory share: how often it was written, and how often its history was rebased.

    `exposed`: others were given the memory (NumPy's view of it, `.data`), who may write without a word.
    """

    __slots__ = ("exposed", "generation", "version")
    tracked = True  # False of inference tensors
    written: Any  # `version` for whoever writes: inference tensors answer readers and writers differently

    def __init__(self) -> None:
        self.version = self.generation = 0
        self.exposed = False


Box.written = Box.__dict__["version"]


class Tensor(Attached):
    """A multi-dimensional array with automatic differentiation; the API is `torch.Tensor`'s.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    _array: Any
    _node: Node | Output | Leaf | None = None
    _box: Box | None = None
    _base: Tensor | None = None
    _replay: tuple[Callable[[Tensor], Tensor], ...] = ()
    _generation = 0
    _level = 0  # of wrapper tensors: the interpreter they belong to
    _grad: Tensor | None = None
    grad: Any = property(
        lambda t: state.grad_read(t) if state.active else t._grad,
        lambda t, g: assign_grad(t, g),
        lambda t: assign_grad(t, None),
    )
    __array_priority__ = 1000  # NumPy's binary operators give way to ours

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        """PyTorch's old constructor: `Tensor(2, 3)` is memory of that shape, `Tensor([1, 2])` those numbers as floats."""
        return constructor(cls, args, kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if adopt is not None:
            adopt(cls)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """What functions called on tensors of a subclass do: compute as usual, results are of the subclass."""
        from .overrides import default_torch_function

        return default_torch_function(cls, func, types, args, kwargs)

    # -- shape, dtype, device -----------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.from_numpy(self._array.dtype)

    @property
    def device(self) -> device:
        array = self._array
        if type(array) is np.ndarray:
            return CPU
        return backends.of_array(array).device_of(array)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def _meta(self) -> Meta:
        array = self._array
        if type(array) is not np.ndarray:
            return Meta(array.shape, self.dtype, self.device)
        made = new(Meta)
        made.shape, made.dtype, made.device = array.shape, dtypes.from_numpy(array.dtype), CPU
        return made

    # -- history ------------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return history(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        set_requires_grad(self, value)

    @property
    def is_leaf(self) -> bool:
        node = history(self)
        return node is None or type(node) is Leaf

    @property
    def grad_fn(self) -> Any:
        node = history(self)
        if type(node) is Leaf:
            return None
        return getattr(node, "parent", None) or node

    @property
    def _version(self) -> int:
        box = self._box
        if box is None:
            return 0
        if not box.tracked:
            raise RuntimeError("Inference tensors do not track version counter.")
        return box.version

    def _bump(self) -> None:
        """Says that the memory was written; every in-place write must."""
        box = self._box
        if box is None:
            box = self._box = Box()
        box.written += 1

    def _expose(self) -> None:
        """Says that others may write to the memory from now on, without `_bump`."""
        if self._box is None:
            self._box = Box()
        self._box.exposed = True


class Leaf:
    """The end of the tape at a tensor made by the user: gradients that arrive are added to its `.grad`."""

    __slots__ = (
        "__weakref__",
        "_metadata",
        "_tensor",
        "hooks",
        "post_hooks",
        "posthooks",
        "prehooks",
    )
    edges = ()
    parent = None

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)  # the tensor owns the leaf, not the other way round
        self.hooks: dict[int, Callable] | None = None
        self.prehooks: dict[int, Callable] | None = None  # of the node: before adding, and after
        self.posthooks: dict[int, Callable] | None = None
        self.post_hooks: dict[int, Callable] | None = None

    @property
    def variable(self) -> Tensor | None:
        return self._tensor()

    @property
    def next_functions(self) -> tuple:
        return ()

    @property
    def metadata(self) -> dict:
        if not hasattr(self, "_metadata"):
            self._metadata: dict = {}
        return self._metadata

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def wrap(array: Any) -> Tensor:
    """A Tensor around a raw array, which is not copied."""
    t = new(Tensor)
    t._array = array
    return t


def alias(tensor: Tensor) -> Tensor:
    """The same data without history, as a new tensor that shares memory and versions."""
    if tensor._box is None:
        tensor._box = Box()
    t = new(type(tensor) if tensor._level else Tensor)
    if tensor._level:
        t.__dict__.update(tensor.__dict__)
        t.__dict__.pop("_node", None)
        t.__dict__.pop("_grad", None)
    else:
        t._array = tensor._array
    t._box = tensor._box
    return t


def sizes(tensor: Any) -> tuple[int, ...]:
    """`tensor.shape`, as a plain tuple where an array says it: a `Size` takes 0.3 us to make, and modes may want to see it."""
    array = getattr(tensor, "_array", None)
    return tensor.shape if array is None or state.active else array.shape


def history(tensor: Tensor) -> Any:
    """The tape node of a tensor. A view whose base was written under autograd gets its new one here."""
    base = tensor._base
    if base is not None and tensor._generation != tensor._box.generation:  # type: ignore[union-attr]
        refresh(tensor, base)
    return tensor._node


def refresh(tensor: Tensor, base: Tensor) -> None:
    """Remakes a view's history from its rebased root."""
    tensor._generation = tensor._box.generation  # type: ignore[union-attr]
    if base._node is None:
        tensor._node = None
        return
    if any(step.several for step in tensor._replay):  # type: ignore[attr-defined]
        refuse_stale(tensor)
        return
    before, state.local.grad = state.local.grad, True
    try:
        made = base
        for step in tensor._replay:
            made = step(made)
    finally:
        state.local.grad = before
    tensor._node = made._node


def refuse_stale(tensor: Tensor) -> None:
    """One of several views has no history that could be remade when its base was written."""
    tensor._generation -= 1  # asked again, it says so again
    if not state.local.grad:
        return
    number = next(s.index for s in tensor._replay if s.several)  # type: ignore[attr-defined]
    name = "" if tensor._node is None else tensor._node.name().removesuffix("Backward0")
    raise RuntimeError(
        f"Output {number} of {name} is a view and its base or another view of its base has been modified inplace. This "
        "view is the output of a function that returns multiple views. Such functions do not allow the output views to "
        "be modified inplace. You should replace the inplace operation by an out-of-place one."
    )


def assign_grad(tensor: Tensor, g: Any) -> None:
    """`tensor.grad = g`: None, or a tensor of the same shape, dtype and device."""
    if g is not None:
        if not isinstance(g, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}"
            )
        if g is tensor:
            raise RuntimeError("can't assign Variable as its own grad")
        a, b = tensor.__dict__.get("_array"), g.__dict__.get("_array")
        alike = type(a) is type(b) is np.ndarray and a.shape == b.shape and a.dtype is b.dtype
        if not alike:
            _check_grad(tensor, g)
    if state.active:
        state.grad_set(tensor, g)
    tensor._grad = g


def _check_grad(tensor: Tensor, g: Tensor) -> None:
    """RuntimeError for a gradient of another shape, dtype (but for a `grad_dtype` that was set) or device."""
    if tuple(g.shape) != tuple(tensor.shape):
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(g.shape)}' to a tensor of size '{list(tensor.shape)}'. "
            "Please ensure that the gradient and the tensor are the same size"
        )
    wanted = tensor.__dict__.get("_grad_dtype", (tensor.dtype, None))[0]
    if wanted is not None and g.dtype is not wanted:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{g.dtype.name}' to a tensor with grad_dtype '{wanted.name}'. "
            "The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's "
            "grad_dtype attribute with a specific dtype, or None to allow any dtype."
        )
    if g.device.type != tensor.device.type:
        raise RuntimeError(
            f"attempting to assign a gradient with device type '{g.device.type}' to a tensor with device type "
            f"'{tensor.device.type}'. Please ensure that the gradient and the tensor are on the same device"
        )


def set_requires_grad(tensor: Tensor, value: bool) -> None:
    """Makes a leaf of `tensor`, or takes that back; RuntimeError for computed and for integer tensors."""
    state.changes += 1
    node = history(tensor)
    if type(node) is not Leaf and node is not None:
        if not value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        return
    if not value:
        tensor._node = None
    elif node is None:
        if tensor._box is not None and not (tensor._box.tracked or state.local.inference):
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        d = tensor.dtype
        if d.category < dtypes.FLOAT:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        tensor._node = Leaf(tensor)


_lock = threading.Lock()


def accumulate(tensor: Tensor, g: Tensor, owned: bool) -> None:
    """Adds `g` to a leaf's gradient; `owned` says that nobody else holds `g`'s memory, so that it may be kept."""
    for mode in state.local.modes:
        mode.leaves(tensor, "backward(): gradients are kept in .grad")
    with _lock:
        before = tensor._grad
        if before is not None:
            if state.local.grad or before._level or g._level or state.active:
                tensor._grad = g + before if before._level and not g._level else before + g
            else:
                add_into(before, g)
        else:
            kept = state.local.grad or g._level or (owned and _lies_right(g, tensor))
            tensor._grad = made = g if kept else own(g, tensor)
            if made is not g:
                for mode in state.local.modes:
                    if hasattr(mode, "twin"):
                        mode.twin(made, g)


def own(g: Tensor, like: Tensor) -> Tensor:
    """`g` in memory of its own, laid out densely: as the leaf `like` where that has its channels last."""
    a, x = g._array, like.__dict__.get("_array")
    if x is None or not layouts.is_last(x) or a.shape != x.shape:
        return wrap(a.copy())
    if type(a) is np.ndarray:
        made = np.empty([x.shape[d] for d in layouts.ORDERS[x.ndim]], a.dtype)
        layouts.compiled[0](made, a.transpose(layouts.ORDERS[x.ndim]))
    else:
        made = a.transpose(layouts.ORDERS[x.ndim]).copy()
    return wrap(made.transpose(layouts.BACK[x.ndim]))


def _lies_right(g: Tensor, leaf: Tensor) -> bool:
    """Whether a gradient lies as its leaf's is to lie; programs leave it to lie as they made it."""
    x = leaf.__dict__.get("_array")
    return (
        x is None or not layouts.is_last(x) or state.local.any_layout or layouts.is_last(g._array)
    )


def add_into(into: Tensor, g: Tensor) -> None:
    """Adds a gradient in place."""
    a, b = into._array, g._array
    if (
        type(a) is np.ndarray
        and type(b) is np.ndarray
        and a.dtype is b.dtype
        and a.shape == b.shape
    ):
        if a.size < LARGE_GRADIENT or not _added_by_backend(a, b):
            np.add(a, b, out=a)
    else:
        a += b
    into._bump()


LARGE_GRADIENT = 1 << 15  # elements from which a backend is asked to add


def _added_by_backend(a: np.ndarray, b: np.ndarray) -> bool:
    from .elementwise import into
    from .operator import registry

    return into(registry["add"], a, a, b, alpha=1)
