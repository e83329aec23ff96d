"""Trials with a part held out, then the run that learns from all points."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from membrain import fitting
from membrain.checkpoints import Progress
from membrain.fitting import Fit, FitOptions, fit
from membrain.training import Recipe

N = 12
CPU = torch.device("cpu")


@pytest.fixture
def runs(monkeypatch):
    """What each run was given; runs predict their own number."""
    seen = []

    def run(joined, parts, recipe, options, checkpoint, *_):
        seen.append((parts[0].copy(), parts[1].copy(), checkpoint))
        loss = float(len(seen)) if parts[1].any() else None
        row = {"epoch": 1, "learning_rate": 0, "training_loss": 1.0, "validation_loss": loss}
        n = int((parts[1] if parts[1].any() else parts[0]).sum())
        return Progress(1, 1, {}, [row]), np.full((n, 1), len(seen), np.float32)

    monkeypatch.setattr(fitting, "_run", run)
    return seen


def turns():
    half = np.arange(N) < N // 2
    return [(half, ~half), (~half, half)]


def data(n_replicas=0):
    """Points of which the last ones are those of replicas."""
    return SimpleNamespace(
        labels=np.zeros((N, 1), np.float32),
        meta={"classes": [["A"]]},
        is_replica=np.arange(N) >= N - n_replicas,
    )


def test_every_part_is_held_out_once_and_then_all_is_learned(runs, monkeypatch):
    given = []
    monkeypatch.setattr(fitting, "find_thresholds", lambda j, p, near: given.append(p) or (4.5,))
    found = fit(data(), turns(), Recipe(), FitOptions(CPU), is_cut_off=True)
    assert [int(r[0].sum()) for r in runs] == [6, 6, 12]
    assert not runs[2][1].any()
    assert given[0].ravel().tolist() == [2.0] * 6 + [1.0] * 6  # each by the run that left it out
    assert found.thresholds == (4.5,)
    assert found.is_training.all()
    assert found.is_validation.all()
    assert [row["run"] for row in found.history] == ["trial 1", "trial 2", "final"]
    assert found.validation_loss == 1.5


@pytest.mark.parametrize(
    ("options", "last"), [({}, None), ({"patience": 3}, 5), ({"keep": "best"}, 5)]
)
def test_final_run_stops_where_its_trials_did_best(monkeypatch, options, last):
    best, given = [4, 6, 20], []

    def run(joined, parts, recipe, options, checkpoint, name, last_epoch=None):
        given.append(last_epoch)
        rows = [{"validation_loss": 1.0}] * 20
        n = int((parts[1] if parts[1].any() else parts[0]).sum())
        return Progress(20, best[len(given) - 1], {}, rows), np.zeros((n, 1), np.float32)

    monkeypatch.setattr(fitting, "_run", run)
    monkeypatch.setattr(fitting, "find_thresholds", lambda *_: (4.5,))
    fit(data(), turns(), Recipe(**options), FitOptions(CPU), is_cut_off=True)
    assert given == [None, None, last]


def test_replicas_do_not_choose_the_threshold(runs, monkeypatch):
    """Even where nothing validates and the training points themselves choose it."""
    given = []
    monkeypatch.setattr(fitting, "find_thresholds", lambda j, p, near: given.append(p) or (4.5,))
    turn = np.ones(N, bool), np.zeros(N, bool)
    fit(data(n_replicas=3), [turn], Recipe(), FitOptions(CPU), is_cut_off=True)
    assert np.isnan(given[0].ravel()).tolist() == [False] * 9 + [True] * 3


def test_without_refit_the_first_run_is_kept(runs, monkeypatch):
    monkeypatch.setattr(fitting, "find_thresholds", lambda *_: (4.5,))
    found = fit(data(), turns(), Recipe(), FitOptions(CPU, refit=False), is_cut_off=True)
    assert len(runs) == 1
    assert (found.trials, int(found.is_training.sum())) == ((), 6)
    assert [row["run"] for row in found.history] == ["final"]


def test_validation_membranes_are_never_learned_from(runs, monkeypatch):
    monkeypatch.setattr(fitting, "find_thresholds", lambda *_: (4.5,))
    found = fit(data(), turns()[:1], Recipe(), FitOptions(CPU), is_cut_off=False)
    assert len(runs) == 1
    assert found.validation_loss == 1.0


def test_given_threshold_holds_for_every_output(runs):
    options = FitOptions(CPU, threshold_voxel=2.5)
    assert fit(data(), turns(), Recipe(), options, is_cut_off=True).thresholds == (2.5,)


def test_every_run_has_its_own_checkpoint_and_all_are_removed(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "find_thresholds", lambda *_: (4.5,))
    options = FitOptions(CPU, checkpoint=str(tmp_path / "c[1].pt"))
    fit(data(), turns(), Recipe(), options, is_cut_off=True)
    paths = [run[2] for run in runs]
    assert len({*paths}) == 3
    for path in paths:
        Path(path).touch()
    (tmp_path / "other.pt").touch()
    options.remove_checkpoints()
    assert [path.name for path in tmp_path.iterdir()] == ["other.pt"]


def test_no_validation_at_all_has_no_loss():
    progress = Progress(1, 1, {}, [{"validation_loss": None}])
    assert Fit(progress, (), np.ones(1, bool), np.zeros(1, bool), (3.5,)).validation_loss is None
