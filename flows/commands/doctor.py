"""The command that looks at this machine, its checkpoint and its engine, without Prefect: `doctor`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.doctor import DoctorConfig
from configs.missions import known_missions
from configs.parts import EngineConfig
from flows.terminal import print_result, progress_line

if TYPE_CHECKING:
    from tasks.engines.protocol import Request, Result


def doctor(config: DoctorConfig) -> int:
    """`fieldcheck doctor`. Exit code 1 when something is wrong, or the reference says something else."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    found, wrong = examine(config)
    if config.compare and not wrong:
        compared = compare_photos(config)
        found["compared"] = compared
        wrong = compared["different"] > 0
    print_result(found)
    return int(wrong)


def examine(config: DoctorConfig) -> tuple[dict[str, Any], bool]:
    """Versions, device, engines and checkpoints as facts, told line by line; and whether a run would be refused.

    Raises EngineError for a device that is not there, CheckpointError for a folder that is no checkpoint.
    """
    from tasks.checkpoints.inspect import inspect
    from tasks.engines.available import device_facts, engines, kind_of, versions

    facts: dict[str, Any] = {"versions": versions(), "device": device_facts(config.device)}
    for name, part in facts.items():
        progress_line(f"{name}: " + ", ".join(f"{key} {value}" for key, value in part.items()))
    facts["engines"] = engines(config.engine, partial(_ask_server, config))
    configured = kind_of(config.engine)
    for name, why in facts["engines"].items():
        progress_line(f"engine {name}: {why or 'can be opened'}" + (" (configured)" if name == configured else ""))
    base, given = config.model.base, [config.model.merged or config.model.base, *config.model.adapters]
    inspections = [inspect(Path(one), Path(base) if base and one != base else None) for one in given if one]
    for inspection in inspections:
        for line in inspection.lines():
            progress_line(line)
    facts["checkpoints"] = [inspection.as_json() for inspection in inspections]
    refused = any(inspection.refused for inspection in inspections)
    return facts, refused or facts["engines"][configured] is not None


def compare_photos(config: DoctorConfig) -> dict[str, Any]:
    """Read the photos with the engine and then with the reference, and tell the first difference of each.

    Raises CheckpointError or EngineError.
    """
    from tasks.checkpoints.probes import probe_photos
    from tasks.engines.compare import compare
    from tasks.engines.protocol import Request
    from tasks.summaries.ladder import first_decoding
    from tasks.summaries.prompts import summary_prompt

    prompt = summary_prompt(known_missions()[config.mission] if config.mission else None)
    decoding = first_decoding(config.generation)
    requests = [
        Request(photo.name, partial(bytes, photo.data), prompt.system, prompt.user, decoding)
        for photo in probe_photos(config.photos, config.compare, "photos")
    ]
    ours = _read(config, config.engine, requests)
    theirs = _read(config, config.engine.model_copy(update={"kind": "reference", "backend": "transformers"}), requests)
    compared = compare(requests, ours, theirs)
    for photo, difference in compared:
        if difference is None:
            progress_line(f"same     {photo}")
        else:
            progress_line(
                f"differs  {photo}, from character {difference.at + 1} on: {difference.ours}, and the reference "
                f"{difference.theirs}"
            )
    differences = [difference.as_json() for _, difference in compared if difference is not None]
    same = len(compared) - len(differences)
    progress_line(f"{same} of {len(compared)} photos with the text of the reference, {len(differences)} with another")
    return {"photos": len(compared), "same": same, "different": len(differences), "differences": differences}


def _read(config: DoctorConfig, engine: EngineConfig, requests: list[Request]) -> dict[str, Result]:
    """What an engine says, by request. The engine is closed before the next one is opened: a device may hold one."""
    from tasks.checkpoints.resolve import resolve_for
    from tasks.checkpoints.spec import engine_spec
    from tasks.engines.open import close_engine, open_engine
    from tasks.engines.protocol import longest_first

    checkpoint = resolve_for(engine, config.model, config.merge, config.device, progress_line)
    spec = engine_spec(checkpoint, config.model, engine, config.inputs, config.device)
    opened = open_engine(spec)
    try:
        found: dict[str, Result] = {}
        for result in opened.generate(longest_first(opened, requests)):
            found[result.id] = result
            if len(found) % 8 == 0 or len(found) == len(requests):
                progress_line(f"{opened.name}: {len(found)} of {len(requests)} photos read")
        return found
    finally:
        close_engine(spec)


def _ask_server(config: DoctorConfig) -> str:
    """What the configured server serves. Raises EngineError."""
    from blocks.api_key import api_key
    from tasks.engines.endpoint_opening import check_endpoint

    return check_endpoint(config.engine.endpoint, api_key(config.engine.endpoint)).model.id
