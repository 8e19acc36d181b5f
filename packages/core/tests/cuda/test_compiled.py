"""`flambeau.compile` on "cuda" with a processor in the GPU's place: generated kernels run, recordings are replayed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import nn
from flambeau.testing import assert_close

sys.path.insert(0, str(Path(__file__).parent))
from processor import Array, in_place_of_cuda

pytestmark = pytest.mark.skipif(
    shutil.which("c++") is None and shutil.which("g++") is None, reason="no C++ compiler on this machine"
)  # fmt: skip


@pytest.fixture
def machine():
    with in_place_of_cuda() as found:
        yield found


def programs(compiled):
    ((plan,),) = compiled._plans.values()
    return [*plan.forward.programs, *plan.backward.programs]


def launches(machine):
    found = [x for x in machine.log if isinstance(x, str)]
    machine.log.clear()
    return found


def test_a_function_is_recorded_at_its_second_run_and_launched_from_then_on(machine):
    f = flambeau.compile(lambda x, y: (F.gelu(x * 2 + y), (x.exp() * y).sum(1)), fullgraph=True)
    y = flambeau.randn(40)
    for call in range(5):
        x = flambeau.randn(5, 40)
        made = f(x.to("cuda"), y.to("cuda"))
        for a, b in zip(made, f._function(x, y)):
            assert type(a._array) is Array
            assert_close(a.cpu(), b, rtol=1e-5, atol=1e-5)
        assert launches(machine) == [[], [], ["record", "launch"], ["launch"], ["launch"]][call]
    assert flambeau.jit.explain(f).endswith("launched as 1 CUDA graph")
    (program,) = programs(f)
    assert program.c_text().count("__global__") == 2 and len(program.groups) == 2


def test_many_results_are_copied_by_one_kernel(machine):
    def body(x, n):
        return (
            x + 1,
            x.mT * 2,
            (x > 0),
            n[1:] + 1,
            x[:, ::2] * 3,
            x.sum(),
            x[:0] * 2,
            n.to(flambeau.int8) * 3,
        )

    f = flambeau.compile(body, fullgraph=True)
    for _ in range(4):
        x, n = flambeau.randn(50, 90), flambeau.arange(13)
        machine.log.clear()
        made = f(x.to("cuda"), n.to("cuda"))
        for a, b in zip(made, body(x, n), strict=True):
            assert_close(a.cpu(), b, rtol=1e-5, atol=1e-5)
    assert machine.log.count(("kernel", "copy")) == 1
    assert len({machine.owner(t._array) for t in made}) == len(made)


def test_results_stay_when_the_program_runs_again(machine):
    f = flambeau.compile(lambda x: x * 2 + 1)
    kept = [f(flambeau.full((3,), float(n), device="cuda")) for n in range(5)]
    assert [t.tolist()[0] for t in kept] == [1, 3, 5, 7, 9]


def model():
    flambeau.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(48, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 3),
    )  # fmt: skip


def trained(device, optimizer, steps=5):
    """Losses, and the model, of some steps; compiled on "cuda"."""
    net = model().to(device)
    opt = optimizer(net.parameters())
    scheduler = flambeau.optim.lr_scheduler.StepLR(opt, 2, 0.5)

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss

    run = flambeau.compile(step, fullgraph=True) if device == "cuda" else step
    flambeau.manual_seed(1)
    losses = []
    for _ in range(steps):
        x, y = flambeau.randn(8, 1, 6, 6), flambeau.arange(8) % 3
        losses.append(run(x.to(device), y.to(device)).item())
        scheduler.step()
    return losses, net, run


@pytest.mark.slow
def test_a_training_step_is_as_on_the_cpu(machine):
    """Drop-outs are drawn as eagerly, running statistics are written, the scheduler's rates are those of the moment."""

    def sgd(parameters):
        return flambeau.optim.SGD(parameters, lr=0.1, momentum=0.9)

    want, here, _ = trained("cpu", sgd)
    got, there, step = trained("cuda", sgd)
    assert got == pytest.approx(want, rel=1e-4)
    for (name, a), b in zip(there.state_dict().items(), here.state_dict().values()):
        assert a.device.type == "cuda"
        assert_close(a.cpu(), b, rtol=1e-3, atol=1e-5, msg=name)
    text = flambeau.jit.explain(step)
    assert "between them: v" in text and "draw()" in text
    assert launches(machine).count("record") == 1


def test_forward_and_backward_apart(machine):
    net, twin = (nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)) for _ in range(2))
    twin.load_state_dict(net.state_dict())
    net.to("cuda")
    compiled = flambeau.compile(net)
    for _ in range(4):
        x = flambeau.randn(3, 4)
        here, there = x.clone().requires_grad_(), x.to("cuda").requires_grad_()
        want, got = twin(here), compiled(there)
        (want**2).sum().backward()
        (got**2).sum().backward()
        assert_close(there.grad.cpu(), here.grad, rtol=1e-5, atol=1e-6)
    for a, b in zip(net.parameters(), twin.parameters()):
        assert_close(a.grad.cpu(), b.grad, rtol=1e-5, atol=1e-6)
    assert launches(machine).count("record") == 2  # one of each


def test_parameters_with_new_memory_are_read_where_they_are(machine):
    net = nn.Linear(3, 2).to("cuda")
    f = flambeau.compile(lambda x: net(x) * 2)
    x = flambeau.randn(4, 3, device="cuda")
    for call in range(7):
        if call > 2:
            net.weight.data = flambeau.full((2, 3), float(call), device="cuda")
        want = F.linear(x.cpu(), net.weight.detach().cpu(), net.bias.detach().cpu()) * 2
        with flambeau.no_grad():
            assert_close(f(x).cpu(), want)
    # Recorded at the third call, anew at the next two, and then with a place of its own.
    assert launches(machine).count("record") == 3
    with flambeau.no_grad():
        net.weight.fill_(1.0)
        assert_close(
            f(x).cpu(), F.linear(x.cpu(), flambeau.ones(2, 3), net.bias.detach().cpu()) * 2
        )


def test_what_waits_for_the_gpu_runs_between_graphs(machine):
    def body(x):
        y = (x * 2).sum(1)
        return flambeau.special.gammainc(y, x[:, 0] + 1) * (y + 1)

    f = flambeau.compile(body)
    for _ in range(4):
        x = flambeau.rand(3, 4)
        assert_close(f(x.to("cuda")).cpu(), body(x), rtol=1e-5, atol=1e-6)
    assert "launched as 2 CUDA graphs\n    between them: v" in flambeau.jit.explain(f)
    assert "_igamma" in flambeau.jit.explain(f).rpartition("between")[2]
    (program,) = programs(f)
    assert program.refused == ""


def test_what_cannot_be_recorded_at_all_runs_step_by_step(machine, monkeypatch):
    class Refusing:
        def __init__(self, pool):
            raise RuntimeError("no graphs here\nmore")

    machine.Recording = Refusing
    f = flambeau.compile(lambda x: (x * 2 + 1).sum())
    for n in range(4):
        assert f(flambeau.full((3,), float(n), device="cuda")).item() == 3 * (2 * n + 1)
    assert "launched one by one: no graphs here" in flambeau.jit.explain(f)


def test_writes_into_arguments(machine):
    def body(x, y):
        x.add_(y * 2)
        return x.sum(0) + y

    f = flambeau.compile(body, fullgraph=True)
    for _ in range(4):
        x, y = flambeau.randn(3, 2), flambeau.randn(3, 2)
        a, b = x.to("cuda"), y.to("cuda")
        made = f(a, b)
        assert_close(made.cpu(), body(x, y))
        assert_close(a.cpu(), x)


def test_layouts_of_arguments_are_kept_apart(machine):
    f = flambeau.compile(lambda x: (x.exp() + 1).sum(0))
    wide = flambeau.randn(4, 6)
    for given in (wide, wide.mT, wide[:, ::2], wide[:1].expand(4, 6), wide[1:1]):
        for _ in range(3):
            assert_close(f(given.to("cuda").contiguous()).cpu(), f._function(given))
            moved = wide.to("cuda")
            there = {0: moved, 1: moved.mT, 2: moved[:, ::2]}
            for k, x in there.items():
                want = (wide, wide.mT, wide[:, ::2])[k]
                assert_close(f(x).cpu(), f._function(want), rtol=1e-5, atol=1e-6)


def test_two_devices_in_one_call_run_eagerly(machine):
    f = flambeau.compile(lambda x: (x * 2).cpu() + 1)
    with pytest.warns(UserWarning, match="it uses cpu and cuda:0"):
        assert f(flambeau.ones(2, device="cuda")).tolist() == [3, 3]


def test_a_backend_of_ones_own(machine):
    seen = []

    def backend(graph, examples):
        seen.append([t.device.type for t in examples])
        return lambda x: [x + 5]

    f = flambeau.compile(lambda x: x + 1, backend=backend)
    x = flambeau.ones(2, device="cuda")
    f(x)
    assert f(x).tolist() == [6, 6] and f(x).tolist() == [6, 6] and seen == [["cuda"]]


def test_tables_that_an_operator_makes_on_the_cpu_are_moved_once(machine):
    def body(x, n):
        pooled = F.avg_pool1d(x, 2, padding=1, count_include_pad=False)
        return pooled * F.one_hot(n, 3).sum() + F.max_pool1d(x, 2).sum()

    f = flambeau.compile(body, fullgraph=True)
    for _ in range(3):
        x, n = flambeau.randn(2, 3, 8), flambeau.randint(0, 3, (4,))
        assert_close(f(x.to("cuda"), n.to("cuda")).cpu(), body(x, n), rtol=1e-5, atol=1e-6)
    assert flambeau.jit.explain(f).endswith("launched as 1 CUDA graph")


@pytest.mark.parametrize(
    "name", ["take_along_dim", "scatter_add", "index_add", "cumsum", "sort", "cat", "tril"]
)
def test_operators_are_recorded(machine, name):
    """Operators of several kinds on their samples: a graph each, with the CPU's results. (All were tried once so.)"""
    from flambeau.runtime.operator import registry
    from flambeau.testing import samples_of

    op = registry[name]
    for sample in list(samples_of(op))[:2]:
        args = [moved(a) for a in sample.args]
        f = flambeau.compile(lambda *a, kw=sample.kwargs: op.public(*a, **kw), fullgraph=True)
        with flambeau.no_grad():
            want = op.public(*sample.args, **sample.kwargs)
            for _ in range(3):
                made = f(*args)
        for a, b in zip(*[m if isinstance(m, tuple) else (m,) for m in (made, want)], strict=True):
            assert_close(a.cpu(), b.detach(), rtol=1e-5, atol=1e-6)
        assert "launched as 1 CUDA graph" in flambeau.jit.explain(f)


def moved(value):
    if isinstance(value, flambeau.Tensor):
        return value.detach().to("cuda")
    return type(value)(map(moved, value)) if type(value) in (list, tuple) else value
