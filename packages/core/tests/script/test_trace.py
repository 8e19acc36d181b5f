"""jit.trace: programs equal to the functions they were made of, at other sizes too, or refused."""

from __future__ import annotations

import copy
import io

import pytest

import flambeau
from flambeau import jit, nn
from flambeau.testing import assert_close


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5)
        self.out = nn.Linear(3 * 16, 2)
        self.register_buffer("calls", flambeau.zeros(1))

    def forward(self, x, scale):
        self.calls += 1
        y = self.drop(self.norm(self.conv(x)).relu())
        return self.out(y.view(y.size(0), -1)) * scale, (y.mean(),)


def again(made):
    file = io.BytesIO()
    jit.save(made, file)
    return jit.load(io.BytesIO(file.getvalue()))


@pytest.fixture
def net():
    flambeau.manual_seed(0)
    return Net().eval()


@pytest.mark.parametrize("way", [lambda m: m, again, copy.deepcopy])
def test_a_traced_module_gives_what_the_module_gives_for_other_batches(net, way):
    made = way(jit.trace(net, (flambeau.randn(2, 1, 6, 6), flambeau.ones(1))))
    x, scale = flambeau.randn(5, 1, 6, 6), flambeau.tensor([3.0])
    assert_close(made(x, scale), net(x, scale), rtol=0, atol=0)
    assert_close(made(x, scale=scale)[0], net(x, scale)[0], rtol=0, atol=0)
    assert list(made.state_dict()) == list(net.state_dict())


def test_a_trace_leaves_buffers_as_it_ran_once(net):
    jit.trace(net, (flambeau.randn(2, 1, 6, 6), flambeau.ones(1)))
    assert net.calls.item() == 1  # and not once for every size that was tried


def test_writes_into_buffers_belong_to_the_program(net):
    made = again(jit.trace(net, (flambeau.randn(2, 1, 6, 6), flambeau.ones(1))))
    before = made.calls.item()
    made(flambeau.randn(2, 1, 6, 6), flambeau.ones(1))
    assert made.calls.item() == before + 1


def test_in_training_mode_statistics_move_as_eagerly():
    flambeau.manual_seed(0)
    norm, x = nn.BatchNorm1d(3), flambeau.randn(4, 3)
    made = jit.trace(copy.deepcopy(norm), x)
    norm(x)
    norm(x)
    made(x)
    assert_close(made.running_mean, norm.running_mean)


def test_gradients_vmap_and_compile_go_through(net):
    made = jit.trace(net, (flambeau.randn(2, 1, 6, 6), flambeau.ones(1)))
    x, one = flambeau.randn(4, 1, 6, 6), flambeau.ones(1)
    net(x, one)[0].sum().backward()
    expected = net.conv.weight.grad.clone()
    net.conv.weight.grad = None
    made(x, one)[0].sum().backward()
    assert made.conv.weight is net.conv.weight
    assert_close(net.conv.weight.grad, expected)
    plain = jit.trace(lambda a: a.relu().sum(-1), flambeau.randn(3, 4))
    many = flambeau.randn(5, 3, 4)
    assert_close(flambeau.vmap(plain)(many), many.relu().sum(-1))
    compiled = flambeau.compile(plain)
    for _ in range(3):
        assert_close(compiled(many[0]), many[0].relu().sum(-1))


def test_sizes_fixed_by_the_example_are_checked(net):
    made = jit.trace(net, (flambeau.randn(2, 1, 6, 6), flambeau.ones(1)))
    with pytest.raises(RuntimeError, match=r"sizes \[n2, 1, 6, 6\].*\[2, 1, 7, 7\]"):
        made(flambeau.randn(2, 1, 7, 7), flambeau.ones(1))
    with pytest.raises(RuntimeError, match="traced as .*float32"):
        made(flambeau.randn(2, 1, 6, 6).double(), flambeau.ones(1))
    with pytest.raises(TypeError, match="traced with 2 arguments"):
        made(flambeau.randn(2, 1, 6, 6))
    with pytest.raises(TypeError, match="no argument 'wrong'"):
        made(flambeau.randn(2, 1, 6, 6), wrong=1)


def test_a_loop_over_a_dimension_fixes_it():
    def total(x):
        out = x[0]
        for row in range(1, x.shape[0]):
            out = out + x[row]
        return out

    made = jit.trace(total, flambeau.randn(3, 4))
    assert_close(made(flambeau.ones(3, 9)), flambeau.full((9,), 3.0))
    with pytest.raises(RuntimeError, match=r"sizes \[3, d0_1\]"):
        made(flambeau.ones(4, 4))


@pytest.mark.parametrize("half", [lambda n: n // 2, lambda n: n * n])
def test_sizes_that_are_no_product_stay_fixed(half):
    made = jit.trace(
        lambda x: x.reshape(-1)[: half(x.shape[0])] * half(x.shape[0]), flambeau.randn(4)
    )
    x = flambeau.randn(4)
    assert_close(made(x), x[: half(4)] * half(4))
    with pytest.raises(RuntimeError, match="sizes"):
        made(flambeau.randn(5))


def test_recurrent_layers_keep_batch_and_length_open():
    flambeau.manual_seed(0)
    layer = nn.LSTM(3, 4, 2, batch_first=True)
    made = again(jit.trace(layer, flambeau.randn(2, 5, 3)))
    x = flambeau.randn(3, 7, 3)
    assert_close(made(x), layer(x))


def test_writes_into_views():
    def write(x):
        y = x.clone()
        y[1:, 0] = 3
        y[0] += 1
        return y.mul_(2), y[..., None]

    made = again(jit.trace(write, flambeau.randn(3, 4)))
    x = flambeau.randn(5, 2)
    assert_close(made(x), write(x))


def test_random_functions_draw_anew():
    made = jit.trace(lambda x: nn.functional.dropout(x, 0.5, training=True), flambeau.ones(64))
    flambeau.manual_seed(3)
    first = made(flambeau.ones(64))
    assert not first.equal(made(flambeau.ones(64)))
    flambeau.manual_seed(3)
    assert first.equal(nn.functional.dropout(flambeau.ones(64), 0.5, training=True))


def test_values_read_are_said():
    with pytest.warns(jit.TracerWarning, match=r"item\(\)"):
        made = jit.trace(lambda x: x * x.sum().item(), flambeau.ones(2))
    assert made(flambeau.ones(2)).tolist() == [2.0, 2.0]


def test_what_depends_on_more_than_its_arguments_is_found():
    calls = []

    def counted(x):
        calls.append(0)
        return x * len(calls)

    with pytest.raises(jit.TracingCheckError, match="result 0"):
        jit.trace(counted, flambeau.ones(2))
    jit.trace(counted, flambeau.ones(2), check_trace=False)


def test_arguments_that_are_no_tensors_are_fixed():
    made = again(jit.trace(lambda x, n: x * n, (flambeau.ones(2), 3)))
    assert made(flambeau.ones(2), 3).tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="traced with 3"):
        made(flambeau.ones(2), 4)


def test_structures_of_results():
    pair = jit.trace(lambda x: (x, (x + 1, None)), flambeau.ones(2))(flambeau.zeros(2))
    assert pair[1][1] is None
    with pytest.raises(RuntimeError, match="strict=False"):
        jit.trace(lambda x: {"a": x}, flambeau.ones(2))
    made = again(jit.trace(lambda x: {"a": [x]}, flambeau.ones(2), strict=False))
    assert made(flambeau.zeros(2))["a"][0].tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="returns a set"):
        jit.trace(lambda x: {1}, flambeau.ones(2))


def test_bad_calls():
    with pytest.raises(TypeError, match="function or a module"):
        jit.trace(3, flambeau.ones(1))
    with pytest.raises(RuntimeError, match="example_inputs"):
        jit.trace(lambda x: x)
    made = jit.trace(
        lambda a, b: a - b, example_kwarg_inputs={"b": flambeau.ones(2), "a": flambeau.zeros(2)}
    )
    assert made(b=flambeau.ones(2), a=flambeau.zeros(2)).tolist() == [-1, -1]
    assert "ops.sub" in made.code and "ops.sub" in str(made.graph)


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("seen", flambeau.zeros(()))

    def encode(self, x):
        self.seen.add_(1)
        return self.layer(x)

    def forward(self, x, scale):
        return self.layer(x) * scale


def test_methods_of_a_module_are_traced_together():
    model, x = Coder(), flambeau.randn(5, 2)
    inputs = {"encode": flambeau.ones(3, 2), "forward": (flambeau.ones(1, 2), flambeau.ones(2))}
    made = jit.trace_module(model, inputs, check_inputs=[{"encode": x}])
    for m in (made, again(made)):
        before = float(m.seen)
        assert_close(m.encode(x), model.layer(x))
        assert float(m.seen) == before + 1
        assert_close(m(x, scale=flambeau.ones(2) * 3), model.layer(x) * 3)
    assert made.layer.weight is model.layer.weight


def test_a_method_that_differs_is_found():
    model = Coder()
    model.calls = []
    model.encode = lambda x: x * len(model.calls.append(0) or model.calls)
    with pytest.raises(jit.TracingCheckError, match="result 0"):
        jit.trace_module(model, {"encode": flambeau.ones(1, 2)})
    jit.trace_module(model, {"encode": flambeau.ones(1, 2)}, check_trace=False)


@pytest.mark.parametrize(
    ("model", "inputs", "why"),
    [
        (Coder(), [1], "expected a dict of examples"),
        (Coder(), {"decode": flambeau.ones(1)}, "Coder has no method 'decode'"),
        (lambda x: x, {}, "expected a module, got function"),
    ],
)
def test_bad_calls_of_trace_module(model, inputs, why):
    with pytest.raises(AttributeError, match=why):
        jit.trace_module(model, inputs)
