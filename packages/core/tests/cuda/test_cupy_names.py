"""CuPy has, under the names our kernels use, what they use. CuPy imports without a GPU, so that this needs none."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("cupy", reason="CuPy is not installed: nox -s cuda-text")

import flambeau.testing  # fills the registry
from flambeau import ir
from flambeau.backends.cuda import providers, xp
from flambeau.runtime.operator import MISSING, registry

SOURCES = Path(flambeau.__file__).parent


def has(name):
    found = xp
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


@pytest.mark.parametrize("folder", ["ops", "runtime"])
def test_every_array_function_of_the_kernels_is_there(folder):
    texts = [file.read_text("utf-8") for file in (SOURCES / folder).glob("*.py")]
    names = {
        name for text in texts for name in re.findall(r"\bxp\.([a-zA-Z_0-9]+(?:\.[a-z_]+)*)", text)
    }
    assert names
    asked_for = {"add.reduceat", "logical_or.reduceat"}  # where `add` has one
    assert [name for name in sorted(names - asked_for) if not has(name)] == []


def calls_of(name):
    """Every call of an attribute of `name` in the kernels' files: where, which, and the call."""
    files = [*(SOURCES / "ops").glob("*.py"), *(SOURCES / "runtime").glob("*.py")]
    for file in [*files, SOURCES / "backends" / "factorizing.py"]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            parts, e = [], getattr(node, "func", None)
            while isinstance(e, ast.Attribute):
                parts, e = [e.attr, *parts], e.value
            if parts and isinstance(e, ast.Name) and e.id == name:
                yield f"{file.name}:{node.lineno}", ".".join(parts), node


def test_array_functions_take_what_the_kernels_give_them():
    import cupy

    wrong, seen = [], 0
    for where, name, call in calls_of("xp"):
        found = xp
        for part in name.split("."):
            found = getattr(found, part, None)
        keywords = {k.arg: 0 for k in call.keywords if k.arg}
        several = any(isinstance(a, ast.Starred) for a in call.args) or None in [
            k.arg for k in call.keywords
        ]
        if isinstance(found, cupy.ufunc):
            if set(keywords) - {"out", "dtype", "casting", "where"}:
                wrong.append((where, name, list(keywords)))
        elif inspect.isfunction(found) and not several:
            seen += 1
            try:
                inspect.signature(found).bind(*call.args, **keywords)
            except TypeError as error:
                wrong.append((where, name, str(error)))
    assert seen > 300
    assert wrong == []


def test_every_scalar_function_is_there():
    assert [s.numpy for s in ir.scalars.values() if not has(s.numpy)] == []


def test_every_reduction_is_there():
    reductions = [
        op.tags["reduce"].combine.numpy for op in registry.values() if "reduce" in op.tags
    ]
    assert reductions
    assert [name for name in reductions if not has(name)] == []


def test_chains_have_a_kernel_and_single_steps_do_not():
    def source(name):
        op = registry[name]
        return providers.source(
            op, "float32", {p: op.defaults[i] for i, p in op.attrs if op.defaults[i] is not MISSING}
        )

    assert source("exp") is None
    text, params = source("gelu")
    assert params == ()
    assert (
        "fused(const float *__restrict__ a0, float *__restrict__ b0, const int64_t count)" in text
    )
    assert (
        "%" not in text.partition("fused(")[2]
    )  # dense: no index arithmetic, one text for every size


def test_what_flambeau_cuda_calls_is_there():
    import cupy

    texts = [file.read_text("utf-8") for file in (SOURCES / "cuda").glob("*.py")]
    names = {
        name
        for text in texts
        for name in re.findall(
            r"\b(?:cp|runtime\(\)|self\._cupy)\.([a-zA-Z_]+(?:\.[a-zA-Z_]+)*)", text
        )
    }
    names |= {
        f"cuda.runtime.{name}"
        for text in texts
        for name in re.findall(r"self\._cuda\.([a-zA-Z]+)", text)
    }
    names |= {
        "cuda.Stream.begin_capture",
        "cuda.Stream.end_capture",
        "cuda.Stream.is_capturing",
        "cuda.graph.Graph.launch",
    }
    names |= {f"cuda.nvtx.{name}" for name in ("RangePush", "RangePop", "Mark")}
    names |= {
        f"cuda.MemoryPool.{name}"
        for name in ("malloc", "set_limit", "get_limit", "used_bytes", "total_bytes")
    }
    assert len(names) > 20

    def there(name):
        found = cupy
        for part in name.split("."):
            found = getattr(found, part, None)
        return found is not None

    assert [name for name in sorted(names) if not there(name)] == []


def test_pinned_memory_is_counted(monkeypatch):
    """CuPy's own pool, with blocks that are of no GPU."""
    import cupy

    from flambeau.backends.cuda import pinned

    class Block(cupy.cuda.PinnedMemory):
        def __init__(self, size):
            self.size, self.ptr = size, 4096

        def __del__(self):
            pass

    monkeypatch.setattr(cupy.cuda, "PinnedMemory", Block)
    figures = {name: pinned.Figure() for name in pinned.figures}
    monkeypatch.setattr(pinned, "figures", figures)

    def now():
        return {n: (f.now, f.most, f.added, f.taken) for n, f in figures.items()}

    first, second = pinned.allocate(1000), pinned.allocate(10)
    assert now()["allocations"] == (2, 2, 2, 0) and now()["active_bytes"] == (1536, 1536, 1536, 0)
    del second
    again = pinned.allocate(20)  # the same block
    assert now()["allocations"] == (2, 2, 2, 0) and now()["active_requests"] == (2, 2, 3, 1)
    del again, first
    pinned.pool.free_all_blocks()
    assert now()["allocated_bytes"] == (0, 1536, 1536, 1536) and now()["active_bytes"][0] == 0
    pinned.reset_peak()
    pinned.reset_accumulated()
    assert set(now().values()) == {(0, 0, 0, 0)} and pinned.taking.count == 0
