from __future__ import annotations

import pickle

import pytest

import flambeau
from flambeau.utils.data import DataLoader
from flambeau_text import (
    CharDataset,
    SentenceDataset,
    TokenWindows,
    Vocab,
    pad_collate,
    padded_batch,
    split_sentences,
)


def test_padding_keeps_lengths_and_mask():
    batch = padded_batch([flambeau.tensor([1, 2, 3]), [4], []], padding_value=9)
    assert batch.tokens.tolist() == [[1, 2, 3], [4, 9, 9], [9, 9, 9]]
    assert batch.lengths.tolist() == [3, 1, 0]
    assert batch.mask.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert (batch.tokens.dtype, batch.lengths.dtype) == (flambeau.int64, flambeau.int64)
    assert batch.mask.dtype == flambeau.bool


def test_padding_on_the_left():
    batch = padded_batch([[1, 2], [3]], padding_side="left")
    assert batch.tokens.tolist() == [[1, 2], [0, 3]]
    assert batch.mask.tolist() == [[True, True], [False, True]]


def test_what_cannot_be_padded_is_refused():
    with pytest.raises(ValueError, match="expected at least one sequence"):
        padded_batch([])
    with pytest.raises(ValueError, match=r"one-dimensional sequences, got shape \(1, 2\)"):
        padded_batch([[[1, 2]]])
    with pytest.raises(ValueError, match=r"'right' or 'left', got 'top'"):
        pad_collate(padding_side="top")


def test_the_collate_in_a_loader_with_and_without_labels():
    sequences = [[1], [2, 3], [4, 5, 6], [7]]
    loader = DataLoader(sequences, batch_size=2, collate_fn=pad_collate(padding_value=-1))
    assert [batch.tokens.tolist() for batch in loader] == [
        [[1, -1], [2, 3]],
        [[4, 5, 6], [7, -1, -1]],
    ]
    labelled = [(flambeau.tensor(sequence), len(sequence) % 2) for sequence in sequences]
    batch, labels = next(iter(DataLoader(labelled, batch_size=4, collate_fn=pad_collate())))
    assert batch.lengths.tolist() == [1, 2, 3, 1]
    assert labels.tolist() == [1, 0, 1, 1]


def test_the_collate_can_be_sent_to_workers():
    collate = pickle.loads(pickle.dumps(pad_collate(3)))
    assert collate([[1], [1, 2]]).tokens.tolist() == [[1, 3], [1, 2]]


def test_windows_and_their_targets():
    windows = TokenWindows(range(8), block_size=3)
    assert [[part.tolist() for part in pair] for pair in windows] == [
        [[0, 1, 2], [1, 2, 3]],
        [[3, 4, 5], [4, 5, 6]],
    ]
    overlapping = TokenWindows(range(8), block_size=3, stride=1)
    assert len(overlapping) == 5
    assert overlapping[-1][1].tolist() == [5, 6, 7]


def test_windows_out_of_range_are_refused():
    windows = TokenWindows(range(8), block_size=3)
    with pytest.raises(IndexError, match="index 2 is out of range for 2"):
        windows[2]
    with pytest.raises(IndexError, match="index -3 is out of range"):
        windows[-3]


@pytest.mark.parametrize(
    "tokens, block_size, stride, message",
    [
        ([1, 2, 3], 3, None, r"shape \(3,\) hold no window.*block_size \+ 1 = 4"),
        ([1, 2, 3], 0, None, r"block_size=0"),
        ([1, 2, 3], 2, 0, r"stride=0"),
        ([[1, 2], [3, 4]], 1, None, r"shape \(2, 2\)"),
    ],
)
def test_windows_that_cannot_be_are_refused(tokens, block_size, stride, message):
    with pytest.raises(ValueError, match=message):
        TokenWindows(tokens, block_size, stride)


def test_characters_and_back(help_topics):
    data = CharDataset(help_topics, block_size=40)
    assert data.decode(data.encode("while True:")) == "while True:"
    tokens, targets = data[7]
    assert data.decode(tokens) == help_topics[280:320]
    assert data.decode(targets) == help_topics[281:321]


def test_characters_of_another_vocabulary():
    data = CharDataset("abcabc", block_size=2, vocab=Vocab("cba"))
    assert data[0][0].tolist() == [2, 1]
    with pytest.raises(RuntimeError, match="token 'x' not found"):
        data.encode("x")


def test_sentences_become_batches():
    data = SentenceDataset("The sea is deep. Is the sea deep? Yes.", tokenizer=str.split)
    assert len(data) == 3
    batch = next(iter(DataLoader(data, batch_size=3, collate_fn=pad_collate())))
    assert batch.lengths.tolist() == [4, 4, 1]
    words = data.vocab.lookup_tokens(batch.tokens[1][batch.mask[1]].tolist())
    assert words == ["Is", "the", "sea", "deep?"]
    unknown = SentenceDataset(["The ocean"], vocab=data.vocab)
    assert unknown[0].tolist() == [data.vocab["The"], 0]


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("", []),
        ("  \n\n ", []),
        ("No end", ["No end"]),
        ("One. Two!  Three?\nFour…", ["One.", "Two!", "Three?", "Four…"]),
        ("Dr. Who met Mrs. B. Smith at 3.15 p.m. sharp.", None),
        ('"Stop!" he said. (Really.) End', ['"Stop!"', "he said.", "(Really.)", "End"]),
        (
            "A title\n\nwith a line\nbreak. And more.",
            ["A title", "with a line break.", "And more."],
        ),
        ("What?! No... Yes.", ["What?!", "No...", "Yes."]),
        ("It is version 3.11. Was it I. No", ["It is version 3.11.", "Was it I.", "No"]),
    ],
)
def test_sentences_end_where_they_should(text, sentences):
    assert split_sentences(text) == ([text] if sentences is None else sentences)


def test_splitting_a_real_text_loses_nothing_but_white_space(help_topics):
    sentences = split_sentences(help_topics)
    assert "".join("".join(sentences).split()) == "".join(help_topics.split())
    assert 2000 < len(sentences) < 12000
