"""What `flambeau.cuda` and device "cuda" say where there is no GPU. With one, these are skipped: see tests/gpu."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flambeau
from flambeau.backends.cuda import driver

pytestmark = pytest.mark.skipif(driver.driver_present(), reason="this machine has an NVIDIA driver")

QUICKLY = """
import sys, time
import flambeau.cuda
start = time.perf_counter()
found = flambeau.cuda.is_available()
took = time.perf_counter() - start
assert found is False, found
assert took < 0.005, took
assert not any(name.split(".")[0] in ("cupy", "cupyx", "cupy_backends") for name in sys.modules)
"""


def test_is_available_is_false_quickly_silently_and_without_cupy():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUICKLY], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


USES = {
    "Tensor.cuda": lambda: flambeau.ones(2).cuda(),
    "Tensor.to": lambda: flambeau.ones(2).to("cuda:0"),
    "Tensor.to(0)": lambda: flambeau.ones(2).to(0),
    "ones": lambda: flambeau.ones(2, device="cuda"),
    "tensor": lambda: flambeau.tensor([1.0], device="cuda"),
    "randn": lambda: flambeau.randn(2, device="cuda"),
    "Module.to": lambda: flambeau.nn.Linear(2, 2).to("cuda"),
    "Module.cuda": lambda: flambeau.nn.Linear(2, 2).cuda(),
    "current_device": lambda: flambeau.cuda.current_device(),
    "set_device": lambda: flambeau.cuda.set_device(0),
    "device": lambda: flambeau.cuda.device(0),
    "get_device_name": lambda: flambeau.cuda.get_device_name(),
    "synchronize": lambda: flambeau.cuda.synchronize(),
    "Stream": lambda: flambeau.cuda.Stream(),
    "Event": lambda: flambeau.cuda.Event(enable_timing=True),
    "mem_get_info": lambda: flambeau.cuda.mem_get_info(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_use_gives_one_clear_error(use):
    with pytest.raises((ImportError, RuntimeError)) as caught:
        use()
    text = str(caught.value)
    assert "\n" not in text
    if driver.cupy_present():
        assert "No CUDA GPUs are available: no NVIDIA driver was found" in text
    else:
        assert "pip install 'flambeau[cuda13]'" in text


def test_a_failed_move_leaves_the_module_whole():
    model = flambeau.nn.Linear(2, 2)
    with pytest.raises((ImportError, RuntimeError)):
        model.to("cuda")
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    assert model(flambeau.ones(1, 2)).shape == (1, 2)


def test_questions_have_answers():
    assert flambeau.cuda.device_count() == 0
    assert not flambeau.cuda.is_initialized()
    assert not flambeau.cuda.is_bf16_supported()
    assert flambeau.cuda.memory_allocated() == flambeau.cuda.memory_reserved() == 0
    assert flambeau.cuda.max_memory_allocated() == 0
    flambeau.cuda.empty_cache()
    flambeau.cuda.reset_peak_memory_stats()
    with flambeau.cuda.stream(None):
        pass


def test_seeding_cuda_leaves_the_cpu_numbers_alone():
    flambeau.manual_seed(5)
    expected = flambeau.rand(3)
    flambeau.manual_seed(5)
    flambeau.cuda.manual_seed(1)
    flambeau.cuda.manual_seed_all(2)
    assert flambeau.equal(flambeau.rand(3), expected)


def test_out_of_memory_is_a_runtime_error():
    assert issubclass(flambeau.cuda.OutOfMemoryError, RuntimeError)
    assert flambeau.OutOfMemoryError is flambeau.cuda.OutOfMemoryError


def test_older_spellings_of_mixed_precision():
    with (
        pytest.warns(FutureWarning, match=r"use `flambeau.amp.GradScaler"),
        pytest.warns(UserWarning),
    ):
        assert not flambeau.cuda.amp.GradScaler().is_enabled()
    with pytest.warns(FutureWarning, match=r"use `flambeau.amp.autocast"):
        flambeau.cuda.amp.autocast(enabled=False)
