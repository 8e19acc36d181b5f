"""What NVIDIA's management library says of a GPU: use, temperature, power, processes.

It is the Python package `nvidia-ml-py` (`pynvml`), imported when one of these is called.
"""

from __future__ import annotations

from typing import Any

from .devices import index_of, runtime


def _library() -> Any:
    """pynvml, ready; ModuleNotFoundError where it is not installed."""
    import importlib

    try:
        nvml = importlib.import_module("pynvml")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "nvidia-ml-py does not seem to be installed or it can't be imported: pip install nvidia-ml-py"
        ) from error
    nvml.nvmlInit()
    return nvml


def _gpu(device: Any) -> tuple[Any, Any]:
    """The library, and its handle of a device: found by its place on the bus, which CUDA_VISIBLE_DEVICES does not change."""
    nvml = _library()
    place = runtime().cuda.runtime.deviceGetPCIBusId(index_of(device))
    return nvml, nvml.nvmlDeviceGetHandleByPciBusId(
        place.encode() if isinstance(place, str) else place
    )


def device_memory_used(device: Any = None) -> int:
    """Bytes of a GPU's memory that are in use by anyone."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetMemoryInfo(handle).used


def memory_usage(device: Any = None) -> int:
    """The percentage of the past moment in which the GPU's memory was read or written."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetUtilizationRates(handle).memory


def utilization(device: Any = None) -> int:
    """The percentage of the past moment in which the GPU ran kernels."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetUtilizationRates(handle).gpu


def temperature(device: Any = None) -> int:
    """The GPU's temperature in degrees Celsius."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)


def power_draw(device: Any = None) -> int:
    """The power that the GPU takes, in milliwatts."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetPowerUsage(handle)


def clock_rate(device: Any = None) -> int:
    """The clock of the GPU's processors in MHz."""
    nvml, handle = _gpu(device)
    return nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)


def list_gpu_processes(device: Any = None) -> str:
    """The processes that use a GPU and their memory, as text; what is missing where that cannot be told."""
    try:
        nvml, handle = _gpu(device)
    except ModuleNotFoundError:
        return "pynvml module not found, please install nvidia-ml-py"
    lines = [f"GPU:{index_of(device)}"]
    found = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    lines += [
        f"process {p.pid:>10d} uses {(p.usedGpuMemory or 0) / 2**20:>12.3f} MB GPU memory"
        for p in found
    ]
    return "\n".join(lines if found else [*lines, "no processes are running"])
