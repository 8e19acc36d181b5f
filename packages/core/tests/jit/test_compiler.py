"""`flambeau.compiler`: what a compiled function is told, and its cache as bytes."""

from __future__ import annotations

import ctypes
import io
import os
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest

import flambeau
from flambeau import compiler
from flambeau.backends import cpu


def test_a_disabled_function_is_in_no_program():
    @compiler.disable(reason="it prints")
    def shown(x):
        return x * 2

    f = flambeau.compile(lambda x: shown(x) + 1)
    with pytest.warns(UserWarning, match=r"shown, which compiler.disable excludes \(it prints\)"):
        assert f(flambeau.ones(2)).tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="compiler.disable"):
        flambeau.compile(lambda x: shown(x) + 1, fullgraph=True)(flambeau.ones(2))


def test_disable_of_modules_and_compiled_functions():
    layer = flambeau.nn.Linear(2, 2)
    same = compiler.disable(layer)
    assert same.weight is layer.weight and "forward" not in vars(layer)
    with pytest.warns(UserWarning, match="Linear.forward"):
        flambeau.compile(lambda x: same(x).detach())(flambeau.ones(1, 2))

    def f(x):
        return x

    assert compiler.disable(flambeau.compile(f)) is f
    with pytest.raises(TypeError, match="function or module"):
        compiler.disable(3)


def test_who_records_is_told():
    seen = []

    def f(x):
        seen.append((compiler.is_compiling(), compiler.is_exporting()))
        return x + 1

    compiled = flambeau.compile(f)
    compiled(flambeau.ones(2))
    f(flambeau.ones(2))
    with flambeau.profiler.profile():  # a mode too, but nobody compiles
        f(flambeau.ones(2))
    assert seen == [(True, False), (False, False), (False, False)]


class Count:
    """A number that guards do not look into, as it stands in memory of C's."""

    def __init__(self):
        self.numbers = (ctypes.c_int64 * 1)()

    def __call__(self):
        self.numbers[0] += 1

    @property
    def value(self):
        return self.numbers[0]


def test_a_constant_result_is_not_computed_again():
    called = Count()

    @compiler.assume_constant_result
    def table(n):
        called()
        return flambeau.arange(float(n)) * 3

    f = flambeau.compile(lambda x: x + table(3))
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert f(flambeau.ones(3)).tolist() == [1, 4, 7]
    assert called.value == 1
    assert "mul" not in flambeau.jit.explain(f) and "arange" not in flambeau.jit.explain(f)
    assert table(2).tolist() == [0, 3]


def test_stances():
    ran = Count()

    def f(x):
        ran()
        return x + 1

    compiled = flambeau.compile(f)
    compiled(flambeau.ones(2))
    compiled(flambeau.ones(2))
    assert ran.value == 1
    with compiler.set_stance("force_eager"):
        compiled(flambeau.ones(2))
    assert ran.value == 2
    compiler.set_stance("force_eager")
    compiled(flambeau.ones(2))
    compiler.set_stance("default")
    compiled(flambeau.ones(2))
    assert ran.value == 3

    @compiler.set_stance("force_eager")
    def outside():
        return compiled(flambeau.ones(2))

    compiled(flambeau.ones(2))
    assert ran.value == 3 and outside().tolist() == [2, 2] and ran.value == 4
    with pytest.raises(RuntimeError, match="invalid .* stance 'eager'"):
        compiler.set_stance("eager")
    with pytest.raises(ValueError, match="unknown backend 'tpu'"):
        compiler.set_stance(force_backend="tpu")
    with pytest.raises(RuntimeError, match="force_backend"):
        compiler.set_stance("force_eager", force_backend="eager")
    with pytest.raises(RuntimeError, match="while a function is being compiled"):
        flambeau.compile(lambda x: compiler.set_stance("default") or x)(flambeau.ones(1))


def counted():
    """A compiled function and how often its Python ran."""
    ran = Count()

    def f(x):
        ran()
        return x + 1

    return flambeau.compile(f), ran


def test_eager_on_recompile_uses_the_programs_that_are_there():
    compiled, ran = counted()
    with compiler.set_stance("eager_on_recompile"):
        for _ in range(2):
            assert compiled(flambeau.ones(2)).tolist() == [2, 2]
    assert ran.value == 2 and "0 programs" in repr(compiled)
    compiled(flambeau.ones(2))
    with compiler.set_stance("eager_on_recompile"):
        compiled(flambeau.ones(2))
        assert ran.value == 3
        assert compiled(flambeau.ones(3)).tolist() == [2, 2, 2]
    assert ran.value == 4 and "1 programs" in repr(compiled)


def test_fail_on_recompile():
    compiled, ran = counted()
    with compiler.set_stance("fail_on_recompile"):
        with pytest.raises(RuntimeError, match="Detected recompile .* it has 0 programs"):
            compiled(flambeau.ones(2))
    compiled(flambeau.ones(2))

    @compiler.set_stance("fail_on_recompile")
    def strictly(x):
        return compiled(x)

    assert strictly(flambeau.ones(2)).tolist() == [2, 2] and ran.value == 1
    with pytest.raises(
        RuntimeError, match="function name: 'counted.<locals>.f'; it has 1 programs"
    ):
        strictly(flambeau.ones(2, dtype=flambeau.float64))
    assert compiled(flambeau.ones(3)).tolist() == [2, 2, 2]  # the stance from before is back


@pytest.mark.parametrize("stance", ["eager_then_compile", "aot_eager_then_compile"])
def test_the_first_call_is_eager(stance):
    compiled, ran = counted()
    with compiler.set_stance(stance):
        shown = []
        for n in (2, 2, 2, 3):
            assert compiled(flambeau.ones(n)).tolist() == [2] * n
            shown.append((ran.value, repr(compiled).split(", ")[1][0]))
    assert shown == [(1, "0"), (2, "1"), (2, "1"), (3, "2")]


def test_stances_nest_and_are_taken_back_by_errors():
    compiled, ran = counted()
    with pytest.raises(ZeroDivisionError):
        with compiler.set_stance("force_eager"):
            with compiler.set_stance("fail_on_recompile"):
                with pytest.raises(RuntimeError, match="Detected recompile"):
                    compiled(flambeau.ones(1))
            compiled(flambeau.ones(1))
            raise ZeroDivisionError
    compiled(flambeau.ones(1))
    assert ran.value == 2 and "1 programs" in repr(compiled)


class Scaled(flambeau.nn.Module):
    scale = 2.0

    def forward(self, x):
        return x * self.scale


def test_guards_of_what_is_around_a_function_may_be_skipped():
    module = Scaled()
    compiled = flambeau.compile(module)
    assert compiled(flambeau.ones(1)).item() == 2
    module.scale = 3.0
    with compiler.set_stance(skip_guard_eval_unsafe=True):
        assert compiled(flambeau.ones(1)).item() == 2  # unsafe: the change goes unnoticed
        assert compiled(flambeau.ones(2)).tolist() == [3, 3]  # shapes are looked at
        # Programs of both are there: the guards tell them apart.
        assert compiled(flambeau.ones(1)).item() == 3
    assert compiled(flambeau.ones(1)).item() == 3


def test_a_backend_for_all():
    compiled, _ = counted()
    compiled(flambeau.ones(2))
    seen = []

    def backend(graph, examples):
        seen.append(len(graph.calls))
        return lambda *tensors: [tensors[0] * 10]

    with compiler.set_stance(force_backend=backend):
        for _ in range(2):
            assert compiled(flambeau.ones(2)).tolist() in ([2, 2], [10, 10])
        assert compiled(flambeau.ones(2)).tolist() == [10, 10] and seen == [1]
    assert compiled(flambeau.ones(2)).tolist() == [2, 2]


def test_the_default_backend():
    seen = []

    def backend(graph, examples):
        seen.append(graph)
        return lambda x: [x * 10]

    try:
        compiler.set_default_backend(backend)
        assert compiler.get_default_backend() is backend
        compiled = flambeau.compile(lambda x: x + 1)
        compiled(flambeau.ones(1))
        assert compiled(flambeau.ones(1)).item() == 10 and len(seen) == 1
        compiler.set_default_backend("eager")
        f = abs
        assert flambeau.compile(f) is f and flambeau.compile(f, backend="inductor") is not f
        compiler.set_default_backend("tpu")
        with pytest.raises(ValueError, match="unknown backend 'tpu'"):
            flambeau.compile(f)
        with pytest.raises(TypeError, match="string or callable"):
            compiler.set_default_backend(3)
    finally:
        compiler.set_default_backend(None)
    assert compiler.get_default_backend() == "inductor"


def test_hints_leave_functions_alone():
    def f(x):
        return x

    assert compiler.allow_in_graph(f) is f and compiler.nested_compile_region(f) is f
    assert compiler.nested_compile_region(max_reuse_entries=3)(f) is f

    @compiler.substitute_in_graph(divmod, skip_signature_check=True)
    def handler(a, b):
        raise AssertionError("the original is called")

    assert handler(7, 2) == (3, 1)
    with pytest.raises(TypeError, match="Signature mismatch"):
        compiler.substitute_in_graph(f)(lambda a, b: a)
    with pytest.raises(AssertionError):
        compiler.allow_in_graph(3)


def test_functions_of_arrays():
    double = compiler.wrap_numpy(lambda a, **more: {"out": np.flip(a * 2), **more})
    made = double(flambeau.tensor([1.0, 2.0]), other=3)
    assert made["out"].tolist() == [4, 2] and made["other"] == 3


def test_names_of_backends_are_those_that_compile_takes():
    names = compiler.list_backends(exclude_tags=None)
    assert names == ["eager", "flambeau", "inductor"]
    for name in names:
        assert flambeau.compile(lambda x: x + 1, backend=name)(flambeau.ones(1)).tolist() == [2]


@pytest.mark.skipif(not cpu.available(), reason="no compiler")
def test_compiled_kernels_as_bytes(tmp_path):
    script = (
        "import flambeau, pathlib, sys\n"
        "f = flambeau.compile(lambda x: (x * 2).tanh())\n"
        "f(flambeau.ones(100000))\n"
        "data, info = flambeau.compiler.save_cache_artifacts()\n"
        "pathlib.Path(sys.argv[1]).write_bytes(data); print(*info.artifacts['kernels'])\n"
    )
    file, places = tmp_path / "kernels", [tmp_path / name for name in "ab"]
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env={**os.environ, "FLAMBEAU_CACHE": str(places[0])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {p.name for p in places[0].glob("*.so")} >= set(done.stdout.split()) != set()
    load = (
        "import flambeau, pathlib, sys\n"
        "info = flambeau.compiler.load_cache_artifacts(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "from flambeau.backends.cpu import library\n"
        "def refuse(*_): raise AssertionError('compiled anew')\n"
        "library.build = refuse\n"
        "print(flambeau.compile(lambda x: (x * 2).tanh())(flambeau.ones(100000))[:1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", load, str(file)],
        env={**os.environ, "FLAMBEAU_CACHE": str(places[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "tensor([0.9640])\n", done.stderr
    assert {p.name for p in places[1].glob("*.so")} == {p.name for p in places[0].glob("*.so")}


def archive(**entries):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return memory.getvalue()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"nothing", "not an archive"),
        (archive(**{"../evil.so": b"x"}), "evil"),
        (archive(**{"0" * 32 + ".so": b"x"}), "damaged"),
    ],
)
def test_what_is_no_archive_of_kernels_is_refused(data, why, tmp_path, monkeypatch):
    monkeypatch.setenv("FLAMBEAU_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=why):
        compiler.load_cache_artifacts(data)
    left = {p.name for p in tmp_path.iterdir()}
    assert left <= {".swept"}  # the mark of when old files were looked for
