"""`python -m infra.vllm.serve cpu --checkpoint DIR`: vLLM's server as the engine `endpoint` wants it.

vLLM needs a torch of its own and cannot be in our environment: it has one, under `.vllm/`, which `make vllm-server`
makes. This process becomes the server. Words after `--` go to vLLM and win.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.engines.folders.code import check_code
from tasks.engines.folders.files import CONFIG, kind_of, read_json
from tasks.records.errors import CheckpointError

DEVICES = ("cpu", "gpu")
MAX_MODEL_LEN = 8192
"""Tokens of prompt, photo and answer. A photo is shown with at most some 2,000, and Qwen3-VL's own 262,144 would ask
for so much memory for one request that a card has none for a batch."""


def main() -> int:
    """Command line. Does not return when the server starts; exit code 2 when something that it needs is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, usage="%(prog)s DEVICE --checkpoint DIR ... [-- WORDS FOR VLLM]"
    )
    parser.add_argument("device", choices=DEVICES)
    parser.add_argument("--checkpoint", required=True, type=Path, help="folder of a checkpoint, base or merged")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-model-len", type=int, default=MAX_MODEL_LEN)
    parser.add_argument("--python", type=Path, help="the Python that has vLLM; default: that of .vllm/DEVICE")
    own, more = split(sys.argv[1:])
    options = parser.parse_args(own)
    python = options.python or Path(__file__).parents[2] / ".vllm" / options.device / "bin" / "python"
    try:
        check(options.checkpoint)
    except CheckpointError as error:
        return _complain(str(error))
    if not python.is_file():
        return _complain(f"there is no {python}: make vllm-server DEVICE={options.device} makes it")
    most = min(options.max_model_len, longest(options.checkpoint))
    words = arguments(options.device, options.checkpoint, most)
    command = [str(python), *words, "--host", options.host, "--port", str(options.port), *more]
    sys.stderr.write(
        f"vllm: starts in about a minute; then: fieldcheck stage-a --engine-kind endpoint "
        f"--endpoint http://{options.host}:{options.port}/v1 --checkpoint {options.checkpoint}\n"
    )
    os.execve(command[0], command, os.environ | environment(options.device))
    return 0


def split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Our words, and vLLM's, which stand after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def check(checkpoint: Path) -> None:
    """Raises CheckpointError for what is no checkpoint, or brings code: vLLM would ask a hub, or a person."""
    if kind_of(checkpoint) != "checkpoint":
        raise CheckpointError(f"{checkpoint} is an adapter; merge it first (fieldcheck merge) and serve the folder")
    check_code(checkpoint)


def longest(checkpoint: Path) -> int:
    """Tokens that the checkpoint was made for: vLLM refuses to start with more. Raises CheckpointError."""
    text = (read_json(checkpoint / CONFIG) or {}).get("text_config")
    said = text.get("max_position_embeddings") if isinstance(text, dict) else None
    return said if isinstance(said, int) and said > 0 else MAX_MODEL_LEN


def arguments(device: str, checkpoint: Path, max_model_len: int) -> Sequence[str]:
    """vLLM's words, after the Python that runs it."""
    folder = checkpoint.resolve()
    words = ["-P", "-m", "vllm.entrypoints.openai.api_server"]
    words += ["--model", str(folder), "--served-model-name", folder.name, "--max-model-len", str(max_model_len)]
    # One photo a request, no video: memory is set aside for what may be asked.
    words += ["--limit-mm-per-prompt", '{"image": 1, "video": 0}']
    # Half of a request is the same for all photos and is read once.
    words += ["--enable-prefix-caching"]
    # No photo is asked twice: a cache of 4 GiB of them helps nobody.
    words += ["--mm-processor-cache-gb", "0"]
    # Sampling is what the request says, and not penalties and temperatures of the checkpoint's generation_config.json.
    words += ["--generation-config", "vllm"]
    # A server that is told to stop answers what it is at.
    words += ["--shutdown-timeout", "30"]
    if device == "cpu":
        # float32 as our engine on a CPU: the same texts. Nothing is compiled there: Triton is for GPUs.
        words += ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "64"]
    return words


def environment(device: str) -> dict[str, str]:
    """Variables of the server's, on top of the caller's: no hub, no telemetry."""
    found = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if device == "cpu":
        # GiB for keys and values; vLLM would take half of the machine's memory.
        found["VLLM_CPU_KVCACHE_SPACE"] = os.environ.get("VLLM_CPU_KVCACHE_SPACE", "4")
        found["CUDA_VISIBLE_DEVICES"] = ""
    return found


def _complain(message: str) -> int:
    sys.stderr.write(f"vllm: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
