"""Module, the base class of all layers and models.

A module holds parameters, buffers and other modules, which become part of it by being assigned to
an attribute. It must behave as `torch.nn.Module` does: names, order, hooks, state, errors, printed
form. Calling one that has no hooks costs next to nothing over calling its `forward`.

The parts: registering and finding members (here), calling through hooks (`_calling`), saving and
loading (`_state`), converting (`_converting`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from flambeau.runtime.tensor import Tensor

from ...runtime import splitting, state
from ..parameter import Buffer, Parameter
from . import _global_hooks as everywhere
from ._calling import HookedCalls
from ._converting import Convertible
from ._global_hooks import (  # noqa: F401 -- PyTorch has them here
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._names import indented, typename
from ._state import Stateful
from ._state import _ModuleHook as _WrappedHook  # noqa: F401 - what whole modules in files of PyTorch name

_forward_pre_hooks = everywhere.forward_pre_hooks
_forward_hooks = everywhere.forward_hooks
_backward_pre_hooks = everywhere.backward_pre_hooks
_backward_hooks = everywhere.backward_hooks


class Module(HookedCalls, Stateful, Convertible):
    """Base class of all neural network modules.

    A subclass makes its parts in ``__init__`` (after ``super().__init__()``) and uses them in
    ``forward``.

    >>> import flambeau
    >>> from flambeau import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> Net()(flambeau.ones(3, 4)).shape
    flambeau.Size([3, 2])
    """

    dump_patches: bool = False
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable[..., Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            raise TypeError(_unexpected_argument(self, args, kwargs))
        # Straight into the dictionary: __setattr__ looks for parameters and modules.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # Calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _forward_hooks
            or _forward_pre_hooks
            or _backward_hooks
            or _backward_pre_hooks
            or self._compiled_call_impl is not None
        ):
            if self._compiled_call_impl is not None:
                return self._compiled_call_impl(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        if splitting.running and (pieces := splitting.local.pieces) is not None:
            return pieces(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """A call that never takes the compiled way."""
        return self._call_with_hooks(args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Make calls of this module go through `flambeau.compile`; the arguments are its."""
        from flambeau.jit import compile as compile_function

        self._compiled_call_impl = compile_function(self._call_impl, *args, **kwargs)

    # Registering members

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under this name; None reserves the name without one.

        Raises:
            KeyError: for an empty or dotted name, or one that something else has.
            TypeError: if the value is no Parameter.
            ValueError: if the parameter was computed and is no leaf.
        """
        _check_member_name(self, name, "parameter", "_parameters")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(flambeau.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method."
                )
            param = everywhere.registered(
                everywhere.parameter_registration_hooks, self, name, param
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; in `state_dict` only if `persistent`.

        >>> import flambeau
        >>> module = flambeau.nn.Module()
        >>> module.register_buffer("mean", flambeau.zeros(2))
        >>> [name for name, _ in module.named_buffers()]
        ['mean']
        """
        _check_member_name(self, name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(flambeau Tensor or None required)"
            )
        self._buffers[name] = everywhere.registered(
            everywhere.buffer_registration_hooks, self, name, tensor
        )
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under this name."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {typename(name)}")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        self._modules[name] = everywhere.registered(
            everywhere.module_registration_hooks, self, name, module
        )

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    # Attributes

    def __getattr__(self, name: str) -> Any:
        # Every `self.weight` in a forward comes here: written out, because a loop costs twice as much.
        members = self.__dict__
        if "_parameters" in members and name in members["_parameters"]:
            return members["_parameters"][name]
        if "_modules" in members and name in members["_modules"]:
            return members["_modules"][name]
        if "_buffers" in members and name in members["_buffers"]:
            return members["_buffers"][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Module, Buffer)):
            self._set_member(name, value)
        elif _holds(self, "_parameters", name):
            self._clear_parameter(name, value)
        elif _holds(self, "_modules", name):
            self._clear_module(name, value)
        elif _holds(self, "_buffers", name):
            self._set_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            state.changes += 1
            object.__setattr__(self, name, value)

    def _set_member(self, name: str, value: Any) -> None:
        """Register a parameter, module or buffer, whatever the name meant before."""
        if isinstance(value, Parameter):
            self._forget(name, "parameters", keep="_parameters")
            self.register_parameter(name, value)
        elif _holds(self, "_parameters", name):
            self._clear_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "module", keep="_modules")
            self._modules[name] = everywhere.registered(
                everywhere.module_registration_hooks, self, name, value
            )
        elif _holds(self, "_modules", name):
            self._clear_module(name, value)
        else:
            self._set_buffer(name, value, value.persistent)

    def _forget(self, name: str, what: str, keep: str) -> None:
        """Remove what else has this name, so that it can be registered anew."""
        members = self.__dict__
        if keep not in members:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        members.pop(name, None)
        for kind in ("_parameters", "_buffers", "_modules"):
            if kind != keep:
                members[kind].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _clear_parameter(self, name: str, value: Any) -> None:
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as parameter '{name}' "
                "(flambeau.nn.Parameter or None expected)"
            )
        self.register_parameter(name, None)

    def _clear_module(self, name: str, value: Any) -> None:
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as child module '{name}' "
                "(flambeau.nn.Module or None expected)"
            )
        self._modules[name] = everywhere.registered(
            everywhere.module_registration_hooks, self, name, None
        )

    def _set_buffer(self, name: str, value: Any, persistent: bool) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' "
                "(flambeau.nn.Buffer, flambeau.Tensor or None expected)"
            )
        self.register_buffer(name, value, persistent)

    def __delattr__(self, name: str) -> None:
        for kind in (self._parameters, self._buffers, self._modules):
            if name in kind:
                del kind[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules]
        names.extend(self._buffers)
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        fresh = Module.__new__(Module)
        Module.__init__(fresh)
        # Modules pickled by an older version may lack some of the dictionaries.
        self.__dict__.update({**fresh.__dict__, **state})

    # Finding members

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; the empty path is the module itself.

        Raises:
            AttributeError: if there is no such module.
        """
        module = self
        for name in target.split(".") if target else ():
            module = _found(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Replace the module at a dotted path; with `strict` one must be there already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if (strict or hasattr(parent, name)) and not isinstance(_found(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        param = _found(self.get_submodule(path), name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        buffer = _found(module, name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it with their dotted paths, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below, with their names, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names, each once."""
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once; what an optimizer is given.

        >>> import flambeau
        >>> [p.shape for p in flambeau.nn.Linear(2, 3).parameters()]
        [flambeau.Size([3, 2]), flambeau.Size([3])]
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their dotted names, each once."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    # Modes

    def apply(self, fn: Callable[[Module], None]) -> Any:
        """Call ``fn`` on every module below, then on this one; for initialisation."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Any:
        """Set training mode on this module and all below (dropout and batch norm look at it)."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Set evaluation mode; the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switch gradients of all parameters on or off."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or fill them with zeros."""
        if state.active and set_to_none:
            state.cleared(list(self.parameters()))
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                param.grad.detach_().zero_()

    # Printing

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the printed form says of this module besides its children."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [
            f"({name}): {indented(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if not children and "\n" not in extra:
            return f"{self._get_name()}({extra})"
        lines = [*(extra.split("\n") if extra else []), *children]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _unexpected_argument(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = f"{type(module).__name__}.__init__()"
    if kwargs:
        return f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'"
    return f"{name} takes 1 positional argument but {len(args) + 1} were given"


def _check_member_name(module: Module, name: Any, what: str, kind: str) -> None:
    if kind not in module.__dict__:
        raise AttributeError(f"cannot assign {what} before Module.__init__() call")
    if not isinstance(name, str):
        raise TypeError(f"{what} name should be a string. Got {typename(name)}")
    if "." in name:
        raise KeyError(f'{what} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{what} name can\'t be empty string ""')
    if hasattr(module, name) and name not in module.__dict__[kind]:
        raise KeyError(f"attribute '{name}' already exists")


def _holds(module: Module, kind: str, name: str) -> bool:
    found = module.__dict__.get(kind)
    return found is not None and name in found


def _found(module: Module, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)
