"""Random programs of views, in-place writes and backward, run in two libraries and compared step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

VIEWS: list[Callable[[Any], Any]] = [
    lambda t: t[0],
    lambda t: t[-1:],
    lambda t: t[..., 1:],
    lambda t: t[..., 0],
    lambda t: t.t(),
    lambda t: t.reshape(-1),
    lambda t: t.view(-1),
    lambda t: t.unsqueeze(0),
    lambda t: t.squeeze(0),
    lambda t: t.transpose(0, -1),
    lambda t: t.diagonal(),
    lambda t: t.narrow(0, 0, 1),
    lambda t: t.unbind(0)[0],
    lambda t: t.split(1)[0],
    lambda t: t.chunk(2, -1)[-1],
    lambda t: t.detach(),
    lambda t: t[::2],
    lambda t: t.permute(*reversed(range(t.ndim))),
    lambda t: t.view_as(t),
]
PURE: list[Callable[[Any, Any], Any]] = [
    lambda t, u: t * 2,
    lambda t, u: t * u,
    lambda t, u: t + u,
    lambda t, u: t.sin(),
    lambda t, u: t.exp(),
    lambda t, u: t.clone(),
    lambda t, u: t.sum(),
    lambda t, u: (t * t).sum(-1),
    lambda t, u: t.detach() * u,
]
WRITES: list[Callable[[Any, Any], Any]] = [
    lambda t, u: t.mul_(2),
    lambda t, u: t.add_(u),
    lambda t, u: t.mul_(u),
    lambda t, u: t.sin_(),
    lambda t, u: t.zero_(),
    lambda t, u: t.copy_(u),
    lambda t, u: t.fill_(0.5),
    lambda t, u: t.__setitem__(0, 1.5),
    lambda t, u: t.__setitem__(Ellipsis, u),
    lambda t, u: t[0].mul_(3),
    lambda t, u: t.neg_(),
    lambda t, u: t.exp_(),
    lambda t, u: t.clamp_(-1, 1),
    lambda t, u: t.tanh_(),
    lambda t, u: t.div_(u * u + 1),
    lambda t, u: t.masked_fill_(t.detach() > 0, 0.25),
    lambda t, u: t.sub_(u.detach()),
]
KINDS = {"view": VIEWS, "pure": PURE, "write": WRITES}
Step = tuple[str, int, int, int, bool]  # kind, which of it, tensor, other tensor, under no_grad


class Run:
    """One library's side of a program."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib
        values = np.linspace(-1, 1, 6).reshape(2, 3)
        self.leaf = lib.tensor(values.tolist(), dtype=lib.float64, requires_grad=True)
        self.other = lib.tensor((values + 0.3).tolist(), dtype=lib.float64)
        self.tensors = [self.leaf, self.leaf * 1, self.other]

    def step(self, step: Step) -> str:
        """Takes one step: "" or the class of the error, whose text is kept in `said`."""
        kind, which, at, by, quiet = step
        t, u = (self.tensors[i % len(self.tensors)] for i in (at, by))
        before = self.lib.is_grad_enabled()
        try:
            self.lib.set_grad_enabled(not quiet)
            function = KINDS[kind][which % len(KINDS[kind])]
            u = (
                u.clone() if kind == "write" else u
            )  # PyTorch refuses operands that overlap with what is written
            made = function(t) if kind == "view" else function(t, u)
            if kind != "write":
                self.tensors.append(made)
        except Exception as error:
            self.said = str(error)
            return type(error).__name__
        finally:
            self.lib.set_grad_enabled(before)
        return ""

    def finish(self) -> Any:
        """(error's class, gradient of a weighted sum of all tensors)."""
        try:
            total = sum(((i + 1) * t.double()).sum() for i, t in enumerate(self.tensors))
            total.backward()
        except Exception as error:
            return type(error).__name__, None
        grad = self.leaf.grad
        return "", None if grad is None else grad.detach().numpy()

    def values(self) -> list:
        return [t.detach().numpy() for t in self.tensors]

    def flags(self) -> list:
        return [_flags(t) for t in self.tensors]


def _flags(t: Any) -> Any:
    """(is a leaf, requires grad, how often written); an error's class where the history cannot be said."""
    try:
        return (t.is_leaf, t.requires_grad, t._version)
    except RuntimeError:
        return "RuntimeError"


def compare(ours: Any, theirs: Any, steps: list[Step], flags: bool = True) -> None:
    """Runs a program in both libraries; AssertionError where they part."""
    a, b = Run(ours), Run(theirs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, step in enumerate(steps):
            got, expected = a.step(step), b.step(step)
            if not got and expected and "its base or another view" in b.said:
                return  # PyTorch cannot remake the history of one of several views, even where none is needed
            assert got == expected, f"step {n} {step}: {got!r}, PyTorch {expected!r}"
            for i, (x, y) in enumerate(zip(a.values(), b.values())):
                assert x.shape == y.shape, (
                    f"step {n} {step}: tensor {i}: {x.shape}, PyTorch {y.shape}"
                )
                np.testing.assert_allclose(
                    x, y, rtol=1e-9, atol=1e-12, err_msg=f"step {n}, tensor {i}"
                )
            if flags and "RuntimeError" not in b.flags():
                assert a.flags() == b.flags(), f"step {n} {step}: {a.flags()}, PyTorch {b.flags()}"
        error, grad = a.finish()
        expected, gradient = b.finish()
    if expected == "RuntimeError" and error == "":
        return  # less is kept here, so that less can have been overwritten
    assert error == expected, f"backward: {error!r}, PyTorch {expected!r}"
    if gradient is None or grad is None:
        assert gradient is None and grad is None
    else:
        np.testing.assert_allclose(grad, gradient, rtol=1e-8, atol=1e-10)
