"""A module's state as a dictionary of tensors, out and in again.

Keys are dotted paths, as in PyTorch, so that checkpoints go both ways. Every module's class version
travels in the dictionary's `_metadata`, and loading reports all that does not fit at once.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from flambeau.autograd import no_grad

from ..parameter import Parameter, is_lazy
from ._handles import RemovableHandle, add_hook
from ._members import Members

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"
_FROM_PUBLIC_API = "_from_public_api"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found missing and what it could not use."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _ModuleHook:
    """A load pre-hook, called with its module first where it was registered so."""

    def __init__(self, hook: Callable[..., Any], module: Any = None) -> None:
        self.hook = hook
        self.with_module = module is not None
        self.module: Any = weakref.ref(module) if self.with_module else None

    def __call__(self, *args: Any) -> Any:
        if not self.with_module:
            return self.hook(*args)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args)

    def __getstate__(self) -> dict[str, Any]:
        module = self.module() if self.with_module else None
        return {"hook": self.hook, "with_module": self.with_module, "module": module}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        self.module = weakref.ref(state["module"]) if self.with_module else None


class Stateful(Members):
    """The part of Module that saves and loads its state."""

    _version: int = 1

    def state_dict(
        self,
        *args: Any,
        destination: Any = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> Any:
        """All parameters and persistent buffers, by their dotted names.

        Args:
            destination: a dictionary to fill in place of a new one.
            prefix: put before every key.
            keep_vars: keep the parameters themselves and not tensors detached from them.

        >>> import flambeau
        >>> list(flambeau.nn.Linear(2, 3).state_dict())
        ['weight', 'bias']
        """
        if args:  # the positional form that PyTorch still accepts: destination, prefix, keep_vars
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            answer = hook(self, destination, prefix, local_metadata)
            if answer is None:
                continue
            if getattr(hook, _FROM_PUBLIC_API, False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = answer
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own tensors, without those of its children."""
        for name, tensor in self._persistent_members().items():
            if tensor is not None:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if _overrides_extra_state(self, "get_extra_state"):
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def _persistent_members(self) -> dict[str, Any]:
        members = dict(self._parameters)
        for name, buffer in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                members[name] = buffer
        return members

    def get_extra_state(self) -> Any:
        """What to save besides tensors; a class that defines it also defines `set_extra_state`."""
        raise RuntimeError(
            f"{type(self).__name__}.get_extra_state is not defined, though it was asked for"
        )

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        raise RuntimeError(
            f"{type(self).__name__}.set_extra_state is not defined, though it was asked for"
        )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Copy the tensors of `state_dict` into this module's.

        Args:
            state_dict: tensors by dotted name.
            strict: raise where keys are missing or unknown.
            assign: put the given tensors in place of the module's instead of copying.

        Returns:
            A named tuple with `missing_keys` and `unexpected_keys`.

        Raises:
            RuntimeError: with every missing or unknown key and every shape that does not fit.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)  # hooks may change it
        if metadata is not None:
            state._metadata = metadata
        _load(self, state, "", metadata, assign, (missing, unexpected, errors))
        if strict:
            errors[:0] = _key_errors(missing, unexpected)
        if errors:
            raise RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(
                    type(self).__name__, "\n\t".join(errors)
                )
            )
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors, without those of its children."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        members = self._persistent_members()
        for name, current in members.items():
            key = prefix + name
            if current is None:
                continue
            if key in state_dict:
                problem = _load_one(self, name, key, current, state_dict[key], assign)
                if problem is not None:
                    error_msgs.append(problem)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            known = {name for name, tensor in members.items() if tensor is not None}
            unexpected_keys.extend(_unexpected(self, state_dict, prefix, known))

    def _load_extra_state(
        self,
        state_dict: Any,
        prefix: str,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
    ) -> None:
        key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if _overrides_extra_state(self, "set_extra_state"):
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before the state is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Like `register_state_dict_post_hook`; the root's hook may also return another dictionary."""
        if getattr(hook, _FROM_PUBLIC_API, False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after; it changes in place."""
        setattr(hook, _FROM_PUBLIC_API, True)
        return add_hook(self._state_dict_hooks, hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        wrapped = _ModuleHook(hook, self if with_module else None)
        return add_hook(self._load_state_dict_pre_hooks, wrapped)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call the hook before loading.

        Its arguments: module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs; all may be changed in place.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may change the two lists."""
        return add_hook(self._load_state_dict_post_hooks, hook)


def _overrides_extra_state(module: Any, name: str) -> bool:
    return getattr(type(module), name) is not getattr(Stateful, name)


def _load(
    module: Any,
    state: Any,
    prefix: str,
    metadata: Any,
    assign: bool,
    reports: tuple[list[str], list[str], list[str]],
) -> None:
    """Load a module, then its children, each with the part of the state under its prefix."""
    local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        local_metadata["assign_to_params_buffers"] = assign
    module._load_from_state_dict(state, prefix, local_metadata, True, *reports)
    for name, child in module._modules.items():
        if child is None:
            continue
        child_prefix = f"{prefix}{name}."
        part = {key: value for key, value in state.items() if key.startswith(child_prefix)}
        _load(child, part, child_prefix, metadata, assign, reports)
    incompatible = _IncompatibleKeys(reports[0], reports[1])
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, incompatible) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


def _load_one(
    module: Any, name: str, key: str, current: Any, given: Any, assign: bool
) -> str | None:
    """Put one tensor in its place; returns what is wrong, if anything."""
    from flambeau.runtime.tensor import Tensor

    if not isinstance(given, Tensor):
        return (
            f'While copying the parameter named "{key}", expected flambeau.Tensor or Tensor-like '
            f"object from checkpoint but received {type(given)}"
        )
    if not is_lazy(current):
        if current.ndim == 0 and tuple(given.shape) == (1,):  # how PyTorch 0.3 saved scalars
            given = given[0]
        if tuple(given.shape) != tuple(current.shape):
            return (
                f"size mismatch for {key}: copying a param with shape {given.shape} from "
                f"checkpoint, the shape in current model is {current.shape}."
            )
    try:
        if assign:
            _assign(module, name, current, given)
        else:
            with no_grad():
                if is_lazy(current):
                    current.materialize(given.shape)
                current.copy_(given)
    except (RuntimeError, TypeError, ValueError) as error:
        return (
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{current.size()} and whose dimensions in the checkpoint are {given.size()}, "
            f"an exception occurred : {error.args}."
        )
    return None


def _assign(module: Any, name: str, current: Any, given: Any) -> None:
    if isinstance(current, Parameter):
        if isinstance(given, Parameter):
            given.requires_grad_(current.requires_grad)
        else:
            given = Parameter(given, requires_grad=current.requires_grad)
    setattr(module, name, given)


def _unexpected(module: Any, state: Any, prefix: str, known: set[str]) -> list[str]:
    """Keys under the prefix that name neither a tensor nor a child of this module."""
    found = []
    extra = prefix + _EXTRA_STATE_KEY_SUFFIX
    for key in state:
        if not key.startswith(prefix) or key == extra:
            continue
        head, dot, _rest = key[len(prefix) :].partition(".")
        if head not in (module._modules if dot else known):
            found.append(key)
    return found


def _key_errors(missing: list[str], unexpected: list[str]) -> list[str]:
    lines = []
    for label, keys in (("Missing", missing), ("Unexpected", unexpected)):
        if keys:
            lines.append(f"{label} key(s) in state_dict: {_quoted(keys)}. ")
    return lines


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
