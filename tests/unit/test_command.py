import argparse
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from membrain import __version__, command
from membrain.errors import InputError
from membrain.steps import VERBS

WORKFLOW = Path(command.__file__).resolve().parents[1]
PRESENT = [verb for verb in VERBS if (WORKFLOW / "membrain" / "steps" / f"{verb}.py").is_file()]
HEAVY = ("numpy", "scipy", "numba", "torch", "pandas", "mrcfile", "skimage", "matplotlib")


@pytest.fixture(autouse=True)
def _same_environment_afterwards(monkeypatch):
    for name in command.THREAD_VARIABLES:
        monkeypatch.setenv(name, os.environ.get(name, "1"))


@pytest.fixture
def step(monkeypatch):
    """A verb of the name ``work`` whose `run` the test may replace; it notes its arguments."""
    module = types.ModuleType("membrain.steps.work", "Does some work.\n\n  kept    as it is\n")
    module.calls = []

    def add_arguments(parser):
        parser.add_argument("--size", type=float, default=2.5, help="length, voxel")
        parser.add_argument("--name", default="", help="a name")
        parser.add_argument("--list", nargs="*", default=[], help="some names")
        parser.add_argument("--kind", choices=["a", "b"], help="a kind")

    module.add_arguments = add_arguments
    module.run = module.calls.append
    monkeypatch.setitem(sys.modules, "membrain.steps.work", module)
    monkeypatch.setitem(command.VERBS, "work", "do some work")
    return module


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_overview_names_every_verb(argv, capsys):
    assert command.main(argv) == 0
    out, err = capsys.readouterr()
    for verb, text in VERBS.items():
        assert any(line.split(maxsplit=1) == [verb, text] for line in out.splitlines()), verb
    assert err == ""


def test_version_is_told(capsys):
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("verb", ["sample_point", "Sample_Points", "samplepoints"])
def test_unknown_verb_is_exit_code_2_with_the_nearest_verb(verb, capsys):
    assert command.main([verb, "--help"]) == 2
    out, err = capsys.readouterr()
    assert err == f"step.py: unknown step '{verb}': did you mean 'sample_points'?\n"
    assert out == ""


def test_unknown_verb_like_none_lists_all(capsys):
    assert command.main(["qqqq"]) == 2
    assert capsys.readouterr().err.strip().endswith(f"known are {', '.join(sorted(VERBS))}")


def test_arguments_reach_the_step_with_the_common_ones(step):
    assert command.main(["work", "--size", "4", "--list", "x", "y"]) == 0
    (args,) = step.calls
    assert vars(args) == {
        "size": 4.0,
        "name": "",
        "list": ["x", "y"],
        "kind": None,
        "threads": 1,
        "quiet": False,
    }


def test_arguments_of_the_process_are_taken_when_none_are_given(step, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step.py", "work", "--name", "n"])
    assert command.main() == 0
    assert step.calls[0].name == "n"


def test_threads_are_set_before_the_step_runs(step):
    seen = {}
    step.run = lambda args: seen.update(
        {name: os.environ[name] for name in command.THREAD_VARIABLES}
    )
    assert command.main(["work", "--threads", "3"]) == 0
    assert set(seen.values()) == {"3"}
    assert len(seen) == 4


@pytest.mark.parametrize("n", ["0", "-2", "1025"])
def test_too_few_or_too_many_threads_are_told(step, capsys, n):
    assert command.main(["work", "--threads", n]) == 2
    assert capsys.readouterr().err == f"work: --threads {n}: expected 1 to 1024\n"
    assert step.calls == []


@pytest.mark.parametrize(("flags", "level"), [([], logging.INFO), (["--quiet"], logging.WARNING)])
def test_quiet_keeps_warnings_alone(step, monkeypatch, flags, level):
    seen = {}
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: seen.update(settings))
    assert command.main(["work", *flags]) == 0
    assert seen["level"] == level


def test_input_error_is_one_line_and_exit_code_2(step, capsys):
    step.run = raising(InputError("mask.mrc: bad", found=0, expected=1, remedy="set it"))
    assert command.main(["work"]) == 2
    out, err = capsys.readouterr()
    assert err == "work: error: mask.mrc: bad; found 0; expected 1; set it\n"
    assert out == ""


def test_stop_by_the_user_is_exit_code_130(step, capsys):
    step.run = raising(KeyboardInterrupt())
    assert command.main(["work"]) == 130
    assert capsys.readouterr().err == "work: stopped\n"


@pytest.mark.parametrize("kind", [ZeroDivisionError, RuntimeError])
def test_fault_of_the_program_keeps_its_traceback(step, kind):
    step.run = raising(kind("a fault"))
    with pytest.raises(kind, match="a fault"):
        command.main(["work"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sise", "1"], "unrecognized arguments: --sise 1"),
        (["--size", "big"], "argument --size: invalid float value: 'big'"),
        (["--kind", "c"], "argument --kind: invalid choice: 'c'"),
        (["--threads", "two"], "argument --threads: invalid int value: 'two'"),
    ],
)
def test_wrong_flags_are_exit_code_2(step, capsys, flags, message):
    with pytest.raises(SystemExit) as caught:
        command.main(["work", *flags])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"work: error: {message}")
    assert step.calls == []


@pytest.mark.parametrize("size", ["nan", "inf", "-1e300"])
def test_numbers_that_cannot_be_meant_are_told_by_every_step(step, capsys, size):
    assert command.main(["work", f"--size={size}"]) == 2
    message = f"work: error: --size; found {float(size)}; expected a finite number, at most 1e+09"
    assert capsys.readouterr().err.startswith(message)
    assert step.calls == []


def test_help_keeps_the_description_and_tells_defaults_that_say_something(step, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["work", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "Does some work.\n\n  kept    as it is\n" in text
    assert "length, voxel (default: 2.5)" in text
    assert "processor cores to use (default: 1)" in text
    for plain in ("a name", "some names", "a kind", "warnings and errors only"):
        assert f"{plain} (default" not in text
    assert step.calls == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left", "/x/log"), "work: error: /x/log: No space left\n"),
        (OSError("odd"), "work: error: odd\n"),
        (MemoryError(), "work: error: out of memory; give the job more memory, or fewer"),
        (MemoryError("4 GB"), "work: error: out of memory; found 4 GB; give"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore."),
            "work: error: out of memory; found CUDA out of memory. Tried to allocate 2 GiB.; see "
            "whether others use this GPU, or take the processor (config: device); or give",
        ),
    ],
)
def test_faults_of_the_machine_are_one_line_and_code_2(step, capsys, error, message):
    step.run = raising(error)
    assert command.main(["work"]) == 2
    text = capsys.readouterr().err
    assert text.startswith(message)
    assert text.count("\n") == 1


def test_output_that_would_replace_an_input_is_refused(step, capsys, tmp_path):
    def add_arguments(parser):
        parser.add_argument("--path", type=Path)
        parser.add_argument("--others", nargs="*")
        parser.add_argument("--output")
        parser.add_argument("--name")

    step.add_arguments = add_arguments
    precious = tmp_path / "precious.mrc"
    precious.write_text("x")
    (tmp_path / "link").symlink_to(precious)
    for argv in (["--path", str(precious)], ["--others", "a", str(tmp_path / "link")]):
        assert command.main(["work", *argv, "--output", str(precious)]) == 2
        flag = argv[0].replace("--path", "--output and --path")
        flag = flag.replace("--others", "--others and --output")
        assert f"work: error: {flag}: the same file; found {precious}" in capsys.readouterr().err
    assert step.calls == []
    assert command.main(["work", "--path", str(precious), "--output", f"{precious}2"]) == 0
    assert command.main(["work", "--path", str(precious), "--name", str(precious)]) == 0


TERMINATED = """
import runpy, signal, sys, time, types
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
step, out = sys.argv[1:]
sys.path.insert(0, step.rpartition("/")[0])
from membrain import command, files

def run(args):
    with files.atomic_path(out) as temporary:
        temporary.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

module = types.ModuleType("membrain.steps.work", "Works.")
module.add_arguments, module.run = lambda parser: None, run
sys.modules["membrain.steps.work"] = module
command.VERBS["work"] = "work"
sys.argv = [step, "work"]
runpy.run_path(step, run_name="__main__")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_process_leaves_nothing_half_written(tmp_path, number, code):
    command = [sys.executable, "-c", TERMINATED, str(WORKFLOW / "step.py"), str(tmp_path / "x")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        assert os.listdir(tmp_path) != []
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert os.listdir(tmp_path) == []
    assert b"Traceback" not in errors


def run_step(*argv):
    return subprocess.run(
        [sys.executable, str(WORKFLOW / "step.py"), *argv],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_input_error_of_a_whole_process_shows_no_traceback(tmp_path):
    done = run_step(
        "inspect_tomogram", "--tomogram", "t1", "--path", str(tmp_path / "gone.mrc"),
        "--output", str(tmp_path / "info.json"),
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("inspect_tomogram: error: ")
    assert "gone.mrc" in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", [["--help"], ["samplepoints"]])
def test_exit_code_of_the_process(argv):
    assert run_step(*argv).returncode == (0 if argv == ["--help"] else 2)


PROBE = """
import contextlib, io, json, runpy, sys
step, heavy, verbs = sys.argv[1], sys.argv[2].split(), sys.argv[3].split()
sys.path.insert(0, step.rpartition("/")[0])
report = {}
for verb in verbs:
    sys.argv = [step, verb, "--help"]
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_path(step, run_name="__main__")
    except SystemExit as end:
        code = end.code
    loaded = [name for name in heavy if name in sys.modules]
    for name in [n for n in sys.modules if n.split(".")[0] == "membrain"]:
        del sys.modules[name]
    report[verb] = [code, f"usage: step.py {verb} " in text.getvalue(), loaded]
    heavy = [name for name in heavy if name not in loaded]
print(json.dumps(report))
"""


def test_help_of_every_step_imports_nothing_heavy():
    # one process for all: what a verb loads is counted for the first verb that loads it
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROBE,
            str(WORKFLOW / "step.py"),
            " ".join(HEAVY),
            " ".join(PRESENT),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report == {verb: [0, True, []] for verb in PRESENT}
    assert len(PRESENT) > 10


@pytest.mark.parametrize("verb", PRESENT)
def test_every_flag_of_a_step_has_a_help_text(verb):
    module = importlib.import_module(f"membrain.steps.{verb}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    bare = [action.option_strings for action in parser._actions if not action.help]
    assert bare == []
    assert module.__doc__.strip()
