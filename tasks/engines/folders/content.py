"""What tokenizer, chat template and processor of a folder come to, whichever files say it. Compares nothing.

transformers 5 and ms-swift write these files anew with other names, keys and defaults: `processor_config.json` for
`preprocessor_config.json`, `extra_special_tokens` for `additional_special_tokens`, "" for null. What is read here is
the same for the same meaning. Each fact is under the name of the file that says it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from tasks.engines.folders.files import (
    CONFIG,
    GENERATION,
    LEGACY_TEMPLATE,
    PREPROCESSOR,
    PROCESSOR,
    SPECIAL_TOKENS,
    TEMPLATE,
    TEMPLATE_FOLDER,
    TOKENIZER,
    TOKENIZER_CONFIG,
    read_json,
    read_text,
)
from tasks.records.errors import CheckpointError

T = TypeVar("T")

_IMAGE_DEFAULTS: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "merge_size": 2,
    "patch_size": 14,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "temporal_patch_size": 2,
}
"""What `Qwen2VLImageProcessor` of transformers 5.19 does where its file is silent."""

_IMAGE_SIZE = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}

_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")
_SWITCHES = ("add_bos_token", "add_eos_token", "add_prefix_space", "split_special_tokens")


@dataclass(frozen=True, slots=True)
class Said:
    """Facts by name, and the file that states them."""

    file: str
    facts: dict[str, Any]


def _understood(read: Callable[[Path], T]) -> Callable[[Path], T]:
    """Translates the errors of reading JSON that has another form than it should."""

    @wraps(read)
    def wrapped(folder: Path) -> T:
        try:
            return read(folder)
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            what = read.__name__.replace("_", " ")
            raise CheckpointError(f"{folder}: its {what} cannot be understood: {error}; copy it again") from error

    return wrapped


@_understood
def chat_templates(folder: Path) -> dict[str, str]:
    """Text of every default chat template by file; the first is what `Qwen3VLProcessor` uses."""
    processor = read_json(folder / PROCESSOR) or {}
    legacy = read_json(folder / LEGACY_TEMPLATE) or {}
    tokenizer = read_json(folder / TOKENIZER_CONFIG) or {}
    found = {
        PROCESSOR: _default(processor.get("chat_template")),
        LEGACY_TEMPLATE: _default(legacy.get("chat_template")),
        TEMPLATE: read_text(folder / TEMPLATE),
        f"{TEMPLATE_FOLDER}/default.jinja": read_text(folder / TEMPLATE_FOLDER / "default.jinja"),
        TOKENIZER_CONFIG: _default(tokenizer.get("chat_template")),
    }
    # Jinja drops one line end at the end of a template.
    return {name: text.removesuffix("\n") for name, text in found.items() if text is not None}


@_understood
def image_processor(folder: Path) -> Said | None:
    """Settings of the image processor that is in force, with the defaults filled in."""
    nested = (read_json(folder / PROCESSOR) or {}).get("image_processor")
    file, given = (PROCESSOR, nested) if isinstance(nested, dict) else (PREPROCESSOR, read_json(folder / PREPROCESSOR))
    if given is None:
        return None
    size = dict(_IMAGE_SIZE if given.get("size") is None else given["size"])
    for edge, old in (("shortest_edge", "min_pixels"), ("longest_edge", "max_pixels")):
        size[edge] = given[old] if given.get(old) is not None else size.get(edge)
        if type(size[edge]) is not int or size[edge] < 1:
            raise ValueError(f"size must give shortest_edge and longest_edge in pixels, and {edge} is {size[edge]!r}")
    facts = {name: default if given.get(name) is None else given[name] for name, default in _IMAGE_DEFAULTS.items()}
    facts |= {f"size.{edge}": size[edge] for edge in _IMAGE_SIZE}
    return Said(file, facts)


@_understood
def vocabulary(folder: Path) -> Said | None:
    """Tokens, merges and rules of the tokenizer, as `tokenizer.json` or else `vocab.json` and `merges.txt` say."""
    content = read_json(folder / TOKENIZER)
    if content is not None:
        return Said(TOKENIZER, _whole_tokenizer(content))
    plain = read_json(folder / "vocab.json")
    if plain is None:
        return None
    lines = (read_text(folder / "merges.txt") or "").splitlines()
    merges = [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#version")]
    return Said("vocab.json", {"tokens": plain, "merges": merges})


@_understood
def special_tokens(folder: Path) -> Said | None:
    """Begin, end, padding and unknown token, and the switches that put tokens in or split them."""
    config, older = read_json(folder / TOKENIZER_CONFIG), read_json(folder / SPECIAL_TOKENS)
    if config is None and older is None:
        return None
    config, older = config or {}, older or {}
    facts: dict[str, Any] = {name: _token(config.get(name, older.get(name))) for name in _TOKENS}
    if config:
        facts |= {name: bool(config.get(name)) for name in _SWITCHES}
        facts["tokenizer_class"] = str(config.get("tokenizer_class")).removesuffix("Fast")
    return Said(TOKENIZER_CONFIG if config else SPECIAL_TOKENS, facts)


@_understood
def end_tokens(folder: Path) -> Said | None:
    """Ids of the tokens that end an answer, sorted; the engines stop at these. The first file that names any counts:
    generation_config.json, config.json, and the tokenizer's own end."""
    for file, content in ((GENERATION, read_json(folder / GENERATION)), (CONFIG, read_json(folder / CONFIG))):
        text = (content or {}).get("text_config")
        for part in (content or {}, text if isinstance(text, dict) else {}):
            ends = part.get("eos_token_id")
            if ends is not None and ends != []:
                listed = ends if isinstance(ends, list) else [ends]
                if any(type(end) is not int or end < 0 for end in listed):
                    raise ValueError(f"eos_token_id is {ends!r} in {file}")
                return Said(file, {"eos_token_id": sorted(set(listed))})
    special, words = special_tokens(folder), vocabulary(folder)
    end = None if special is None or words is None else words.facts["tokens"].get(special.facts["eos_token"])
    return None if special is None or type(end) is not int else Said(special.file, {"eos_token_id": [end]})


def _whole_tokenizer(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model") or {}
    added = [token for token in content.get("added_tokens") or [] if isinstance(token, dict)]
    pairs = [pair.split(" ", 1) if isinstance(pair, str) else pair for pair in model.get("merges") or []]
    plain = model.get("vocab") or {}
    return {
        # Some writers repeat the added tokens in the vocabulary, others do not; both give them the same ids.
        "tokens": {**(plain if isinstance(plain, dict) else {}), **{str(t.get("content")): t.get("id") for t in added}},
        "merges": [tuple(pair) for pair in pairs],
        "added_tokens": {str(t.get("content")): _rule({**t, "content": None, "id": None}) for t in added},
        "model": _rule({name: value for name, value in model.items() if name not in ("vocab", "merges")}),
        "normalizer": _rule(content.get("normalizer")),
        "pre_tokenizer": _rule(content.get("pre_tokenizer")),
        "post_processor": _without_offsets(content.get("post_processor")),
        "decoder": _without_offsets(content.get("decoder")),
    }


def _rule(value: Any) -> Any:
    """A rule without what is null, empty or false: writers differ in whether they spell these out. A `True` that one
    of them leaves out is a difference."""
    if isinstance(value, dict):
        cleaned = {name: _rule(part) for name, part in value.items()}
        return {name: part for name, part in cleaned.items() if part not in (None, "", False)}
    return [_rule(part) for part in value] if isinstance(value, list) else value


def _without_offsets(value: Any) -> Any:
    """A byte-level rule after the model changes where a token stands in the text, and never which token it is."""
    if isinstance(value, dict) and value.get("type") == "ByteLevel":
        return {"type": "ByteLevel"}
    return _rule(value)


def _token(value: Any) -> str | None:
    content = value.get("content") if isinstance(value, dict) else value
    return None if content is None else str(content)


def _default(value: Any) -> str | None:
    """A template; of several named ones, the default."""
    if isinstance(value, list):
        value = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
    if isinstance(value, dict):
        value = value.get("default")
    return value if isinstance(value, str) else None
