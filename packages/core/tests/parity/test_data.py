"""Samplers, splits and loaders beside PyTorch's: the same indices, batches, seeds and random streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.utils.data

import flambeau

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)
BOTH = [flambeau, torch]


def both(make):
    """What `make(module, generator)` gives in both frameworks, and a number drawn after."""
    results = []
    for module in BOTH:
        module.manual_seed(11)
        generator = module.Generator()
        generator.manual_seed(5)
        made = make(module, generator)
        results.append(
            (
                made,
                module.randint(0, 1000, (3,)).tolist(),
                module.randint(0, 1000, (3,), generator=generator).tolist(),
            )
        )
    return results


def equal(make):
    ours, theirs = both(make)
    assert ours == theirs
    return ours[0]


@pytest.mark.parametrize("n", [1, 7, 100])
@pytest.mark.parametrize(
    "make",
    [
        lambda m, g, n: m.utils.data.RandomSampler(range(n), generator=g),
        lambda m, g, n: m.utils.data.RandomSampler(range(n)),
        lambda m, g, n: m.utils.data.RandomSampler(range(n), replacement=True, generator=g),
        lambda m, g, n: m.utils.data.RandomSampler(range(n), num_samples=2 * n + 3, generator=g),
        lambda m, g, n: m.utils.data.RandomSampler(range(n), replacement=True, num_samples=75),
        lambda m, g, n: m.utils.data.SubsetRandomSampler(range(n), generator=g),
        lambda m, g, n: m.utils.data.WeightedRandomSampler(
            [1 + i % 3 for i in range(n)], 20, generator=g
        ),
        lambda m, g, n: m.utils.data.WeightedRandomSampler(
            [1 + i % 3 for i in range(n)], n, False, generator=g
        ),
        lambda m, g, n: m.utils.data.DistributedSampler(range(n), 3, 1, seed=2),
        lambda m, g, n: m.utils.data.DistributedSampler(range(n), 3, 2, seed=2, drop_last=True),
        lambda m, g, n: m.utils.data.BatchSampler(
            m.utils.data.RandomSampler(range(n), generator=g), 4, True
        ),
    ],
)
def test_samplers(make, n):
    equal(lambda module, generator: [list(make(module, generator, n)) for _ in range(1)])


def test_two_passes_of_a_sampler():
    equal(lambda m, g: [list(s) for s in [m.utils.data.RandomSampler(range(20))] for _ in range(2)])


@pytest.mark.parametrize("lengths", [[6, 4], [0.7, 0.3], [0.33, 0.33, 0.34]])
def test_random_split(lengths):
    equal(
        lambda m, g: [
            part.indices for part in m.utils.data.random_split(range(10), lengths, generator=g)
        ]
    )
    equal(lambda m, g: [part.indices for part in m.utils.data.random_split(range(10), lengths)])


def lists(value):
    if hasattr(value, "tolist"):
        return [str(value.dtype).split(".")[1], value.tolist()]
    if isinstance(value, dict):
        return {key: lists(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(lists, value)]
    return value


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shuffle": True, "drop_last": True}])
def test_loaders(workers, options):
    def make(module, generator):
        data = module.utils.data.TensorDataset(module.arange(50), module.arange(50).double())
        loader = module.utils.data.DataLoader(
            data, 8, num_workers=workers, generator=generator, **options
        )
        return [lists(list(loader)) for _ in range(2)]

    equal(make)


SAMPLES = [
    [1, 2], [1.5, 2.5], [True, False], ["a", "b"], [b"a", b"b"],
    [(1, "x"), (2, "y")], [[1, 2.0], [3, 4.0]], [{"a": 1, "b": [2]}, {"a": 3, "b": [4]}],
    [np.float32(1), np.float32(2)], [np.int8(1), np.int8(2)], [np.bool_(True), np.bool_(False)],
    [np.arange(3), np.arange(3)], [np.ones((2, 2), np.float16)] * 3, [np.float64(1.5), np.float64(2.5)],
    [(), ()], [[], []],
]  # fmt: skip


@pytest.mark.parametrize("batch", SAMPLES, ids=repr)
def test_collate_and_convert(batch):
    equal(lambda m, g: lists(m.utils.data.default_collate(batch)))
    equal(lambda m, g: lists(m.utils.data.default_convert(batch)))


def streams(module):
    class Stream(module.utils.data.IterableDataset):
        def __iter__(self):
            info = module.utils.data.get_worker_info()
            if info is None:
                return iter(range(30))
            return iter(range(info.id, 17 + 9 * info.id, info.num_workers))

    return Stream()


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(
    "options", [{}, {"drop_last": True}, {"prefetch_factor": 1}, {"persistent_workers": True}]
)
def test_streams(workers, options):
    if workers == 0 and set(options) - {"drop_last"}:
        options = {}

    def make(module, generator):
        loader = module.utils.data.DataLoader(streams(module), 4, num_workers=workers, **options)
        return [[batch.tolist() for batch in loader] for _ in range(2)]

    equal(make)


def seeds(module):
    class Seeds(module.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            import random

            info = module.utils.data.get_worker_info()
            return info.id, info.seed, random.random(), module.rand(1).item(), np.random.rand()

    return Seeds()


def test_workers_have_the_same_seeds():
    def make(module, generator):
        loader = module.utils.data.DataLoader(
            seeds(module), batch_size=None, num_workers=2, generator=generator, collate_fn=tuple
        )
        return list(loader)

    equal(make)


@pytest.mark.parametrize(
    "make",
    [
        lambda d, m: d.DataLoader(range(3), num_workers=-1),
        lambda d, m: d.DataLoader(range(3), batch_size=0),
        lambda d, m: d.DataLoader(range(3), shuffle=True, sampler=[1]),
        lambda d, m: d.RandomSampler([]),
        lambda d, m: d.RandomSampler([1], replacement=1),
        lambda d, m: d.random_split(range(3), [1, 1]),
        lambda d, m: d.default_collate([object()]),
        lambda d, m: d.default_collate([[1], [1, 2]]),
        lambda d, m: d.default_collate([m.zeros(2), m.zeros(3)]),
        lambda d, m: d.TensorDataset(m.zeros(2), m.zeros(3)),
        lambda d, m: d.ConcatDataset([]),
        lambda d, m: d.StackDataset(),
        lambda d, m: d.DistributedSampler(range(3), 2, 2),
        lambda d, m: list(d.DataLoader([1], sampler=[3])),
    ],
)
def test_errors_are_of_the_same_class(make):
    classes = []
    for module in BOTH:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            make(module.utils.data, module)
        classes.append(type(caught.value))
    assert classes[0] is classes[1]
