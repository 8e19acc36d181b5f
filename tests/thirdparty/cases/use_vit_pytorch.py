"""vit-pytorch: ViT, SimpleViT, CaiT, DeepViT, CCT, PiT, CvT, LeViT, MobileViT, MaxViT, the recorder and the extractor, each trained a step."""

import torch
from torch import nn
from trial import Trial
from vit_pytorch import SimpleViT, ViT
from vit_pytorch.cait import CaiT
from vit_pytorch.cct import CCT
from vit_pytorch.cvt import CvT
from vit_pytorch.deepvit import DeepViT
from vit_pytorch.extractor import Extractor
from vit_pytorch.levit import LeViT
from vit_pytorch.max_vit import MaxViT
from vit_pytorch.mobile_vit import MobileViT
from vit_pytorch.pit import PiT
from vit_pytorch.recorder import Recorder
from vit_pytorch.vit_for_small_dataset import ViT as SmallViT

trial = Trial()
images = trial.randn("images", 2, 3, 32, 32)
labels = trial.given("labels", lambda: torch.tensor([3, 7]))
common = {
    "image_size": 32,
    "patch_size": 8,
    "num_classes": 10,
    "dim": 32,
    "depth": 2,
    "heads": 2,
    "mlp_dim": 48,
}

models = {
    "ViT": ViT(**common, dim_head=16),
    "SimpleViT": SimpleViT(**common, dim_head=16),
    "DeepViT": DeepViT(**common, dim_head=16),
    "SmallViT": SmallViT(**common, dim_head=16),
    "CaiT": CaiT(**common, cls_depth=1, dim_head=16, layer_dropout=0.0),
    "CCT": CCT(
        img_size=32, embedding_dim=32, n_conv_layers=2, kernel_size=7, stride=2, padding=3, pooling_kernel_size=3,
        pooling_stride=2, pooling_padding=1, num_layers=2, num_heads=2, mlp_ratio=2.0, num_classes=10,
        positional_embedding="learnable", dropout_rate=0.0, attention_dropout=0.0, stochastic_depth_rate=0.0,
    ),
    "PiT": PiT(
        image_size=32, patch_size=8, dim=32, num_classes=10, depth=(1, 1), heads=2, mlp_dim=48, dim_head=16
    ),
    "CvT": CvT(
        num_classes=10, s1_emb_dim=16, s1_heads=1, s1_depth=1, s2_emb_dim=16, s2_heads=1, s2_depth=1, s3_emb_dim=16,
        s3_heads=1, s3_depth=1,
    ),
    "LeViT": LeViT(image_size=64, num_classes=10, stages=2, dim=(16, 32), depth=1, heads=(1, 2), mlp_mult=2),
    "MobileViT": MobileViT(
        image_size=(64, 64), dims=[16, 24, 32], channels=[8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 48], num_classes=10
    ),
    "MaxViT": MaxViT(num_classes=10, dim_conv_stem=8, dim=8, dim_head=4, depth=(1, 1), window_size=4, dropout=0.0),
}  # fmt: skip
larger = trial.randn("larger", 2, 3, 64, 64)
for name, model in models.items():
    trial.weights(name, model)
    out = model(larger if name in ("LeViT", "MobileViT", "MaxViT") else images)
    out = out[0] if isinstance(out, tuple) else out
    trial.result(f"{name}.out", out)
    trial.step(name, model, nn.functional.cross_entropy(out, labels))

encoder = trial.weights("encoder", ViT(**common, dim_head=16))
encoder.eval()
predictions, attention = Recorder(encoder)(images)
trial.result("recorded", [predictions, attention])
logits, latent = Extractor(encoder, return_embeddings_only=False)(images)
trial.result("extracted", latent)
trial.write()
