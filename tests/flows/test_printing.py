"""What comes from outside never commands a terminal: not as a name, an answer, a reply, a log line or a fault."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import main
from flows.printing import escape_logs, escape_tracebacks, print_json, print_piece, say
from tasks.records.escaping import escaped
from tests.builders import examples, make_photo_bytes
from tests.tasks.engines.faulty import Script, faulty, status, streamed, usage
from tests.workers import REPOSITORY

COMMANDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J\r\u202egpj\u2066\u200b\x7f\ufeff"


def obeyed(text: str) -> set[str]:
    """What of a text a terminal would obey, or would not show."""
    return {sign for sign in text if sign not in "\n\t" and category(sign) in COMMANDS}


@examples(200)
@given(st.text(st.characters()) | st.text("\x1b[0m\x9b\u202e\u200b\ud800\U000e0041设备\u3000\n\t\\"))
def test_text_from_outside_is_shown_and_never_obeyed(text: str) -> None:
    shown = escaped(text)
    assert not obeyed(shown)
    assert escaped(shown) == shown
    if not obeyed(text):
        assert shown == text
    assert [sign for sign in text if sign in "\n\t设备\u3000"] == [sign for sign in shown if sign in "\n\t设备\u3000"]


hostile_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text(HOSTILE + "\udcff设×😀", max_size=8)


@examples(100)
@given(st.dictionaries(st.text(max_size=5), hostile_texts, max_size=3))
@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "ascii"])
def test_the_last_line_is_json_that_says_exactly_what_it_was_given(encoding: str, value: dict[str, str]) -> None:
    data = io.BytesIO()
    stdout = io.TextIOWrapper(data, encoding, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        print_json(value)
    line = data.getvalue().decode(encoding)
    assert not obeyed(line)
    assert line.count("\n") == 1
    assert json.loads(line) == value


def test_pieces_lines_logs_and_tracebacks_are_all_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", None)
    for sign in HOSTILE:
        print_piece(sign)
    say(f"photo {HOSTILE}\n")
    escape_tracebacks()
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    logger, stream = logging.getLogger("tests.hostile"), io.StringIO()
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(stream)]
    handlers[1].setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.handlers[:] = handlers
    logger.propagate = False
    for _ in range(2):
        escape_logs()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("photo %s", HOSTILE)
    logger.handlers.clear()
    out, err = capsys.readouterr()
    for text in (out, err, stream.getvalue()):
        assert not obeyed(text)
        assert r"\x1b]0;owned\x07\x1b[31m\x9b2J\r\u202e" in text
    assert "\\\\x1b" not in stream.getvalue(), "escaped once"


def test_wrong_usage_is_told_without_obeying_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", "a.jpg", f"{HOSTILE}.jpg"]) == 2
    assert main(["summarize", f"--max-pixels={HOSTILE}", "a.jpg"]) == 2
    assert main([f"--{HOSTILE}"]) == 2
    out, err = capsys.readouterr()
    assert not obeyed(out + err)
    assert "owned" in err


def on_a_terminal(arguments: Sequence[str]) -> tuple[str, int]:
    """What `fieldcheck` writes to a real terminal, stdout and stderr together, and its exit code."""
    master, slave = pty.openpty()
    command = [sys.executable, "-P", "-c", "import sys; from flows.cli import main; sys.exit(main())", *arguments]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=REPOSITORY) as process:
        os.close(slave)
        data = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # EIO: the terminal's other side is closed
                break
            if not piece:
                break
            data += piece
    os.close(master)
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n"), process.returncode


@pytest.fixture
def hostile_photo(tmp_path: Path) -> Path:
    """A photo whose folder and name hold what terminals obey."""
    folder = tmp_path / "QC-\x1b]0;owned\x07\x1b[31m"
    folder.mkdir()
    photo = folder / "img\x9b2J\u202e1.jpg"
    photo.write_bytes(make_photo_bytes())
    return photo


def answer(text: str) -> Script:
    """What a server streams and answers."""
    pieces = [{"choices": [{"index": 0, "delta": {"content": sign}, "finish_reason": None}]} for sign in text]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return Script(acts=[streamed([*pieces, end, usage(), "[DONE]"])])


def test_a_hostile_name_and_a_hostile_answer_do_nothing_to_a_real_terminal(hostile_photo: Path) -> None:
    with faulty(acts=answer(f"BBU{HOSTILE}设备×1").acts) as script:
        told, code = on_a_terminal(
            ["summarize", str(hostile_photo), "--stream", "--engine-kind=endpoint", f"--endpoint={script.url}"]
        )
    assert code == 1
    assert not obeyed(told)
    streaming, *_, last = told.splitlines()
    assert streaming == f"BBU{escaped(HOSTILE)}设备×1"
    result = json.loads(last)
    assert result["text"] == f"BBU{HOSTILE}设备×1"
    assert result["image"] == str(hostile_photo)
    assert {"control_character", "format_character"} <= {*result["violations"]}


def test_what_a_server_replies_and_where_things_are_missing_does_nothing_either(
    hostile_photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with faulty(acts=[status(404, {"error": {"message": HOSTILE}})]) as script:
        assert main(["summarize", str(hostile_photo), "--engine-kind=endpoint", f"--endpoint={script.url}"]) == 1
    out, err = capsys.readouterr()
    assert "owned" in err
    assert not obeyed(out + err)
    for arguments in (
        ["verify", f"{tmp_path}/{HOSTILE}/stage_a/{HOSTILE}/runs/1/manifest.json"],
        ["inspect", str(hostile_photo.parent)],
        ["stage-a", f"--mission={HOSTILE}", f"--input-root={hostile_photo.parent}", f"--profile={HOSTILE}"],
        ["requeue", HOSTILE],
        ["merge", f"--checkpoint={hostile_photo.parent}"],
        ["summarize", "/nowhere/\udcff\x1b.jpg"],
    ):
        assert main(arguments) in {1, 2}
        out, err = capsys.readouterr()
        assert err.strip()
        assert not obeyed(out + err)
