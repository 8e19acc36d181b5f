"""jit.script: what the subset says gives what Python gives; what it lacks is refused with its line."""

from __future__ import annotations

import importlib
import io
import math

import pytest

import flambeau
from flambeau import jit, nn
from flambeau.jit.scripts import names
from flambeau.nn import functional as F
from flambeau.testing import assert_close

SCALE = 2.5
TABLE = flambeau.tensor([1.0, 2.0, 3.0])
Hidden = tuple[flambeau.Tensor, flambeau.Tensor]


def scaled(x, k: float = SCALE):
    return F.relu(x) * k


def factorial(n: int) -> int:
    if n < 2:
        return 1
    return n * factorial(n - 1)


def loops(x, n: int):
    out = []
    for i in range(n):
        if i == 3:
            continue
        elif i > 5:
            break
        x = x * 2 + i if bool(x.sum() > 0) else x - 1
        out.append(x[1:, 0])
    steps = 0
    while x.sum() < 1000:
        x = x + 50
        steps += 1
    for row in x:
        x = x + row.sum()
    return flambeau.stack(out), x, steps


def containers(names: list[str], table: dict[str, int], pair: tuple[int, float]):
    total: int = 0
    for i, name in enumerate(names):
        total += len(name) * i
    for a, b in zip([1, 2], [3, 4]):
        total += a * b
    for key, value in table.items():
        if key in names:
            total += value
    first, second = pair
    table["new"] = first
    squares = [v * v for v in range(6) if v % 2 == 0]
    by_name = {name: len(name) for name in names}
    names.append("end")
    del table["new"]
    return (
        total,
        squares[1:],
        second / 2,
        first // 2,
        float(first) ** 2,
        by_name,
        names[-1].upper(),
        table,
        -first % 3,
    )


def optional(x, other: flambeau.Tensor | None = None, flag: bool = True):
    if other is not None and flag:
        x = x + other
    elif other is None:
        x = x - TABLE
    return scaled(x, k=math.pi), x.size(0), x.shape, x.dtype == flambeau.float32, 0 < x.dim() < 3


def asserts(n: int):
    assert n > 0, f"bad {n:>3d}"
    if n == 7:
        raise ValueError(f"no {n}")
    return "{} of {}".format(n, factorial(n))  # noqa: UP032 -- what is tested


def writes(x):
    y = x.clone()
    y[0, 1:] = 5
    y[1] += 1
    y.mul_(2)
    with flambeau.no_grad():
        z = y * 2
    return y[..., None], z, y[:, [0, 1]].max(dim=1).values


def again(made):
    file = io.BytesIO()
    made.save(file)
    return jit.load(io.BytesIO(file.getvalue()))


X = flambeau.arange(6.0).reshape(2, 3)
CASES = [
    (loops, lambda: (X, 8)),
    (containers, lambda: (["a", "bcd"], {"a": 1, "q": 2}, (7, 2.0))),
    (optional, lambda: (X,)),
    (optional, lambda: (X, X)),
    (optional, lambda: (X, X, False)),
    (asserts, lambda: (5,)),
    (writes, lambda: (X,)),
]


def same(a, b):
    """Equal in every item, tensors bit by bit."""
    assert type(a) is type(b)
    if isinstance(a, flambeau.Tensor):
        assert a.equal(b)
    elif isinstance(a, (tuple, list)):
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("way", [lambda m: m, again], ids=["scripted", "loaded"])
@pytest.mark.parametrize(("function", "args"), CASES)
def test_scripts_give_what_python_gives(function, args, way):
    same(way(jit.script(function))(*args()), function(*args()))


@pytest.mark.parametrize("way", [lambda m: m, again], ids=["scripted", "loaded"])
def test_errors_of_scripts_are_pythons_with_the_line(way):
    made = way(jit.script(asserts))
    with pytest.raises(AssertionError, match="bad   0") as caught:
        made(0)
    assert "in script asserts, line 2" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="no 7"):
        made(7)
    with pytest.raises(TypeError, match="type int for argument 'n', but got str"):
        made("x")
    with pytest.raises(TypeError, match="missing its argument 'n'"):
        made()
    with pytest.raises(TypeError, match="no argument 'm'"):
        made(1, m=2)


class Block(nn.Module):
    bias = 3

    def __init__(self, size: int):
        super().__init__()
        self.fc = nn.Linear(size, size)
        self.register_buffer("calls", flambeau.zeros(1))
        self.flag, self.names = True, ["a", "b"]

    def forward(self, x):
        self.calls += 1
        return self.doubled(self.fc(x)) if self.flag else x

    def doubled(self, x):
        return x * self.two + self.bias

    @property
    def two(self) -> int:
        return len(self.names)

    @jit.export
    def renamed(self, name: str) -> list[str]:
        self.names = [name]
        return self.names

    @jit.unused
    def debug(self, x):
        return [lambda: y for y in x]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Block(4), Block(4)])
        self.seq = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4))
        self.rnn, self.act = nn.LSTM(4, 4, batch_first=True), F.gelu

    def forward(self, x, hidden: Hidden | None = None):
        if not jit.is_scripting():
            x = next(iter([x]))
        for layer in self.layers:
            x = layer(x)
        x = self.act(self.seq(x)).unsqueeze(0)
        if isinstance(x, flambeau.Tensor):
            return self.rnn(x, hidden)
        return self.layers[0].debug(x)


@pytest.mark.parametrize("way", [lambda m: m, again], ids=["scripted", "loaded"])
def test_a_scripted_module(way):
    flambeau.manual_seed(0)
    model = Model().eval()
    made = way(jit.script(model))
    x = flambeau.randn(5, 4)
    assert_close(made(x), model(x))
    hidden = (flambeau.ones(1, 1, 4), flambeau.ones(1, 1, 4))
    assert_close(made(x, hidden), model(x, hidden))
    assert list(made.state_dict()) == list(model.state_dict())
    assert made.layers[0].renamed("only") == ["only"] and made.layers[0].two == 1
    assert not made.seq.training and made.train().seq.training
    assert "self.doubled" in made.layers[1].code


def test_parameters_are_shared_and_get_gradients():
    model = Model()
    made = jit.script(model)
    made(flambeau.randn(5, 4))[0].sum().backward()
    assert made.layers[0].fc.weight is model.layers[0].fc.weight
    assert model.layers[0].fc.weight.grad is not None


def test_modules_of_the_library_are_scripted_too():
    layer = nn.Linear(3, 2)
    made = again(jit.script(layer))
    assert_close(made(flambeau.ones(1, 3)), layer(flambeau.ones(1, 3)))
    assert list(made.state_dict()) == ["weight", "bias"]


def test_ignored_functions_run_and_are_not_saved():
    class Logged(nn.Module):
        def forward(self, x):
            return self.noted(x) * 2

        @jit.ignore
        def noted(self, x):
            return sum(y for y in x)

    made = jit.script(Logged())
    assert made(flambeau.ones(3)).item() == 6
    with pytest.raises(RuntimeError, match="noted is marked ignore"):
        made.save(io.BytesIO())


def star(x, *rest):
    return x


def generator(x):
    yield x


def inner(x):
    f = lambda y: y  # noqa: E731
    return f(x)


def tried(x):
    try:
        return x
    except ValueError:
        return x


def opened(x):
    return open("x")


def undefined(x):
    return missing(x)  # noqa: F821


def odd_type(x: memoryview):
    return x


def walrus(x):
    return (y := x)  # noqa: F841


REFUSED = [
    (star, "no \\*args", "def star"), (generator, "Yield", "yield x"), (inner, "Lambda", "f = lambda"),
    (tried, "try", "try:"), (opened, "'open' is a builtin", "open"), (undefined, "'missing' is not defined", "missing(x)"),
    (odd_type, "memoryview is not a type", "def odd_type"), (walrus, "NamedExpr", "return"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "why", "line"), REFUSED)
def test_what_is_outside_the_subset_is_refused_with_its_line(function, why, line):
    with pytest.raises(jit.NotSupportedError, match=why) as caught:
        jit.script(function)
    assert line in str(caught.value)


def test_script_takes_functions_and_modules():
    with pytest.raises(TypeError, match="got int"):
        jit.script(3)
    assert jit.script(made := jit.script(scaled)) is made
    assert jit.isinstance([1, 2], list[int]) and not jit.isinstance(["a"], list[int])
    assert jit.annotate(list[int], [1]) == [1] and not jit.is_scripting() and not jit.is_tracing()


Vector = flambeau.Tensor
Vectors = list[Vector]


def chosen(x: Vector, others: Vectors) -> Vectors:
    kept: Vectors = []
    for y in others:
        kept.append(flambeau.where(x > 0, x, y))
    return kept


def test_types_may_have_other_names():
    program = jit.script(chosen)
    x, zero = flambeau.tensor([1.0, -2.0]), flambeau.zeros(2)
    assert [y.tolist() for y in program(x, [zero, -x])] == [[1, 0], [1, 2]]


@pytest.mark.parametrize("space", ["flambeau", "flambeau.linalg", "flambeau.nn.functional"])
def test_scripts_reach_the_librarys_functions_on_tensors(space):
    module = importlib.import_module(space)
    home = ("flambeau.ops.", "flambeau.linalg", "flambeau.nn.functional")
    for name in module.__all__ if hasattr(module, "__all__") else dir(module):
        f = getattr(module, name)
        own = str(getattr(f, "__module__", "")).startswith(home) or name == "where"
        if callable(f) and not isinstance(f, type) and own and not name.startswith(("_", "set_")):
            assert names.spelling(f) is not None, name


class Lacking(nn.Module):
    def forward(self, x):
        return x + self.missing


class Guarded(nn.Module):
    def forward(self, x):
        if hasattr(self, "missing"):
            x = x + self.missing
        return x * getattr(self, "other", 2)


class Setting(nn.Module):
    def forward(self, x):
        self.last = x
        return x


def test_names_that_a_module_does_not_have():
    with pytest.raises(
        jit.NotSupportedError, match="'Lacking' has no attribute 'missing'\n.*self.missing"
    ):
        jit.script(Lacking())
    with pytest.raises(jit.NotSupportedError, match="Tried to set nonexistent attribute: last"):
        jit.script(Setting())
    assert jit.script(Guarded())(flambeau.ones(1)).tolist() == [2.0]
