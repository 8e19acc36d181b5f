"""A transformer leaves for ONNX with open batch and time, and is checked against another runtime.

pip install "flambeau[onnx]" onnxruntime
python examples/export_onnx.py --out reader.onnx
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import flambeau
from flambeau import Tensor, nn


class Reader(nn.Module):
    """Scores a sequence of symbols."""

    def __init__(self, symbols: int = 100, width: int = 32, classes: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(ids)).amax(dim=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports, then compares the answers at sizes the export never saw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("reader.onnx"))
    options = parser.parse_args(arguments)
    flambeau.manual_seed(0)
    model = Reader().eval()
    flambeau.onnx.export(
        model,
        (flambeau.zeros(2, 5, dtype=flambeau.int64),),
        options.out,
        input_names=["ids"],
        output_names=["scores"],
        dynamic_axes={"ids": {0: "batch", 1: "time"}},
    )
    loaded = flambeau.onnx.load(options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, {loaded}")

    import onnxruntime

    session = onnxruntime.InferenceSession(str(options.out), providers=["CPUExecutionProvider"])
    for batch, time in ((1, 1), (3, 17), (8, 40)):
        ids = flambeau.randint(0, 100, (batch, time))
        with flambeau.no_grad():
            ours = model(ids)
        theirs = flambeau.from_numpy(session.run(None, {"ids": ids.numpy()})[0])
        flambeau.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
        flambeau.testing.assert_close(loaded(ids), ours, rtol=1e-4, atol=1e-5)
        distance = (theirs - ours).abs().max().item()
        print(f"batch {batch}, time {time}: onnxruntime is within {distance:.1e}")


if __name__ == "__main__":
    main()
