"""no_grad, enable_grad, set_grad_enabled, inference_mode, anomaly mode: as contexts, as decorators, nested."""

from __future__ import annotations

import warnings

import pytest

import flambeau
from flambeau import is_grad_enabled, tensor


def product():
    x = tensor([1.0], requires_grad=True)
    return (x * 2).requires_grad


def test_contexts_nest_and_end():
    with flambeau.no_grad():
        assert not product()
        with flambeau.enable_grad():
            assert product()
            with flambeau.set_grad_enabled(False):
                assert not product()
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert product()


def test_errors_end_contexts_too():
    with pytest.raises(ValueError, match="inside"), flambeau.no_grad():
        raise ValueError("inside")
    assert is_grad_enabled()


@pytest.mark.parametrize(
    "decorate",
    [flambeau.no_grad, flambeau.no_grad(), flambeau.inference_mode, flambeau.inference_mode()],
)
def test_decorators_with_and_without_parentheses(decorate):
    run = decorate(product)
    assert run.__name__ == "product"
    assert not run() and product()
    assert not run()


def test_one_decorator_may_recurse():
    @flambeau.no_grad()
    def down(n):
        assert not is_grad_enabled()
        return n and down(n - 1)

    down(3)
    assert is_grad_enabled()


def test_set_grad_enabled_as_a_statement():
    try:
        flambeau.set_grad_enabled(False)
        assert not product()
    finally:
        flambeau.set_grad_enabled(True)


def test_enable_grad_decorates():
    with flambeau.no_grad():
        assert flambeau.enable_grad()(product)()


def test_leaves_can_be_made_without_recording():
    with flambeau.no_grad():
        assert tensor([1.0], requires_grad=True).requires_grad
        assert flambeau.nn.Parameter(flambeau.ones(1)).requires_grad


def test_inference_mode():
    assert not flambeau.is_inference_mode_enabled()
    with flambeau.inference_mode():
        assert flambeau.is_inference_mode_enabled() and not is_grad_enabled()
        assert not product()
    with flambeau.inference_mode(False):
        assert product()


def test_anomaly_mode_names_where_the_nan_came_from():
    x = tensor([-1.0], requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with flambeau.autograd.detect_anomaly(check_nan=True):
            with pytest.raises(
                RuntimeError, match="'SqrtBackward0' returned nan values in its 0th"
            ):
                (x.sqrt() * 2).sum().backward()
    first, second = (str(w.message) for w in caught)
    assert first.startswith("Anomaly Detection has been enabled")
    assert second.startswith("Error detected in SqrtBackward0. Traceback of forward call")
    assert second.splitlines()[-1].strip() == "(x.sqrt() * 2).sum().backward()"
