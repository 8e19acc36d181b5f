"""x-transformers: a decoder with rotary positions and a small encoder, trained a step, and what it generates."""

import torch
from trial import Trial
from x_transformers import AutoregressiveWrapper, Decoder, Encoder, TransformerWrapper

trial = Trial()
ids = trial.given("ids", lambda: torch.randint(0, 60, (2, 16)))
decoder = trial.weights(
    "decoder",
    TransformerWrapper(
        num_tokens=60,
        max_seq_len=32,
        attn_layers=Decoder(
            dim=32,
            depth=2,
            heads=2,
            attn_dim_head=16,
            rotary_pos_emb=True,
            ff_glu=True,
            use_rmsnorm=True,
        ),
    ),
)
wrapped = AutoregressiveWrapper(decoder)
trial.step("decoder", wrapped, wrapped(ids))
trial.result("generated", wrapped.generate(ids[:, :4], 6, temperature=0.0))
encoder = trial.weights(
    "encoder",
    TransformerWrapper(
        num_tokens=60,
        max_seq_len=32,
        attn_layers=Encoder(dim=32, depth=2, heads=2, attn_dim_head=16, alibi_pos_bias=True),
    ),
)
mask = torch.ones(2, 16, dtype=torch.bool)
mask[1, 10:] = False
out = encoder(ids, mask=mask)
trial.result("encoded", out)
trial.step("encoder", encoder, out.square().mean())
trial.write()
