"""Pruning: parts of a parameter held at zero by a mask.

Pruning `weight` turns the parameter into `weight_orig`, adds the buffer `weight_mask`, and makes `weight` their product
before every forward. Pruning again works on what is left. `remove` makes the product the parameter again.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from flambeau.autograd import no_grad
from flambeau.ops.creation import ones_like, zeros_like
from flambeau.ops.random import rand, rand_like
from flambeau.runtime.tensor import Tensor

from ..modules.module import Module
from .convert_parameters import parameters_to_vector


class BasePruningMethod(ABC):
    """A way to choose a mask, and the hook that applies it before every forward.

    A subclass defines `compute_mask` and `PRUNING_TYPE`: "unstructured" for single numbers, "structured" for slices along
    `dim`, "global" for a mask over everything.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for importances `t`, on top of the mask that is there."""

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter times its mask."""
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prunes `module`'s parameter `name` by this method, after those that pruned it before.

        `importance_scores` are judged in place of the parameter's own values.
        """
        method = _joined(module, name, cls(*args, **kwargs))
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(original.shape):
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got "
                f"{scores.shape} vs {original.shape}"
            )
        first = not isinstance(method, PruningContainer)
        before = ones_like(original) if first else getattr(module, name + "_mask").detach().clone()
        mask = method.compute_mask(scores, default_mask=before.detach())
        if first:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        module.register_buffer(name + "_mask", mask.detach())
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Any = None
    ) -> Tensor:
        """`t` with what the method chooses set to zero.

        >>> import flambeau
        >>> L1Unstructured(2).prune(flambeau.tensor([3.0, -1.0, 2.0, -4.0]))
        tensor([ 3., -0.,  0., -4.])
        """
        scores = t if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(t.shape):
            raise AssertionError(
                f"importance_scores should have the same shape as tensor t, got {scores.shape} vs "
                f"{t.shape}"
            )
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Makes the pruned values the parameter, for good."""
        name = self._tensor_name
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


def _joined(module: Module, name: str, method: BasePruningMethod) -> BasePruningMethod:
    """The new method, in a container with those that are there; their hook is taken away."""
    method._tensor_name = name
    hooks = module._forward_pre_hooks
    found = [
        key
        for key, hook in hooks.items()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]
    if len(found) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
            "PruningContainer."
        )
    if not found:
        return method
    old: Any = hooks.pop(found[0])
    container = old if isinstance(old, PruningContainer) else PruningContainer(old)
    container.add_pruning_method(method)
    return container


class PruningContainer(BasePruningMethod):
    """Methods that pruned one parameter one after another; each sees what the ones before left."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Adds a method for the same parameter."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method, for what is left by `default_mask`."""
        method: Any = self._pruning_methods[-1]
        mask = default_mask.to(t.dtype).clone()
        kind = method.PRUNING_TYPE
        if kind == "unstructured":
            part: Any = default_mask == 1
        elif kind == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` '
                    "defined."
                )
            dim = method.dim % t.ndim
            others = tuple(d for d in range(t.ndim) if d != dim)
            left = default_mask.sum(others) != 0
            part = tuple(left if d == dim else slice(None) for d in range(t.ndim))
        elif kind == "global":
            part = tuple(slice(None) for _ in range(t.ndim))
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
        chosen = method.compute_mask(t[part], default_mask=default_mask[part])
        mask[part] = chosen.to(mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing: the names are there, the mask is ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> BasePruningMethod:  # type: ignore[override]
        """Adds the names."""
        return super().apply(module, name)


class _Amount(BasePruningMethod):
    """Prunes a number or a part of what there is."""

    amount: float

    def __init__(self, amount: float) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, numbers.Integral)
        if (whole and amount < 0) or (not whole and not 0.0 <= float(amount) <= 1.0):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        whole = isinstance(self.amount, numbers.Integral)
        count = int(self.amount) if whole else round(self.amount * size)
        if whole and count > size:
            raise ValueError(
                f"amount={count} should be smaller than the number of parameters to prune={size}"
            )
        return count


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def _order(self, t: Tensor) -> Tensor:
        """What is smallest here goes first."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.numel())
        mask = default_mask.clone()
        if count:
            places = self._order(t.detach()).reshape(-1).topk(count, largest=False).indices
            mask = mask.reshape(-1).index_fill(0, places, 0).reshape(mask.shape)
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes numbers by chance: `amount` of them, a count or a part."""

    def _order(self, t: Tensor) -> Tensor:
        return -rand_like(t)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> BasePruningMethod:  # type: ignore[override]
        """Prunes `amount` of the parameter."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(_Unstructured):
    """Prunes the numbers nearest zero: `amount` of them, a count or a part."""

    def _order(self, t: Tensor) -> Tensor:
        return t.abs()

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, importance_scores: Any = None
    ) -> BasePruningMethod:
        """Prunes `amount` of the parameter."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _kept(self, t: Tensor, count: int) -> Tensor:
        """The slices along `dim` that stay, as indices or as truth values."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
                f"shape {t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        count = self._count(t.shape[self.dim])
        if not count:
            return default_mask
        mask = zeros_like(t)
        dim = self.dim % t.ndim
        kept = self._kept(t.detach(), count)
        mask[tuple(kept if d == dim else slice(None) for d in range(t.ndim))] = 1
        return mask * default_mask.to(mask.dtype)


class RandomStructured(_Structured):
    """Prunes slices along `dim` by chance."""

    def _kept(self, t: Tensor, count: int) -> Tensor:
        chance = rand(t.shape[self.dim])
        return chance > chance.sort().values[count - 1]

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, dim: int = -1
    ) -> BasePruningMethod:
        """Prunes `amount` of the parameter's slices."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prunes the slices along `dim` whose n-norms are smallest."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Tensor, count: int) -> Tensor:
        dim = self.dim % t.ndim
        others = tuple(d for d in range(t.ndim) if d != dim)
        return t.norm(self.n, others).topk(t.shape[dim] - count).indices

    @classmethod
    def apply(  # type: ignore[override]
        cls,
        module: Module,
        name: str,
        amount: float,
        n: Any,
        dim: int,
        importance_scores: Any = None,
    ) -> BasePruningMethod:
        """Prunes `amount` of the parameter's slices."""
        return super().apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes what a given mask has zero."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if tuple(default_mask.shape) != tuple(self.mask.shape):
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> BasePruningMethod:  # type: ignore[override]
        """Prunes by `mask`."""
        return super().apply(module, name, mask=mask)


def identity(module: Module, name: str) -> Module:
    """Gives a parameter the names of a pruned one, with a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prunes `amount` numbers (a count or a part) of a parameter by chance."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Any = None
) -> Module:
    """Prunes the `amount` numbers of a parameter that are nearest zero.

    >>> from flambeau import nn
    >>> layer = l1_unstructured(nn.Linear(2, 2), "weight", amount=1)
    >>> int((layer.weight == 0).sum())
    1
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prunes `amount` slices of a parameter along `dim` by chance."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None
) -> Module:
    """Prunes the `amount` slices of a parameter along `dim` whose n-norms are smallest."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prunes a parameter where `mask` is zero."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prunes several parameters, pairs of a module and a name, by one order over all their numbers.

    >>> from flambeau import nn
    >>> first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    >>> global_unstructured(((first, "weight"), (second, "weight")), L1Unstructured, amount=3)
    >>> int((first.weight == 0).sum() + (second.weight == 0).sum())
    3
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    pairs = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    method._tensor_name = "temp"
    container = PruningContainer(method)
    with no_grad():
        values = parameters_to_vector([scores.get((m, n), getattr(m, n)) for m, n in pairs])
        masks = parameters_to_vector(
            [getattr(m, n + "_mask", ones_like(getattr(m, n))) for m, n in pairs]
        )
    final = container.compute_mask(values.detach(), masks.detach())
    start = 0
    for module, name in pairs:
        param = getattr(module, name)
        part = final[start : start + param.numel()]
        custom_from_mask(module, name, part.reshape(param.shape))
        start += param.numel()


def remove(module: Module, name: str) -> Module:
    """Makes the pruned values the parameter `name` again, for good: what was pruned stays zero."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one below it, is pruned.

    >>> from flambeau import nn
    >>> is_pruned(nn.Linear(2, 2))
    False
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for below in module.modules()
        for hook in below._forward_pre_hooks.values()
    )
