"""Event files for TensorBoard, as in `torch.utils.tensorboard`; TensorBoard itself is needed only to look at them."""

from __future__ import annotations

from flambeau.utils.tensorboard.records import FileWriter, RecordWriter
from flambeau.utils.tensorboard.writer import SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
