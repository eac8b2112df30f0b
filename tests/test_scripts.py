"""What all recipes share: a locked --out, a hash of the data, errors in one line, time left."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_flows.files import locked, write_json, written_whole
from keras_flows.recipes import glow_celeba, nice_mnist
from keras_flows.training.arguments import above_0, below_1, finite, not_negative, share
from keras_flows.training.progress import TimeLeft
from keras_flows.training.run import Run, contents_hash
from keras_flows.training.script import Script

ROOT = Path(__file__).parents[1]


def parsed(out, *more):
    return nice_mnist.main.options(["--out", str(out), *more])


def script(work, parts=("",), name="nice_mnist"):
    """A script with the options of `nice_mnist`, called with a folder and more options."""
    call = Script(name, nice_mnist.main.parser, work, parts=parts)
    return lambda argv: call(["--out", str(argv[0]), *argv[1:]])


def test_a_folder_is_locked_while_another_process_writes_to_it(tmp_path):
    program = (  # which imports no Keras
        "import runpy, sys; locked = runpy.run_path('keras_flows/files.py')['locked']\n"
        f"with locked({str(tmp_path)!r}): print('in', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, **pipes) as other:
        assert other.stdout.readline() == b"in\n"
        with pytest.raises(ValueError, match=f"Received.*process {other.pid} on"), locked(tmp_path):
            pass
        other.kill()
    with locked(tmp_path):  # a lock does not outlive its process
        pass


def test_a_folder_can_be_used_where_there_are_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_flows.files.fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        pass


def test_out_is_locked_while_a_script_runs(tmp_path):
    out, folders = tmp_path / "out{a}", []

    def work(args):
        with pytest.raises(ValueError, match="Another run"), locked(args.out):
            pass
        folders.append(args.out)

    script(work)([out])
    script(work)([out])
    assert folders == [out, out]


def test_an_out_that_cannot_be_written_raises_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        script(lambda args: pytest.fail("it went on"))([tmp_path / "file" / "out"])


@pytest.mark.parametrize("file", ["checkpoint/state.json", "nice_mnist.keras"])
def test_an_existing_run_is_not_overwritten_by_accident(file, tmp_path):
    write_json(tmp_path / file, {})
    begun = []
    main = script(lambda args: begun.append(args.overwrite))
    with pytest.raises(ValueError, match=f"--resume.*--overwrite.*another --out.*Received.*{file}"):
        main([tmp_path])
    main([tmp_path, "--overwrite"])
    main([tmp_path, "--dry-run"])
    if "state" in file:
        main([tmp_path, "--resume"])
    else:
        with pytest.raises(ValueError, match="no state to resume.*--overwrite.*Received"):
            main([tmp_path, "--resume"])
    assert begun[:2] == [True, False]


def test_pictures_and_metrics_without_a_model_are_not_a_run(tmp_path):
    """As in a fresh clone, where these are in samples/."""
    for name in ("metrics.json", "grid.png", "glow_mnist.keras"):
        (tmp_path / name).write_text("")
    assert script(lambda args: "done")([tmp_path]) == "done"


def test_a_setting_has_defaults_that_options_replace(capsys):
    options = glow_celeba.main.options
    faces, small = ["--data", "faces"], glow_celeba.CPU
    assert {name: getattr(options([*faces, "--setting", "cpu"]), name) for name in small} == small
    args = options(["--hidden", "64", "--setting=cpu", *faces])
    assert args.hidden == 64 and args.depth == small["depth"] and "--setting=cpu" in args.command
    assert args.optimizer == "adamax"  # of the variant that the setting selects
    plain = options(faces)
    assert plain.setting is None and plain.variant == "blog" and plain.hidden == 512
    with pytest.raises(SystemExit):
        options([*faces, "--setting", "gpu"])
    assert "invalid choice: 'gpu'" in capsys.readouterr().err


def test_resume_and_overwrite_exclude_each_other(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parsed(tmp_path, "--resume", "--overwrite")
    assert "not allowed" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["learning-rate", "temperature", "clip", "ema", "minutes"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_numbers_out_of_range_are_refused(option, value, capsys):
    with pytest.raises(SystemExit):
        nice_mnist.main.options([f"--{option}", value])
    assert f"--{option}: must be" in capsys.readouterr().err


def test_numbers_in_range_are_accepted():
    assert not_negative("0") == below_1("0") == share("0") == 0
    assert share("1") == above_0("1") == 1 and finite("-2") == -2


def test_errors_that_a_user_can_fix_end_in_one_line():
    with pytest.raises(SystemExit, match="^nice_mnist: No data at nowhere.npz"):
        nice_mnist.main.run(["--data", "nowhere.npz", "--dry-run"])

    def run(work):
        Script("nice_mnist", nice_mnist.main.parser, work).run(["--dry-run"])

    with pytest.raises(ValueError, match="literal"):  # not this package's: the traceback is needed
        run(lambda args: int("x"))
    with pytest.raises(SystemExit):
        run(lambda args: os.listdir("/nowhere"))


def run(out, x, script="nice_mnist", *more):
    args = parsed(out, *more)
    return Run(script, args, x, ("couplings",)).checkpoint


def test_a_run_is_not_resumed_with_other_data_or_by_another_script(tmp_path):
    x = np.arange(40, dtype="uint8").reshape(10, 4)
    first = run(tmp_path, (x, None, x[:2]))
    state = {"settings": first.settings, "last": "last_00001.keras", "noise": []}
    state |= {"history": [], "best_epoch": None}
    write_json(first.state_path, state)
    for other, name in ((x[::-1], "nice_mnist"), (x[:9], "nice_mnist"), (x, "glow_mnist")):
        changed = "script.*nice_mnist.*glow_mnist" if name == "glow_mnist" else "contents_of_data"
        with pytest.raises(ValueError, match=f"other settings.*Received.*{changed}"):
            run(tmp_path, (other, None, x[:2]), name).restore()
    for name in ("script", "contents_of_data"):  # as states were until these were added
        del state["settings"][name]
    write_json(first.state_path, state)
    with pytest.raises(ValueError, match="last_00001.keras"):  # it gets as far as the file
        run(tmp_path, (x[::-1], None, x[:2]), "glow_mnist").restore()


def test_the_hash_of_data_does_not_depend_on_their_file(tmp_path):
    x = np.arange(600, dtype="uint8").reshape(100, 6)
    np.save(tmp_path / "x.npy", x)
    same = contents_hash(np.load(tmp_path / "x.npy", mmap_mode="r"), None)
    assert same == contents_hash(x) and same.startswith("(100, 6) ")
    assert same != contents_hash(x.astype("int16")) != contents_hash(x, x)


def test_the_time_left_is_printed_once(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    for first, minutes in ((0, None), (5, 8.0)):
        left = TimeLeft(8, minutes)
        left.on_train_begin()
        for epoch in range(first, 8):
            left.on_epoch_begin(epoch)
            now[0] += 60
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1 took 60 s; 7 more take about 7 minutes. Ctrl-C ends")
    assert second.startswith("Epoch 6 took 60 s; 2 more take about 2 minutes. --minutes or Ctrl-C")


def test_the_error_of_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space.*a.txt"), written_whole(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failed_write_leaves_nothing_of_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_replaced_and_a_link_is_followed(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link.json"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(ValueError, match="plain file.*Received"):
            write_json(path, 1)
    assert pipe.is_fifo()
    (tmp_path / "folder").mkdir()
    link.symlink_to(tmp_path / "folder" / "there.json")
    for value in (1, 2):
        write_json(link, value)
    assert link.is_symlink() and json.loads((tmp_path / "folder" / "there.json").read_text()) == 2


def test_help_describes_the_data(capsys):
    for each, words in ((nice_mnist, "idx files"), (glow_celeba, "or zip of pictures")):
        with pytest.raises(SystemExit):
            each.main.options(["--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert words in text and "see above" not in text
