"""Numbers that a compiled function reads off tensors: part of the program where they go into its result only, else it runs eagerly."""

from __future__ import annotations

import functools
import json
import math
import threading
import warnings

import pytest

import flambeau
from flambeau import nn
from flambeau.backends import cpu

F = nn.functional
INPUTS = [
    [3.0, -1.0, 2.0],
    [0.5, 4.0, -7.0],
    [1.0, 1.0, 1.0],
    [-2.0, -3.0, float("nan")],
    [9.0, 0.0, 1e-30],
]
KEPT: list = []
PLACE: dict = {}


def same(a, b):
    """Whether two results are equal, of the same classes, through containers; numbers to the bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, flambeau.Tensor):
        return flambeau.allclose(a, b, equal_nan=True)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float):
        return a.hex() == b.hex()
    return repr(a) == repr(b)


def total(x):
    return x.sum().item()


def pair(x):
    return x * 2, x.max().item()


def nested(x):
    (a, b), c = (pair(x), total(x))
    return {"b": b, "c": [c, a]}


def branches(x, flag=True):
    n = x.sum().item()
    if flag:
        return n, 1
    return n


def looped(x):
    for i in range(3):
        n = x[i].item()
        if i == 1:
            break
    return n


def tried(x):
    n = float(x[0])
    try:
        y = x * 2
    except ValueError:
        return None
    finally:
        y = y + 1
    return n, y


def returned_inside(x):
    with flambeau.no_grad():
        with flambeau.enable_grad():
            return x.sum().item()


def put_later(x):
    made = {"n": x.sum().item()}
    made["y"] = x * 2
    return made


def unpacked(x):
    both = [x[0].item(), *(x[1].item(), 3)]
    first, *_ = 1, 2
    more = {"a": both}
    return {**more, "first": first}


def overwritten(x):
    n = x.sum().item()
    m = n
    n = 5
    return n, (m,)


def of_argument(x):
    y = x.clone()
    n, m = y[0].item(), y.tolist()
    y.add_(1)
    return n, m, y.sum().item(), y[0].item()


def not_wanted(x):
    x.sum().item()
    float(x[0])
    return x * 2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 1, bias=False)
        nn.init.ones_(self.inner.weight)

    def score(self, x):
        return float(self.inner(x)[0]), 1

    def forward(self, x):
        score, one = self.score(x)
        return {"score": score, "one": one, "y": self.inner(x).detach()}


class Above(Net):
    def forward(self, x):
        made = super().forward(x)
        return made, x.min().item()


RETURNED = [
    total, pair, nested, branches, looped, tried, returned_inside, put_later, unpacked, overwritten, of_argument, not_wanted, Net(), Above(),
    lambda x: float(x.sum()), lambda x: (x > 0).sum().item(), lambda x: int((x > 0).sum()), lambda x: (x > 0).any().item(),
    lambda x: x.tolist(), lambda x: (x > 0).tolist(), lambda x: x.sum().tolist(), lambda x: x.to(flambeau.complex64).sum().item(),
    lambda x: ((x > 0).sum().item(), 1, 2, 3, True, (x > 0).sum().item()), lambda x: [v.item() for v in x],
    lambda x: {i: x[i].item() for i in range(3)}, lambda x: [[float(v) for v in x], [total(v) for v in x]],
    lambda x: (x.bfloat16()[0].item(), x.bfloat16().tolist(), x.half()[0].item()), lambda x: 0 if x is None else x[0].item(),
    flambeau.no_grad()(lambda x: x.sum().item()), lambda x: (lambda y: y.item())(x[0]), lambda *xs, **kw: total(*xs, **kw),
    functools.partial(lambda k, x: (x * k).sum().item(), 2),
    lambda x: flambeau.cat([x, x]).max().item(),
]  # fmt: skip


@pytest.mark.parametrize("f", RETURNED)
def test_numbers_that_are_returned_are_read_at_every_call(f):
    run = flambeau.compile(f, fullgraph=True)
    for values in INPUTS:
        x = flambeau.tensor(values)
        assert same(run(x), f(flambeau.tensor(values)))


def to_list(x):
    KEPT.append(x.sum().item())
    return x * 2


def to_attribute(x):
    total.seen = x.sum().item()
    return x * 2


def to_item(x):
    PLACE["n"] = x.sum().item()
    return x * 2


def to_global(x):
    global LAST
    LAST = x.sum().item()
    return x * 2


def to_closure(x):
    n = x.sum().item()
    return (lambda: n)()


def to_default(x):
    def inner(n=x.sum().item()):
        return n

    return inner()


def to_exception(x):
    try:
        raise ValueError(x.sum().item())
    except ValueError as error:
        return error.args[0]


def to_locals(x):
    n = x.sum().item()
    return dict(locals())["n"], n


def to_eval(x):
    n = x.sum().item()
    return eval("n + 1"), n


def to_generator(x):
    def each():
        for v in x:
            yield v.item()

    return list(each())


def by_condition(x):
    n = x.sum().item()
    return x * 2 if n > 1 else x * 3


def by_truth(x):
    n = x.sum().item()
    return x * 2 if n else x * 3


def by_while(x):
    n = (x > 0).sum().item()
    while n:
        x, n = x + 1, 0
    return x


@functools.lru_cache
def remembered(x):
    return x.sum().item()


class Holder:
    def __init__(self, x):
        self.x = x

    def __float__(self):
        return self.x.sum().item()

    @property
    def value(self):
        return self.x.sum().item()

    def __getitem__(self, i):
        return self.x[i].item()

    def __len__(self):
        return int((self.x > 0).sum())

    def __enter__(self):
        return self.x[0].item()

    def __exit__(self, *error):
        return None

    def __add__(self, other):
        return self.x.sum().item()

    def __call__(self, k):
        return self.x[k].item()


def held(x):
    with Holder(x) as n:
        return n


USED = [
    to_list, to_attribute, to_item, to_global, to_closure, to_default, to_exception, to_locals, to_eval, to_generator, by_condition, by_truth, by_while,
    remembered, held, lambda x: f"{x.sum().item()}", lambda x: f"{float(x[0]):.2f}", lambda x: print(x.sum().item()),
    lambda x: {x[0].item(): 1}, lambda x: {x[0].item(), 1.0}, lambda x: x.sum().item() > 1, lambda x: x.sum().item() + 1,
    lambda x: -x.sum().item(), lambda x: not x.sum().item(), lambda x: x.sum().item() or 1, lambda x: round(float(x[1]), 1),
    lambda x: sorted(range(3), key=lambda i: x[i].abs().item()), lambda x: max(map(float, x.abs())), lambda x: list(map(flambeau.Tensor.item, x)),
    lambda x: math.floor(x[0]), lambda x: math.isnan(x[2]), lambda x: sum(v.item() for v in x), lambda x: json.dumps(x[:2].tolist()),
    lambda x: x.tolist()[0], lambda x: [*x.tolist(), 1], lambda x: dict(zip("a", [x[0].item()])), lambda x: str(x[0].item()), lambda x: float(Holder(x)),
    lambda x: Holder(x).value, lambda x: Holder(x)[0], lambda x: len(Holder(x)), lambda x: Holder(x) + 1, lambda x: Holder(x)(1),
    lambda x: x * x[0].item(), lambda x: [x[0].item()] and [x[1].item()], lambda x: x[0].item() * x, lambda x: flambeau.full((2,), x[0].item()), lambda x: x[: int((x > 0).sum())],
    lambda x: [i for i in range(3) if x[i].item() > 0], lambda x: [n for v in x if (n := v.item()) is not None], lambda x: x[0].item() is None,
    lambda x: (x[0].item(), 2)[0], lambda x: [x[0].item()] * 2, lambda x: [x[0].item()] == [3.0], lambda x: float(str(x[0].item())),
    lambda x: float(x[0].item()), lambda x: bool(x[0] > 0), lambda x: complex(x[0]), lambda x: int(x[0].nan_to_num()),
    lambda x: functools.reduce(lambda a, b: b.item(), [0, x[0], x[1]]), lambda x: next(iter([x[0]])).__float__(),
    lambda x: (lambda n=x[0].item(): n)(), lambda x: getattr(x[0], "item")(), lambda x: flambeau.Tensor.item(*[x[0]]) is True,
]  # fmt: skip


@pytest.mark.parametrize("f", USED)
def test_numbers_that_go_elsewhere_are_this_calls(f, capsys):
    run = flambeau.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for values in INPUTS:
            seen = []
            for call in (f, run):
                KEPT.clear(), PLACE.clear()
                total.seen = globals()["LAST"] = None
                made = call(flambeau.tensor(values))
                seen.append((made, [*KEPT], {**PLACE}, total.seen, LAST, capsys.readouterr().out))
            assert same(*seen)


LAST = None


def test_only_known_places_are_in_the_program():
    """What stores a number somewhere is refused, with its reason."""
    for f in (to_list, to_attribute, to_item, to_global, to_closure, by_condition, to_locals):
        with pytest.raises(flambeau.jit.Broken, match=r"leaves the program by item\(\)"):
            flambeau.compile(f, fullgraph=True)(flambeau.ones(3))


def test_numbers_of_arguments_and_weights_are_those_at_the_time():
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    other.load_state_dict(model.state_dict())

    def of(model):
        optimizer = flambeau.optim.SGD(model.parameters(), 0.1)

        def step(x, y):
            first = x[0, 0].item()
            x.mul_(2)
            before, whole = float(model.bias[0]), model.weight.tolist()
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            slope = model.bias.grad.item()
            with flambeau.no_grad():
                model.bias.grad.mul_(2)
            optimizer.step()
            again = model.bias.grad.item(), loss.item()
            optimizer.zero_grad(set_to_none=False)
            return (
                loss,
                first,
                before,
                whole,
                slope,
                again,
                model.bias.item(),
                model.weight.grad.sum().item(),
            )

        return step

    eager, run = of(model), flambeau.compile(of(other), fullgraph=True)
    for i in range(6):
        x, y = flambeau.full((3, 2), float(i)), flambeau.ones(3, 1)
        twin = x.clone()
        expected, made = eager(x, y), run(twin, y)
        assert same(expected[1:2], made[1:2]) and flambeau.allclose(x, twin)
        for a, b in zip(expected, made):
            assert flambeau.allclose(flambeau.tensor(a), flambeau.tensor(b), rtol=1e-4)


def test_a_step_that_returns_numbers_is_one_program_and_trains_as_eager_mode():
    def of(compiled):
        flambeau.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(8, 16, bias=False),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(16, 3),
        )
        optimizer = flambeau.optim.Adam(model.parameters(), 1e-2)
        scheduler = flambeau.optim.lr_scheduler.StepLR(optimizer, 3)

        def step(x, y):
            optimizer.zero_grad()
            out = model(x)
            loss = F.cross_entropy(out, y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            return loss.item(), (out.argmax(1) == y).sum().item()

        run = flambeau.compile(step, fullgraph=True) if compiled else step
        generator = flambeau.Generator().manual_seed(1)
        made = []
        for i in range(8):
            n = (6, 6, 9, 6, 12, 5, 6, 9)[i]
            made.append(
                run(
                    flambeau.randn(n, 8, generator=generator),
                    flambeau.randint(0, 3, (n,), generator=generator),
                )
            )
        return made, [b.tolist() for b in model.state_dict().values()], flambeau.rand(1).item()

    (expected, state, drawn), (made, state_compiled, drawn_compiled) = of(False), of(True)
    assert all(type(a) is float and type(n) is int for a, n in made) and drawn == drawn_compiled
    for (a, n), (b, m) in zip(expected, made):
        assert math.isclose(a, b, rel_tol=1e-4) and n == m
    for a, b in zip(state, state_compiled):
        assert flambeau.allclose(flambeau.tensor(a), flambeau.tensor(b), rtol=1e-3, atol=1e-5)


def test_open_sizes_keep_reading():
    def f(x):
        y = x * 2
        return y.sum().item(), x.shape[0], y.mean(1).tolist(), (y > 0).sum().item()

    run = flambeau.compile(f, fullgraph=True)
    for n in (3, 5, 7, 9, 2, 5, 1, 4):
        x = flambeau.randn(n, 4)
        expected, made = f(x), run(x)
        assert (
            math.isclose(expected[0], made[0], rel_tol=1e-4, abs_tol=1e-5)
            and expected[1] == made[1]
            and expected[3] == made[3]
        )
        assert flambeau.allclose(flambeau.tensor(expected[2]), flambeau.tensor(made[2]), atol=1e-5)
    assert "s0" in flambeau.jit.explain(run)


def test_an_open_size_that_is_one_here_is_refused_where_it_is_two():
    def f(x):
        return x[1:].item()

    run = flambeau.compile(f)
    for n in (2, 2):
        assert run(flambeau.arange(float(n))) == 1
    for n in (3, 5, 4):
        with pytest.raises(RuntimeError, match="elements cannot be converted"):
            run(flambeau.arange(float(n)))
    assert run(flambeau.tensor([4.0, 5.0])) == 5


def test_numbers_beside_results_with_gradients():
    w = flambeau.ones(3, requires_grad=True)

    def f(x):
        y = (x * w).sum()
        return y, y.item(), float((x * w).max())

    run = flambeau.compile(f, fullgraph=True)
    for values in INPUTS[:3]:
        x = flambeau.tensor(values)
        y, n, m = run(x)
        y.backward()
        assert n == y.item() == sum(values) and m == max(values)
        assert w.grad.tolist() == values
        w.grad = None


def test_numbers_are_each_threads_own():
    def f(x):
        y = x @ x
        return y.sum().item(), y.trace().item()

    run = flambeau.compile(f, fullgraph=True)
    run(flambeau.ones(8, 8))
    wrong = []

    def work(k):
        x = flambeau.full((8, 8), float(k))
        wrong.extend(n for n in range(30) if run(x) != (512.0 * k * k, 64.0 * k * k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_what_a_first_call_gives_is_plain():
    """Nothing that stands for a number while capturing gets out, also where the capture comes to nothing."""

    def f(x):
        a, b, c = (x > 0).sum().item(), int((x > 0).sum()), x.tolist()
        return a, b, c, x * float(x.sum()) if b is None else x.nonzero()

    run = flambeau.compile(f)
    with pytest.warns(UserWarning, match="shape depends"):
        a, b, c, _ = run(flambeau.ones(2))
    assert (type(a), type(b), type(c)) == (int, int, list) and (a, b, c) == (2, 2, [1, 1])


def test_explain_names_the_readings():
    run = flambeau.compile(lambda x: (x.exp().item(), [float(x + 1)]))
    run(flambeau.ones(()))
    assert flambeau.jit.explain(run).splitlines()[-2:] == ["v1.item()", "float(v2)"]


@pytest.mark.skipif(not cpu.available(), reason="no C compiler on this machine")
def test_predictions_with_numbers_keep_packed_weights():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()).eval()
    run = flambeau.compile(lambda x: model(x).sum().item(), fullgraph=True)
    with flambeau.no_grad():
        x = flambeau.randn(1, 3, 8, 8)
        assert math.isclose(run(x), model(x).sum().item(), rel_tol=1e-4)
    assert "once, until a tensor is written" in flambeau.jit.explain(run)
