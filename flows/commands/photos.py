"""The commands that look at one photo, without Prefect: `summarize` and `caption`. Knows no run and no store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.missions import known_missions
from configs.photo import CaptionConfig, PhotoConfig, SummarizeConfig
from flows.printing import print_piece
from flows.terminal import print_result, progress_line

if TYPE_CHECKING:
    from tasks.engines.protocol import Completion, Decoding
    from tasks.records.prompts import Prompt


def summarize(config: SummarizeConfig) -> int:
    """`fieldcheck summarize IMAGE`. A summary that breaks the grammar is printed with what it breaks, exit code 1."""
    result = summarize_photo(config)
    print_result(result)
    return 1 if result["violations"] else 0


def caption(config: CaptionConfig) -> int:
    """`fieldcheck caption IMAGE`. A caption that breaks the rules is printed with what it breaks, exit code 1."""
    result = caption_photo(config)
    print_result(result)
    return 1 if result["violations"] else 0


def summarize_photo(config: SummarizeConfig) -> dict[str, Any]:
    """One photo's summary, and what is wrong with it. Raises PhotoError, CheckpointError or EngineError."""
    from tasks.images.file import read_photo
    from tasks.records.grammar import read
    from tasks.summaries.ladder import first_decoding
    from tasks.summaries.prompts import summary_prompt

    data = read_photo(Path(config.image), config.inputs)  # before a checkpoint is looked at
    prompt = summary_prompt(known_missions()[config.mission] if config.mission else None)
    answer = _answer(config, data, prompt, first_decoding(config.generation))
    reading = read(answer.text, cut_off=answer.finish_reason == "length")
    return {
        "image": config.image,
        "summary": None if reading.summary is None else answer.text,
        "violations": [violation.value for violation in reading.violations],
        **answer.facts(),
    }


def caption_photo(config: CaptionConfig) -> dict[str, Any]:
    """One photo's dense caption with pixel coordinates, or what is wrong with it; draws the overlay that was asked for.

    Raises PhotoError, CheckpointError or EngineError.
    """
    from tasks.dense.kind import decoding_of
    from tasks.dense.parse import parse_caption
    from tasks.dense.prompts import dense_prompt
    from tasks.dense.records import pixels_of
    from tasks.images.file import read_photo
    from tasks.records.errors import CaptionInvalid

    data = read_photo(Path(config.image), config.inputs)  # before a checkpoint is looked at
    answer = _answer(config, data, dense_prompt(), decoding_of(config.dense))
    told: dict[str, Any] = {"image": config.image, **answer.facts()}
    try:
        found = parse_caption(answer.text, answer.finish_reason)
    except CaptionInvalid as error:
        return {**told, "objects": None, "violations": list(error.violations)}
    told |= {"objects": found.as_json(), "pixels": pixels_of(found, answer.width, answer.height), "violations": []}
    if config.overlay is not None:
        from tasks.dense.pictures import overlay_png

        font = Path(config.font) if config.font else None
        picture = overlay_png(data, found, config.inputs, font)
        _write(Path(config.overlay), picture)
        told["overlay"] = config.overlay
    return told


def _answer(config: PhotoConfig, data: bytes, prompt: Prompt, decoding: Decoding) -> Completion:
    """The checkpoint's answer for the photo, printed as it comes if the run streams."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from tasks.checkpoints.resolve import resolve_for
    from tasks.checkpoints.spec import engine_spec
    from tasks.engines.open import open_engine
    from tasks.engines.protocol import Failure, Request

    checkpoint = resolve_for(config.engine, config.model, config.merge, config.device, progress_line)
    engine = open_engine(engine_spec(checkpoint, config.model, config.engine, config.inputs, config.device))
    request = Request(Path(config.image).name, lambda: data, prompt.system, prompt.user, decoding)
    if config.stream:
        result = engine.stream(request, print_piece)
        print_piece("\n")
    else:
        (result,) = engine.generate([request])
    if isinstance(result, Failure):
        raise result.error
    return result


def _write(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all. Raises StoreError."""
    from blocks.local_store import LocalStore

    LocalStore(path.absolute().parent).write(path.name, data)
