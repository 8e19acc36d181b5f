from __future__ import annotations

import math
from collections import Counter

import pytest

import flambeau
from flambeau.optim import AdamW
from flambeau.utils.data import DataLoader, RandomSampler
from flambeau_text import CharDataset
from flambeau_text.models import GPT, GPTConfig

SMALL = GPTConfig(vocab_size=13, block_size=12, n_layer=2, n_head=2, n_embd=16)


@pytest.fixture
def model():
    flambeau.manual_seed(0)
    model = GPT(SMALL).eval()
    # Away from its almost uniform beginning, so that differences show.
    with flambeau.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8.0)
    return model


def test_parameters_are_gpt2s():
    model = GPT(SMALL)
    names = set(model.state_dict())
    assert "transformer.h.1.attn.c_attn.weight" in names
    assert "transformer.ln_f.bias" in names
    assert model.lm_head.weight is model.transformer["wte"].weight
    width, layer = 16, 12 * 16 * 16 + 13 * 16
    expected = (13 + 12) * width + 2 * layer + 2 * width
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    without_bias = GPT(GPTConfig(13, 12, 2, 2, 16, bias=False))
    assert not any(name.endswith("bias") for name in without_bias.state_dict())


def test_logits_depend_only_on_what_came_before(model):
    tokens = flambeau.tensor([[1, 2, 3, 4, 5, 6]])
    changed = flambeau.tensor([[1, 2, 3, 9, 9, 9]])
    before, after = model(tokens), model(changed)
    assert before.shape == (1, 6, 13)
    assert flambeau.allclose(before[:, :3], after[:, :3], atol=1e-5)
    assert (before[:, 3:] - after[:, 3:]).abs().max().item() > 1e-2


def test_an_untrained_model_guesses_all_alike():
    flambeau.manual_seed(0)
    tokens, targets = flambeau.arange(12).reshape(1, 12), flambeau.arange(12, 0, -1).reshape(1, 12)
    assert GPT(SMALL).loss(tokens, targets).item() == pytest.approx(math.log(13), abs=0.35)


def test_every_parameter_gets_a_gradient():
    flambeau.manual_seed(0)
    model = GPT(GPTConfig(13, 12, 2, 2, 16, dropout=0.1))
    tokens = flambeau.tensor([[1, 2, 3, 4]])
    model.loss(tokens[:, :-1], tokens[:, 1:]).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_cache_changes_no_token(model):
    """Greedy generation equals recomputing the whole sequence for every token."""
    tokens = start = flambeau.tensor([[1, 2], [7, 3]])
    while tokens.shape[1] < SMALL.block_size:
        likeliest = model(tokens)[:, -1:].argmax(dim=-1)
        tokens = flambeau.cat((tokens, likeliest), dim=1)
    assert len(set(tokens.flatten().tolist())) > 2
    assert model.generate(start, 10, temperature=0).tolist() == tokens.tolist()


def test_a_long_text_goes_on_with_its_last_half(model):
    start = flambeau.tensor([[1, 2, 3]])
    written = model.generate(start, 30, temperature=0)
    assert written.shape == (1, 33)
    # Token 13 is the first past the block of 12: it follows from the 6 tokens before it.
    expected = model(written[:, 13 - 6 : 13])[:, -1].argmax(dim=-1)
    assert written[:, 13].tolist() == expected.tolist()
    longer = model.generate(written, 1, temperature=0)
    assert longer[:, -1].tolist() == model(written[:, -12:])[:, -1].argmax(dim=-1).tolist()


def test_drawing_follows_the_temperature_and_top_k(model):
    start = flambeau.tensor([[1, 2, 3]] * 400)
    logits = model(start[:1])[0, -1]
    flambeau.manual_seed(1)
    drawn = model.generate(start, 1, temperature=2.0)[:, -1].tolist()
    shares = (logits / 2.0).softmax(dim=-1).tolist()
    counts = Counter(drawn)
    for token, share in enumerate(shares):
        assert counts[token] / 400 == pytest.approx(share, abs=0.1)
    best = sorted(range(13), key=lambda token: -shares[token])[:2]
    few = model.generate(start, 1, temperature=5.0, top_k=2)[:, -1].tolist()
    assert set(few) == set(best)


def test_a_generator_makes_it_repeatable(model):
    start = flambeau.tensor([[1]])

    def draw(seed):
        generator = flambeau.Generator().manual_seed(seed)
        return model.generate(start, 10, temperature=3.0, generator=generator).tolist()

    assert draw(5) == draw(5)
    assert draw(5) != draw(6)


def test_streaming_gives_the_same_tokens(model):
    start = flambeau.tensor([[4]])
    columns = [column.tolist() for column in model.stream(start, 5, temperature=0)]
    assert [[4, *(column[0][0] for column in columns)]] == model.generate(
        start, 5, temperature=0
    ).tolist()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n_head": 3}, r"n_head=3 does not divide n_embd=16"),
        ({"n_layer": 0}, r"n_layer must be at least 1, got 0"),
        ({"vocab_size": -1}, r"vocab_size must be at least 1, got -1"),
    ],
)
def test_impossible_sizes_are_refused(settings, message):
    sizes = {"vocab_size": 13, "block_size": 12, "n_layer": 2, "n_head": 2, "n_embd": 16}
    with pytest.raises(ValueError, match=message):
        GPTConfig(**sizes | settings)


def test_wrong_input_is_refused(model):
    with pytest.raises(ValueError, match=r"tokens of shape \(3,\); expected \(batch, time\)"):
        model(flambeau.tensor([1, 2, 3]))
    with pytest.raises(ValueError, match=r"13 tokens is longer than block_size=12"):
        model(flambeau.zeros(1, 13, dtype=flambeau.int64))
    start = flambeau.tensor([[1]])
    with pytest.raises(ValueError, match="temperature must be at least 0, got -1"):
        model.generate(start, 1, temperature=-1)
    with pytest.raises(ValueError, match="top_k must be at least 1, got 0"):
        model.generate(start, 1, top_k=0)
    with pytest.raises(ValueError, match="at least one token"):
        model.generate(flambeau.zeros(1, 0, dtype=flambeau.int64), 1)


@pytest.mark.slow
def test_it_learns_a_real_text(help_topics):
    """Below the unigram entropy, which no model reaches that ignores what came before."""
    flambeau.manual_seed(0)
    data = CharDataset(help_topics, block_size=32, stride=1)
    cut = len(help_topics) * 9 // 10
    seen = CharDataset(help_topics[:cut], 32, stride=1, vocab=data.vocab)
    unseen = CharDataset(help_topics[cut:], 32, vocab=data.vocab)
    model = GPT(GPTConfig(len(data.vocab), block_size=32, n_layer=1, n_head=4, n_embd=48))
    optimizer = AdamW(model.parameters(), lr=5e-3)
    sampler = RandomSampler(seen, replacement=True, num_samples=150 * 16)
    for tokens, targets in DataLoader(seen, batch_size=16, sampler=sampler):
        optimizer.zero_grad()
        model.loss(tokens, targets).backward()
        optimizer.step()
    model.eval()
    tokens, targets = next(iter(DataLoader(unseen, batch_size=128)))
    with flambeau.no_grad():
        loss = model.loss(tokens, targets).item()
    counts = Counter(help_topics)
    unigram = -sum(n / len(help_topics) * math.log(n / len(help_topics)) for n in counts.values())
    assert loss < unigram - 0.3
    written = data.decode(model.generate(data.encode("The ").unsqueeze(0), 200, top_k=10)[0])
    assert written.startswith("The ")
    assert " " in written[4:]
    assert len(written) == 204
