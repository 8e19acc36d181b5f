"""A PyTorch script that uses the package einops, functions and layers."""

import torch
from einops import einsum, pack, rearrange, reduce, repeat
from einops.layers.torch import Rearrange, Reduce
from torch import nn

torch.manual_seed(0)
x = torch.rand(2, 3, 8, 8, requires_grad=True)
patches = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4)
pooled = reduce(x, "b c h w -> b c", "mean")
wide = repeat(pooled, "b c -> b c k", k=2)
gram = einsum(patches, patches, "b i d, b j d -> b i j")
packed, shapes = pack([pooled, wide], "b *")
model = nn.Sequential(
    Rearrange("b c h w -> b (c h w)"),
    nn.Linear(192, 16),
    Rearrange("b (g d) -> b g d", g=4),
    Reduce("b g d -> b g", "max"),
)
out = model(x)
(out.sum() + gram.mean() + packed.sum()).backward()
print(
    tuple(patches.shape),
    tuple(wide.shape),
    tuple(gram.shape),
    tuple(packed.shape),
    tuple(out.shape),
    f"{x.grad.abs().sum().item():.5f}",
)
