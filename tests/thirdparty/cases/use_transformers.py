"""transformers: tiny BERT, GPT-2, Llama and T5 from scratch, trained a step; generation, saving and loading."""

import tempfile

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)  # fmt: skip
from trial import Trial

trial = Trial()
ids = trial.given("ids", lambda: torch.randint(3, 90, (2, 12)))
mask = torch.ones_like(ids)
mask[1, 9:] = 0
small = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
}
none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
models = {
    "bert": BertForMaskedLM(BertConfig(**small, **none)),
    "gpt2": GPT2LMHeadModel(
        GPT2Config(
            vocab_size=99,
            n_embd=32,
            n_layer=2,
            n_head=4,
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    ),
    "llama": LlamaForCausalLM(LlamaConfig(**small, num_key_value_heads=2)),
    "t5": T5ForConditionalGeneration(
        T5Config(
            vocab_size=99,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            decoder_start_token_id=0,
        )
    ),
}
for name, model in models.items():
    trial.weights(name, model)
    model.train()
    out = model(input_ids=ids, attention_mask=mask, labels=ids)
    trial.result(f"{name}.logits", out.logits)
    trial.step(name, model, out.loss, torch.optim.SGD(model.parameters(), lr=0.1))
models["gpt2"].eval()
models["llama"].eval()
trial.result(
    "generated", models["gpt2"].generate(ids[:1], max_new_tokens=8, do_sample=False, pad_token_id=0)
)
trial.result(
    "beams",
    models["llama"].generate(
        ids[:1], max_new_tokens=6, num_beams=2, do_sample=False, pad_token_id=0
    ),
)
with tempfile.TemporaryDirectory() as folder:
    models["bert"].save_pretrained(folder)
    again = BertForMaskedLM.from_pretrained(folder)
trial.result("read back", again.eval()(ids).logits)
trial.write()
