"""`torch.backends`: the settings of PyTorch's CPU build and flambeau's, their defaults, changes and refusals."""

from __future__ import annotations

import contextlib

import pytest
import torch

import flambeau

# What PyTorch's build has and flambeau has not.
HAS = {"mkl", "mkldnn", "openmp"}
SETTINGS = [
    "cudnn.enabled", "cudnn.benchmark", "cudnn.benchmark_limit", "cudnn.deterministic", "cudnn.allow_tf32",
    "cudnn.conv.fp32_precision", "cudnn.rnn.fp32_precision", "mkldnn.enabled", "mkldnn.deterministic",
    "mkldnn.matmul.fp32_precision", "opt_einsum.enabled", "opt_einsum.strategy",
    "cuda.matmul.allow_tf32", "cuda.matmul.allow_fp16_reduced_precision_reduction",
    "cuda.matmul.allow_bf16_reduced_precision_reduction", "mkl.VERBOSE_ON", "mkldnn.VERBOSE_ON_CREATION",
]  # fmt: skip
QUESTIONS = [
    "cudnn.is_available", "cudnn.version", "mps.is_available", "mps.is_built", "mkldnn.is_acl_available",
    "opt_einsum.is_available", "opt_einsum.get_opt_einsum", "cuda.is_built", "cuda.flash_sdp_enabled",
    "cuda.mem_efficient_sdp_enabled", "cuda.math_sdp_enabled", "cuda.cudnn_sdp_enabled",
    "cuda.is_flash_attention_available", "cuda.fp16_bf16_reduction_math_sdp_allowed", "cpu.get_cpu_capability",
    "mha.get_fastpath_enabled",
]  # fmt: skip


def look(library, path):
    found = library.backends
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("path", SETTINGS)
def test_defaults(path):
    wanted = look(torch, path)
    if path.endswith("fp32_precision"):
        assert look(flambeau, path) in (wanted, "none")
    else:
        assert look(flambeau, path) == wanted


@pytest.mark.parametrize("path", QUESTIONS)
def test_questions(path):
    assert look(flambeau, path)() == look(torch, path)()


def test_libraries_that_are_not_here():
    assert not any(look(flambeau, f"{name}.is_available")() for name in HAS)
    for name in ("mkl", "mkldnn"):
        with look(flambeau, f"{name}.verbose")(0):
            pass
        with (
            pytest.raises(RuntimeError, match="no calls to print"),
            look(flambeau, name).verbose(1),
        ):
            pass
    for library in (torch, flambeau):
        with pytest.raises(RuntimeError, match="without MPS"):
            library.backends.mps.is_macos_or_newer(13, 0)


@pytest.mark.parametrize("library", [torch, flambeau])
def test_flags_hold_inside_a_block(library, monkeypatch):
    # Other tests load parts of PyTorch that forbid this for the rest of the process.
    settings = torch.backends.flags_frozen.__globals__
    monkeypatch.setitem(settings, "__allow_nonbracketed_mutation_flag", True)
    cudnn, mkldnn = library.backends.cudnn, library.backends.mkldnn
    before = cudnn.enabled, cudnn.benchmark, cudnn.deterministic, mkldnn.enabled
    with (
        contextlib.suppress(KeyError),
        cudnn.flags(enabled=False, benchmark=True, deterministic=True),
    ):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, True, True)
        raise KeyError
    with mkldnn.flags(enabled=False, allow_tf32=None):
        assert not mkldnn.enabled
    assert before == (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, mkldnn.enabled)
    assert cudnn.set_flags(_benchmark=True)[:2] == before[:2] and cudnn.benchmark
    cudnn.benchmark = False
    assert not cudnn.benchmark


@pytest.mark.parametrize("library", [torch, flambeau])
def test_wrong_settings(library):
    b = library.backends
    for module, name, value in [
        (b.cudnn, "enabled", 3), (b.cudnn, "benchmark", "yes"), (b.mkldnn, "enabled", None),
        (b.mkldnn.matmul, "fp32_precision", "float99"), (b.cuda.matmul, "allow_tf32", 1),
    ]:  # fmt: skip
        with pytest.raises((RuntimeError, TypeError)):
            setattr(module, name, value)
    for touch in (lambda: b.cuda.matmul.no_such, lambda: setattr(b.cuda.matmul, "no_such", 1)):
        with pytest.raises(AttributeError, match="Unknown attribute"):
            touch()
    for ask in (b.cuda.preferred_linalg_library, b.cuda.preferred_blas_library):
        with pytest.raises(RuntimeError, match="Choose from"):
            ask("nobody")
    with pytest.raises(RuntimeError, match="expected 0 <= device index < 0"):
        b.cuda.cufft_plan_cache[0]
    with pytest.raises(TypeError):
        b.cuda.can_use_flash_attention(3)


@pytest.mark.parametrize("library", [torch, flambeau])
def test_precision_of_products_is_one_setting(library):
    matmul = library.backends.cuda.matmul
    before = library.get_float32_matmul_precision()
    try:
        matmul.allow_tf32 = True
        assert library.get_float32_matmul_precision() == "high" and matmul.fp32_precision == "tf32"
        library.set_float32_matmul_precision("highest")
        assert not matmul.allow_tf32 and matmul.fp32_precision == "ieee"
    finally:
        library.set_float32_matmul_precision(before)


@pytest.mark.parametrize("library", [torch, flambeau])
def test_attention_is_chosen_in_both_ways(library):
    cuda, attention = library.backends.cuda, library.nn.attention
    asked = ("flash", "mem_efficient", "math", "cudnn")

    def allowed():
        return [name for name in asked if getattr(cuda, f"{name}_sdp_enabled")()]

    cuda.enable_flash_sdp(False)
    assert allowed() == ["mem_efficient", "math", "cudnn"]
    cuda.enable_flash_sdp(True)
    with attention.sdpa_kernel(attention.SDPBackend.MATH):
        assert allowed() == ["math"]
    with pytest.warns(FutureWarning, match="sdp_kernel"):
        older = cuda.sdp_kernel(enable_math=False, enable_cudnn=False)
    with older:
        assert allowed() == ["flash", "mem_efficient"]
    assert allowed() == list(asked)
