"""Seconds to learn 2,048 tokens from Python's help topics, and to encode them.

    python packages/text/benchmarks/tokenizer.py

Where the library tokenizers is installed it stands beside ours; docs/design/tokenizer.md has the
figures that decided between it and tiktoken.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pydoc_data.topics import topics
from typing import Any

from flambeau_text import BPETokenizer

TEXT = "\n".join(topics[name] for name in sorted(topics))
SIZE = 2048


def train_ours() -> Callable[[], Any]:
    tokenizer = BPETokenizer.train(TEXT, SIZE)
    return lambda: tokenizer.encode(TEXT)


def train_theirs() -> Callable[[], Any]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return lambda: tokenizer.encode(TEXT)


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """The best of three runs, and what the last returned."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        made = call()
        times.append(time.perf_counter() - start)
    return min(times), made


def main() -> None:
    """Print the table."""
    print(f"{len(TEXT):,} characters{'':10s}{'training':>10s}{'encoding':>10s}")
    trainers = {"flambeau (tiktoken)": train_ours}
    if importlib.util.find_spec("tokenizers") is not None:
        trainers["tokenizers"] = train_theirs
    for name, train in trainers.items():
        training, encode = seconds(train)
        encoding, _ = seconds(encode)
        print(f"{name:28s}{training:10.2f}{encoding:10.3f}")


if __name__ == "__main__":
    main()
