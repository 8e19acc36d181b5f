"""`SummaryWriter`: what a training run notes down for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import Any

from flambeau.utils.tensorboard import pictures
from flambeau.utils.tensorboard import summary as summary_module
from flambeau.utils.tensorboard.messages import Event, SessionLog, Summary
from flambeau.utils.tensorboard.projector import write_embedding
from flambeau.utils.tensorboard.records import FileWriter

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Writes event files for TensorBoard.

    - `log_dir`: the folder of this run; ``runs/DATE_HOST`` plus `comment` if not given. Runs side by side in one folder
      are compared.
    - `purge_step`: a run that goes on after a crash begins here; TensorBoard hides what was written of this step and
      later ones before.
    - `max_queue` events may wait for the thread that writes, and none longer than `flush_secs`; what the
      process had queued by then survives its being killed.
    - `filename_suffix` ends the file's name.

    Nothing but flambeau is needed to write; boxes and GIFs need Pillow, figures matplotlib, looking at it all TensorBoard.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
    ...     for step in range(3):
    ...         writer.add_scalar("loss", 1 / (step + 1), step)
    ...     writer.add_text("note", "it *falls*")
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket
            from datetime import datetime

            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()
        self.default_bins = summary_module.default_bins()

    def _get_file_writer(self) -> FileWriter:
        """The run's own file; a new one after `close`."""
        if self.file_writer is not None:
            return self.file_writer
        writer = self._open(self.log_dir)
        self.file_writer, self.all_writers = writer, {writer.get_logdir(): writer}
        if self.purge_step is not None:
            step = int(self.purge_step)
            writer.add_event(Event(step=step, file_version="brain.Event:2"))
            log = SessionLog(status=SessionLog.START)
            writer.add_event(Event(step=step, session_log=log))
            self.purge_step = None
        return writer

    def _open(self, log_dir: Any) -> FileWriter:
        return FileWriter(log_dir, self.max_queue, self.flush_secs, self.filename_suffix)

    def _add(self, summary: Summary, step: Any = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def get_logdir(self) -> Any:
        """The folder of the run."""
        return self.log_dir

    # -- numbers

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number of a step: a Python number or a tensor of one element; `new_style` writes it as a tensor."""
        made = summary_module.scalar(
            tag, scalar_value, new_style=new_style, double_precision=double_precision
        )
        self._add(made, global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers for one chart, each in a run of its own, named ``LOG_DIR/MAIN_TAG_TAG``."""
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            path = f"{folder}/{main_tag.replace('/', '_')}_{tag}"
            if path not in self.all_writers:
                self.all_writers[path] = self._open(path)
            made = summary_module.scalar(main_tag, value)
            self.all_writers[path].add_summary(made, global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """A whole tensor, its dtype and sizes with it."""
        self._add(summary_module.tensor(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are distributed. `bins`: TensorFlow's, NumPy's rules (``"auto"``, ...), a number or the ends."""
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        self._add(summary_module.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram counted elsewhere: `bucket_limits` are the right ends of the bins."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        made = summary_module.histogram_raw(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add(made, global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision against recall, of labels (0 or 1) and predictions in [0, 1]; 127 thresholds at most."""
        made = summary_module.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(made, global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """The same of counts at each threshold. `weights` is PyTorch's argument, which has no effect there either."""
        counts = (
            true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts
        )  # fmt: skip
        made = summary_module.pr_curve_raw(tag, *counts, precision, recall, num_thresholds)
        self._add(made, global_step, walltime)

    # -- pictures

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: uint8, or floats in [0, 1]; `dataformats` names the dimensions (CHW, HWC, HW, ...)."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Pictures in a grid with eight in a row."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Any = None,
    ) -> None:
        """A picture with boxes (x1, y1, x2, y2), one label for each. Needs Pillow."""
        made = pictures.image_with_boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels)
        self._add(made, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A matplotlib figure, or a list of figures of one size; `close` closes them then."""
        pixels = pictures.figure_pixels(figure, close)
        formats = "NCHW" if isinstance(figure, list) else "CHW"
        self.add_image(tag, pixels, global_step, walltime, formats)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Films (N, T, C, H, W) side by side, as a GIF (PyTorch needs moviepy for it, this Pillow)."""
        self._add(pictures.video(tag, vid_tensor, fps), global_step, walltime)

    # -- sound, text, shapes

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """A mono sound (L,) or (1, L), of samples in [-1, 1]."""
        self._add(summary_module.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """A text in Markdown."""
        self._add(summary_module.text(tag, text_string), global_step, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: dict[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A mesh or a cloud of points: (batch, count, 3) each; `config_dict` is for the viewer, three.js."""
        made = summary_module.mesh(tag, vertices, colors, faces, config_dict)
        self._add(made, global_step, walltime)

    # -- the model

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """The operators of `model(*input_to_model)`, in the scopes of its modules; `verbose` prints the program.

        One run is traced, by which everything is seen, so that `use_strict_trace` makes no difference.
        """
        from flambeau.utils.tensorboard.network import network

        self._get_file_writer().add_graph(network(model, input_to_model, verbose))

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Vectors (N, D) for the projector, with a label each (columns, under `metadata_header`) and a picture (N, C, H, W)."""
        logdir = self._get_file_writer().get_logdir()
        write_embedding(logdir, mat, metadata, label_img, global_step, tag, metadata_header)

    def add_hparams(
        self,
        hparam_dict: Any,
        metric_dict: Any,
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """A run's hyperparameters (bool, str, float, int, None) and metrics, in a run of its own.

        That is called `run_name`, or by the time. `hparam_domain_discrete` lists the values that a
        hyperparameter may have.
        """
        if type(hparam_dict) is not dict or type(metric_dict) is not dict:
            raise TypeError("hparam_dict and metric_dict should be dictionary.")
        made = summary_module.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = self._get_file_writer().get_logdir()
        with SummaryWriter(os.path.join(folder, run_name or str(time.time()))) as writer:
            for summary in made:
                writer._add(summary, global_step)
            for tag, value in metric_dict.items():
                writer.add_scalar(tag, value, global_step)

    # -- layouts of scalars

    def add_custom_scalars(self, layout: dict[str, Any]) -> None:
        """Charts of scalars: {category: {chart: ["Multiline", tags]}}, or ["Margin", [value, lower, upper]]. Once a run."""
        self._add(summary_module.custom_scalars(layout))

    def add_custom_scalars_multilinechart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of several scalars."""
        self._add(summary_module.custom_scalars({category: {title: ["Multiline", tags]}}))

    def add_custom_scalars_marginchart(
        self, tags: list[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of a scalar with a band around it: tags of value, lower and upper end."""
        if len(tags) != 3:
            raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
        self._add(summary_module.custom_scalars({category: {title: ["Margin", tags]}}))

    # -- the files

    def flush(self) -> None:
        """Returns when everything that was added is written."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Writes what is waiting and closes the files; adding more opens new ones."""
        writers, self.file_writer, self.all_writers = self.all_writers, None, None
        for writer in (writers or {}).values():
            writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
