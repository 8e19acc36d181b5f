"""rotary-embedding-torch: queries and keys turned, the learnt frequencies, axial and cached embeddings, xPos."""

import torch
from rotary_embedding_torch import RotaryEmbedding, apply_rotary_emb
from torch import nn
from trial import Trial

trial = Trial()
q, k = trial.randn("q", 1, 2, 10, 16), trial.randn("k", 1, 2, 10, 16)
plain = RotaryEmbedding(dim=8)
trial.result("turned", [plain.rotate_queries_or_keys(q), plain.rotate_queries_or_keys(k, offset=3)])
trial.result("cached", [plain.rotate_queries_or_keys(q), plain.rotate_queries_or_keys(q[:, :, :4])])
trial.result("with cached keys", plain.rotate_queries_with_cached_keys(q[:, :, -1:], k))
xpos = RotaryEmbedding(dim=8, use_xpos=True)
trial.result("xpos", xpos.rotate_queries_and_keys(q, k))
axial = RotaryEmbedding(dim=4, freqs_for="pixel", max_freq=10)
freqs = axial.get_axial_freqs(4, 3)
trial.result("axial", [freqs, apply_rotary_emb(freqs, trial.randn("grid", 1, 4, 3, 16))])
trial.result(
    "interpolated", RotaryEmbedding(dim=8, interpolate_factor=2.0).rotate_queries_or_keys(q)
)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(32, 96, bias=False)
        self.rotary = RotaryEmbedding(dim=8, learned_freq=True)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (2, 16)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        q, k = map(self.rotary.rotate_queries_or_keys, (q, k))
        return (
            nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            .transpose(1, 2)
            .flatten(2)
        )


model = trial.weights("model", Attention())
out = model(trial.randn("x", 2, 10, 32))
trial.result("out", out)
trial.step("attention", model, out.square().sum(), torch.optim.AdamW(model.parameters(), lr=0.01))
trial.write()
