import argparse

import pytest

from membrain import tries
from membrain.errors import InputError
from membrain.files import read_json


@pytest.fixture
def log_path(tmp_path):
    return tmp_path / "batch001.log"


def arguments(log_path, tries_left):
    parser = argparse.ArgumentParser()
    tries.add_try_arguments(parser)
    return parser.parse_args(["--log", str(log_path), "--tries-left", str(tries_left)])


def fail(log_path, error, tries_left=1):
    with pytest.raises(type(error)), tries.noted(arguments(log_path, tries_left)):
        raise error


def give_up(log_path):
    args = arguments(log_path, 0)
    with tries.noted(args):
        return str(tries.given_up(args))


def test_step_with_tries_left_does_its_work(log_path):
    assert tries.given_up(arguments(log_path, 1)) is None


def test_step_by_hand_keeps_nothing(tmp_path):
    args = argparse.Namespace(name="a step without these flags")
    with tries.noted(args):
        pass
    assert list(tmp_path.iterdir()) == []


def test_job_that_ended_without_a_word_is_told_with_the_remedy(log_path):
    told = give_up(log_path)
    assert told.startswith("its job ended without a message in each try: killed, out of memory")
    assert "fewer membranes (config: membranes_per_job), and run again" in told


def test_last_error_is_told(log_path):
    fail(log_path, InputError("first"))
    fail(log_path, ValueError("second"))
    assert give_up(log_path) == "its job failed in each try, at last: ValueError: second"


def test_error_before_a_silent_try_is_not_told_for_its_reason(log_path):
    fail(log_path, InputError("first"))
    with pytest.raises(KeyboardInterrupt), tries.noted(arguments(log_path, 1)):
        raise KeyboardInterrupt
    assert "without a message" in give_up(log_path)


def test_only_being_given_up_is_counted(log_path):
    assert tries.count_given_up(log_path) == 0
    fail(log_path, InputError("first"))
    with tries.noted(arguments(log_path, 2)):
        pass
    assert tries.count_given_up(log_path) == 0
    give_up(log_path)
    give_up(log_path)
    with tries.noted(arguments(log_path, 3)):
        pass
    assert tries.count_given_up(log_path) == 2


def test_giving_up_that_fails_is_not_counted(log_path):
    fail(log_path, OSError("no room"), tries_left=0)
    assert tries.count_given_up(log_path) == 0
    assert read_json(tries.notes_path(log_path))["last"] == "OSError: no room"


def test_damaged_notes_count_as_none(log_path):
    tries.notes_path(log_path).write_text('{"n_given_up": ')
    assert tries.count_given_up(log_path) == 0
