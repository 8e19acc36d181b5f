"""The GPT against the same network written with PyTorch's functions, from the same weights."""

from __future__ import annotations

import numpy
import torch
from torch.nn import functional as F

import flambeau
from flambeau_text import padded_batch
from flambeau_text.models import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=29, block_size=16, n_layer=2, n_head=4, n_embd=32)
TOKENS = [[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 9, 3]]


def torch_logits(weights, tokens):
    heads, width = CONFIG.n_head, CONFIG.n_embd

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (width,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    batch, time = tokens.shape
    x = weights["transformer.wte.weight"][tokens] + weights["transformer.wpe.weight"][:time]
    for layer in range(CONFIG.n_layer):
        block = f"transformer.h.{layer}"
        qkv = linear(norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn")
        query, key, value = qkv.view(batch, time, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT / (width // heads) ** 0.5
        hidden = torch.ones(time, time, dtype=torch.bool).triu(1)
        attended = scores.masked_fill(hidden, -torch.inf).softmax(-1) @ value
        attended = attended.transpose(1, 2).reshape(batch, time, width)
        x = x + linear(attended, f"{block}.attn.c_proj")
        inner = F.gelu(linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc"), approximate="tanh")
        x = x + linear(inner, f"{block}.mlp.c_proj")
    return norm(x, "transformer.ln_f") @ weights["lm_head.weight"].T


def test_logits_loss_and_gradients():
    flambeau.manual_seed(0)
    model = GPT(CONFIG)
    with flambeau.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    weights = {
        name: torch.from_numpy(value.numpy().copy()).requires_grad_()
        for name, value in model.state_dict().items()
    }
    weights["lm_head.weight"] = weights["transformer.wte.weight"]

    expected = torch_logits(weights, torch.tensor(TOKENS))
    got = model(flambeau.tensor(TOKENS))
    numpy.testing.assert_allclose(
        got.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-4
    )

    F.cross_entropy(
        expected[:, :-1].flatten(0, 1), torch.tensor(TOKENS)[:, 1:].flatten()
    ).backward()
    model.loss(flambeau.tensor(TOKENS)[:, :-1], flambeau.tensor(TOKENS)[:, 1:]).backward()
    for name, parameter in model.named_parameters():
        numpy.testing.assert_allclose(
            parameter.grad.numpy(), weights[name].grad.numpy(), rtol=1e-3, atol=1e-5, err_msg=name
        )


def test_padding():
    sequences = [[1, 2, 3], [4], [5, 6]]
    for side in ("right", "left"):
        expected = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(s) for s in sequences], True, -1, padding_side=side
        )
        assert padded_batch(sequences, -1, side).tokens.tolist() == expected.tolist()
