"""What a Trainer does, against the same loop written by hand."""

from __future__ import annotations

import pytest

import flambeau
from flambeau import distributed as dist
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.train import Trainer, accuracy
from flambeau.utils.data import DataLoader, DistributedSampler, TensorDataset


def data(count: int = 24) -> TensorDataset:
    x = flambeau.randn(count, 3, generator=flambeau.Generator().manual_seed(2))
    return TensorDataset(x, (x[:, 0] > x[:, 1]).long())


def model() -> nn.Module:
    flambeau.manual_seed(4)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def sgd(net: nn.Module, lr: float = 0.2) -> flambeau.optim.SGD:
    return flambeau.optim.SGD(net.parameters(), lr=lr, momentum=0.9)


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for ours, theirs in zip(a.parameters(), b.parameters(), strict=True):
        flambeau.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def by_hand(net: nn.Module, batches, epochs: int, parts: int = 1, clip: float | None = None):
    optimizer = sgd(net)
    for _ in range(epochs):
        batches_ = list(batches)
        for start in range(0, len(batches_), parts):
            group = batches_[start : start + parts]
            optimizer.zero_grad()
            for x, y in group:
                (F.cross_entropy(net(x), y) / len(group)).backward()
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()


def test_fit_takes_the_steps_of_a_loop_by_hand():
    loader, ours, theirs = DataLoader(data(), 8), model(), model()
    history = Trainer(ours, F.cross_entropy, sgd(ours)).fit(loader, epochs=3)
    by_hand(theirs, loader, 3)
    assert_same_weights(ours, theirs)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[2]["loss"] < history[0]["loss"]


def test_accumulated_batches_make_one_step_also_the_last_few():
    loader, ours, theirs = DataLoader(data(20), 4), model(), model()
    trainer = Trainer(ours, F.cross_entropy, sgd(ours), accumulate=2, clip_grad_norm=0.1)
    trainer.fit(loader, epochs=2)
    by_hand(theirs, loader, 2, parts=2, clip=0.1)
    assert_same_weights(ours, theirs)
    assert trainer.global_step == 6  # of 5 batches: 2, 2 and 1


def test_batches_without_a_known_number_are_accumulated_too():
    def stream():
        yield from DataLoader(data(20), 4)

    class Stream:
        def __iter__(self):
            return stream()

    ours = model()
    trainer = Trainer(ours, F.cross_entropy, sgd(ours), accumulate=2)
    trainer.fit(Stream(), epochs=1)
    assert trainer.global_step == 3
    assert all(p.grad is None for p in ours.parameters())


def test_values_are_clipped():
    ours = model()
    before = [p.detach().clone() for p in ours.parameters()]
    optimizer = flambeau.optim.SGD(ours.parameters(), lr=1.0)
    Trainer(
        ours, lambda out, y: 1e3 * F.cross_entropy(out, y), optimizer, clip_grad_value=0.01
    ).fit(DataLoader(data(), 24), epochs=1)
    moved = max(float((p - q).abs().max()) for p, q in zip(ours.parameters(), before))
    assert moved == pytest.approx(0.01, rel=1e-4)


def test_averages_count_samples_not_batches():
    net, points = model(), data(20)
    trainer = Trainer(net, F.cross_entropy, metrics={"accuracy": accuracy})
    found = trainer.evaluate(DataLoader(points, 8))  # 8, 8 and 4
    x, y = points.tensors
    assert found["loss"] == pytest.approx(F.cross_entropy(net(x), y).item(), rel=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy(net(x), y).item())


class Counter:
    """A metric as torchmetrics has them."""

    def __init__(self) -> None:
        self.reset()

    def update(self, output, target) -> None:
        self.count += len(target)

    def compute(self) -> float:
        return self.count

    def reset(self) -> None:
        self.count = 0


def test_metrics_that_collect_begin_anew_each_epoch():
    net = model()
    trainer = Trainer(net, F.cross_entropy, sgd(net), metrics={"seen": Counter()})
    history = trainer.fit(DataLoader(data(), 8), DataLoader(data(10), 5), epochs=2)
    assert [(row["seen"], row["val_seen"]) for row in history] == [(24, 10)] * 2


def test_evaluation_leaves_modes_and_gradients_alone():
    net = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    net[0].eval()
    modes = []
    net.register_forward_hook(lambda *_: modes.append((net.training, flambeau.is_grad_enabled())))
    Trainer(net, F.cross_entropy).evaluate(DataLoader(data(), 24))
    assert modes == [(False, False)]
    assert (net.training, net[0].training, net[1].training) == (True, False, True)


def test_predict_joins_the_outputs():
    net, points = model(), data(10)
    expected = net(points.tensors[0])
    trainer = Trainer(net)
    for loader in (
        DataLoader(points, 4),
        DataLoader(points.tensors[0], 4),
        DataLoader(TensorDataset(points.tensors[0]), 4),
    ):
        assert flambeau.allclose(trainer.predict(loader), expected, atol=1e-6)
    assert not trainer.predict(DataLoader(points, 4)).requires_grad


def test_a_step_of_ones_own_and_its_numbers():
    net = nn.Linear(3, 3)

    def step(net, x):
        rebuilt = F.mse_loss(net(x), x)
        size = net.weight.square().mean()
        return {"loss": rebuilt + 0.1 * size, "rebuilt": rebuilt, "size": size}

    trainer = Trainer(net, optimizer=sgd(net), step=step)
    history = trainer.fit(DataLoader(data().tensors[0], 8), epochs=5)
    assert history[-1]["rebuilt"] < history[0]["rebuilt"]
    assert set(trainer.evaluate(DataLoader(data().tensors[0], 8))) == {"loss", "rebuilt", "size"}


def test_inputs_may_be_several_or_a_dict():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, a, b):
            return self.layer(a + b)

    net = Sum()
    x, y = data().tensors
    Trainer(net, F.cross_entropy, sgd(net)).fit([(x, x, y)], epochs=1)
    Trainer(net, F.cross_entropy, sgd(net)).fit([({"a": x, "b": x}, y)], epochs=1)


def test_schedulers_per_step_and_per_epoch():
    net = model()
    optimizer = sgd(net, lr=1.0)
    lr = flambeau.optim.lr_scheduler
    trainer = Trainer(
        net,
        F.cross_entropy,
        optimizer,
        step_scheduler=lr.ExponentialLR(optimizer, 0.5),
        epoch_scheduler=lr.StepLR(optimizer, 1, gamma=0.1),
    )
    trainer.fit(DataLoader(data(), 12), epochs=1)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5**2 * 0.1)


def test_plateaus_are_those_of_the_validation_loss():
    net = model()
    optimizer = sgd(net, lr=1e-6)
    plateau = flambeau.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    trainer = Trainer(net, F.cross_entropy, optimizer, epoch_scheduler=plateau)
    trainer.fit(DataLoader(data(), 12), DataLoader(data(), 12), epochs=3)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.25e-6)


@pytest.mark.parametrize("amp", [flambeau.bfloat16, flambeau.float16])
def test_mixed_precision_learns_and_keeps_float32_weights(amp):
    net = model()
    seen = []
    net[0].register_forward_hook(lambda _module, _args, out: seen.append(out.dtype))
    history = Trainer(net, F.cross_entropy, sgd(net), amp=amp).fit(DataLoader(data(), 8), epochs=8)
    assert set(seen) == {amp}
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert all(p.dtype is flambeau.float32 for p in net.parameters())


def test_equal_seeds_give_equal_runs():
    def run(seed):
        net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        with flambeau.no_grad():
            for p in net.parameters():
                p.fill_(0.1)
        trainer = Trainer(net, F.cross_entropy, sgd(net), seed=seed)
        trainer.fit(DataLoader(data(), 4, shuffle=True), epochs=2)
        return flambeau.nn.utils.parameters_to_vector(net.parameters())

    first = run(1)
    assert flambeau.equal(first, run(1))
    assert not flambeau.equal(first, run(2))
    assert not flambeau.are_deterministic_algorithms_enabled()


def test_an_epoch_that_failed_begins_anew():
    loader, ours, theirs = DataLoader(data(), 4), model(), model()
    calls = []

    def fails_once(output, target):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return F.cross_entropy(output, target)

    trainer = Trainer(ours, fails_once, flambeau.optim.SGD(ours.parameters(), lr=0.1), accumulate=2)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, epochs=1)
    assert trainer.global_step == 1
    theirs.load_state_dict(ours.state_dict())
    history = trainer.fit(loader, epochs=1)
    optimizer = flambeau.optim.SGD(theirs.parameters(), lr=0.1)
    Trainer(theirs, F.cross_entropy, optimizer, accumulate=2).fit(loader, epochs=1)
    assert_same_weights(ours, theirs)
    assert len(history) == 1
    assert trainer.global_step == 4


# -- ranks


def in_ranks(accumulate: int = 1, shuffle: bool = False, batch: int = 4):
    def rank():
        net = nn.Linear(3, 2)
        with flambeau.no_grad():
            for p in net.parameters():
                p.fill_(0.1 * (1 + dist.get_rank()))  # rank 0's count
        trainer = Trainer(net, F.cross_entropy, sgd(net), accumulate=accumulate)
        trainer.fit(DataLoader(data(), batch, shuffle=shuffle), epochs=2)
        found = trainer.evaluate(DataLoader(data(13), 3))
        return net, trainer.history, found

    return dist.run_threads(rank, 2)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_ranks_train_one_model_on_shares_of_the_data(accumulate):
    (a, history, found), (b, other_history, other_found) = in_ranks(accumulate)
    alone = nn.Linear(3, 2)
    with flambeau.no_grad():
        for p in alone.parameters():
            p.fill_(0.1)
    # Together two ranks see the batches of eight that one process sees.
    by_hand(alone, DataLoader(data(), 8), 2, parts=accumulate)
    assert_same_weights(a, alone)
    assert_same_weights(b, alone)
    assert history == other_history
    assert found == other_found
    x, y = data(13).tensors
    assert found["loss"] == pytest.approx(F.cross_entropy(a(x), y).item(), rel=1e-5)


def test_ranks_shuffle_in_one_order():
    (a, history, _), (b, _, _) = in_ranks(shuffle=True)
    assert_same_weights(a, b)
    assert history[0]["loss"] != history[1]["loss"]


def test_a_sampler_that_ranks_cannot_share_is_refused():
    def rank():
        net = nn.Linear(3, 2)
        loader = DataLoader(data(), 4, sampler=[0, 1, 2, 3])
        with pytest.raises(TypeError, match="the order of list cannot be shared among 2 ranks"):
            Trainer(net, F.cross_entropy, sgd(net)).fit(loader, epochs=1)
        sampler = DistributedSampler(data())
        Trainer(net, F.cross_entropy, sgd(net)).fit(
            DataLoader(data(), 4, sampler=sampler), epochs=1
        )
        with pytest.raises(TypeError, match="'seen' collects by itself"):
            Trainer(net, metrics={"seen": Counter()}).evaluate(DataLoader(data(), 4))

    dist.run_threads(rank, 2)


# -- errors


def test_errors_are_one_clear_line():
    net, loader = model(), DataLoader(data(), 8)
    with pytest.raises(ValueError, match="training needs an optimizer"):
        Trainer(net, F.cross_entropy).fit(loader, epochs=1)
    with pytest.raises(ValueError, match="expected one of them"):
        Trainer(net, F.cross_entropy, step=lambda net, batch: 0)
    with pytest.raises(ValueError, match="accumulate=0, expected a positive int"):
        Trainer(net, F.cross_entropy, sgd(net), accumulate=0)
    with pytest.raises(ValueError, match="amp='fp16', expected"):
        Trainer(net, F.cross_entropy, sgd(net), amp="fp16")
    with pytest.raises(TypeError, match="metric 'a' is a str"):
        Trainer(net, F.cross_entropy, sgd(net), metrics={"a": "accuracy"})
    with pytest.raises(TypeError, match="a batch is a Tensor, expected"):
        Trainer(net, F.cross_entropy, sgd(net)).fit([flambeau.ones(2, 3)], epochs=1)
    with pytest.raises(TypeError, match=r"the loss is a tensor of shape \(8,\)"):
        Trainer(net, lambda out, y: out[:, 0], sgd(net)).fit(loader, epochs=1)
    with pytest.raises(ValueError, match="gave no batch"):
        Trainer(net, F.cross_entropy, sgd(net)).fit([], epochs=1)
    with pytest.raises(ValueError, match="the dict it returned has no 'loss'"):
        Trainer(net, optimizer=sgd(net), step=lambda net, batch: {"x": 1}).fit(loader, epochs=1)
    trainer = Trainer(net, F.cross_entropy, sgd(net))
    trainer.fit(loader, epochs=2)
    with pytest.raises(ValueError, match="2 epochs are done and epochs=2 counts them all"):
        trainer.fit(loader, epochs=2)
