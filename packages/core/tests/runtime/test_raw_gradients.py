"""Gradients on raw arrays are those of the rules on tensors beside them."""

from __future__ import annotations

import pytest

import flambeau
from flambeau.runtime.operator import OFTEN, registry
from flambeau.runtime.tape import Rule
from flambeau.testing.samples import samples_of

flambeau.ops.load_all()


def rule_of(op):
    """The rule with a twin on arrays: the operator's own, or that of its calls on small arrays."""
    for one in (op, op.noted):
        rule = getattr(one, "vjp_rule", None)
        if type(rule) is Rule and rule.raw is not None:
            return rule
    return None


RAW = sorted(name for name, op in registry.items() if rule_of(op) is not None)


def leaves_of(value, kind, leaves):
    """The argument with its float tensors as leaves of one dtype, which are added to `leaves`."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], flambeau.Tensor):
        return type(value)([leaves_of(v, kind, leaves) for v in value])
    if not isinstance(value, flambeau.Tensor) or not value.is_floating_point():
        return value
    leaves.append(value.detach().to(kind, copy=True).requires_grad_())
    return leaves[-1]


@pytest.mark.parametrize("kind", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize("name", RAW)
def test_both_rules_give_the_same(name, kind, monkeypatch):
    op, rule = registry[name], rule_of(registry[name])
    seen, raw = [], rule.raw

    def watched(*args, **kwargs):
        made = raw(*args, **kwargs)
        seen.append(made is not NotImplemented)
        return made

    monkeypatch.setattr(rule, "raw", watched)
    for sample in samples_of(op):
        leaves = []
        args = [leaves_of(a, kind, leaves) for a in sample.args]
        if not leaves:
            continue
        for _ in range(OFTEN + 2):
            made = op.public(*args, **sample.kwargs)
        out = made[0] if isinstance(made, tuple) else made
        if out.grad_fn is None:
            continue
        g = flambeau.rand(out.shape, dtype=out.dtype) + 0.5
        options = {"allow_unused": True, "retain_graph": True}
        found = flambeau.autograd.grad(out, leaves, g, **options)
        want = flambeau.autograd.grad(out, leaves, g, create_graph=True, **options)
        for a, b in zip(found, want, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert a.shape == b.shape and a.dtype is b.dtype
                assert flambeau.allclose(a, b, 1e-4, 1e-5, equal_nan=True)
    assert any(seen)


def test_a_value_that_was_overwritten_is_refused():
    x = flambeau.rand(3, 4, requires_grad=True)
    y = x * 1
    out = y.amax(1)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_graph_that_is_spent_is_refused():
    x = flambeau.rand(3, 4, requires_grad=True)
    out = x.var(1).sum()
    out.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        out.backward()
