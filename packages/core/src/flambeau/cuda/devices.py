"""Which GPUs there are, which is current, and what they can do."""

from __future__ import annotations

import sys
from typing import Any

from .._base.checks import check
from .._base.devices import device as Device
from ..backends.cuda import driver
from ..runtime import backend as backends
from ..runtime.tensor import Tensor


def is_available() -> bool:
    """Whether tensors can be put on a GPU: an NVIDIA driver, CuPy and at least one device.

    Answered once per process; without a driver in microseconds, importing nothing.

    >>> import flambeau
    >>> isinstance(flambeau.cuda.is_available(), bool)
    True
    """
    return driver.available()


def runtime() -> Any:
    """CuPy, with the backend loaded; the error that names the extra or the missing driver otherwise."""
    backends.of_device("cuda")
    return driver.cupy()


_MODES = {"default": 0, "warn": 1, "error": 2}


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """What happens where the CPU waits for a GPU: nothing ("default", 0), a warning ("warn", 1) or a RuntimeError ("error", 2).

    Waiting is copying numbers and arrays to the CPU (`.item()`, `.cpu()`, `print`, `if x > 0`). What CuPy's functions ask the
    GPU for by themselves, as `nonzero` does its count, is not seen; `synchronize` is meant and is not counted.
    """
    runtime()
    if isinstance(debug_mode, str):
        check(
            debug_mode in _MODES,
            lambda: "invalid value of debug_mode, expected one of `default`, `warn`, `error`",
        )
        debug_mode = _MODES[debug_mode]
    check(
        debug_mode in _MODES.values(),
        lambda: "invalid value of debug_mode, expected one of 0,1,2",
    )
    from ..backends.cuda import waiting

    waiting.mode = int(debug_mode)


def get_sync_debug_mode() -> int:
    """What `set_sync_debug_mode` was told: 0, 1 or 2."""
    runtime()
    from ..backends.cuda import waiting

    return waiting.mode


def init() -> None:
    """Loads CuPy and the driver now instead of at the first tensor."""
    runtime()


def is_initialized() -> bool:
    """Whether CUDA was used in this process."""
    return "flambeau.backends.cuda.backend" in sys.modules


def device_count() -> int:
    """The number of GPUs; 0 without one."""
    return driver.cupy().cuda.runtime.getDeviceCount() if is_available() else 0


def index_of(d: Any) -> int:
    """The number of a device given as a number, "cuda:1", a device, or None for the current one."""
    if isinstance(d, int):
        found: int | None = d if d >= 0 else None
    else:
        given = None if d is None else Device(d)
        if given is not None and given.type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {given}")
        found = None if given is None else given.index
    if found is None:
        return current_device()
    count = device_count()
    if not is_available():
        runtime()
    if found >= count:
        raise RuntimeError(f"CUDA error: invalid device ordinal: {found}; there are {count} GPUs")
    return found


def current_device() -> int:
    """The number of the device on which "cuda" tensors are made."""
    return runtime().cuda.runtime.getDevice()


def set_device(device: Any) -> None:
    """Makes a device the current one; a negative number changes nothing."""
    if isinstance(device, int) and device < 0:
        return
    runtime().cuda.runtime.setDevice(index_of(device))


class device:
    """Makes a device the current one until the block ends.

    with flambeau.cuda.device(1):
        x = flambeau.ones(2, device="cuda")  # on cuda:1
    """

    def __init__(self, device: Any) -> None:
        self.idx = index_of(device)
        self._before: list[int] = []

    def __enter__(self) -> device:
        self._before.append(current_device())
        set_device(self.idx)
        return self

    def __exit__(self, *error: object) -> None:
        set_device(self._before.pop())


class device_of(device):
    """Makes the device of a tensor the current one; of a CPU tensor, changes nothing."""

    def __init__(self, obj: Tensor) -> None:
        super().__init__(obj.device if obj.device.type == "cuda" else None)


class DeviceProperties:
    """What a GPU is: `name`, `major`, `minor`, `total_memory`, `multi_processor_count` and more."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.name: str = found["name"].decode()
        self.major: int = found["major"]
        self.minor: int = found["minor"]
        self.total_memory: int = found["totalGlobalMem"]
        self.multi_processor_count: int = found["multiProcessorCount"]
        self.max_threads_per_multi_processor: int = found["maxThreadsPerMultiProcessor"]
        self.warp_size: int = found["warpSize"]
        self.regs_per_multiprocessor: int = found["regsPerMultiprocessor"]
        self.shared_memory_per_block: int = found["sharedMemPerBlock"]
        self.L2_cache_size: int = found["l2CacheSize"]
        self.is_integrated = bool(found["integrated"])

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> DeviceProperties:
    """What is known of a GPU."""
    return DeviceProperties(runtime().cuda.runtime.getDeviceProperties(index_of(device)))


def get_device_name(device: Any = None) -> str:
    """A GPU's name, such as "NVIDIA H100 80GB HBM3"."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """A GPU's compute capability, such as (9, 0)."""
    found = get_device_properties(device)
    return found.major, found.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current GPU computes in bfloat16: in hardware from capability 8.0 on, before that emulated."""
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def synchronize(device: Any = None) -> None:
    """Waits until all work on a device is done."""
    cp = runtime()
    with cp.cuda.Device(index_of(device)):
        cp.cuda.runtime.deviceSynchronize()


def is_tf32_supported() -> bool:
    """Whether the current GPU could compute in TF32, from capability 8.0 on. flambeau computes float32 in float32."""
    return is_available() and get_device_capability()[0] >= 8


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether one GPU can reach another's memory directly."""
    cp, (one, other) = runtime(), map(index_of, (device, peer_device))
    return bool(cp.cuda.runtime.deviceCanAccessPeer(one, other))


def get_arch_list() -> list[str]:
    """The architectures that kernels are compiled for: those of the GPUs here, since it happens here. Empty without one."""
    found = {get_device_capability(i) for i in range(device_count())}
    return [f"sm_{major}{minor}" for major, minor in sorted(found)]


def get_gencode_flags() -> str:
    """`get_arch_list` as options of NVIDIA's compiler."""
    numbers = [name.partition("_")[2] for name in get_arch_list()]
    return " ".join(f"-gencode compute=compute_{n},code=sm_{n}" for n in numbers)


def current_blas_handle() -> int:
    """cuBLAS's handle for the current device."""
    return runtime().cuda.device.get_cublas_handle()


def current_solver_handle() -> int:
    """cuSOLVER's handle for the current device."""
    return runtime().cuda.device.get_cusolver_handle()


# -- the runtime's own functions -----------------------------------------------------------------------------


class cudaStatus:
    """Answers of CUDA's functions."""

    SUCCESS = 0
    ERROR_NOT_READY = 34


class CudaError(RuntimeError):
    """A function of CUDA's failed: its number and what it means."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{cudart().cudaGetErrorString(code)} ({code})")


class DeferredCudaCallError(Exception):
    """What was put off until CUDA is first used failed then. Nothing is put off here."""


def check_error(res: int) -> None:
    """CudaError unless `res` is `cudaStatus.SUCCESS`."""
    if res != cudaStatus.SUCCESS:
        raise CudaError(res)


class _Runtime:
    """`cudart()`: some functions of CUDA's runtime under their own names. They give 0, or raise what CuPy raises."""

    def __init__(self, cupy: Any) -> None:
        self._cuda = cupy.cuda.runtime

    def cudaGetErrorString(self, code: int) -> str:
        """What an error's number means."""
        return str(self._cuda.CUDARuntimeError(code))

    def cudaProfilerStart(self) -> int:
        """Makes a profiler that waits for it begin."""
        self._cuda.profilerStart()
        return 0

    def cudaProfilerStop(self) -> int:
        """Makes a profiler end."""
        self._cuda.profilerStop()
        return 0

    def cudaHostRegister(self, ptr: int, size: int, flags: int) -> int:
        """Pins memory of the CPU, which copies to the GPU are quicker from."""
        self._cuda.hostRegister(ptr, size, flags)
        return 0

    def cudaHostUnregister(self, ptr: int) -> int:
        """Unpins memory of the CPU."""
        self._cuda.hostUnregister(ptr)
        return 0

    def cudaMemGetInfo(self, device: int) -> tuple[int, int]:
        """(free, total) bytes of a device."""
        from .memory import mem_get_info

        return mem_get_info(device)


def cudart() -> _Runtime:
    """Some functions of CUDA's runtime; see `_Runtime`."""
    return _Runtime(runtime())
