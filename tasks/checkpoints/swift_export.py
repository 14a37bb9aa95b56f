"""ms-swift's own `swift export --merge_lora`, run as a process. Knows one base, one adapter and where the result goes.

One adapter at a time: ms-swift 4.6 loads several under one name, so that the last one alone is merged, without a word.
It merges on the CPU: PEFT computes the update of 16-bit weights in float32 there, and the same sources give the same
bytes on every machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tasks.checkpoints import swift_child
from tasks.records.errors import MergeFailed

_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "TZ", "SYSTEMROOT")
_KEPT_PREFIXES = ("LC_", "LD_", "PYTHON", "OMP_", "MKL_", "XDG_")
"""What the process is given of our environment. Keys and tokens, ranks of a distributed run and ms-swift's own
settings are not among it."""

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "USE_HF": "1",  # else ModelScope's hub is looked at, which has no such switch
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TQDM_DISABLE": "1",
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

_TAIL = 12
_MOST_LINE = 400


def export(
    base: Path, adapter: Path, target: Path, *, dtype: str, timeout_seconds: float, say: Callable[[str], None]
) -> None:
    """Merge `adapter` into `base` and write `target`, which must not be there yet. All paths are absolute.

    `dtype` is the one of the weights that are written. `say` gets the process's output line by line. Raises MergeFailed
    with its last lines when it fails or takes too long; the process and all that it started are gone then.
    """
    last: deque[str] = deque(maxlen=_TAIL)
    try:
        process = subprocess.Popen(
            _command(base, adapter, target, dtype),
            cwd=target.parent,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise MergeFailed(f"ms-swift's export cannot be started: {error}") from error
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            text = _printable(line)
            if text:
                last.append(text)
                say(f"swift export: {text}")
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    finally:
        timer.cancel()
        timer.join()
        _kill(process)  # before it is reaped, when its number may be another's
        code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if late.is_set():
        raise MergeFailed(
            f"ms-swift's export of {adapter} took more than {timeout_seconds:g} s and was killed; "
            f"raise merge.timeout_seconds. {_told(last)}"
        )
    if code != 0:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise MergeFailed(f"ms-swift's export of {adapter} {how}. {_told(last)}")


def _command(base: Path, adapter: Path, target: Path, dtype: str) -> list[str]:
    # -P: the folder of the script holds an inspect.py that is not Python's.
    start = [sys.executable, "-P", str(Path(swift_child.__file__).resolve()), str(os.getpid())]
    return [
        *start,
        *("--model", str(base), "--model_type", "qwen3_vl", "--adapters", str(adapter)),
        *("--merge_lora", "true", "--safe_serialization", "true", "--output_dir", str(target)),
        *("--torch_dtype", dtype, "--device_map", "cpu"),
        # An args.json beside an adapter may name plugins, which would be run.
        *("--load_args", "false"),
    ]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    return {**kept, **_ENVIRONMENT}


def _kill(process: subprocess.Popen[str]) -> None:
    """End the process and everything in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _printable(line: str) -> str:
    text = "".join(sign if sign.isprintable() else " " for sign in line).strip()
    return text if len(text) <= _MOST_LINE else f"{text[: _MOST_LINE - 1]}…"


def _told(last: deque[str]) -> str:
    return "Its last lines: " + " | ".join(last) if last else "It said nothing"
