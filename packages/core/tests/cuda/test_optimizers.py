"""Optimizers on "cuda" with a processor in the GPU's place: one kernel for all parameters does what the rule does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import flambeau
from flambeau import optim
from flambeau.optim import fused_cuda

sys.path.insert(0, str(Path(__file__).parent))
import emulation
from nvrtc import compile_cubin  # noqa: F401  (a fixture)
from processor import in_place_of_cuda

pytestmark = pytest.mark.skipif(
    emulation.COMPILER is None, reason="no C++ compiler on this machine"
)

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1, maximize=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.01),
    "adadelta": lambda p: optim.Adadelta(p),
    "adamax": lambda p: optim.Adamax(p),
    "rprop": lambda p: optim.Rprop(p),
    "asgd": lambda p: optim.ASGD(p),
    "nadam": lambda p: optim.NAdam(p),
    "radam": lambda p: optim.RAdam(p),
}
SHAPES = [(3,), (), (2000,), (40, 60), (0, 3), (1024,)]


def stepped(make, device, dtype, steps=8):
    flambeau.manual_seed(0)
    params = [flambeau.randn(s, dtype=dtype).to(device).requires_grad_() for s in SHAPES]
    optimizer = make(params)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    for n in range(steps):
        for i, p in enumerate(params):
            g = flambeau.randn(p.shape, dtype=dtype).to(device)
            p.grad = None if i == 0 and n % 3 == 0 else g
        optimizer.step()
        scheduler.step()
    return params, optimizer


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_kernel_steps_all_parameters(name):
    make = OPTIMIZERS[name]
    dtype = flambeau.float64 if name in ("sgd", "adam") else flambeau.float32
    want, before = stepped(make, "cpu", dtype)
    with in_place_of_cuda() as machine:
        got, optimizer = stepped(make, "cuda", dtype)
        kernels = machine.log.count(("kernel", "step"))
    # The first steps of buffers are the rule's; numbers that a state keeps are, too.
    wanted = 8 if name == "sgd" else 7
    if optimizer._own_numbers:
        wanted = 0
    # One more where those numbers differ that select a kernel: a parameter that steps later, or a rate that becomes 1.
    assert wanted <= kernels <= 2 * wanted
    for p, q in zip(got, want):
        np.testing.assert_allclose(np.asarray(p._array), q._array, rtol=2e-5, atol=1e-6)
        state, other = optimizer.state.get(p, {}), before.state.get(q, {})
        for key, value in other.items():
            kept = state[key]
            kept = np.asarray(kept._array) if isinstance(kept, flambeau.Tensor) else kept
            value = value._array if isinstance(value, flambeau.Tensor) else value
            np.testing.assert_allclose(kept, value, rtol=2e-5, atol=1e-6, err_msg=key)


def test_versions_count_and_what_no_kernel_takes_is_left_to_the_rule():
    with in_place_of_cuda() as machine:
        plain, half, moved = (flambeau.ones(4, 3, device="cuda") for _ in range(3))
        params = [plain.requires_grad_(), half.half().requires_grad_(), moved.mT.requires_grad_()]
        optimizer = optim.SGD(params, lr=0.5)
        for p in params:
            p.grad = flambeau.ones_like(p)
        before = plain._version
        optimizer.step()
        assert machine.log.count(("kernel", "step")) == 1 and plain._version == before + 1
        for p in params:
            assert p.detach().cpu().flatten().tolist() == [0.5] * 12


def test_a_rule_that_no_kernel_can_be_made_of_changes_nothing_twice():
    class Odd(optim.SGD):
        _counts_steps = True

        @staticmethod
        def _rule(xp, group, numbers, p, g, *buffers):
            if xp is not flambeau:
                raise fused_cuda.Unfit("this rule wants tensors")
            p -= g

    with in_place_of_cuda():
        p = flambeau.ones(3, device="cuda").requires_grad_()
        optimizer = Odd([p], lr=1.0, momentum=0.5)
        for _ in range(3):
            p.grad = flambeau.ones(3, device="cuda")
            optimizer.step()
        assert p.detach().cpu().tolist() == [-2.0] * 3 and optimizer.state[p]["step"].item() == 3


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernels_compile_for_sm_90(compile_cubin, dtype):  # noqa: F811
    for make in OPTIMIZERS.values():
        optimizer = make([flambeau.ones(1).requires_grad_()])
        if optimizer._own_numbers:
            continue
        group = {
            k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "param_names")
        }
        state = {n: flambeau.zeros(1) for n in optimizer._buffers(group)}
        numbers = optimizer._numbers(group, state, 3.0, False)
        text, _ = fused_cuda.kernel_text(optimizer._rule, group, numbers, len(state), dtype)
        assert b".text.step\0" in compile_cubin(text)
