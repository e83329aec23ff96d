"""Event files that TensorBoard shows while a network trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .errors import InputError

KINDS = ("learning_rate", "training_loss", "validation_loss", "validation_angle_degree")


class EventLog:
    """Writes the rows of epochs, one folder for each run.

    Parameters
    ----------
    folder : path

    Raises
    ------
    InputError
        When the package tensorboard is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "event files need the package tensorboard, which is not installed",
                remedy="pip install tensorboard, or set train_model.tensorboard to false",
            ) from None
        self.folder = Path(folder)
        self._writer_of = SummaryWriter
        self._writers: dict[str, object] = {}

    def add(self, run: str, row: Mapping[str, float | None]) -> None:
        """Write an epoch of a run; what an earlier, killed job wrote of later ones is replaced."""
        if run not in self._writers:
            folder = str(self.folder / run.replace(" ", "_"))
            self._writers[run] = self._writer_of(folder, purge_step=row["epoch"])
        for kind in KINDS:
            if row[kind] is not None:
                self._writers[run].add_scalar(kind, row[kind], row["epoch"])
        self._writers[run].flush()

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
