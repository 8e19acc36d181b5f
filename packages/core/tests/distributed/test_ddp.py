"""Data-parallel training: the same parameters as one process on the whole batch."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import distributed as dist
from flambeau import nn, optim
from flambeau.nn.parallel import DistributedDataParallel
from flambeau.utils.data import DataLoader, DistributedSampler, TensorDataset


def make_model():
    """The same on every call, without the random generator that the threads share."""
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    with flambeau.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_((flambeau.arange(p.numel()) * (i + 1)).reshape(p.shape).double().sin() / 3)
    return model


def make_data():
    x = flambeau.arange(24 * 5).reshape(24, 5).double().cos()
    y = flambeau.arange(24) % 3
    return x, y


def train(model, batches, steps=4):
    optimizer = optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(steps):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return [p.tolist() for p in model.parameters()]


def alone():
    return train(make_model(), [make_data()])


def close(made, expected):
    for a, b in zip(made, expected, strict=True):
        assert flambeau.allclose(flambeau.tensor(a), flambeau.tensor(b), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("bucket_cap_mb", [None, 0.0001])
def test_ranks_reach_the_parameters_of_one_process(size, bucket_cap_mb):
    def rank():
        x, y = make_data()
        share = slice(dist.get_rank(), None, size)
        model = DistributedDataParallel(make_model(), bucket_cap_mb=bucket_cap_mb)
        assert len(model._buckets) == (4 if bucket_cap_mb else 1)
        return train(model, [(x[share], y[share])])

    expected = alone()
    for made in dist.run_threads(rank, size):
        close(made, expected)


def test_with_a_sampler_and_a_loader():
    def rank():
        data = TensorDataset(*make_data())
        loader = DataLoader(data, 6, sampler=DistributedSampler(data, shuffle=False))
        return train(DistributedDataParallel(make_model()), loader, steps=2)

    x, y = make_data()
    whole = [(x[s], y[s]) for s in (slice(0, 12), slice(12, 24))]
    expected = train(make_model(), whole, steps=2)
    for made in dist.run_threads(rank, 2):
        close(made, expected)


def test_rank_0_gives_parameters_and_buffers():
    def rank():
        module = nn.BatchNorm1d(2)
        with flambeau.no_grad():
            module.weight.fill_(float(dist.get_rank()))
        module.running_mean.fill_(float(dist.get_rank()))
        model = DistributedDataParallel(module)
        start = module.weight.tolist(), module.running_mean.tolist()
        module.running_mean.fill_(5.0 + dist.get_rank())
        model.eval()
        model(flambeau.zeros(2, 2))
        return start, module.running_mean.tolist()

    assert dist.run_threads(rank, 2) == [(([0.0, 0.0], [0.0, 0.0]), [5.0, 5.0])] * 2


def test_accumulation_without_sending():
    def rank():
        x, y = make_data()
        model = DistributedDataParallel(make_model())
        half = flambeau.arange(24).reshape(2, 12)[dist.get_rank()]
        with model.no_sync():
            nn.functional.cross_entropy(model(x[half[:6]]), y[half[:6]]).backward()
        local = model.module[0].weight.grad.clone()
        gathered = [flambeau.zeros_like(local) for _ in range(2)]
        dist.all_gather(gathered, local)
        assert not flambeau.equal(*gathered)
        nn.functional.cross_entropy(model(x[half[6:]]), y[half[6:]]).backward()
        return [p.grad.tolist() for p in model.parameters()]

    x, y = make_data()
    model = make_model()
    for start in (0, 6, 12, 18):
        nn.functional.cross_entropy(model(x[start : start + 6]), y[start : start + 6]).backward()
    expected = [(p.grad / 2).tolist() for p in model.parameters()]
    for made in dist.run_threads(rank, 2):
        close(made, expected)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right, self.never = nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x, left):
        return (self.left if left else self.right)(x)


def test_unused_parameters_are_found():
    def rank():
        model = DistributedDataParallel(Branches(), find_unused_parameters=True)
        for _ in range(2):
            model.zero_grad()
            model(flambeau.ones(1, 2), dist.get_rank() == 0).sum().backward()
        return [None if p.grad is None else p.grad.sum().item() for p in model.parameters()]

    # Each branch was used by one of two ranks: the mean is half its gradient, on both.
    assert dist.run_threads(rank, 2) == [[1.0, 0.5, 1.0, 0.5, None, None]] * 2


def test_unused_parameters_are_named_when_they_are_not_looked_for():
    def rank():
        model = DistributedDataParallel(Branches())
        model(flambeau.ones(1, 2), True).sum().backward()
        model(flambeau.ones(1, 2), True)

    with pytest.raises(RuntimeError, match=r"not used in producing loss: .*never.weight"):
        dist.run_threads(rank, 2)


def test_models_that_differ_are_refused():
    with pytest.raises(RuntimeError, match=r"rank 1 has \('weight', \(1, 3\)"):
        dist.run_threads(lambda: DistributedDataParallel(nn.Linear(2 + dist.get_rank(), 1)), 2)


def test_a_model_without_parameters_is_refused():
    with pytest.raises(RuntimeError, match="not needed when a module doesn't have any parameters"):
        dist.run_threads(lambda: DistributedDataParallel(nn.Tanh()), 1)
    with pytest.raises(ValueError, match="please make sure to call init_process_group"):
        DistributedDataParallel(nn.Linear(1, 1))


def test_the_state_dict_is_the_models_with_a_prefix():
    names = dist.run_threads(lambda: list(DistributedDataParallel(nn.Linear(1, 1)).state_dict()), 1)
    assert names == [["module.weight", "module.bias"]]


def trained_with(**options):
    """What two ranks' parameters become with these options of the wrapper."""

    def rank():
        x, y = make_data()
        share = slice(dist.get_rank(), None, 2)
        model = make_model()
        made = {name: value(model) if callable(value) else value for name, value in options.items()}
        wrapped = DistributedDataParallel(model, **made)
        return train(wrapped, [(x[share], y[share])]), [len(b.params) for b in wrapped._buckets]

    return dist.run_threads(rank, 2)


def test_each_bucket_may_have_a_size_of_its_own():
    # From the last parameter: 24 + 192 bytes, 64, 320.
    for parameters, buckets in trained_with(bucket_cap_mb_list=[220 / 2**20, 1 / 2**20]):
        close(parameters, alone())
        assert buckets == [2, 1, 1]


@pytest.mark.parametrize("hooked", [0, 3])
def test_some_parameters_may_be_sent_together_later(hooked):
    def late(model):
        return list(model.named_parameters())[2:]

    options = {
        "delay_all_reduce_named_params": late,
        "param_to_hook_all_reduce": lambda model: list(model.parameters())[hooked],
    }
    if hooked == 3:  # a bias, whose gradient is there before its weight's: too early
        options["delay_all_reduce_named_params"] = lambda model: list(model.named_parameters())[3:]
    for parameters, buckets in trained_with(**options):
        close(parameters, alone())
        assert sum(buckets) == (2 if hooked == 0 else 3)
    with pytest.raises(ValueError, match="at the same time"):
        trained_with(param_to_hook_all_reduce=options["param_to_hook_all_reduce"])


def test_all_parameters_may_be_late():
    for parameters, buckets in trained_with(
        delay_all_reduce_named_params=lambda model: list(model.named_parameters()),
        param_to_hook_all_reduce=lambda model: model[0].weight,
    ):
        assert buckets == []
        close(parameters[2:], alone()[2:])


class Precision:
    def __init__(self, param_dtype=None, reduce_dtype=None, buffer_dtype=None):
        self.param_dtype, self.reduce_dtype, self.buffer_dtype = (
            param_dtype,
            reduce_dtype,
            buffer_dtype,
        )


def test_mixed_precision():
    def rank(how):
        model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
        wrapped = DistributedDataParallel(model, mixed_precision=how)
        out = wrapped(make_data()[0].float())
        out.sum().backward()
        kinds = {p.grad.dtype for p in model.parameters()} | {p.dtype for p in model.parameters()}
        return out.dtype, kinds, model[1].running_mean.dtype, wrapped._buckets[0].flat.dtype

    f32, bf16, f16 = flambeau.float32, flambeau.bfloat16, flambeau.float16
    for how, wanted in (
        (Precision(), (f32, {f32}, f32, f32)),
        (Precision(param_dtype=bf16), (bf16, {f32}, f32, bf16)),
        (Precision(reduce_dtype=f16), (f32, {f32}, f32, f16)),
        (Precision(bf16, f32, bf16), (bf16, {f32}, bf16, f32)),
    ):
        assert dist.run_threads(lambda how=how: rank(how), 2) == [wanted] * 2


def test_a_mesh_names_the_ranks():
    class Mesh:
        def __init__(self, ndim=1):
            self.ndim = ndim

        def get_group(self, mesh_dim):
            return dist.group.WORLD

    for parameters, _ in trained_with(device_mesh=lambda _: Mesh()):
        close(parameters, alone())
    with pytest.raises(RuntimeError, match="Only 1D"):
        trained_with(device_mesh=lambda _: Mesh(2))
    with pytest.raises(RuntimeError, match="both process_group and device_mesh"):
        trained_with(device_mesh=lambda _: Mesh(), process_group=lambda _: dist.group.WORLD)


def test_unused_parameters_need_not_be_sent():
    def rank():
        model = DistributedDataParallel(
            Branches(), bucket_cap_mb=1e-6,
            find_unused_parameters=True, skip_all_reduce_unused_params=True,
        )  # fmt: skip
        sent, send = [], model._send
        model._send = lambda bucket: (sent.append(len(bucket.params)), send(bucket))
        for _ in range(2):
            model.zero_grad()
            model(flambeau.ones(1, 2), True).sum().backward()
        used = [None if p.grad is None else p.grad.sum().item() for p in model.parameters()]
        return used, len(sent), len(model._buckets)

    for used, sent, buckets in dist.run_threads(rank, 2):
        assert used == [2.0, 1.0, None, None, None, None]
        assert sent == 4 and buckets == 6  # two of six buckets, twice


def test_buffers_are_sent_or_not():
    def rank(**options):
        model = DistributedDataParallel(nn.BatchNorm1d(2), **options)
        model(flambeau.full((3, 2), float(dist.get_rank())))
        with flambeau.no_grad():
            model.module.running_mean.fill_(dist.get_rank())
        model.eval()
        model(flambeau.ones(3, 2))  # whose start sends rank 0's
        return model.module.running_mean.tolist()

    assert dist.run_threads(rank, 2) == [[0, 0], [0, 0]]
    apart = [[0, 0], [1, 1]]
    assert dist.run_threads(lambda: rank(forward_sync_buffers=False), 2) == apart
    with pytest.warns(FutureWarning, match="older name of forward_sync_buffers"):
        assert dist.run_threads(lambda: rank(broadcast_buffers=False), 2) == apart
    with pytest.warns(FutureWarning, match="ignored beside it"):
        found = dist.run_threads(
            lambda: rank(broadcast_buffers=True, forward_sync_buffers=False), 2
        )
    assert found == apart
