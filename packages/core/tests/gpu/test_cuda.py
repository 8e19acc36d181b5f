"""Devices, streams, events, memory, training and files on a GPU."""

from __future__ import annotations

import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import cuda, nn
from flambeau.testing import assert_close


def model_and_data(device):
    flambeau.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    ).to(device)
    x, y = flambeau.randn(16, 1, 8, 8).to(device), (flambeau.arange(16) % 3).to(device)
    return model, x, y


def train(device, steps=5):
    model, x, y = model_and_data(device)
    optimizer = flambeau.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def test_where_tensors_are():
    x = flambeau.ones(2, 3, device="cuda")
    assert str(x.device) == f"cuda:{cuda.current_device()}"
    assert x.is_cuda
    assert "device='cuda:0'" in repr(x)
    assert (x + 1).device == x.device
    assert (x * flambeau.tensor(2.0)).device == x.device  # a 0-d CPU tensor may join
    with pytest.raises(RuntimeError, match="same device"):
        x + flambeau.ones(2, 3)
    with pytest.raises(TypeError, match="can't convert cuda"):
        x.numpy()
    assert x.cpu().numpy().sum() == 6


def test_writes_across_devices():
    x = flambeau.zeros(3, 2, device="cuda")
    x[0] = 1.0
    x[1:] = flambeau.tensor([[2.0, 3.0], [4.0, 5.0]])
    x.diagonal().mul_(2)
    assert x.tolist() == [[2.0, 1.0], [2.0, 6.0], [4.0, 5.0]]
    assert x.copy_(flambeau.ones(3, 2)).sum().item() == 6


def test_equal_seeds_give_equal_numbers():
    flambeau.manual_seed(3)
    a = flambeau.randn(1000)
    flambeau.manual_seed(3)
    assert flambeau.equal(flambeau.randn(1000, device="cuda").cpu(), a)


def test_training_equals_the_cpus():
    (on_cpu, a), (on_gpu, b) = train("cpu"), train("cuda")
    assert a == pytest.approx(b, rel=1e-3)
    for p, q in zip(on_cpu.parameters(), on_gpu.parameters()):
        assert q.is_cuda
        assert_close(q.detach().cpu(), p.detach(), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("dtype", [flambeau.float16, flambeau.bfloat16], ids=str)
def test_training_in_mixed_precision(dtype):
    model, x, y = model_and_data("cuda")
    optimizer = flambeau.optim.SGD(model.parameters(), lr=0.05)
    scaler = flambeau.amp.GradScaler("cuda", enabled=dtype is flambeau.float16)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        with flambeau.autocast("cuda", dtype=dtype):
            out = model(x)
            loss = F.cross_entropy(out, y)
        assert out.dtype is dtype
        assert loss.dtype is flambeau.float32
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_binary_cross_entropy_is_refused_in_mixed_precision():
    with flambeau.autocast("cuda"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        F.binary_cross_entropy(flambeau.rand(2, device="cuda"), flambeau.zeros(2, device="cuda"))


def test_streams_and_events():
    x = flambeau.randn(512, 512, device="cuda")
    expected = (x @ x).cpu()
    side, start, end = cuda.Stream(), cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    side.wait_stream(cuda.current_stream())
    before = cuda.current_stream()
    with cuda.stream(side):
        assert cuda.current_stream() == side
        start.record()
        y = x @ x
        end.record()
    assert cuda.current_stream() == before
    cuda.current_stream().wait_stream(side)
    assert_close(y.cpu(), expected)
    end.synchronize()
    assert end.query()
    assert start.elapsed_time(end) > 0
    side.synchronize()
    assert side.query()
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(cuda.Event())


def test_memory_figures():
    cuda.empty_cache()
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    x = flambeau.zeros(1 << 20, device="cuda")
    assert cuda.memory_allocated() - before == 4 << 20
    del x
    assert cuda.memory_allocated() == before
    assert cuda.max_memory_allocated() - before >= 4 << 20
    assert cuda.memory_reserved() >= 4 << 20
    free, total = cuda.mem_get_info()
    assert 0 < free < total
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == before


def test_out_of_memory_says_how_much():
    with pytest.raises(cuda.OutOfMemoryError, match="Tried to allocate"):
        flambeau.zeros(1 << 44, device="cuda")
    assert flambeau.ones(2, device="cuda").sum().item() == 2


def test_what_the_device_is():
    assert cuda.device_count() >= 1
    assert cuda.get_device_name()
    assert cuda.get_device_capability() >= (3, 5)
    assert cuda.get_device_properties(0).total_memory == cuda.mem_get_info(0)[1]
    with cuda.device(0):
        assert cuda.current_device() == 0
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cuda.set_device(99)


@pytest.mark.skipif("flambeau.cuda.device_count() < 2", reason="needs two GPUs")
def test_calls_run_where_their_tensors_are():
    x = flambeau.ones(1000, 1000, device="cuda:1")
    assert str((x @ x).device) == "cuda:1"
    assert str(F.gelu(x).device) == "cuda:1"
    assert str(x.to("cuda:0").device) == "cuda:0"
    assert cuda.current_device() == 0


def test_checkpoints_go_through_files(tmp_path):
    model, _ = train("cuda", 2)
    path = tmp_path / "model.pt"
    flambeau.save(model.state_dict(), path)
    for place in ("cpu", "cuda"):
        loaded = flambeau.load(path, map_location=place)
        for name, value in model.state_dict().items():
            assert loaded[name].device.type == place
            assert_close(loaded[name].cpu(), value.cpu(), rtol=0, atol=0)
    assert all(v.is_cuda for v in flambeau.load(path).values())


def test_safetensors_go_through_files(tmp_path):
    from flambeau.serialization import safetensors

    state = {
        "w": flambeau.randn(3, 4, device="cuda"),
        "h": flambeau.ones(2, dtype=flambeau.float16, device="cuda"),
    }
    safetensors.save_file(state, tmp_path / "w.safetensors")
    loaded = safetensors.load_file(tmp_path / "w.safetensors", device="cuda")
    for name, value in state.items():
        assert loaded[name].is_cuda
        assert flambeau.equal(loaded[name], value)


def test_recurrent_and_attention_layers_run():
    x = flambeau.randn(2, 5, 8)
    for layer in (nn.LSTM(8, 6, batch_first=True), nn.GRU(8, 6, batch_first=True)):
        want = layer(x)[0].detach()
        assert_close(layer.to("cuda")(x.to("cuda"))[0].detach().cpu(), want, rtol=1e-4, atol=1e-5)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    want = layer(x).detach()
    assert_close(layer.to("cuda")(x.to("cuda")).detach().cpu(), want, rtol=1e-4, atol=1e-5)
