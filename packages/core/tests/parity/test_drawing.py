"""Every function that draws, on tensors of every dtype and layout: PyTorch's numbers, and its generator's state after."""

import copy
import pickle

import numpy as np
import pytest
import torch

import flambeau

FLOATS = ("float32", "float64", "float16", "bfloat16")
SHAPES = ((), (7,), (50,), (3, 40), (0, 2))


def filled(name, *args, **kwargs):
    def draw(m, shape, kind):
        return getattr(m.zeros(shape, dtype=kind), name)(*args, **kwargs)

    return draw


def probabilities(m, shape, kind):
    n = int(np.prod(shape))
    return (m.arange(n, dtype=m.float64) / max(n, 1)).to(kind).reshape(shape)


DRAWS = {
    "rand": lambda m, shape, kind: m.rand(shape, dtype=kind),
    "randn": lambda m, shape, kind: m.randn(shape, dtype=kind),
    "randint": lambda m, shape, kind: m.randint(-3, 9, shape, dtype=kind),
    "rand_like": lambda m, shape, kind: m.rand_like(m.zeros(shape, dtype=kind)),
    "randint_like": lambda m, shape, kind: m.randint_like(m.zeros(shape, dtype=kind), 2, 9),
    "normal": lambda m, shape, kind: m.normal(1.0, 2.0, shape, dtype=kind, layout=m.strided),
    "normal of tensors": lambda m, shape, kind: m.normal(probabilities(m, shape, kind), 2.0),
    "bernoulli": lambda m, shape, kind: m.bernoulli(probabilities(m, shape, kind)),
    "bernoulli_ of tensors": lambda m, shape, kind: m.zeros(shape).bernoulli_(probabilities(m, shape, kind)),
    "poisson": lambda m, shape, kind: m.poisson(probabilities(m, shape, kind) * 60),
    "dropout": lambda m, shape, kind: m.nn.functional.dropout(m.ones(shape, dtype=kind), 0.3),
    "uniform_": filled("uniform_", -1, 3),
    "normal_": filled("normal_", 1, 2),
    "bernoulli_": filled("bernoulli_", 0.3),
    "exponential_": filled("exponential_", 2.0),
    "cauchy_": filled("cauchy_", 1, 2.5),
    "geometric_": filled("geometric_", 0.3),
    "log_normal_": filled("log_normal_", 0.5, 0.25),
    "random_": filled("random_"),
    "random_ below": filled("random_", 5),
    "random_ between": filled("random_", -5, 100),
}  # fmt: skip


def same(ours, theirs):
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(ours.double().numpy(), theirs.double().numpy())


def seeded(seed):
    for m in (flambeau, torch):
        m.manual_seed(seed)


def same_state():
    assert flambeau.get_rng_state().tolist() == torch.get_rng_state().tolist()


@pytest.mark.parametrize("name", DRAWS)
def test_draws(name):
    draw = DRAWS[name]
    for seed, kind in enumerate(FLOATS):
        seeded(seed)
        for shape in SHAPES:
            same(
                draw(flambeau, shape, getattr(flambeau, kind)),
                draw(torch, shape, getattr(torch, kind)),
            )
        same_state()


@pytest.mark.parametrize("name", [n for n in DRAWS if n.endswith("_") and n != "random_"])
def test_draws_into_other_layouts(name):
    """In the order of the memory: turned, stepped, channels last."""
    draw = DRAWS[name]
    seeded(3)
    for turn in (
        lambda m, x: x.t(),
        lambda m, x: x[:, ::2],
        lambda m, x: x.reshape(2, 3, 4, 2).contiguous(memory_format=m.channels_last),
    ):
        made = []
        for m in (flambeau, torch):

            class Turned:
                zeros = staticmethod(lambda shape, dtype, m=m: turn(m, m.zeros(6, 8, dtype=dtype)))

            made.append(draw(Turned, None, m.float32))
        same(*made)
    same_state()


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(kind, replacement):
    seeded(5)
    for n, count in ((1, 1), (4, 3), (30, 20)):
        weights = np.linspace(0.1, 0.9, n)
        ours = flambeau.tensor(weights).to(getattr(flambeau, kind))
        theirs = torch.tensor(weights).to(getattr(torch, kind))
        if not replacement and kind in ("float16", "bfloat16") and n > 4:
            continue  # ties are ordered as PyTorch's sort happens to (docs/random.md)
        same(ours.multinomial(count, replacement), theirs.multinomial(count, replacement))
    same_state()


def test_permutations():
    seeded(1)
    for n in (0, 1, 7, 1000):
        same(flambeau.randperm(n), torch.randperm(n))
    same_state()


@pytest.mark.parametrize("name", ["uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_",
                                  "xavier_normal_", "trunc_normal_", "sparse_"])  # fmt: skip
def test_initialisation(name):
    seeded(2)
    more = {"sparsity": 0.3} if name == "sparse_" else {}
    same(
        getattr(flambeau.nn.init, name)(flambeau.zeros(12, 20), **more),
        getattr(torch.nn.init, name)(torch.zeros(12, 20), **more),
    )
    same_state()


def test_shuffled_batches():
    seeded(4)
    ours = flambeau.utils.data.DataLoader(list(range(20)), batch_size=6, shuffle=True)
    theirs = torch.utils.data.DataLoader(list(range(20)), batch_size=6, shuffle=True)
    assert [b.tolist() for b in ours] == [b.tolist() for b in theirs]
    same_state()


def test_a_generator_is_kept_and_copied():
    generator = flambeau.Generator().manual_seed(3)
    flambeau.rand(3, generator=generator)
    twins = [
        pickle.loads(pickle.dumps(generator)),
        copy.deepcopy(generator),
        generator.clone_state(),
    ]
    expected = flambeau.rand(4, generator=generator).tolist()
    assert all(flambeau.rand(4, generator=t).tolist() == expected for t in twins)
    theirs = torch.Generator().manual_seed(3)
    torch.rand(7, generator=theirs)
    assert generator.get_state().tolist() == theirs.get_state().tolist()
    for name in ("graphsafe_get_state", "get_offset"):
        kinds = []
        for g in (generator, theirs):
            with pytest.raises(RuntimeError) as error:
                getattr(g, name)()
            kinds.append(error.type)
        assert kinds[0] is kinds[1]


def test_forked_draws_leave_no_trace():
    flambeau.manual_seed(0)
    expected = flambeau.rand(2).tolist()
    flambeau.manual_seed(0)
    with flambeau.random.fork_rng(device_type="cpu"):
        flambeau.rand(100)
    assert flambeau.rand(2).tolist() == expected
    assert flambeau.random.thread_safe_generator() is None
