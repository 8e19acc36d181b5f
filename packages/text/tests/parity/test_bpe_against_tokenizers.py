"""The trainer, the encoder and the files against the library tokenizers, an independent implementation."""

from __future__ import annotations

import json
from pydoc_data.topics import topics

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from flambeau_text import BPETokenizer
from flambeau_text.bpe.alphabet import from_symbols

TEXT = "\n".join(topics[name] for name in sorted(topics))
SIZE = 2000


@pytest.fixture(scope="module")
def theirs():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


@pytest.fixture(scope="module")
def ours():
    return BPETokenizer.train(TEXT, SIZE)


def test_training_learns_the_same_merges(ours, theirs):
    expected = {from_symbols(token): number for token, number in theirs.get_vocab().items()}
    assert {ours.decode_bytes([number]): number for number in range(SIZE)} == expected


def test_encoding_a_long_text(ours, theirs):
    assert ours.encode(TEXT) == theirs.encode(TEXT).ids


@given(st.text())
def test_encoding_anything(ours, theirs, text):
    assert ours.encode(text) == theirs.encode(text).ids


def test_each_reads_the_others_files(ours, theirs, tmp_path):
    ours.save(tmp_path / "ours")
    encoder, merges = tmp_path / "ours/encoder.json", tmp_path / "ours/vocab.bpe"
    read = tokenizers.Tokenizer(models.BPE.from_file(str(encoder), str(merges)))
    read.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert read.encode(TEXT[:50_000]).ids == ours.encode(TEXT[:50_000])
    theirs.model.save(str(tmp_path))
    assert json.loads((tmp_path / "vocab.json").read_text("utf-8")) == theirs.get_vocab()
    again = BPETokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert again.encode(TEXT[:50_000]) == ours.encode(TEXT[:50_000])
