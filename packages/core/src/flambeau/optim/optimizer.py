"""`Optimizer`, the base class: parameter groups, per-parameter state, hooks, saving and loading.

The state_dict has PyTorch's form exactly, so that checkpoints go both ways. What a step does to a parameter
is not known here: see `elementwise.py` for the optimizers that treat each element alike.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

import flambeau
from flambeau.runtime import state
from flambeau.runtime.tensor import Tensor
from flambeau.utils.hooks import RemovableHandle

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
StateDict = dict[str, Any]

_global_pre_hooks: dict[int, Callable[..., Any]] = OrderedDict()
_global_post_hooks: dict[int, Callable[..., Any]] = OrderedDict()


class _RequiredParameter:
    """Stands in `defaults` for an option that every group must name itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` before the step of every optimizer."""
    return _registered(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` after the step of every optimizer."""
    return _registered(_global_post_hooks, hook)


def _registered(hooks: Any, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class Optimizer:
    """Base of all optimizers: holds parameter groups and state, and is stepped by subclasses.

    `params` is an iterable of tensors, of `(name, tensor)` pairs, or of dictionaries, one a group, each with
    a key `"params"` and the options that differ from `defaults`.

    A subclass of one's own only writes `step`:

    >>> import flambeau
    >>> class Plain(flambeau.optim.Optimizer):
    ...     def __init__(self, params, lr): super().__init__(params, {"lr": lr})
    ...     def step(self, closure=None):
    ...         with flambeau.no_grad():
    ...             for group in self.param_groups:
    ...                 for p in group["params"]: p -= group["lr"] * p.grad
    >>> w = flambeau.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> Plain([w], lr=0.25).step(); w.detach()
    tensor([0.5000, 1.0000])
    """

    param_groups: Any = state.WatchedGroups()  # list[dict[str, Any]]
    _kept_by_step = frozenset(("param_groups", "state", "_opt_called"))

    # Of optimizers that wrap another and never call `__init__`: they have no hooks of their own.
    _optimizer_step_pre_hooks: Mapping[int, Callable[..., Any]] = MappingProxyType({})
    _optimizer_step_post_hooks: Mapping[int, Callable[..., Any]] = MappingProxyType({})

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {_typename(params)}"
            )
        self.defaults = defaults
        self._make_hooks()
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def _make_hooks(self) -> None:
        self._optimizer_step_pre_hooks = OrderedDict()
        self._optimizer_step_post_hooks = OrderedDict()
        self._optimizer_state_dict_pre_hooks: dict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_state_dict_post_hooks: dict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: dict[int, Callable[..., Any]] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: dict[int, Callable[..., Any]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hooks()
        # A checkpoint of an older version lacks the options that came since: they take today's defaults.
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines += [""] * (i > 0)
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join(lines) + "\n)"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once from their `.grad`.

        `closure` evaluates the model anew and returns the loss; most optimizers can do without.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or fills them with zeros if not `set_to_none`."""
        if state.active and set_to_none:
            state.cleared([p for group in state.groups_of(self) for p in group["params"]])
        for group in state.groups_of(self):
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    p.grad = p.grad.detach()
                    p.grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds one group, for instance layers that were frozen until now."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        tensors, names = _split_names(param_group["params"])
        param_group["params"] = tensors
        if names:
            param_group["param_names"] = names
        for p in tensors:
            self._check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        self._check_new_group(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {_typename(p)}"
            )
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_new_group(self, group: dict[str, Any]) -> None:
        params = group["params"]
        if len(params) != len(set(params)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=4,
            )
        known = {p for g in self.param_groups for p in g["params"]}
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in group) != (
            "param_names" in self.param_groups[0]
        ):
            given = (
                ("without", "with")
                if "param_names" in self.param_groups[0]
                else ("with", "without")
            )
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {given[0]} names to the optimizer {given[1]} names"
            )

    # -- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; it may return new `(args, kwargs)`.

        The arguments are those of the function: `args[0]` is the optimizer.
        """
        return _registered(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        return _registered(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict` is made."""
        return _registered(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` on what `state_dict` made; it may return another."""
        return _registered(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` before loading; it may return another state_dict."""
        return _registered(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(optimizer)` after loading."""
        return _registered(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # -- saving and loading

    def state_dict(self) -> StateDict:
        """State and options, with parameters named by their number: `{"state": ..., "param_groups": ...}`."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = [_packed(group, numbers) for group in self.param_groups]
        state = {
            (numbers[id(key)] if isinstance(key, Tensor) else key): value
            for key, value in self.state.items()
        }
        made: StateDict = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            made = _or_else(hook(self, made), made)
        return made

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Takes over the state and the options saved by `state_dict`, matched by parameter number.

        Tensors are cast to their parameter's dtype and device, all but the step count. Call it after making
        a scheduler, which would overwrite the loaded learning rates. ValueError if the groups do not fit.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = _or_else(hook(self, state_dict), state_dict)
        saved = deepcopy(state_dict["param_groups"])
        params = self._matched(saved)
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                p, group = params[key]
                state[p] = _cast(p, value, group)
            else:
                state[key] = value
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _matched(self, saved: list[dict[str, Any]]) -> dict[Any, tuple[Tensor, dict[str, Any]]]:
        """The parameter, and its saved group, of each number that a state_dict names."""
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(g["params"]) != len(s["params"])
            for g, s in zip(self.param_groups, saved, strict=True)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        return {
            number: (p, s)
            for g, s in zip(self.param_groups, saved, strict=True)
            for number, p in zip(s["params"], g["params"], strict=True)
        }


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` with the hooks called around it, and a note for schedulers that it was called."""

    @wraps(step)
    def public(*args: Any, **kwargs: Any) -> Any:
        if not state.active:
            return hooked(*args, **kwargs)
        params = [p for group in state.groups_of(args[0]) for p in group["params"]]
        call = partial(hooked, args[0])
        return state.effect(call, args[0], params, "step", args[1:], kwargs)

    def hooked(*args: Any, **kwargs: Any) -> Any:
        # The hooks see, and may change, all arguments of the function: the optimizer is the first of them.
        self: Optimizer = args[0]
        self._opt_called = True  # type: ignore[attr-defined]
        if not (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _global_pre_hooks
            or _global_post_hooks
        ):
            return step(*args, **kwargs)
        for hook in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
                args, kwargs = changed
        out = step(*args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return out

    return public


def _split_names(params: Any) -> tuple[list[Any], list[str]]:
    """The tensors of a group, and their names if it was given `(name, tensor)` pairs."""
    if isinstance(params, Tensor):
        return [params], []
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    items = list(params)
    names = [item[0] for item in items if isinstance(item, tuple)]
    if names and len(names) != len(items):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [item[1] if isinstance(item, tuple) else item for item in items], names


def _packed(group: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """A group with its parameters replaced by their numbers, counted on in `numbers`."""
    out = {key: value for key, value in group.items() if key != "params"}
    for p in group["params"]:
        numbers.setdefault(id(p), len(numbers))
    out["params"] = [numbers[id(p)] for p in group["params"]]
    return out


def _cast(p: Tensor, value: Any, group: dict[str, Any], key: Any = None) -> Any:
    """Saved state in `p`'s dtype and on its device, nested containers included."""
    if isinstance(value, Tensor):
        if key == "step":
            on_device = group.get("capturable") or group.get("fused")
            return value.to(dtype=flambeau.float32, device=p.device) if on_device else value
        if p.is_floating_point():
            return value.to(dtype=p.dtype, device=p.device)
        return value.to(device=p.device)
    if isinstance(value, dict):
        return {k: _cast(p, v, group, k) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(_cast(p, v, group) for v in value)
    return value


def _or_else(result: Any, default: Any) -> Any:
    return default if result is None else result


def _typename(value: Any) -> str:
    """How `torch.typename` would name the class of `value`."""
    if isinstance(value, Tensor):
        return value.type()
    cls = type(value)
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
