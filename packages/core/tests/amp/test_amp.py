"""autocast and GradScaler without PyTorch: dtypes inside a block, gradients through the casts, the scaler's stages."""

from __future__ import annotations

import pickle
import threading

import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau.amp import GradScaler, autocast, custom_bwd, custom_fwd
from flambeau.amp.lists import POLICIES
from flambeau.runtime.operator import registry
from flambeau.testing import completeness  # noqa: F401  (fills the registry)

bf16, f16, f32, f64 = flambeau.bfloat16, flambeau.float16, flambeau.float32, flambeau.float64


def lower(x, w):
    return F.linear(x, w).dtype


@pytest.mark.parametrize("dtype", [bf16, f16])
def test_products_are_lowered_and_losses_are_not(dtype):
    x, w = flambeau.ones(2, 3), flambeau.ones(4, 3)
    with autocast("cpu", dtype=dtype):
        y = F.linear(x, w)
        assert y.dtype is dtype
        assert F.mse_loss(y, flambeau.zeros(2, 4)).dtype is f32
        assert F.relu(y).dtype is dtype
        assert (y + x.sum()).dtype is dtype  # a 0-d tensor does not widen
    assert F.linear(x, w).dtype is f32


def test_double_stays_double():
    with autocast("cpu"):
        assert lower(flambeau.ones(2, 3, dtype=f64), flambeau.ones(4, 3, dtype=f64)) is f64


def test_blocks_nest():
    x, w = flambeau.ones(2, 3), flambeau.ones(4, 3)
    with autocast("cpu", dtype=bf16):
        with autocast("cpu", enabled=False):
            assert lower(x, w) is f32
            with autocast("cpu", dtype=f16):
                assert lower(x, w) is f16
            assert lower(x, w) is f32
        assert lower(x, w) is bf16
    assert not flambeau.is_autocast_enabled("cpu")


def test_state_is_restored_after_an_error():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), autocast("cpu"):
        F.linear(flambeau.ones(2, 3), flambeau.ones(4, 5))
    assert lower(flambeau.ones(2, 3), flambeau.ones(4, 3)) is f32


def test_as_a_decorator():
    @autocast("cpu", dtype=bf16)
    def product(x, w):
        return F.linear(x, w)

    assert product(flambeau.ones(2, 3), flambeau.ones(4, 3)).dtype is bf16
    assert product.__name__ == "product"
    with pytest.raises(TypeError, match="context manager"):
        autocast("cpu")(3)


def test_each_thread_has_its_own():
    seen = []
    x, w = flambeau.ones(2, 3), flambeau.ones(4, 3)
    with autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append(lower(x, w)))
        thread.start()
        thread.join()
    assert seen == [f32]


def test_gradients_arrive_in_the_dtype_of_each_leaf():
    x = flambeau.tensor([[1.0, 2.0, 3.0]])
    w = flambeau.full((2, 3), 0.5, requires_grad=True)
    with autocast("cpu", dtype=bf16):
        loss = F.mse_loss(F.linear(x, w), flambeau.zeros(1, 2))
    loss.backward()
    assert w.grad.dtype is f32
    flambeau.testing.assert_close(w.grad, flambeau.tensor([[3.0, 6.0, 9.0]] * 2))


def test_training_reaches_the_loss_of_full_precision():
    def train(enabled):
        flambeau.manual_seed(0)
        x = flambeau.randn(64, 8)
        y = (x @ flambeau.randn(8, 1)).tanh()
        model = flambeau.nn.Sequential(
            flambeau.nn.Linear(8, 16),
            flambeau.nn.LayerNorm(16),
            flambeau.nn.ReLU(),
            flambeau.nn.Linear(16, 1),
        )
        optimizer = flambeau.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            with autocast("cpu", dtype=bf16, enabled=enabled):
                loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    full, mixed = train(False), train(True)
    assert mixed != full  # the cast happened
    assert mixed < 2 * full + 0.01


def test_settings_by_function():
    assert flambeau.get_autocast_dtype("cpu") is bf16
    flambeau.set_autocast_enabled("cpu", True)
    try:
        assert lower(flambeau.ones(2, 3), flambeau.ones(4, 3)) is bf16
    finally:
        flambeau.set_autocast_enabled("cpu", False)
    assert flambeau.amp.is_autocast_available("cuda")
    assert not flambeau.amp.is_autocast_available("tpu")


def test_what_cannot_be_is_said():
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        autocast("tpu")
    with pytest.raises(ValueError, match="device_type"):
        autocast(flambeau.device("cpu"))
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        block = autocast("cpu", dtype=f64)
    with block:
        assert lower(flambeau.ones(2, 3), flambeau.ones(4, 3)) is f32


@pytest.mark.skipif(flambeau.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_cuda_autocast_is_off():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        block = autocast("cuda")
    with block:
        assert lower(flambeau.ones(2, 3), flambeau.ones(4, 3)) is f32
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        assert not GradScaler().is_enabled()


def test_cudas_lists_name_operators_and_do_what_they_say(monkeypatch):
    names = {name for p in POLICIES.values() for name in p.lower | p.alone | set(p.refused)}
    assert names <= set(registry)
    monkeypatch.setitem(POLICIES, "cpu", POLICIES["cuda"])  # the lists depend on no device
    x, w = flambeau.randn(2, 3), flambeau.randn(4, 3)
    with autocast("cpu", dtype=f16):
        h = F.linear(x, w)
        assert h.dtype is f16
        wide = [
            h.softmax(-1),
            h.exp(),
            h.sum(),
            h.norm(),
            h**2,
            F.layer_norm(h, (4,)),
            F.mse_loss(h, h),
            h.cumsum(0),
        ]
        assert {t.dtype for t in wide} == {f32}
        assert {t.dtype for t in (h + h, h.relu(), h.mean(), h.max(), flambeau.mv(x, w[0]))} == {
            f16
        }
        assert flambeau.dot(h[0], w.flatten()[:4]).dtype is f32
        assert flambeau.nn.LSTM(3, 4)(x)[0].dtype is f16
        with pytest.raises(
            RuntimeError, match="unsafe to autocast: .*binary_cross_entropy_with_logits"
        ):
            F.binary_cross_entropy(h.sigmoid(), flambeau.zeros(2, 4))


def test_custom_functions_see_full_precision():
    class Product(flambeau.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=f32)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g @ b.t(), a.t() @ g

    a = flambeau.ones(2, 2, requires_grad=True)
    with autocast("cpu"):
        made = Product.apply(a, flambeau.ones(2, 2))
        assert made.dtype is f32
    made.sum().backward()
    assert a.grad.dtype is f32


# -- GradScaler -------------------------------------------------------------------------------------------------------


def one_parameter():
    p = flambeau.nn.Parameter(flambeau.tensor([1.0, 2.0]))
    return p, flambeau.optim.SGD([p], lr=1.0)


def test_a_step_is_what_it_is_without_scaling():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", init_scale=8.0)
    scaled = scaler.scale((p * p).sum())
    assert scaled.item() == 40.0
    scaled.backward()
    scaler.unscale_(optimizer)
    flambeau.testing.assert_close(p.grad, flambeau.tensor([2.0, 4.0]))
    scaler.step(optimizer)
    scaler.update()
    flambeau.testing.assert_close(p.detach(), flambeau.tensor([-1.0, -2.0]))


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_step_that_overflowed_is_skipped_and_the_scale_halved(bad):
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", init_scale=8.0)
    scaler.scale((p * bad).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.detach().tolist() == [1.0, 2.0]
    assert scaler.get_scale() == 4.0


def test_the_scale_grows_after_the_interval():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", init_scale=2.0, growth_interval=3)
    scales = []
    for _ in range(4):
        optimizer.zero_grad()
        scaler.scale(p.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [2.0, 2.0, 4.0, 4.0]


def test_the_scale_stays_finite():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    scaler.scale((p * 2.0**-120).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**127


def test_state_goes_on_in_another_scaler():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", init_scale=2.0, growth_interval=5)
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    state = scaler.state_dict()
    assert state == {
        "scale": 2.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 5, "_growth_tracker": 1
    }  # fmt: skip
    other = GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state
    other.scale(p.sum())
    assert other.state_dict() == state
    assert pickle.loads(pickle.dumps(scaler)).state_dict() == state
    with pytest.raises(RuntimeError, match="state dict is empty"):
        other.load_state_dict({})


def test_nested_outputs_are_scaled():
    scaler = GradScaler("cpu", init_scale=2.0)
    a, (b, c) = scaler.scale([flambeau.ones(1), (flambeau.ones(1), flambeau.ones(1))])
    assert [a.item(), b.item(), c.item()] == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="Tensor or an iterable"):
        scaler.scale(3)


def test_a_new_scale_is_taken():
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(flambeau.ones(1))
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0
    scaler.update(flambeau.tensor(4.0))
    assert scaler.get_scale() == 4.0


def test_calls_out_of_order_are_refused():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu")
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        scaler.step(optimizer)
    scaler.scale(p.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    with pytest.raises(AssertionError, match="only be pickled"):
        pickle.dumps(scaler)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already been called since"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)


def test_half_gradients_are_refused():
    p = flambeau.nn.Parameter(flambeau.ones(1, dtype=f16))
    optimizer = flambeau.optim.SGD([p], lr=1.0)
    scaler = GradScaler("cpu", init_scale=2.0)
    scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.step(optimizer)


def test_disabled_does_nothing():
    p, optimizer = one_parameter()
    scaler = GradScaler("cpu", enabled=False)
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.detach().tolist() == [0.0, 1.0]
    assert (scaler.get_scale(), scaler.state_dict()) == (1.0, {})


def test_factors_are_checked():
    with pytest.raises(AssertionError, match="growth factor must be > 1"):
        GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(AssertionError, match="backoff factor must be < 1"):
        GradScaler("cpu", backoff_factor=1.0)


def test_settings_by_device():
    assert not flambeau.is_autocast_cpu_enabled()
    with flambeau.autocast("cpu", dtype=flambeau.float16):
        assert flambeau.is_autocast_cpu_enabled()
        assert flambeau.get_autocast_cpu_dtype() is flambeau.float16
    assert flambeau.get_autocast_cpu_dtype() is flambeau.bfloat16
    flambeau.set_autocast_cpu_dtype(flambeau.float16)
    flambeau.set_autocast_cpu_enabled(True)
    try:
        assert (flambeau.ones(2, 2) @ flambeau.ones(2, 2)).dtype is flambeau.float16
    finally:
        flambeau.set_autocast_cpu_enabled(False)
        flambeau.set_autocast_cpu_dtype(flambeau.bfloat16)
    assert flambeau.get_autocast_gpu_dtype() is flambeau.float16
    flambeau.set_autocast_enabled(True)
    try:
        assert flambeau.is_autocast_enabled()
    finally:
        flambeau.set_autocast_enabled(False)
    with pytest.raises(TypeError, match="set_autocast_enabled"):
        flambeau.set_autocast_enabled("cpu")
    assert (flambeau.autocast_increment_nesting(), flambeau.autocast_decrement_nesting()) == (1, 0)
    assert flambeau.clear_autocast_cache() is None


def test_operators_that_are_listed_in_some_modes_only():
    x = flambeau.ones(1, 1, 4, 4, dtype=flambeau.bfloat16)
    v = flambeau.ones(3)
    pad = flambeau.nn.functional.pad
    with flambeau.autocast("cpu"):
        assert pad(x, (1, 1, 1, 1), "reflect").dtype is flambeau.float32
        assert pad(x, (1, 1, 1, 1), "circular").dtype is flambeau.bfloat16
        assert pad(x, (1, 1)).dtype is flambeau.bfloat16
        assert flambeau.inner(v, v).dtype is flambeau.float32
        assert (
            flambeau.inner(v[None], v[None]).dtype is flambeau.float32
        )  # one number: no product of matrices
        assert flambeau.inner(v.expand(2, 3), v.expand(2, 3)).dtype is flambeau.bfloat16
        assert flambeau.trace(x[0, 0]).dtype is flambeau.float32


def test_gradients_of_custom_functions_come_in_the_inputs_dtype():
    class Wide(flambeau.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=flambeau.float32)
        def forward(ctx, x):
            assert x.dtype is flambeau.float32
            return x * 2

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, g):
            assert g.dtype is flambeau.float32
            return g * 2

    x = flambeau.ones(2, dtype=flambeau.bfloat16, requires_grad=True)
    with autocast("cpu"):
        y = Wide.apply(x)
    y.sum().backward()
    assert x.grad.dtype is flambeau.bfloat16 and x.grad.tolist() == [2, 2]
