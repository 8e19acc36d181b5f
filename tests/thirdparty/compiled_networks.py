"""Networks of timm, unchanged, compiled: `python compiled_networks.py NAME ...`. Each must predict what it predicts eagerly."""

import sys

import flambeau.compat

flambeau.compat.install()

import timm  # noqa: E402 -- with torch answered by flambeau
import torch  # noqa: E402

for name in sys.argv[1:]:
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=10)
    size = 224 if name.startswith(("vit", "levit")) else 96  # positions of these are learnt
    with torch.no_grad():
        model(torch.randn(2, 3, size, size))  # statistics of its own
        model.eval()
        compiled = torch.compile(model)
        for batch in (1, 2):
            x = torch.randn(batch, 3, size, size)
            expected = model(x)
            for _ in range(3):
                # Untrained deep networks enlarge the last bits: what counts is the size of the answer.
                allowed = 5e-4 * expected.abs().max().item() + 1e-6
                torch.testing.assert_close(compiled(x), expected, rtol=0, atol=allowed)
    plans = [p for plans in compiled._plans.values() for p in plans]
    assert len(plans) == 2, name
    assert not any(isinstance(p, str) for p in plans), (name, plans)
