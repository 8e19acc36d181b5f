"""The logic of `flambeau.cuda` on a stand-in for CuPy: which calls it makes, in which order. What CuPy does is for tests/gpu.

That CuPy has the names which the stand-in has is looked at in test_cupy_names.
"""

from __future__ import annotations

import sys
import types

import pytest

import flambeau
from flambeau import cuda
from flambeau.backends.cuda import driver, waiting
from flambeau.cuda import (
    allocators,
    devices,
    graphed,
    graphs,
    host_memory,
    legacy,
    memory,
    monitor,
    nvtx,
    random,
    streams,
)  # fmt: skip

MODULES = (
    allocators, devices, graphed, graphs, host_memory, legacy, memory, monitor, nvtx, random, streams,
)  # fmt: skip


class Fake:
    """Two GPUs of 1000 bytes, with a log of what was asked of them."""

    def __init__(self):
        self.log, self.current, self.capturing, self.limit = [], 0, False, 0
        self.used, self.total, self.highest = 100, 300, 150
        fake = self

        class Device:
            def __init__(self, index):
                self.index = index

            def __enter__(self):
                self.before, fake.current = fake.current, self.index

            def __exit__(self, *_):
                fake.current = self.before

        class Stream:
            ptr = 7

            def __init__(self, *args, **kwargs):
                fake.log.append(("stream", args))

            def __enter__(self):
                fake.log.append("enter")

            def __exit__(self, *_):
                fake.log.append("exit")

            def is_capturing(self):
                return fake.capturing

            def begin_capture(self):
                fake.capturing = True
                fake.log.append("begin")

            def end_capture(self):
                fake.capturing = False
                fake.log.append("end")
                return types.SimpleNamespace(launch=lambda stream: fake.log.append("launch"))

        class Functions:
            def __init__(self, malloc, free):
                self.free = free
                self.malloc = lambda size: malloc(size, fake.current)

        class Pool:
            def __init__(self, allocator=None):
                self.allocator = allocator

            def used_bytes(_):
                return fake.used

            def total_bytes(_):
                return fake.total

            def get_limit(_):
                return fake.limit

            def malloc(self, size):
                return size

            def free_all_blocks(self):
                fake.total = fake.used

            def set_limit(self, size):
                fake.limit = size

        class Using:
            def __init__(self, allocator):
                self.allocator = allocator

            def __enter__(self):
                fake.log.append("own memory")

            def __exit__(self, *_):
                fake.log.append("common memory")

        pool, stream = Pool(), Stream()
        self.get_default_memory_pool = self.get_default_pinned_memory_pool = lambda: pool
        self.cuda = types.SimpleNamespace(
            Device=Device, Stream=Stream, ExternalStream=Stream, MemoryPool=Pool, using_allocator=Using,
            PythonFunctionAllocator=Functions,
            get_current_stream=lambda: stream, set_allocator=lambda a: fake.log.append(("allocator", a)),
            alloc=lambda size: types.SimpleNamespace(ptr=4096 + size),
            device=types.SimpleNamespace(get_cublas_handle=lambda: 11, get_cusolver_handle=lambda: 12),
            nvtx=types.SimpleNamespace(
                RangePush=lambda text: fake.log.append(text), RangePop=lambda: fake.log.append("pop"),
                Mark=lambda text: fake.log.append(("mark", text)),
            ),
            runtime=types.SimpleNamespace(
                getDeviceCount=lambda: 2, getDevice=lambda: fake.current, setDevice=lambda i: fake.log.append(("device", i)),
                deviceSynchronize=lambda: fake.log.append("wait"), memGetInfo=lambda: (400, 1000),
                getDeviceProperties=lambda i: dict.fromkeys(PROPERTIES, 0) | {"name": b"fake", "major": 9 - i, "minor": 0},
                deviceCanAccessPeer=lambda a, b: int(a != b), deviceGetPCIBusId=lambda i: f"0000:{i}",
                CUDARuntimeError=lambda code: f"cudaError{code}", profilerStart=lambda: fake.log.append("profile"),
            ),
        )  # fmt: skip


PROPERTIES = (
    "totalGlobalMem", "multiProcessorCount", "maxThreadsPerMultiProcessor", "warpSize", "regsPerMultiprocessor",
    "sharedMemPerBlock", "l2CacheSize", "integrated",
)  # fmt: skip


@pytest.fixture
def gpu(monkeypatch):
    fake = Fake()
    monkeypatch.setattr(driver, "available", lambda: True)
    monkeypatch.setattr(driver, "cupy", lambda: fake)
    for module in MODULES:
        if hasattr(module, "runtime"):
            monkeypatch.setattr(module, "runtime", lambda: fake)
    accounts = types.SimpleNamespace(
        peak=lambda index: fake.highest, reset_peak=lambda index: setattr(fake, "highest", fake.used),
        install=lambda: fake.log.append("installed"), reset_accumulated=lambda index: fake.log.append(("sums", index)),
        given=lambda index: types.SimpleNamespace(before=20, bytes=512, blocks=3, refused=1),
    )  # fmt: skip
    import flambeau.backends.cuda as backend

    monkeypatch.setitem(sys.modules, "flambeau.backends.cuda.backend", types.ModuleType("backend"))
    monkeypatch.setattr(backend, "memory", accounts, raising=False)
    pinned = types.SimpleNamespace(
        pool=fake.get_default_pinned_memory_pool(), ALLOCATIONS="allocations",
        figures={"allocations": types.SimpleNamespace(now=1, most=2, added=3, taken=2)},
        taking=types.SimpleNamespace(total=9, longest=5, shortest=1, count=3),
        reset_peak=lambda: fake.log.append("peak"), reset_accumulated=lambda: fake.log.append("accumulated"),
    )  # fmt: skip
    monkeypatch.setattr(backend, "pinned", pinned, raising=False)
    monkeypatch.setattr(allocators, "current", None)
    monkeypatch.setattr(waiting, "mode", waiting.SILENT)
    monkeypatch.setattr(memory, "_reserved", {})
    fake.log.clear()
    return fake


def test_devices(gpu):
    assert cuda.get_arch_list() == ["sm_80", "sm_90"]
    assert cuda.get_gencode_flags().split(" -")[0] == "-gencode compute=compute_80,code=sm_80"
    assert cuda.is_tf32_supported() and cuda.is_bf16_supported(including_emulation=False)
    assert cuda.can_device_access_peer(0, 1) and not cuda.can_device_access_peer(1, 1)
    assert (cuda.current_blas_handle(), cuda.current_solver_handle()) == (11, 12)
    assert len(cuda.default_generators) == 2
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cuda.can_device_access_peer(0, 5)


def test_the_runtimes_functions(gpu):
    assert cuda.cudart().cudaProfilerStart() == 0 and gpu.log == ["profile"]
    assert cuda.cudart().cudaMemGetInfo(1) == (400, 1000)
    cuda.check_error(0)
    with pytest.raises(cuda.CudaError, match=r"cudaError34 \(34\)"):
        cuda.check_error(cuda.cudaStatus.ERROR_NOT_READY)


def test_figures_of_memory(gpu):
    assert cuda.memory_stats() == {
        "allocated_bytes.all.current": 100, "allocated_bytes.all.peak": 150,
        "reserved_bytes.all.current": 300, "reserved_bytes.all.peak": 300,
        "allocated_bytes.all.allocated": 512, "allocated_bytes.all.freed": 20 + 512 - 100,
        "allocation.all.allocated": 3, "num_ooms": 1,
    }  # fmt: skip
    cuda.reset_accumulated_memory_stats(1)
    assert gpu.log[-1] == ("sums", 1)
    cuda.empty_cache()
    assert cuda.memory_reserved() == 100 and cuda.max_memory_reserved() == 300
    assert cuda.memory_stats_as_nested_dict()["reserved_bytes"]["all"] == {
        "current": 100,
        "peak": 300,
    }
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_reserved() == 100
    for older, newer in (
        ("memory_cached", "memory_reserved"),
        ("max_memory_cached", "max_memory_reserved"),
    ):
        with pytest.warns(FutureWarning, match=newer):
            assert getattr(cuda, older)() == 100
    with pytest.warns(FutureWarning, match="reset_peak_memory_stats"):
        cuda.reset_max_memory_cached()
    assert "0.0" in cuda.memory_summary()


def test_how_much_memory_may_be_taken(gpu):
    assert cuda.get_per_process_memory_fraction() == 1
    cuda.set_per_process_memory_fraction(0.25, 1)
    assert gpu.limit == 250 and cuda.get_per_process_memory_fraction() == 0.25
    cuda.set_per_process_memory_fraction(0.0)
    assert gpu.limit == 1  # not 0, which is no limit
    with pytest.raises(TypeError, match="float"):
        cuda.set_per_process_memory_fraction(1)
    with pytest.raises(ValueError, match="0~1"):
        cuda.set_per_process_memory_fraction(1.5)


def test_memory_for_other_libraries(gpu):
    address = cuda.caching_allocator_alloc(24)
    cuda.caching_allocator_delete(address)
    with pytest.raises(ValueError, match=str(address)):
        cuda.caching_allocator_delete(address)
    with cuda.caching_allocator_disabled():
        assert gpu.log == [("allocator", None)]
    assert gpu.log[-1] == "installed"
    with cuda.use_mem_pool(cuda.MemPool()):
        assert gpu.log[-1] == "own memory"
    assert gpu.log[-1] == "common memory"


def test_a_graph_is_recorded_on_a_stream_and_in_memory_of_its_own(gpu):
    recording = cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="replay"):
        recording.replay()
    with cuda.graph(recording):
        assert cuda.is_current_stream_capturing()
    assert not cuda.is_current_stream_capturing()
    order = [x for x in gpu.log if isinstance(x, str)]
    assert order == ["wait", "enter", "own memory", "begin", "end", "common memory", "exit"]
    recording.replay()
    assert gpu.log[-1] == "launch"
    with pytest.raises(RuntimeError, match="already"), cuda.graph(recording):
        pass
    other = cuda.CUDAGraph()
    with cuda.graph(other, pool=recording.pool()):
        pass
    assert other.pool() == recording.pool() != cuda.graph_pool_handle()
    recording.reset()
    with pytest.raises(RuntimeError, match="pool"):
        recording.pool()


def test_a_graph_whose_work_fails_leaves_stream_and_memory(gpu):
    with pytest.raises(KeyError), cuda.graph(cuda.CUDAGraph()):
        raise KeyError
    order = [x for x in gpu.log if isinstance(x, str)]
    assert order[-2:] == ["common memory", "exit"] and not gpu.capturing


def test_streams_of_others(gpu):
    for stream in (cuda.ExternalStream(7, 1), cuda.get_stream_from_external(7, 1)):
        assert stream.cuda_stream == 7 and str(stream.device) == "cuda:1"
        assert gpu.log[-1] == ("stream", (7, 1))


def test_states_of_the_generator(gpu):
    state = cuda.get_rng_state()
    first = flambeau.rand(2)
    cuda.set_rng_state(state)
    assert flambeau.equal(flambeau.rand(2), first)
    states = cuda.get_rng_state_all()
    second = flambeau.rand(2)
    cuda.set_rng_state_all(states)
    assert len(states) == 2 and flambeau.equal(flambeau.rand(2), second)


def test_ranges_for_profilers(gpu):
    with cuda.nvtx.range("step {}", 3):
        assert cuda.nvtx.range_push("inner") == 1
        assert cuda.nvtx.range_pop() == 1
    cuda.nvtx.mark("here")
    assert gpu.log == ["step 3", "inner", "pop", "pop", ("mark", "here")]


def test_what_the_management_library_says(gpu, monkeypatch):
    nvml = types.SimpleNamespace(
        nvmlInit=lambda: None, nvmlDeviceGetHandleByPciBusId=lambda place: place.decode(),
        nvmlDeviceGetMemoryInfo=lambda h: types.SimpleNamespace(used=len(h)),
        nvmlDeviceGetUtilizationRates=lambda h: types.SimpleNamespace(gpu=30, memory=40),
        nvmlDeviceGetTemperature=lambda h, sensor: 50 + sensor, NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetPowerUsage=lambda h: 60, nvmlDeviceGetClockInfo=lambda h, clock: 70 + clock, NVML_CLOCK_SM=1,
        nvmlDeviceGetComputeRunningProcesses=lambda h: [types.SimpleNamespace(pid=5, usedGpuMemory=2**20)],
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert (cuda.utilization(), cuda.memory_usage(), cuda.temperature(), cuda.power_draw()) == (
        30,
        40,
        50,
        60,
    )
    assert (cuda.clock_rate(), cuda.device_memory_used(1)) == (71, 6)
    assert "5 uses        1.000 MB" in cuda.list_gpu_processes()


def test_kinds_of_tensors_by_their_old_names(gpu):
    assert repr(cuda.FloatTensor) == f"{flambeau.float32!r}".replace("float32", "cuda.FloatTensor")
    assert not isinstance(flambeau.ones(1), cuda.FloatTensor)
    assert isinstance(flambeau.ones(1), flambeau.FloatTensor)
    assert not isinstance(flambeau.ones(1).storage(), cuda.FloatStorage)


def test_figures_of_pinned_memory(gpu):
    assert cuda.host_memory_stats() == {
        "allocations.allocated": 3, "allocations.current": 1, "allocations.freed": 2, "allocations.peak": 2,
        "host_alloc_time.avg": 3, "host_alloc_time.count": 3, "host_alloc_time.max": 5, "host_alloc_time.min": 1,
        "host_alloc_time.total": 9, "num_host_alloc": 3, "num_host_free": 2,
    }  # fmt: skip
    assert cuda.host_memory_stats_as_nested_dict()["allocations"]["peak"] == 2
    cuda.reset_peak_host_memory_stats()
    cuda.reset_accumulated_host_memory_stats()
    assert gpu.log == ["peak", "accumulated"]


def test_waiting_for_the_gpu_is_said_or_refused(gpu):
    assert cuda.get_sync_debug_mode() == 0
    waiting.note()
    cuda.set_sync_debug_mode("warn")
    with pytest.warns(UserWarning, match="called a synchronizing CUDA operation"):
        waiting.note()
    cuda.set_sync_debug_mode(2)
    assert cuda.get_sync_debug_mode() == 2
    with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
        waiting.note()
    for wrong in ("loud", 3):
        with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
            cuda.set_sync_debug_mode(wrong)
    cuda.set_sync_debug_mode("default")
    waiting.note()


@pytest.fixture
def own():
    """The C library's allocator, which does not look at the device and the stream."""
    if sys.platform != "linux":
        pytest.skip("the C library has another name")
    return cuda.CUDAPluggableAllocator("libc.so.6", "malloc", "free")


def test_an_allocator_of_ones_own(gpu, own):
    with pytest.raises(RuntimeError, match="already initialized"):
        cuda.change_current_allocator(own)
    gpu.total = 0
    with pytest.raises(TypeError, match="got str"):
        cuda.change_current_allocator("libc.so.6")
    assert cuda.get_allocator_backend() == "cupy"
    cuda.change_current_allocator(own.allocator())
    assert cuda.get_allocator_backend() == "pluggable"
    (name, malloc) = gpu.log[-1]
    address = malloc(100)
    assert name == "allocator" and own._held == {address: (100, 7)}
    own._release(address, 0)
    assert own._held == {} and malloc(0) == 0
    own._release(0, 0)
    cuda.caching_allocator_enable()  # nothing is kept that could be
    assert gpu.log[-1][0] == "allocator"
    with pytest.raises(RuntimeError, match="already initialized"):
        cuda.change_current_allocator(own)
    with pytest.raises(RuntimeError, match="no figures of memory"):
        cuda.memory_allocated()
    cuda.empty_cache()


def test_an_allocator_that_has_no_more(gpu, own):
    with pytest.raises(cuda.OutOfMemoryError, match="gave no 1000000000000000000 bytes"):
        own._malloc(10**18, 0)
    with pytest.raises(AttributeError, match="no_such_name"):
        cuda.CUDAPluggableAllocator("libc.so.6", "no_such_name", "free")
    with pytest.raises(OSError, match="no_such_file"):
        cuda.CUDAPluggableAllocator("no_such_file.so", "malloc", "free")


def test_a_pool_on_an_allocator_of_ones_own(gpu, own):
    pool = cuda.MemPool(own)
    assert pool.allocator is own and pool._pool.allocator(8) in own._held
    with pytest.raises(TypeError, match="expected a CUDAPluggableAllocator"):
        cuda.MemPool(3)


class Scaled(flambeau.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = flambeau.nn.Parameter(flambeau.tensor(3.0))

    def forward(self, x):
        return {"y": x * self.weight, "n": x.detach() + 1}


def test_a_graphed_module_reads_and_writes_the_memory_that_was_recorded(gpu, monkeypatch):
    made = []
    start = graphed._Recording.__init__
    monkeypatch.setattr(
        graphed._Recording, "__init__", lambda self, *a: made.append(self) or start(self, *a)
    )
    module, sample = Scaled(), flambeau.tensor([1.0, 2.0], requires_grad=True)
    assert cuda.make_graphed_callables(module, (sample,)) is module
    order = [x for x in gpu.log if x in ("begin", "end", "launch")]
    # The stand-in computes while it records, and nothing when it replays.
    assert order == ["begin", "end"] * 2
    x = flambeau.tensor([5.0, 6.0], requires_grad=True)
    results = module(x)
    assert sample.tolist() == [5, 6]
    assert results["y"].tolist() == [3, 6] and results["n"].tolist() == [2, 3]
    (recording,) = made
    recording.gradients[0].fill_(7.0)
    results["y"].sum().backward()
    assert recording.seeds[0].tolist() == [1, 1]
    recording.gradients[0].fill_(8.0)  # by the next replay: gradients that were taken stay
    assert x.grad.tolist() == [7, 7]
    assert gpu.log[-1] == "launch" and [g for g in gpu.log if g == "launch"] == ["launch"] * 2
    assert module.weight.grad is not None and results["n"].grad_fn is None
    assert module.eval()(x)["y"].tolist() == [15, 18]  # in the other mode it runs as before


def test_graphed_functions(gpu):
    given = flambeau.tensor([2.0])
    double, square = cuda.make_graphed_callables(
        (lambda x: x * 2, lambda a, b: (a * a, b)), ((given,), (given.clone(), given + 1))
    )
    assert double(given).tolist() == [4] and [t.item() for t in square(given, given + 1)] == [4, 3]
    with pytest.raises(TypeError, match="sample_args"):
        square(given)
    with pytest.raises(TypeError, match="must return tensors"):
        cuda.make_graphed_callables(lambda x: 3, (given,))
    with pytest.raises(AssertionError, match="only Tensors"):
        cuda.make_graphed_callables(lambda x: x, (3,))


def test_modules_that_cannot_be_graphed(gpu):
    module = Scaled()
    handle = module.register_forward_hook(lambda *_: None)
    with pytest.raises(AssertionError, match="hooks"):
        cuda.make_graphed_callables(module, (flambeau.ones(1),))
    handle.remove()
    module.register_buffer("trained", flambeau.ones(1, requires_grad=True))
    with pytest.raises(AssertionError, match="buffers"):
        cuda.make_graphed_callables(module, (flambeau.ones(1),))
    with flambeau.autocast("cuda"), pytest.raises(RuntimeError, match="cache_enabled=False"):
        cuda.make_graphed_callables(Scaled(), (flambeau.ones(1),))
