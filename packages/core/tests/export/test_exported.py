"""`export.export`: programs of operators, open sizes, files."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

import flambeau
from flambeau import nn
from flambeau.export import Dim, ExportedProgram, export, load, save
from flambeau.export import dims as export_dims
from flambeau.nn import functional as F


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.register_buffer("shift", flambeau.ones(8))

    def forward(self, ids, *, scale=1.0):
        return {"out": (self.layer(self.embed(ids)) + self.shift) * scale, "flat": ids.flatten()}


def exported(model=None):
    model = (model or Tokens()).eval()
    ids = flambeau.zeros(2, 5, dtype=flambeau.int64)
    shapes = {"ids": {0: Dim("batch", min=1, max=9), 1: Dim("time")}}
    return model, export(model, (ids,), {"scale": 2.0}, dynamic_shapes=shapes)


def test_a_program_runs_at_sizes_that_the_trace_never_saw():
    model, program = exported()
    again = program.module()
    for shape in [(2, 5), (1, 1), (9, 13)]:
        ids = flambeau.randint(0, 10, shape)
        wanted, found = model(ids, scale=2.0), again(ids, scale=2.0)
        assert flambeau.allclose(found["out"], wanted["out"], atol=1e-6)
        assert flambeau.equal(found["flat"], wanted["flat"])
    assert "float32[batch, time, 8]" in str(program) and "layer_linear1_weight" in str(program)
    assert repr(program).startswith(
        "<exported program (int64[batch, time]) -> float32[batch, time, 8]"
    )
    assert program.range_constraints == {"batch": (1, 9), "time": (0, None)}


def test_parameters_are_the_models_and_get_gradients():
    model, program = exported()
    again = program.module()
    assert {n for n, _ in program.named_parameters()} == {n for n, _ in model.named_parameters()}
    assert program.state_dict["shift"] is model.shift
    ids = flambeau.randint(0, 10, (3, 4))
    again(ids, scale=2.0)["out"].square().sum().backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters()}
    model.zero_grad()
    model(ids, scale=2.0)["out"].square().sum().backward()
    assert all(flambeau.allclose(p.grad, found[n], atol=1e-4) for n, p in model.named_parameters())


def test_a_file_holds_all_of_it(tmp_path):
    model, program = exported()
    save(program, tmp_path / "tokens.pt2")
    read = load(tmp_path / "tokens.pt2")
    assert isinstance(read, ExportedProgram) and str(read) == str(program)
    ids = flambeau.randint(0, 10, (4, 7))
    assert flambeau.equal(
        read.module()(ids, scale=2.0)["out"], program.module()(ids, scale=2.0)["out"]
    )
    with pytest.raises(ValueError, match="batch must be 1 to 9, but ids has 10"):
        read.module()(flambeau.zeros(10, 2, dtype=flambeau.int64), scale=2.0)
    assert [n for n, _ in read.named_parameters()] == [n for n, _ in program.named_parameters()]


def test_a_program_that_writes_into_views_is_saved(tmp_path):
    def beside(x):
        out = flambeau.zeros(x.shape[0], 4)
        out[:, 1:] = x
        return out

    batch = Dim("batch")
    program = export(beside, (flambeau.ones(2, 3),), dynamic_shapes=({0: batch},))
    save(program, tmp_path / "program.pt2")
    x = flambeau.randn(5, 3, requires_grad=True)
    made = load(tmp_path / "program.pt2").module()(x)
    assert flambeau.equal(made, beside(x)) and made.requires_grad
    assert flambeau.equal(program.module()(x), beside(x))

    program = export(lambda x: beside(x.t()), (flambeau.ones(3, 2),), dynamic_shapes=({1: batch},))
    save(program, tmp_path / "program.pt2")

    def first(x):
        out = x.clone()
        out[0] = 1
        return out

    program = export(first, (flambeau.ones(2, 3),), dynamic_shapes=({0: batch},))
    with pytest.raises(
        RuntimeError, match=r"write into a view of float32\[batch, 3\] needs the sizes"
    ):
        save(program, tmp_path / "program.pt2")


def test_static_arguments_of_all_kinds_come_back():
    def f(x):
        return [
            x[..., 1:3, None].to(flambeau.int32), x.clamp(max=float("inf")), x.reshape(-1).roll(1),
            flambeau.cat([x, x], 0).softmax(-1), x.sum((0, 1), keepdim=True), F.pad(x, (1, 0)), x.argmax(1),
        ]  # fmt: skip

    x = flambeau.randn(3, 4)
    program, file = export(f, (x,)), io.BytesIO()
    save(program, file)
    file.seek(0)
    for a, b in zip(load(file).module()(x), f(x), strict=True):
        assert a.dtype is b.dtype and flambeau.equal(a, b)


def test_wrong_calls_of_a_program():
    _, program = exported()
    run = program.module()
    ids = flambeau.zeros(2, 5, dtype=flambeau.int64)
    with pytest.raises(RuntimeError, match="use .module()"):
        program(ids)
    with pytest.raises(ValueError, match=r"ids must be int64\[batch, time\], but got float32"):
        run(ids.float(), scale=2.0)
    with pytest.raises(ValueError, match="not nested as those"):
        run(ids)
    two = export(
        lambda a, b: a + b,
        (flambeau.ones(2), flambeau.ones(2)),
        dynamic_shapes=({0: Dim("n")}, [Dim("n")]),
    )
    with pytest.raises(ValueError, match="n is 3, but b has 4"):
        two.module()(flambeau.ones(3), flambeau.ones(4))


def test_arguments_that_are_no_tensors_are_fixed():
    program, file = export(lambda x, n, how: x * n, (flambeau.ones(2), 3, "a")), io.BytesIO()
    save(program, file)
    file.seek(0)
    for run in (program.module(), load(file).module()):
        assert run(flambeau.ones(2), 3, "a").tolist() == [3, 3]
        for wrong in ((4, "a"), (3.0, "a"), (3, "b")):
            with pytest.raises(ValueError, match="which is fixed in the program"):
                run(flambeau.ones(2), *wrong)


def test_sizes_that_are_computed_from_others():
    n = Dim("n", min=2, max=6)
    program = export(
        lambda x, y: flambeau.cat([x, y[1:]]),
        (flambeau.ones(3, 2), flambeau.ones(7, 2)),
        dynamic_shapes=({0: n}, {0: 2 * n + 1}),
    )
    file = io.BytesIO()
    save(program, file)
    file.seek(0)
    for run in (program.module(), load(file).module()):
        assert run(flambeau.ones(5, 2), flambeau.ones(11, 2)).shape == (15, 2)
        with pytest.raises(ValueError, match="y has 4"):
            run(flambeau.ones(5, 2), flambeau.ones(9, 2))
        with pytest.raises(ValueError, match="cannot be 8"):
            run(flambeau.ones(5, 2), flambeau.ones(8, 2))
        with pytest.raises(ValueError, match="n must be 2 to 6, but x has 7"):
            run(flambeau.ones(7, 2), flambeau.ones(15, 2))
    assert program.range_constraints["n"].lower == 2 and program.range_constraints["n"].upper == 6


def test_nested_arguments_have_nested_sizes():
    n = Dim("n")
    given = ({"b": flambeau.ones(2), "a": flambeau.ones(4)}, [flambeau.ones(3), flambeau.ones(4)])
    run = export(
        lambda d, xs: (d["a"] + xs[1], d["b"], xs[0]),
        given,
        dynamic_shapes={"d": {"a": {0: n}, "b": None}, "xs": [None, {0: n}]},
    ).module()
    made = run({"b": flambeau.ones(2), "a": flambeau.ones(6)}, [flambeau.ones(3), flambeau.ones(6)])
    assert made[0].tolist() == [2.0] * 6
    with pytest.raises(ValueError, match="must be float32"):
        run({"b": flambeau.ones(3), "a": flambeau.ones(6)}, [flambeau.ones(3), flambeau.ones(6)])


def test_hints_for_sizes():
    both = (flambeau.ones(4, 3), flambeau.ones(4, 3))
    auto = export(lambda x, y: x + y, both, dynamic_shapes=({0: Dim.AUTO}, {0: Dim.AUTO})).module()
    assert auto(flambeau.ones(9, 3), flambeau.ones(9, 3)).shape == (9, 3)
    fixed = export(
        lambda x, y: x + y, both, dynamic_shapes=({0: Dim.AUTO}, {0: Dim.STATIC})
    ).module()
    with pytest.raises(ValueError, match="must be float32"):
        fixed(flambeau.ones(9, 3), flambeau.ones(9, 3))
    with pytest.raises(RuntimeError, match="Constraints violated"):
        export(lambda x, y: x + y, both, dynamic_shapes=({0: Dim.DYNAMIC}, None))
    a, b = export_dims("a", "b", max=9)
    assert (a.name, b.name, a.max) == ("a", "b", 9)


def test_what_cannot_be_exported():
    x = flambeau.ones(4, 3)
    n = Dim("n")
    for model, shapes, error, text in [
        (lambda x: x[: x.shape[0] // 2], {"x": {0: n}}, RuntimeError, "export.export: a size is 2 .*export fixed sizes"),
        (lambda x: x * x.sum().item(), None, RuntimeError, "reads values while it runs"),
        (lambda x: x, {"y": {0: n}}, ValueError, r"names \['y'\], but the arguments are \['x'\]"),
        (lambda x: x, {"x": {2: n}}, ValueError, "names dimension 2 of 'x', which has 2"),
        (lambda x: x, {"x": {0: "n"}}, TypeError, "expected a Dim or None, but got 'n'"),
        (lambda x: x, {"x": {0: 7}}, ValueError, "dimension 0 of 'x' is 7, but it is 4"),
        (lambda x: x * 2 if len(x) > 3 else x, {"x": {0: n}}, RuntimeError, r"Constraints violated \(n\).* n = 2 than where n = 4"),
        (lambda x: x[:9] * 2 if len(x) > 9 else x, {"x": {0: n}}, RuntimeError, r"Constraints violated \(n\).* n = 13 "),
        (lambda x: x + flambeau.ones(4, 3), {"x": {0: n}}, RuntimeError, r"Constraints violated \(n\).* not where n = 5"),
        (lambda x: x, {"x": {0: 2 * n + 1}}, ValueError, r"2\*n \+ 1 cannot be 4"),
        (lambda x: x, ([{0: n}],), TypeError, "but got {0: Dim"),
        (lambda x: x, {"x": {0: n, 1: n}}, ValueError, "Dim n is 4 in one place of the example and 3 in another"),
        (nn.BatchNorm1d(3), None, RuntimeError, "writes into memory that outlives the call"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            export(model, (x,), dynamic_shapes=shapes)
    with pytest.raises(TypeError, match="args must be a tuple, but got Tensor"):
        export(nn.ReLU(), x)
    with pytest.raises(ValueError, match="max is 1, which is less than min, 2"):
        Dim("n", min=2, max=1)


def test_files_that_hold_no_program(tmp_path):
    flambeau.save({"weights": flambeau.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(RuntimeError, match="does not hold a program"):
        load(tmp_path / "other.pt")


def test_another_process_needs_no_class(tmp_path):
    # Operators of files that nothing has imported yet, too.
    model, x = (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.GELU()).eval(),
        flambeau.ones(1, 1, 6, 6),
    )
    save(export(model, (x,)), tmp_path / "net.pt2")
    text = "import sys, flambeau; print(flambeau.export.load(sys.argv[1]).module()(flambeau.ones(1, 1, 6, 6)).sum().item())"
    done = subprocess.run(
        [sys.executable, "-c", text, str(tmp_path / "net.pt2")], capture_output=True, text=True
    )
    assert float(done.stdout) == pytest.approx(model(x).sum().item(), abs=1e-5), done.stderr


def test_a_program_of_operators_that_are_not_here(tmp_path):
    program = export(lambda x: x.exp(), (flambeau.ones(2),))
    program.graph.calls[0].op = "no_such"
    save(program, tmp_path / "p.pt2")
    with pytest.raises(RuntimeError, match="calls no_such, which is no operator here"):
        load(tmp_path / "p.pt2")


class Members(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("kept", flambeau.ones(2))
        self.register_buffer("fleeting", flambeau.ones(2), persistent=False)
        self.lists = [flambeau.ones(2)]

    def forward(self, x, y):
        return {"a": self.layer(x) + self.kept + self.fleeting + self.lists[0], "b": y * 2}


def test_the_signature_says_what_each_argument_is(tmp_path):
    program = export(Members(), (flambeau.ones(1, 2), flambeau.ones(2)))
    save(program, tmp_path / "members.pt2")
    for p in (program, load(tmp_path / "members.pt2")):
        s = p.graph_signature
        assert s.user_inputs == ("x", "y") and len(s.user_outputs) == 2
        assert s.parameters == ("layer.weight", "layer.bias")
        assert s.inputs_to_parameters["layer_weight"] == "layer.weight"
        assert s.buffers == ("kept", "fleeting") and s.non_persistent_buffers == ("fleeting",)
        assert len(s.lifted_tensor_constants) == 1
        assert [i.kind.name for i in s.input_specs] == [
            "USER_INPUT", "USER_INPUT", "PARAMETER", "PARAMETER", "BUFFER", "BUFFER", "CONSTANT_TENSOR",
        ]  # fmt: skip
        names = str(p).partition("(")[2].partition(")")[0].split(", ")
        assert [i.arg.name for i in s.input_specs] == names
        assert "fleeting: BUFFER target='fleeting' persistent=False" in str(s)
        assert (s.buffers_to_mutate, s.user_inputs_to_mutate) == ({}, {})


def test_memory_formats_are_kept_in_files(tmp_path):
    model = lambda x: x.permute(0, 2, 1).contiguous() * 2  # noqa: E731
    x = flambeau.randn(2, 3, 4)
    flambeau.export.save(flambeau.export.export(model, (x,)), tmp_path / "p.pt2")
    made = flambeau.export.load(tmp_path / "p.pt2").module()(x)
    assert flambeau.equal(made, model(x)) and made.is_contiguous()
