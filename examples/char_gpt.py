"""A GPT that learns to write, character by character, from a text in a minute or two.

    python examples/char_gpt.py                       # Python's own documentation, from pydoc
    python examples/char_gpt.py --text my_book.txt --steps 2000

It prints the loss beside two numbers to judge it by: the loss of guessing every character alike,
and the unigram entropy, which is the best a model can do without looking at what came before.
Needs `pip install flambeau flambeau-text`; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import flambeau
from flambeau.optim import AdamW
from flambeau.optim.lr_scheduler import CosineAnnealingLR
from flambeau.utils.data import DataLoader, RandomSampler
from flambeau_text import CharDataset
from flambeau_text.models import GPT, GPTConfig


def read_text(path: Path | None) -> str:
    """The text to learn: a file, or the 460 kB of help topics in every Python."""
    if path is not None:
        return path.read_text(encoding="utf-8")
    from pydoc_data.topics import topics

    return "\n".join(topics.values())


def unigram_entropy(text: str) -> float:
    """The entropy of the characters' frequencies, in nats a character."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log(share) for share in shares)


def train(model: GPT, data: CharDataset, steps: int, batch_size: int, lr: float) -> list[float]:
    """Take `steps` steps of AdamW on random windows; returns the losses."""
    optimizer = AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.1)
    scheduler = CosineAnnealingLR(optimizer, steps, eta_min=lr / 10)
    sampler = RandomSampler(data, replacement=True, num_samples=steps * batch_size)
    loader = DataLoader(data, batch_size=batch_size, sampler=sampler)
    start = time.perf_counter()
    losses = []
    for step, (tokens, targets) in enumerate(loader, start=1):
        loss = model.loss(tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        flambeau.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step % max(steps // 10, 1) == 0:
            seconds = time.perf_counter() - start
            print(f"step {step:5d}  loss {loss.item():.3f}  {seconds:6.1f} s", flush=True)
    return losses


def evaluate(model: GPT, data: CharDataset, batch_size: int, batches: int = 16) -> float:
    """The mean loss over the first windows of `data`, in nats a character."""
    losses = []
    with flambeau.no_grad():
        for (tokens, targets), _ in zip(DataLoader(data, batch_size=batch_size), range(batches)):
            losses.append(model.loss(tokens, targets).item())
    return sum(losses) / len(losses)


def write(model: GPT, data: CharDataset, beginning: str, length: int) -> str:
    """`beginning` continued by `length` characters."""
    tokens = data.encode(beginning).unsqueeze(0)
    written = model.generate(tokens, length, temperature=0.8, top_k=20)
    return data.decode(written[0])


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, write a few lines, and return the loss on text the model never saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="a UTF-8 text; Python's help topics by default")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--block-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--length", type=int, default=400, help="how many characters to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--curve", help="picture of the losses, such as gpt.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    text = read_text(options.text)
    cut = len(text) * 9 // 10
    data = CharDataset(text, options.block_size, stride=1)
    seen = CharDataset(text[:cut], options.block_size, stride=1, vocab=data.vocab)
    unseen = CharDataset(text[cut:], options.block_size, vocab=data.vocab)
    config = GPTConfig(
        vocab_size=len(data.vocab),
        block_size=options.block_size,
        n_layer=options.layers,
        n_head=4,
        n_embd=options.width,
    )
    model = GPT(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(text):,} characters, {len(data.vocab)} different; {parameters:,} parameters")

    losses = train(model, seen, options.steps, options.batch_size, options.lr)
    if options.curve:
        from shared import save_curves

        save_curves(options.curve, {"cross entropy": losses})
    model.eval()
    loss = evaluate(model, unseen, options.batch_size)
    print(
        f"guessing {math.log(len(data.vocab)):.3f}  unigram {unigram_entropy(text):.3f}  ", end=""
    )
    print(f"this model, on unseen text {loss:.3f} nats a character\n")
    print(write(model, data, beginning=text[cut : cut + 8], length=options.length))
    return loss


if __name__ == "__main__":
    main()
