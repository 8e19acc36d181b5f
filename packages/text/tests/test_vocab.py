from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flambeau import nn
from flambeau_text import Vocab, build_vocab_from_iterator
from flambeau_text.vocab import vocab

LINES = [["to", "be", "or", "not", "to", "be"], ["be", "quiet"]]


def test_most_frequent_first_and_ties_by_token():
    assert build_vocab_from_iterator(LINES).get_itos() == ["be", "to", "not", "or", "quiet"]


def test_specials_stand_first_or_last():
    first = build_vocab_from_iterator(LINES, specials=["<unk>", "<pad>"])
    last = build_vocab_from_iterator(LINES, specials=["<unk>", "<pad>"], special_first=False)
    assert first.get_itos()[:3] == ["<unk>", "<pad>", "be"]
    assert last.get_itos()[-3:] == ["quiet", "<unk>", "<pad>"]


def test_a_special_that_occurs_in_the_text_is_there_once():
    words = build_vocab_from_iterator([["a", "<unk>", "<unk>"]], specials=["<unk>"])
    assert words.get_itos() == ["<unk>", "a"]


def test_min_freq_and_max_tokens():
    assert build_vocab_from_iterator(LINES, min_freq=2).get_itos() == ["be", "to"]
    limited = build_vocab_from_iterator(LINES, specials=["<unk>"], max_tokens=2)
    assert limited.get_itos() == ["<unk>", "be"]


def test_max_tokens_without_room_is_refused():
    with pytest.raises(ValueError, match=r"max_tokens=1 leaves no room beside 1 specials"):
        build_vocab_from_iterator(LINES, specials=["<unk>"], max_tokens=1)


def test_vocab_keeps_the_order_of_the_dictionary():
    assert vocab({"z": 1, "a": 7}).get_itos() == ["z", "a"]


def test_looking_up_both_ways():
    words = Vocab(["a", "b", "c"])
    assert words(["c", "a"]) == words.lookup_indices(["c", "a"]) == [2, 0]
    assert words["b"] == 1
    assert words.lookup_token(2) == "c"
    assert words.lookup_tokens([0, 0]) == ["a", "a"]
    assert words.get_stoi() == {"a": 0, "b": 1, "c": 2}
    assert len(words) == 3
    assert "a" in words
    assert "d" not in words


def test_what_is_handed_out_is_a_copy():
    words = Vocab(["a"])
    words.get_itos().append("b")
    words.get_stoi()["b"] = 1
    assert len(words) == 1
    assert "b" not in words


def test_unknown_tokens_need_a_default_index():
    words = Vocab(["<unk>", "a"])
    assert words.get_default_index() is None
    with pytest.raises(RuntimeError, match=r"token 'x' not found and default index is not set"):
        words(["x"])
    words.set_default_index(0)
    assert words(["x", "a"]) == [0, 1]
    assert words.get_default_index() == 0
    words.set_default_index(None)
    with pytest.raises(RuntimeError, match="default index"):
        words["x"]


def test_inserting_moves_the_tokens_behind():
    words = Vocab(["a", "b"])
    words.insert_token("x", 1)
    words.append_token("y")
    assert words.get_itos() == ["a", "x", "b", "y"]
    assert words(["a", "x", "b", "y"]) == [0, 1, 2, 3]


def test_what_cannot_be_inserted_is_refused():
    words = Vocab(["a"])
    with pytest.raises(RuntimeError, match=r"'a' already exists in the Vocab with index 0"):
        words.append_token("a")
    with pytest.raises(RuntimeError, match=r"index 3 is out of bounds for vocab of size 1"):
        words.insert_token("b", 3)
    with pytest.raises(TypeError, match=r"must be a str, got int"):
        words.append_token(4)
    assert words.get_itos() == ["a"]


@pytest.mark.parametrize("index", [-1, 1])
def test_an_index_out_of_bounds_is_refused(index):
    with pytest.raises(RuntimeError, match=rf"index {index} is out of bounds for vocab of size 1"):
        Vocab(["a"]).lookup_token(index)


def test_a_bare_string_is_not_a_list_of_tokens():
    with pytest.raises(TypeError, match=r"expected a list of tokens, got the str 'ab'"):
        Vocab(["a", "b"])("ab")


def test_it_is_a_module_and_pickles():
    words = Vocab(["a", "b"])
    words.set_default_index(1)
    again = pickle.loads(pickle.dumps(words))
    assert isinstance(again, nn.Module)
    assert nn.Sequential(again)(["b", "?"]) == [1, 1]
    assert repr(words) == "Vocab(2 tokens, default_index=1)"


@given(st.lists(st.lists(st.text(max_size=3), max_size=8), max_size=8))
def test_every_token_comes_back(lines):
    words = build_vocab_from_iterator(lines)
    for line in lines:
        assert words.lookup_tokens(words(line)) == line
    assert len(words) == len({token for line in lines for token in line})
