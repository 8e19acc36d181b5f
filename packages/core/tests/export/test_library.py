"""Compiled libraries: called from Python with eager's answers, from other threads and processes, and wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

import flambeau
from flambeau import nn
from flambeau.backends.cpu import compiler
from flambeau.export import library, load_library

pytestmark = pytest.mark.slow


def _has_compiler() -> bool:
    try:
        compiler.find()
    except compiler.CompileError:
        return False
    return True


needs_cc = pytest.mark.skipif(not _has_compiler(), reason="no C compiler")


@pytest.fixture(scope="module")
def batched(tmp_path_factory):
    flambeau.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.GELU(), nn.Linear(20, 5)).eval()
    folder = tmp_path_factory.mktemp("library")
    return model, library(model, flambeau.zeros(1, 6), folder, batch_sizes=(1, 8))


@needs_cc
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 21])
def test_any_number_of_rows_that_the_sizes_add_up_to(rows, batched):
    model, compiled = batched
    x = flambeau.randn(rows, 6)
    with flambeau.no_grad():
        assert compiled(x).shape == (rows, 5)
        assert flambeau.allclose(compiled(x), model(x), atol=1e-6)
    made = compiled(x.numpy())
    assert type(made) is np.ndarray and np.array_equal(made, compiled(x).numpy())


@needs_cc
def test_windows_of_other_strides_are_read_rightly(batched):
    model, compiled = batched
    x = flambeau.randn(6, 8).T
    assert flambeau.allclose(compiled(x), model(x).detach(), atol=1e-6)


@needs_cc
def test_wrong_calls(batched):
    _, compiled = batched
    for given, error, text in [
        ((flambeau.zeros(1, 7),), ValueError, r"model: input 0 must have shape \[n, 6\], but got \[1, 7\]"),
        ((flambeau.zeros(6),), ValueError, r"must have shape \[n, 6\], but got \[6\]"),
        ((flambeau.zeros(1, 6).double(),), TypeError, "input 0 must be float32, but got float64"),
        (([0.0] * 6,), TypeError, "must be a Tensor or a NumPy array, not list"),
        ((), TypeError, "expected 1 inputs, but got 0"),
        ((flambeau.zeros(1, 6, device="meta"),), ValueError, "input 0 is on meta"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            compiled(*given)


@needs_cc
def test_threads_call_at_once(batched):
    model, compiled = batched
    xs = [flambeau.randn(17, 6) for _ in range(4)]
    wrong = []

    def work(x):
        with flambeau.no_grad():
            want = model(x)
        for _ in range(50):
            if not flambeau.allclose(compiled(x), want, atol=1e-6):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(x,)) for x in xs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@needs_cc
def test_another_process_loads_it(batched):
    _, compiled = batched
    text = (
        "import sys, numpy, flambeau.export as e; f = e.load_library(sys.argv[1]);"
        "print(f, f(numpy.ones((9, 6), 'float32')).sum())"
    )
    done = subprocess.run([sys.executable, "-c", text, str(compiled.path)], capture_output=True, text=True)  # fmt: skip
    total = float(compiled(flambeau.ones(9, 6)).sum())
    shown, _, number = done.stdout.strip().rpartition(" ")
    assert shown == "<library model: (float32[n, 6]) -> float32[n, 5]>", done.stderr
    assert float(number) == pytest.approx(total, abs=1e-4)


@needs_cc
def test_a_folder_that_is_written_again_holds_the_new_model(tmp_path):
    def shifted(x):
        out = flambeau.zeros(2, 4)
        out[:, 1:] = x
        return out

    x = flambeau.randn(2, 3)
    old = library(lambda x: x * 2, x, tmp_path)
    new = library(shifted, x, tmp_path)
    for made in (new, load_library(tmp_path)):
        assert flambeau.equal(made(x), shifted(x))
    assert flambeau.equal(old(x), x * 2)


@needs_cc
def test_results_keep_their_structure_and_dtypes():
    def model(x, k):
        return {"both": (x + 1, [k * 2]), "top": x.argmax(1)}

    x, k = flambeau.randn(2, 3), flambeau.tensor([[1], [2]])
    made = library(model, (x, k), portable=True, name="parts")(x, k)
    assert flambeau.allclose(made["both"][0], x + 1) and made["both"][1][0].tolist() == [[2], [4]]
    assert made["top"].dtype is flambeau.int64 and made["top"].tolist() == x.argmax(1).tolist()


@needs_cc
def test_an_index_out_of_range_is_an_error():
    compiled = library(nn.Embedding(4, 2), flambeau.tensor([0, 1]))
    with pytest.raises(IndexError, match="an index in the inputs is out of range"):
        compiled(flambeau.tensor([0, 4]))


@needs_cc
def test_c_calls_it(batched, tmp_path):
    _, compiled = batched
    (tmp_path / "main.c").write_text("""
        #include <stdio.h>
        #include <stdlib.h>
        #include "model_1.h"
        int main(int count, char **words) {
          static model_1_arena arena;
          void *weights = aligned_alloc(64, 1 << 16);
          FILE *file = fopen(words[count - 1], "rb");
          if (!file || !fread(weights, 1, 1 << 16, file)) return 1;
          float x[6] = {1, 1, 1, 1, 1, 1}, y[5];
          if (model_1_run(&arena, weights, x, y)) return 2;
          for (int i = 0; i < 5; ++i) printf("%.9g ", y[i]);
          return 0;
        }
    """)
    folder = compiled.path
    line = [
        *compiler.find().command,
        f"-I{folder}",
        str(tmp_path / "main.c"),
        f"{folder}/libmodel.so",
    ]
    subprocess.run([*line, f"-Wl,-rpath,{folder}", "-o", str(tmp_path / "main")], check=True)
    done = subprocess.run([str(tmp_path / "main"), f"{folder}/model.weights"], capture_output=True, text=True, check=True)  # fmt: skip
    want = compiled(flambeau.ones(1, 6)).numpy()[0]
    np.testing.assert_allclose(np.array(done.stdout.split(), float), want, rtol=1e-6)


def test_batches_that_cannot_be(monkeypatch):
    x = flambeau.randn(2, 3)
    for model, example, sizes, error, text in [
        (lambda x: x - x.mean(0), x, (1, 4), RuntimeError, "rows that do not depend on each other, but output 0"),
        (lambda x: x.sum(), x, (1, 4), RuntimeError, r"output 0 is float32\[\] for 4 rows"),
        (lambda x, y: x + y.sum(), (x, flambeau.ones(3)), (1,), ValueError, r"their shapes are \[2, 3\], \[3\]"),
        (lambda x: x, x, (0,), ValueError, r"batch_sizes must be positive ints, but got \(0,\)"),
        (lambda x: x, x, (), ValueError, "batch_sizes must be positive ints"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            library(model, example, batch_sizes=sizes)


@needs_cc
def test_rows_that_do_not_add_up(tmp_path):
    compiled = library(nn.ReLU(), flambeau.zeros(4, 2), tmp_path, batch_sizes=[4])
    with pytest.raises(
        ValueError, match=r"6 rows cannot be made of the compiled batch sizes \[4\]"
    ):
        compiled(flambeau.zeros(6, 2))


def test_without_a_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    with pytest.raises(
        RuntimeError, match=r"no library was made: .*none does not start.*flambeau.compile"
    ):
        library(nn.ReLU(), flambeau.zeros(2))


def test_folders_that_are_no_library(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected one library in .*, found \[\]"):
        load_library(tmp_path)
    described = tmp_path / "model.json"
    described.write_text("{}")
    with pytest.raises(RuntimeError, match="model.json does not describe a library"):
        load_library(tmp_path)
    described.write_text(json.dumps({"format": 99}))
    with pytest.raises(RuntimeError, match="format 99, expected 1; export it again"):
        load_library(tmp_path)
