"""Tensor's methods that are seldom called: `methods` imports them when one is."""

from __future__ import annotations

from builtins import callable as python_callable
from collections.abc import Callable
from typing import Any

from ._base.checks import check
from .runtime import memory, state, writes
from .runtime.tensor import Leaf, Tensor, history, new, set_requires_grad


def _plain(self: Tensor, name: str) -> Any:
    """The raw array of a CPU tensor, for Python functions to be applied to."""
    check(
        self.device.type == "cpu" and not self._level,
        lambda: f"{name} is only implemented on CPU tensors",
        TypeError,
    )
    check(
        not self.requires_grad,
        lambda: (
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        ),
    )
    if state.active:
        state.leaves(self, f"{name}()")
    return self._array


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replaces every element by what a Python function makes of it; slow, for CPU tensors.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).apply_(lambda x: x + 1)
    tensor([2., 3.])
    """
    check(
        python_callable(callable),
        lambda: f"apply_(): argument 'callable' must be callable, not {type(callable).__name__}",
        TypeError,
    )
    array = _plain(self, "apply_")
    flat = [callable(v) for v in self.detach().reshape(-1).tolist()]
    return _written(self, array, flat)


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces every element by what a Python function makes of it and of the other tensor's, broadcast.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).map_(flambeau.tensor([10.0]), lambda x, y: x + y)
    tensor([11., 12.])
    """
    check(
        isinstance(tensor, Tensor),
        lambda: f"map_(): argument 'tensor' must be Tensor, not {type(tensor).__name__}",
        TypeError,
    )
    check(
        python_callable(callable),
        lambda: f"map_(): argument 'callable' must be callable, not {type(callable).__name__}",
        TypeError,
    )
    array = _plain(self, "map_")
    _plain(tensor, "map_")
    check(
        tensor.dtype is self.dtype,
        lambda: f"map_: expected a tensor of {self.dtype}, but got one of {tensor.dtype}",
        TypeError,
    )
    other = tensor.detach().expand(self.shape).reshape(-1).tolist()
    mine = self.detach().reshape(-1).tolist()
    return _written(self, array, [callable(a, b) for a, b in zip(mine, other)])


def _written(self: Tensor, array: Any, flat: list) -> Tensor:
    from .ops.creation import tensor

    writes.check_writable(self)
    array[...] = tensor(flat, dtype=self.dtype)._array.reshape(array.shape)
    self._bump()
    return self


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Writes one number on the main diagonal, where all indices are equal.

    With `wrap` the diagonal of a tall matrix starts anew below its end, after one row without.

    >>> import flambeau
    >>> flambeau.zeros(2, 3).fill_diagonal_(5)
    tensor([[5., 0., 0.],
            [0., 5., 0.]])
    """
    check(self.ndim >= 2, lambda: "dimensions must larger than 1")
    shape, strides = tuple(self.shape), tuple(self.stride())
    if self.ndim > 2:
        check(len(set(shape)) == 1, lambda: "all dimensions of input must be of equal length")
    if isinstance(fill_value, Tensor):
        check(
            fill_value.ndim == 0,
            lambda: (
                f"fill_diagonal_: expected a number, but got a tensor of {fill_value.ndim} dimensions"
            ),
        )
    step, start = sum(strides), self.storage_offset()
    self.as_strided((min(shape),), (step,), start).fill_(fill_value)
    if wrap and self.ndim == 2 and shape[0] > shape[1] + 1:
        edge = shape[1] + 1
        for row in range(edge, shape[0], edge):
            count = min(shape[0] - row, shape[1])
            self.as_strided((count,), (step,), start + row * strides[0]).fill_(fill_value)
    return self


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`as_strided` in place: the tensor itself becomes the other window.

    >>> import flambeau
    >>> flambeau.arange(4).as_strided_((2,), (2,))
    tensor([0, 2])
    """
    from .methods.shapes import become

    return become(self, self.as_strided(size, stride, storage_offset))


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `Module.load_state_dict` puts in this tensor's place: itself, written, or with `assign` the other one."""
    return other.detach() if assign else self.copy_(other).detach()


def to_padded_tensor(self: Tensor, padding: float, output_size: Any = None) -> Tensor:
    """A nested tensor as a dense one, filled up with `padding`; NotImplementedError for one that is not nested."""
    raise NotImplementedError(
        f"Could not run 'aten::to_padded_tensor' with arguments from the '{self.device.type.upper()}' backend: "
        "only nested tensors are padded"
    )


def record_stream(self: Tensor, stream: Any) -> None:
    """Says that work on `stream` uses this tensor: on the CPU NotImplementedError, as in PyTorch.

    On a GPU nothing needs to be said: CuPy's memory pool gives memory back to the stream that it was made on.
    """
    if self.device.type != "cuda":
        raise NotImplementedError(
            f"record_stream: the {self.device.type.upper()} backend has no streams to record"
        )


def __setstate__(self: Tensor, state: tuple) -> None:  # noqa: N807  (the method of that name)
    """Takes on (requires_grad, unused, hooks), or one of PyTorch's two older forms."""
    if not self.is_leaf:
        raise RuntimeError("__setstate__ can be only called on leaf Tensors")
    if len(state) == 4:
        self.set_(*state)
        return
    if len(state) == 5:
        self.data = state[0]
        state = (state[3], state[4], state[2])
    self.requires_grad = state[0]


def grad_dtype(self: Tensor) -> Any:
    """The dtype to which gradients are cast that arrive at this leaf; None: they are kept as they come."""
    _only_leaf(self)
    return self.__dict__.get("_grad_dtype", (self.dtype, None))[0]


def set_grad_dtype(self: Tensor, dtype: Any) -> None:
    """See `grad_dtype`."""
    _only_leaf(self)
    if self.grad is not None and dtype is not None and self.grad.dtype is not dtype:
        raise RuntimeError(
            f"grad_dtype: cannot be set to {dtype}, because .grad holds one of {self.grad.dtype}"
        )
    before = self.__dict__.pop("_grad_dtype", (None, None))[1]
    if before is not None:
        before.remove()
    cast = history(self) is not None and dtype is not None and dtype is not self.dtype
    handle = self.register_hook(lambda g: g.to(dtype)) if cast else None
    self.__dict__["_grad_dtype"] = (dtype, handle)


def _only_leaf(self: Tensor) -> None:
    check(self.is_leaf, lambda: "grad_dtype can only be accessed on leaf tensors.")


# -- copies of whole tensors ------------------------------------------------------------------------------------------

_OWN = frozenset({"_array", "_node", "_box", "_base", "_replay", "_generation", "_grad", "_grad_dtype", "_shared"})  # fmt: skip


def deep_copy(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    """What `copy.deepcopy` makes: tensors that share memory give copies that share theirs."""
    if id(self) in memo:
        return memo[id(self)]
    node = history(self)
    if node is not None and not isinstance(node, Leaf):
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
            "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage."
        )
    import copy

    if state.active:
        state.leaves(self, "deepcopy()")
    made = new(self.__class__)
    memo[id(self)] = made
    for key, value in self.__dict__.items():
        if key not in _OWN:
            made.__dict__[key] = copy.deepcopy(value, memo)
    array = self._array
    if self.device.type == "meta":
        made._array = array.copy()
    else:
        owner = memory.root(array)
        shared: Any = ("storage", id(owner))
        if shared not in memo:  # with the owner, so that its id stays its own
            memo[shared] = (owner, memory.content(owner).copy())
        start = memory.offset(array) // array.itemsize
        made._array = memory.window(
            memo[shared][1], array.dtype, array.shape, tuple(self.stride()), start
        )
    if node is not None:
        set_requires_grad(made, True)
    if self.grad is not None:
        made._grad = copy.deepcopy(self.grad, memo)
    return made


def reduced(self: Tensor) -> tuple:
    """What pickle writes: the storage, which tensors that share it write once, and the window of it."""
    node = history(self)
    if node is not None and not isinstance(node, Leaf):
        raise RuntimeError(
            "pickling a tensor that was computed under autograd is not possible; pickle tensor.detach() instead"
        )
    extra = {k: v for k, v in self.__dict__.items() if k not in _OWN}
    requires_grad = node is not None
    if self.device.type == "meta":
        return rebuild_meta, (self.__class__, self.dtype, tuple(self.shape), requires_grad, extra)
    window = (self.storage_offset(), tuple(self.shape), tuple(self.stride()))
    return rebuild, (
        self.__class__,
        self.untyped_storage(),
        self.dtype,
        window,
        requires_grad,
        extra,
    )


def rebuild(
    cls: Any, storage: Any, dtype: Any, window: tuple, requires_grad: bool, extra: dict
) -> Tensor:
    """The tensor that `reduced` described."""
    start, shape, strides = window
    made = new(cls)
    made._array = memory.window(storage._owner, dtype.numpy, shape, strides, start)
    return _with(made, requires_grad, extra)


def rebuild_meta(cls: Any, dtype: Any, shape: tuple, requires_grad: bool, extra: dict) -> Tensor:
    """A tensor on meta, which has nothing but a shape and a dtype."""
    from .ops.creation import empty

    made = new(cls)
    made._array = empty(shape, dtype=dtype, device="meta")._array
    return _with(made, requires_grad, extra)


def _with(made: Tensor, requires_grad: bool, extra: dict) -> Tensor:
    made.__dict__.update(extra)
    if requires_grad:
        set_requires_grad(made, True)
    return made
