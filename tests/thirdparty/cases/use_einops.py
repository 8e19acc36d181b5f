"""einops: rearrange, reduce, repeat, einsum, pack, unpack, parse_shape and the layers, with gradients."""

from einops import einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce
from torch import nn
from trial import Trial

trial = Trial()
x = trial.randn("images", 2, 3, 8, 8).requires_grad_()
patches = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4)
trial.result("patches", patches)
trial.result(
    "pooled",
    [reduce(x, "b c (h 2) (w 2) -> b c h w", how) for how in ("mean", "max", "min", "sum")],
)
trial.result("repeated", repeat(x, "b c h w -> (b r) c h w", r=2))
trial.result("shape", parse_shape(x, "b _ h w"))
q, k = trial.randn("q", 2, 5, 4), trial.randn("k", 2, 6, 4)
trial.result("scores", einsum(q, k, "b i d, b j d -> b i j"))
packed, shapes = pack([q, k[:, 0]], "b * d")
trial.result("packed", packed)
trial.result("unpacked", unpack(packed, shapes, "b * d"))

model = trial.weights(
    "model",
    nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        Reduce("b c (h 2) (w 2) -> b c h w", "max"),
        nn.ReLU(),
        Rearrange("b c h w -> b h w c"),
        EinMix("b h w c -> b h w d", weight_shape="c d", bias_shape="d", c=6, d=5),
        Reduce("b h w d -> b d", "mean"),
    ),
)
out = model(x)
trial.result("out", out)
trial.step("einops", model, out.square().sum() + patches.pow(3).mean())
trial.result("input gradient", x.grad)
trial.write()
