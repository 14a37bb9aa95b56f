"""What a folder of weights is, and what is wrong with it, from its small files and headers. Loads no weights.

What a run would refuse the folder for is `refused`, told by the functions that runs ask; `warnings` do not stop a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.checkpoints.align import mismatches, unheeded, weight_mismatches
from tasks.checkpoints.fingerprint import fingerprint
from tasks.checkpoints.merge_record import MARKER, is_whole, read_record
from tasks.engines.folders.adapters import adapter_refusals, adapter_warnings
from tasks.engines.folders.admission import refusals
from tasks.engines.folders.content import chat_templates, end_tokens, image_processor, special_tokens, vocabulary
from tasks.engines.folders.files import ADAPTER_CONFIG, CONFIG, GENERATION, kind_of, read_json
from tasks.engines.folders.weights import PICKLES, read_weights
from tasks.records.errors import CheckpointError

_WIDTHS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size")
_EYES = ("hidden_size", "depth", "num_heads", "patch_size", "spatial_merge_size", "deepstack_visual_indexes")
_LORA = ("peft_type", "r", "lora_alpha", "target_modules", "modules_to_save", "use_dora", "use_rslora", "bias")
_HEEDED = ("eos_token_id", "pad_token_id", "bos_token_id", "transformers_version", "_from_model_config")
_UNFINISHED = ("*.incomplete", "*.part", "*.crdownload", "*.aria2")


@dataclass(frozen=True, slots=True)
class Inspection:
    """A folder's facts; a part that does not apply is None. `dtypes` counts weights, `bytes` is of weight files.

    `image` has the processor's bounds in pixels and in visual tokens. `ignored_generation` are the checkpoint's own
    sampling defaults, which no run heeds. `misaligned` has a line for each difference from the base, if one was given;
    they are among `refused` too, which has every reason why a run would not load the folder.
    """

    folder: str
    kind: Literal["base", "merged", "adapter"]
    fingerprint: str | None
    architecture: str | None
    parameters: int
    bytes: int
    dtypes: dict[str, int]
    language: dict[str, Any] | None
    vision: dict[str, Any] | None
    vocabulary: dict[str, Any] | None
    image: dict[str, Any] | None
    template: dict[str, str] | None
    special_tokens: dict[str, Any] | None
    ends: list[int] | None
    ignored_generation: dict[str, Any] | None
    adapter: dict[str, Any] | None
    merge: dict[str, Any] | None
    base: str | None
    misaligned: list[str] | None
    refused: list[str]
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The same for people: what matters first, then what a run refuses it for, every warning last."""
        weights = ", ".join(self.dtypes) or "no dtype"
        parts = {"language": self.language, "vision": self.vision, "vocabulary": self.vocabulary, "photos": self.image}
        parts |= {"adapter": self.adapter, "generation defaults that are ignored": self.ignored_generation}
        told = [
            f"{self.kind} {self.folder}" + (f", {self.architecture}" if self.architecture else ""),
            f"fingerprint {self.fingerprint}",
            f"{self.parameters} weights ({weights}), {self.bytes} bytes",
            *(f"{name}: {_listed(part)}" for name, part in parts.items() if part),
        ]
        if self.template is not None:
            told.append(f"chat template: {self.template['file']}, sha256 {self.template['sha256'][:12]}")
        if self.merge is not None:
            parity = self.merge["parity"]
            told.append(
                f"merged at {self.merge['made_at']}: {parity['same']} of {parity['photos']} probe photos with the same "
                f"text, largest logit difference {parity['largest_logit_difference']:.3g}"
            )
        if self.misaligned == []:
            told.append(f"tokenizer, chat template and processor are those of {self.base}")
        return [*told, *(f"refused: {line}" for line in self.refused), *(f"warning: {line}" for line in self.warnings)]


def inspect(folder: Path, base: Path | None = None) -> Inspection:
    """Look at a base, merged or adapter folder, and compare it with `base` if that is given.

    Raises CheckpointError when the folder, or the base, is no checkpoint at all; whatever else is wrong is told.
    """
    folder = folder.expanduser().resolve()
    adapter = kind_of(folder) == "adapter"
    base = base.expanduser().resolve() if base is not None else None
    if base is not None and kind_of(base) == "adapter":
        raise CheckpointError(f"{base} is an adapter; give the checkpoint that it belongs to")
    refused, warnings = _judged(folder, base, adapter)
    weights = read_weights(folder)
    config = _read(folder / CONFIG, warnings)
    record = read_record(folder)
    facts: dict[str, Any] = {}
    for name, read in (
        ("vocabulary", lambda: None if adapter else _vocabulary(folder, config)),
        ("image", lambda: _image(folder)),
        ("template", lambda: _template(folder)),
        ("special_tokens", lambda: _facts(special_tokens(folder))),
        ("ends", lambda: None if adapter else (_facts(end_tokens(folder)) or {}).get("eos_token_id")),
        ("misaligned", lambda: None if base is None else _misaligned(base, folder, adapter, refused)),
        ("fingerprint", lambda: fingerprint(folder)),
        ("unheeded", lambda: unheeded(folder) if adapter and base is not None else []),
    ):
        try:
            facts[name] = read()
        except (CheckpointError, TypeError, ValueError) as error:
            facts[name] = None
            warnings.append(f"{name} cannot be told: {error}")
    warnings += facts.pop("unheeded") or []
    if record is not None and (not is_whole(folder, record) or record.fingerprint != facts["fingerprint"]):
        warnings.append(f"{MARKER}: the files are not those that were merged; merge again")
    refused += [f"not the base's: {line}" for line in facts["misaligned"] or ()]
    generation = _read(folder / GENERATION, warnings)
    return Inspection(
        folder=str(folder),
        kind="adapter" if adapter else "base" if record is None else "merged",
        architecture=_architecture(config),
        parameters=weights.parameters,
        bytes=weights.bytes,
        dtypes=weights.dtypes,
        language=_part(config, "text_config", (*_WIDTHS, "vocab_size", "max_position_embeddings")),
        vision=_part(config, "vision_config", _EYES),
        ignored_generation={k: v for k, v in generation.items() if k not in _HEEDED} if generation else None,
        adapter=_part({"": _read(folder / ADAPTER_CONFIG, warnings)}, "", _LORA) if adapter else None,
        merge=_read(folder / MARKER, warnings) if record is not None else None,
        base=None if base is None else str(base),
        refused=list(dict.fromkeys(refused)),
        warnings=[line for line in dict.fromkeys(warnings) if not any(line.endswith(told) for told in refused)],
        **facts,
    )


def _read(path: Path, warnings: list[str]) -> dict[str, Any]:
    try:
        return read_json(path) or {}
    except CheckpointError as error:
        warnings.append(str(error))
        return {}


def _judged(folder: Path, base: Path | None, adapter: bool) -> tuple[list[str], list[str]]:
    """What a run refuses the folder for, and what else there is to be said about it."""
    refused = adapter_refusals(folder) if adapter else refusals(folder)
    warnings = _beside(folder)
    if not adapter and not (folder / GENERATION).exists():
        warnings.append(f"{GENERATION} is missing; copy it from the base")
    if adapter and not refused:
        warnings += adapter_warnings(folder)
    if base is not None:
        refused += [f"the base {base}: {line}" for line in refusals(base)]
    return refused, warnings


def _misaligned(base: Path, folder: Path, adapter: bool, refused: list[str]) -> list[str]:
    found = mismatches(base, folder)
    if adapter and not refused and not found:
        found += weight_mismatches(base, folder)
    return [str(mismatch) for mismatch in found]


def _beside(folder: Path) -> list[str]:
    """A line for what lies beside the weights and is never loaded."""
    found: list[str] = []
    old = sorted({path.name for pattern in PICKLES for path in folder.glob(pattern)})
    if old:
        found.append(f"{', '.join(old)}: such weights are pickles or another runtime's, and are never loaded")
    unfinished = sorted(path.name for pattern in _UNFINISHED for path in folder.glob(pattern))
    if unfinished:
        found.append(f"{', '.join(unfinished)}: left by a download that did not end; download again, or remove it")
    return found


def _architecture(config: dict[str, Any]) -> str | None:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else config.get("model_type")


def _part(config: dict[str, Any], name: str, keys: tuple[str, ...]) -> dict[str, Any] | None:
    part = config.get(name)
    return {key: part[key] for key in keys if part.get(key) is not None} if isinstance(part, dict) and part else None


def _listed(part: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in part.items())


def _facts(said: Any) -> dict[str, Any] | None:
    return None if said is None else dict(said.facts)


def _vocabulary(folder: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    said = vocabulary(folder)
    if said is None:
        return None
    text = config.get("text_config")
    rows = text.get("vocab_size") if isinstance(text, dict) else None
    tokens, added = said.facts["tokens"], said.facts.get("added_tokens", {})
    return {"file": said.file, "tokens": len(tokens), "added": len(added), "rows": rows}


def _image(folder: Path) -> dict[str, Any] | None:
    """Bounds of the image processor in pixels, and in visual tokens: a token is `patch_size * merge_size` square."""
    said = image_processor(folder)
    if said is None:
        return None
    cell = int(said.facts["patch_size"]) * int(said.facts["merge_size"])
    least, most = int(said.facts["size.shortest_edge"]), int(said.facts["size.longest_edge"])
    return {
        "file": said.file,
        "min_pixels": least,
        "max_pixels": most,
        "cell": cell,
        "min_visual_tokens": -(-least // cell**2),
        "max_visual_tokens": most // cell**2,
    }


def _template(folder: Path) -> dict[str, str] | None:
    for file, text in chat_templates(folder).items():
        return {"file": file, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return None
