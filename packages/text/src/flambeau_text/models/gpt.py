"""A decoder-only transformer in GPT-2's shape (Radford et al., 2019).

Parameters carry the names and layouts of GPT-2's published checkpoints as `nn.Linear` has them
(`transformer.h.0.attn.c_attn.weight` is `(3 * n_embd, n_embd)`). Generation keeps the keys and
values of the tokens it has seen, so that a new token costs one row of attention, and gives the
same logits as the whole sequence would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import flambeau
from flambeau import Generator, Tensor, nn
from flambeau.nn import functional as F

__all__ = ["GPT", "GPTConfig"]

KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT; the defaults are GPT-2's smallest.

    Attributes:
        vocab_size: number of tokens.
        block_size: the longest sequence it can attend to.
        n_layer: number of blocks.
        n_head: attention heads in a block; divides `n_embd`.
        n_embd: width.
        dropout: probability of dropping, after embedding, attention and each block's branches.
        bias: whether linear and normalisation layers have biases.

    Raises:
        ValueError: a size is not positive, or `n_head` does not divide `n_embd`.
    """

    vocab_size: int = 50257
    block_size: int = 1024
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"GPTConfig: {name} must be at least 1, got {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise ValueError(
                f"GPTConfig: n_head={self.n_head} does not divide n_embd={self.n_embd}"
            )


class CausalSelfAttention(nn.Module):
    """Attention of every token to itself and those before it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor, past: KeyValue | None = None) -> tuple[Tensor, KeyValue]:
        """Attend over `past` and `x`.

        Args:
            x: `(batch, time, n_embd)`; with a past, `time` must be 1.
            past: keys and values `(batch, n_head, seen, head)` of the tokens before.

        Returns:
            The output like `x`, and the keys and values with those of `x` added.
        """
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, self.n_head, width // self.n_head).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        if past is not None:
            key = flambeau.cat((past[0], key), dim=2)
            value = flambeau.cat((past[1], value), dim=2)
        out = F.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=past is None,  # one new token may see all there is: no mask needed
        )
        out = self.c_proj(out.transpose(1, 2).reshape(batch, time, width))
        return F.dropout(out, self.dropout, self.training), (key, value)


class MLP(nn.Module):
    """The feed-forward branch: four times the width, with GELU in tanh form as GPT-2 has it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = config.dropout

    def forward(self, x: Tensor) -> Tensor:
        """From `(..., n_embd)` to the same."""
        out = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return F.dropout(out, self.dropout, self.training)


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added to what came."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, past: KeyValue | None = None) -> tuple[Tensor, KeyValue]:
        """The block's output like `x` `(batch, time, n_embd)`, and its keys and values."""
        attended, present = self.attn(self.ln_1(x), past)
        x = x + attended
        return x + self.mlp(self.ln_2(x)), present


class GPT(nn.Module):
    """A generative transformer over tokens.

    Args:
        config: the sizes.

    >>> from flambeau_text.models import GPT, GPTConfig
    >>> _ = flambeau.manual_seed(0)
    >>> model = GPT(GPTConfig(vocab_size=11, block_size=8, n_layer=1, n_head=2, n_embd=16))
    >>> tokens = flambeau.tensor([[1, 2, 3]])
    >>> tuple(model(tokens).shape)
    (1, 3, 11)
    >>> tuple(model.generate(tokens, max_new_tokens=2).shape)
    (1, 5)
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "h": nn.ModuleList([Block(config) for _ in range(config.n_layer)]),
                "ln_f": nn.LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight  # tied: Press and Wolf, 2017
        self._init_weights()

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of the token after each place.

        Args:
            tokens: int64 `(batch, time)`, `time` at most `block_size`.

        Returns:
            `(batch, time, vocab_size)`.

        Raises:
            ValueError: `tokens` is not two-dimensional, empty, or longer than `block_size`.
        """
        return self._logits(tokens, None)[0]

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy, in nats a token, of predicting `targets` `(batch, time)`."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def generate(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        *,
        generator: Generator | None = None,
    ) -> Tensor:
        """Continue `tokens` by drawing one token after another; call `eval()` before.

        Args:
            tokens: the beginning, int64 `(batch, time)` with at least one token.
            max_new_tokens: how many to add.
            temperature: divides the logits; below 1 is bolder in what is likely, 0 always takes
                the likeliest.
            top_k: draw among the `top_k` likeliest only.
            generator: source of randomness; the default one where it is `None`.

        Returns:
            `(batch, time + max_new_tokens)`, the beginning included. A sequence that outgrows
            `block_size` goes on with its last half as context.

        Raises:
            ValueError: `temperature` is negative or `top_k` below 1.
        """
        for drawn in self.stream(tokens, max_new_tokens, temperature, top_k, generator=generator):
            tokens = flambeau.cat((tokens, drawn), dim=1)
        return tokens

    def stream(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        *,
        generator: Generator | None = None,
    ) -> Iterator[Tensor]:
        """Like `generate`, but yields each new column `(batch, 1)` as it is drawn."""
        if temperature < 0:
            raise ValueError(f"GPT.generate: temperature must be at least 0, got {temperature}")
        if top_k is not None and top_k < 1:
            raise ValueError(f"GPT.generate: top_k must be at least 1, got {top_k}")
        return self._stream(tokens, max_new_tokens, temperature, top_k, generator)

    def _stream(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        temperature: float,
        top_k: int | None,
        generator: Generator | None,
    ) -> Iterator[Tensor]:
        block_size = self.config.block_size
        window = tokens[:, -block_size:]  # what the model attends to
        step, cache = window, None  # what it has yet to read, and the keys and values of the rest
        for _ in range(max_new_tokens):
            if window.shape[1] > block_size:
                # Positions are absolute: moving the window makes all keys stale. Keeping half
                # of it pays for that once in block_size / 2 tokens.
                window = window[:, -max(block_size // 2, 1) :]
                step, cache = window, None
            with flambeau.no_grad():
                logits, cache = self._logits(step, cache)
                step = _draw(logits[:, -1], temperature, top_k, generator)
            window = flambeau.cat((window, step), dim=1)
            yield step

    def _logits(
        self, tokens: Tensor, cache: list[KeyValue] | None
    ) -> tuple[Tensor, list[KeyValue]]:
        seen = 0 if cache is None else cache[0][0].shape[2]
        self._check_tokens(tokens, seen)
        places = flambeau.arange(seen, seen + tokens.shape[1], device=tokens.device)
        x = self.transformer["wte"](tokens) + self.transformer["wpe"](places)
        x = F.dropout(x, self.config.dropout, self.training)
        present: list[KeyValue] = []
        for number, block in enumerate(self.transformer["h"]):
            x, key_value = block(x, None if cache is None else cache[number])
            present.append(key_value)
        return self.lm_head(self.transformer["ln_f"](x)), present

    def _check_tokens(self, tokens: Tensor, seen: int) -> None:
        if tokens.dim() != 2 or tokens.shape[1] == 0:
            raise ValueError(
                f"GPT: tokens of shape {tuple(tokens.shape)}; expected (batch, time) with "
                "at least one token"
            )
        if seen + tokens.shape[1] > self.config.block_size:
            raise ValueError(
                f"GPT: a sequence of {seen + tokens.shape[1]} tokens is longer than "
                f"block_size={self.config.block_size}; cut it, or make the model with a larger one"
            )

    def _init_weights(self) -> None:
        """GPT-2's: normal, and the projections into the residual stream scaled down.

        Its deviation, 0.02 at width 768, grows as widths shrink: with 0.02, a model of width 96
        stood at 2.05 nats a character after 500 steps of `examples/char_gpt.py`, and so at 1.92.
        """
        std = 0.02 * math.sqrt(768 / self.config.n_embd)
        shrink = 1 / math.sqrt(2 * self.config.n_layer)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                into_residual = name.endswith("c_proj.weight")
                nn.init.normal_(parameter, std=std * shrink if into_residual else std)


def _draw(
    logits: Tensor, temperature: float, top_k: int | None, generator: Generator | None
) -> Tensor:
    """One token for each row of `logits` `(batch, vocab_size)`, as a column `(batch, 1)`."""
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        weakest = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < weakest, -math.inf)
    return flambeau.multinomial(logits.softmax(dim=-1), 1, generator=generator)
