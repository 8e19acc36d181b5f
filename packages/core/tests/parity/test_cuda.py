"""What `torch.cuda` says in a PyTorch without CUDA, and `flambeau.cuda` on a machine without a GPU."""

from __future__ import annotations

import warnings

import pytest
import torch

import flambeau
from flambeau.backends.cuda import driver

pytestmark = pytest.mark.skipif(driver.available(), reason="there is a GPU")

QUESTIONS = [
    "is_available()", "device_count()", "is_initialized()", "is_tf32_supported()", "memory_allocated()", "memory_reserved()",
    "max_memory_allocated()", "max_memory_reserved()", "memory_cached()", "max_memory_cached()", "memory_stats()",
    "memory_stats_as_nested_dict()", "get_arch_list()", "get_gencode_flags()", "get_rng_state_all()",
    "set_rng_state_all([])", "default_generators", "has_half", "has_magma", "caching_allocator_enable(False)",
    "empty_cache()", "list_gpu_processes()", "cudaStatus.SUCCESS", "cudaStatus.ERROR_NOT_READY",
    "manual_seed(3)", "seed_all()",
]  # fmt: skip
USES = [
    "current_device()", "get_device_name()", "synchronize()", "cudart()", "current_blas_handle()", "ipc_collect()",
    "get_rng_state()", "mem_get_info()", "get_per_process_memory_fraction()", "FloatStorage(2)", "FloatTensor(2)",
    "can_device_access_peer(0, 1)", "utilization()", "temperature()", "power_draw()", "clock_rate()",
    "Stream()", "CUDAGraph()", "MemPool()", "nvtx.range_push('x')", "set_per_process_memory_fraction(0.5)",
]  # fmt: skip


def answer(library, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(
            text, dict(vars(library.cuda)) | {"default_generators": library.cuda.default_generators}
        )


@pytest.mark.parametrize("text", QUESTIONS)
def test_questions(text):
    assert answer(flambeau, text) == answer(torch, text)


@pytest.mark.parametrize("text", USES)
def test_uses_are_refused(text):
    name = text.partition("(")[0]
    for library in (torch, flambeau):
        function = library.cuda
        for part in name.split("."):
            function = getattr(function, part)
        arguments = eval(f"[{text.partition('(')[2][:-1]}]")
        warnings.simplefilter("ignore")  # PyTorch's, of its storages
        with pytest.raises((AssertionError, RuntimeError, TypeError, ImportError)) as caught:
            function(*arguments)
        assert str(caught.value)
    if not driver.cupy_present() and name == "current_device":
        assert isinstance(caught.value, AssertionError)  # as in PyTorch


def test_kinds_are_asked_by():
    for library in (torch, flambeau):
        for kind in ("Float", "Long", "BFloat16"):
            assert not isinstance(library.ones(1), getattr(library.cuda, f"{kind}Tensor"))
