from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau_text import BPETokenizer
from flambeau_text.bpe.alphabet import BYTE_ORDER, from_symbols, to_symbols


@pytest.fixture(scope="module")
def trained(help_topics):
    return BPETokenizer.train(help_topics[:60_000], 600, special_tokens=["<|endoftext|>"])


def test_the_alphabet_covers_all_bytes_without_white_space():
    symbols = [to_symbols(bytes([byte])) for byte in range(256)]
    assert sorted(BYTE_ORDER) == list(range(256))
    assert len(set(symbols)) == 256
    assert not any(symbol.isspace() for symbol in symbols)
    assert from_symbols("".join(symbols)) == bytes(range(256))
    assert to_symbols(" ä".encode()) == "ĠÃ¤"  # as GPT-2's files spell it


def test_the_most_frequent_pair_is_merged_first():
    # "ab" occurs 5 times, "bc" and then "abc" 3 times.
    tokenizer = BPETokenizer.train(["abc"] * 3 + ["ab"] * 2, 258)
    assert tokenizer.tokens("abcab") == ["abc", "ab"]
    assert tokenizer.decode([256]) == "ab"


def test_overlapping_pairs_are_merged_from_the_left():
    tokenizer = BPETokenizer.train("aaaaa", 257, min_frequency=1)
    assert tokenizer.tokens("aaaaa") == ["aa", "aa", "a"]


def test_words_are_never_joined():
    tokenizer = BPETokenizer.train("to be to be to be to be", 400, min_frequency=1)
    assert tokenizer.tokens("to be") == ["to", " be"]


def test_rare_pairs_are_left_apart():
    tokenizer = BPETokenizer.train("xy", 300, min_frequency=2)
    assert len(tokenizer) == 256
    assert tokenizer.tokens("xy") == ["x", "y"]


def test_training_on_many_texts_equals_training_on_the_whole():
    parts = ["one fish", " two fish", " red fish"]
    assert BPETokenizer.train(parts, 270).encode("two red fish") == BPETokenizer.train(
        "".join(parts), 270
    ).encode("two red fish")


def test_training_reaches_the_size_and_shortens_text(trained, help_topics):
    assert len(trained) == 600
    unseen = help_topics[60_000:70_000]
    numbers = trained.encode(unseen)
    assert trained.decode(numbers) == unseen
    assert len(numbers) < len(unseen) / 1.8


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ValueError, match=r"vocab_size=256 is too small; expected at least 257"):
        BPETokenizer.train("text", 256, special_tokens=["<s>"])


@given(st.text())
def test_every_text_comes_back(trained, text):
    assert trained.decode(trained.encode(text)) == text


@given(st.text())
def test_saving_and_loading_change_nothing(trained, tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "saved"
    if not folder.exists():
        trained.save(folder)
        trained.loaded = BPETokenizer.load(folder)
    assert trained.loaded.encode(text) == trained.encode(text)


def test_saved_files_are_gpt2s(trained, tmp_path):
    trained.save(tmp_path / "new" / "folder")
    numbers = json.loads((tmp_path / "new/folder/encoder.json").read_text("utf-8"))
    lines = (tmp_path / "new/folder/vocab.bpe").read_text("utf-8").splitlines()
    assert lines[0] == "#version: 0.2"
    assert len(lines) == 1 + 600 - 256 - 1
    assert numbers["<|endoftext|>"] == 599
    assert all(numbers["".join(line.split())] == 256 + i for i, line in enumerate(lines[1:]))
    again = BPETokenizer.load(tmp_path / "new/folder")
    assert again.special_tokens == trained.special_tokens
    assert len(again) == 600


def test_special_tokens_are_text_unless_allowed(trained):
    text = "end<|endoftext|>"
    plain = trained.encode(text)
    assert 599 not in plain
    assert trained.decode(plain) == text
    for allowed in ("all", ["<|endoftext|>"]):
        numbers = trained.encode(text, allowed_special=allowed)
        assert numbers[-1] == 599
        assert trained.decode(numbers) == text


def test_an_unknown_special_token_is_refused(trained):
    with pytest.raises(ValueError, match=r"unknown special tokens \['<s>'\]"):
        trained.encode("x", allowed_special=["<s>"])


def test_a_character_cut_in_two_is_joined_from_its_bytes():
    tokenizer = BPETokenizer.train("", 256)
    numbers = tokenizer.encode("é")
    assert len(numbers) == 2
    assert tokenizer.decode(numbers[:1]) == "\ufffd"
    assert (
        tokenizer.decode_bytes(numbers[:1]) + tokenizer.decode_bytes(numbers[1:])
    ).decode() == "é"


def test_batches_pickling_and_printing(trained):
    again = pickle.loads(pickle.dumps(trained))
    assert again.encode_batch(["a b", ""]) == [trained.encode("a b"), []]
    assert repr(trained) == "BPETokenizer(600 tokens, special_tokens=['<|endoftext|>'])"


def test_wrong_arguments_are_refused(trained):
    with pytest.raises(TypeError, match=r"encode: expected a str, got bytes"):
        trained.encode(b"text")
    with pytest.raises(IndexError, match=r"99999.*has 600 tokens"):
        trained.decode([99999])
    with pytest.raises(ValueError, match=r"255 single bytes have no number, the first is 0x00"):
        BPETokenizer({b"a": 0})
    with pytest.raises(ValueError, match=r"stands for two tokens"):
        BPETokenizer({bytes([byte]): 0 for byte in range(256)})


@pytest.fixture
def files(tmp_path):
    BPETokenizer.train("low lower lowest low lower", 262).save(tmp_path)
    return tmp_path / "encoder.json", tmp_path / "vocab.bpe"


def test_files_under_other_names(files, tmp_path):
    encoder = files[0].rename(tmp_path / "vocab.json")
    merges = files[1].rename(tmp_path / "merges.txt")
    assert BPETokenizer.from_files(encoder, merges).tokens("low") == ["low"]


def test_a_missing_file(files, tmp_path):
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"vocab\.bpe"):
        BPETokenizer.load(tmp_path)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("encoder.json", '{"a": 1, "b', r"encoder\.json is not a whole JSON file"),
        ("encoder.json", "[1, 2]", r"encoder\.json is not a token table; expected one JSON object"),
        ("encoder.json", '{"a": "b"}', r"encoder\.json is not a token table"),
        ("encoder.json", "{}", r"encoder\.json lacks '!', which .*vocab\.bpe needs"),
        ("encoder.json", b"\x89PNG\r\n\x1a\n\xff", r"encoder\.json is not a whole JSON file"),
        ("vocab.bpe", b"\x89PNG\r\n\x1a\n\xff", r"vocab\.bpe is not a text file"),
        ("vocab.bpe", "#version: 0.2\nl o\nw", r"vocab\.bpe, line 3: 'w' is not a merge"),
        ("vocab.bpe", "l \u4e2d", r"vocab\.bpe, line 1: 'l 中' is not a merge"),
        ("vocab.bpe", "q q", r"encoder\.json lacks 'qq', which .*vocab\.bpe needs"),
    ],
)
def test_broken_files_get_one_clear_line(files, tmp_path, name, content, message):
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=message) as raised:
        BPETokenizer.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_numbers_that_do_not_rise_with_the_merges_are_refused(files, tmp_path):
    numbers = json.loads(files[0].read_text("utf-8"))
    numbers["lo"], numbers["low"] = numbers["low"], numbers["lo"]
    files[0].write_text(json.dumps(numbers))
    with pytest.raises(ValueError, match=r"do not rise with the merges \(257 is followed by 256\)"):
        BPETokenizer.load(tmp_path)
