"""Event files for TensorBoard, with the package or a stand-in for it."""

import sys
from types import ModuleType

import pytest

from membrain.errors import InputError
from membrain.event_log import EventLog

ROW = {
    "epoch": 3,
    "learning_rate": 1e-3,
    "training_loss": 0.5,
    "validation_loss": None,
    "validation_angle_degree": 12.0,
}


class Recorder:
    """Notes what a SummaryWriter is asked for."""

    def __init__(self, folder, purge_step):
        CALLS.append(("open", folder, purge_step))

    def add_scalar(self, name, value, step):
        CALLS.append((name, value, step))

    def flush(self):
        CALLS.append(("flush",))

    def close(self):
        CALLS.append(("close",))


CALLS = []


@pytest.fixture
def stand_in(monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Recorder
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    CALLS.clear()


def test_each_number_of_an_epoch_is_written_once(stand_in, tmp_path):
    log = EventLog(tmp_path)
    log.add("trial 1", ROW)
    log.add("trial 1", {**ROW, "epoch": 4})
    log.close()
    assert CALLS[0] == ("open", str(tmp_path / "trial_1"), 3)
    assert [call for call in CALLS if len(call) == 3 and call[2] == 4] == [
        ("learning_rate", 1e-3, 4),
        ("training_loss", 0.5, 4),
        ("validation_angle_degree", 12.0, 4),
    ]
    assert CALLS.count(("flush",)) == 2
    assert CALLS[-1] == ("close",)


def test_each_run_has_its_folder(stand_in, tmp_path):
    log = EventLog(tmp_path)
    log.add("trial 1", ROW)
    log.add("final", ROW)
    opened = [call[1] for call in CALLS if call[0] == "open"]
    assert opened == [str(tmp_path / "trial_1"), str(tmp_path / "final")]


def test_missing_package_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match="need the package tensorboard.*pip install tensorboard"):
        EventLog(tmp_path)


def test_files_hold_what_was_written(tmp_path):
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventLog(tmp_path)
    for epoch in (3, 4):
        log.add("final", {**ROW, "epoch": epoch})
    log.close()
    events = EventAccumulator(str(tmp_path / "final")).Reload()
    found = [(e.step, e.value) for e in events.Scalars("training_loss")]
    assert found == [(3, 0.5), (4, 0.5)]
