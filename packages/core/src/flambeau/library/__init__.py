"""Operators of one's own, with gradients, batching, meta tensors and compilation: the API of `torch.library`.

>>> import flambeau
>>> import numpy
>>> from flambeau import Tensor
>>> @custom_op("mine::cube", mutates_args=())
... def cube(x: Tensor) -> Tensor:
...     return flambeau.from_numpy(numpy.power(x.numpy(), 3))
>>> def keep(ctx, inputs, output):
...     ctx.save_for_backward(*inputs)
>>> def backward(ctx, grad):
...     x, = ctx.saved_tensors
...     return grad * 3 * x * x
>>> cube.register_autograd(backward, setup_context=keep)
>>> x = flambeau.tensor([2.0], requires_grad=True)
>>> cube(x).backward(); x.grad
tensor([12.])
>>> flambeau.ops.mine.cube(flambeau.tensor([1.0, 2.0]))
tensor([1., 8.])

What PyTorch has here for Triton and for `__torch_dispatch__` is not there: neither is flambeau.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..runtime.operator import registry
from .checks import opcheck
from .namespace import Namespace, Overload, namespace
from .operator import CustomOpDef
from .schema import infer_schema, parse, schema_of


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Decorator: makes an operator of a function of tensors.

    Args:
        name: "namespace::name".
        fn: the function; without it this is a decorator.
        mutates_args: names of the tensors that the function writes to; `()` for none.
        device_types: the devices it runs on; None for any.
        schema: the operator's signature, `(Tensor x, float k) -> Tensor`; by default read off the annotations.
        tags: hints, which are kept.

    Raises:
        ValueError: for a name without namespace, one that is taken, or annotations that make no schema.

    >>> import flambeau
    >>> @custom_op("mine::twice", mutates_args=())
    ... def twice(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return x * 2
    >>> twice(flambeau.ones(2))
    tensor([2., 2.])
    """

    def make(f: Callable[..., Any]) -> CustomOpDef:
        _named(name)
        found = schema_of(f, name, mutates_args) if schema is None else parse(name + schema)
        made = CustomOpDef(found, None)
        made.__doc__ = f.__doc__
        made._op.doc = f.__doc__ or ""
        made.tags = tags  # type: ignore[attr-defined]
        made.register_kernel(device_types, f)
        return made

    return make if fn is None else make(fn)


def _named(name: str) -> None:
    if name.count("::") != 1 or not all(part.isidentifier() for part in name.split("::")):
        raise ValueError(f"expected a name such as 'namespace::operator', got {name!r}")
    if name in registry:
        raise ValueError(f"operator {name} is already defined")


def find(op: Any) -> CustomOpDef:
    """The custom operator meant by its name, its `ops` entry, or itself; ValueError if there is none."""
    if isinstance(op, CustomOpDef):
        return op
    public = op._public if isinstance(op, Overload) else None
    if isinstance(op, str):
        known = registry.get(op.removesuffix(".default"))
        public = None if known is None else known.public
    if not isinstance(public, CustomOpDef):
        raise ValueError(f"{op!r} is no custom operator; define it with custom_op or define first")
    return public


class Library:
    """Operators of one namespace, defined by their schemas and implemented function by function.

    Args:
        ns: the namespace.
        kind: "DEF" and "FRAGMENT" define operators, "IMPL" implements those that others have defined.
        dispatch_key: what `impl` registers for if it is not told: "CPU", "CUDA", "Meta", "Autograd",
            "CompositeImplicitAutograd" or "CompositeExplicitAutograd" (any device).

    >>> import flambeau
    >>> lib = Library("shop", "DEF")
    >>> lib.define("half(Tensor x) -> Tensor")
    'shop::half'
    >>> lib.impl("half", lambda x: x / 2, "CompositeImplicitAutograd")
    >>> flambeau.ops.shop.half(flambeau.ones(1))
    tensor([0.5000])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind!r}; expected 'DEF', 'IMPL' or 'FRAGMENT'")
        if not ns.isidentifier() or ns in ("aten", "prim"):
            raise ValueError(f"{ns!r} is a reserved namespace or no identifier")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._made: list[CustomOpDef] = []

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Defines an operator; returns its full name."""
        if self.kind == "IMPL":
            raise RuntimeError("Library(kind='IMPL') implements operators and cannot define them")
        read = parse(f"{self.ns}::{schema}")
        _named(read.name)
        self._made.append(CustomOpDef(read, None))
        return read.name

    def impl(
        self,
        op_name: Any,
        fn: Callable[..., Any],
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = False,
    ) -> None:
        """Registers `fn` as the operator's implementation for a dispatch key."""
        if not callable(fn):
            raise TypeError(
                f"Input function is required to be a callable but found type {type(fn)}"
            )
        op = find(f"{self.ns}::{op_name}" if isinstance(op_name, str) and "::" not in op_name else op_name)  # fmt: skip
        implement(op, fn, dispatch_key or self.dispatch_key)

    def _destroy(self) -> None:
        for op in self._made:
            op.destroy()
        self._made.clear()


_ANYWHERE = ("", "CompositeExplicitAutograd", "BackendSelect", "default")


def implement(op: CustomOpDef, fn: Callable[..., Any], key: str) -> None:
    """`fn` as what `op` does for a dispatch key or a device type; ValueError for a key that has no meaning here."""
    if key == "CompositeImplicitAutograd":
        op.composite = fn
    elif key.startswith("Autograd"):
        op.above = fn
    elif key in ("Meta", "meta"):
        op.register_fake(fn)
    elif key in _ANYWHERE:
        op.register_kernel(None, fn)
    elif key.lower() in ("cpu", "cuda"):
        op.register_kernel(key.lower(), fn)
    else:
        raise ValueError(
            f"{op.schema.name}: dispatch key {key!r} has no meaning here; known are CPU, CUDA, Meta, Autograd, "
            "CompositeImplicitAutograd, CompositeExplicitAutograd"
        )


def define(qualname: str, schema: Any, *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Defines an operator: `define("mine::f", "(Tensor x) -> Tensor")`.

    >>> define("mine::thrice", "(Tensor x) -> Tensor")
    >>> @impl("mine::thrice", "default")
    ... def _(x): return x * 3
    >>> import flambeau
    >>> flambeau.ops.mine.thrice(flambeau.ones(1))
    tensor([3.])
    """
    if isinstance(qualname, Library):  # the old spelling: @define(lib, "f(Tensor x) -> Tensor")

        def old(f: Callable[..., Any]) -> Callable[..., Any]:
            made = qualname.define(schema)
            qualname.impl(made, f)
            return f

        return old
    _named(qualname)
    CustomOpDef(parse(qualname + schema), None)
    return None


def impl(qualname: Any, types: Any, func: Any = None, *, lib: Library | None = None) -> Any:
    """Implements an operator for device types ("cpu", "cuda", "default"); a decorator without `func`."""
    if isinstance(qualname, Library):  # the old spelling: @impl(lib, "f", "CPU")

        def old(f: Callable[..., Any]) -> Callable[..., Any]:
            qualname.impl(types, f, func or "")
            return f

        return old

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        for key in [types] if isinstance(types, str) else types:
            implement(find(qualname), f, key)
        return f

    return register if func is None else register(func)


def register_kernel(
    op: Any, device_types: Any, func: Any = None, /, *, lib: Library | None = None
) -> Any:
    """The function of an operator for tensors on these devices."""
    return find(op).register_kernel(device_types, func)


def register_fake(
    op: Any,
    func: Any = None,
    /,
    *,
    lib: Library | None = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
) -> Any:
    """What shape and dtype an operator's results have: a function of meta tensors.

    >>> import flambeau
    >>> define("mine::rows", "(Tensor x) -> Tensor")
    >>> @register_fake("mine::rows")
    ... def _(x): return x.new_empty(x.shape[0])
    >>> flambeau.ops.mine.rows(flambeau.ones(3, 2, device="meta")).shape
    flambeau.Size([3])
    """
    return find(op).register_fake if func is None else find(op).register_fake(func)


def impl_abstract(
    qualname: Any, func: Any = None, *, lib: Library | None = None, _stacklevel: int = 1
) -> Any:
    """The former name of `register_fake`."""
    return register_fake(qualname, func, lib=lib)


def register_autograd(
    op: Any,
    backward: Callable[..., Any],
    /,
    *,
    setup_context: Callable[..., Any] | None = None,
    lib: Library | None = None,
) -> None:
    """The gradient of an operator: `backward(ctx, *grads)`, and what `setup_context(ctx, inputs, output)` keeps for it."""
    find(op).register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Any = None, /, *, lib: Library | None = None) -> Any:
    """An operator on a batch: `func(info, in_dims, *args)` gives (results, their batch dimensions)."""
    return find(op).register_vmap(func)


def register_autocast(
    op: Any, device_type: str, cast_inputs: Any, /, *, lib: Library | None = None
) -> None:
    """Under autocast on `device_type` the operator's floating inputs are cast to `cast_inputs`."""
    find(op).register_autocast(device_type, cast_inputs)


def get_kernel(op: Any, dispatch_key: str) -> Callable[..., Any]:
    """The function registered for a device ("CPU", "CUDA", "Meta"); RuntimeError if there is none."""
    definition = find(op)
    key = str(dispatch_key).lower()
    found = definition.fake if key == "meta" else definition.kernels.get(key, definition.kernels.get(None))  # fmt: skip
    if found is None:
        raise RuntimeError(f"no kernel of {definition.schema.name} for {dispatch_key}")
    return found


__all__ = [
    "CustomOpDef",
    "Library",
    "Namespace",
    "custom_op",
    "define",
    "get_kernel",
    "impl",
    "impl_abstract",
    "infer_schema",
    "namespace",
    "opcheck",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_vmap",
]
