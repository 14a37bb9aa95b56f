"""A Qwen2-style byte-level BPE tokenizer with Qwen's special tokens at their real ids. Knows no model.

Source of the layout: the published Qwen2/Qwen3-VL tokenizer.json (pre-tokenizer pattern, 26 added tokens from 151643).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

VOCAB_SIZE = 151936
FIRST_SPECIAL = 151643
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
ADDED = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)
SPECIAL_IDS = {token: FIRST_SPECIAL + i for i, token in enumerate((*SPECIAL, *ADDED))}
END_OF_TEXT, IM_END, IMAGE_PAD = (SPECIAL_IDS[t] for t in ("<|endoftext|>", "<|im_end|>", "<|image_pad|>"))

# What a dense caption writes over and over, as the checkpoint writes it: each is one token of the demo's own, and so is
# every number from 10 to 1000 that stands alone. With a token for each digit, as Qwen has, a caption is three times as
# long, which a model of this size learns and writes three times slower.
MOST_OBJECTS = 30
STARTS = tuple(f'"object_{number}":{{"desc":"' for number in range(1, MOST_OBJECTS + 1))
GEOMETRIES = ('","bbox_2d":[', '","poly":[', '","line_points":2,"line":[')
FRAMES = (*GEOMETRIES, "]},", "]}}")
NUMBERS = tuple(str(number) for number in range(10, 1001))

# In bytes, five Chinese characters and a sign: words, not whole sentences of the prompt, so that an edited prompt still
# consists of known tokens.
_LONGEST = 18
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most `size` learnt tokens from id 0 on, then the captions' own, and Qwen's from 151643 on."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        min_frequency=2,
        max_token_length=_LONGEST,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Tokenizer.from_str(json.dumps(_with_special_tokens(json.loads(tokenizer.to_str())), ensure_ascii=False))


def _with_special_tokens(content: dict[str, Any]) -> dict[str, Any]:
    """Adds the captions' tokens and Qwen's to the vocabulary too, which pins their ids when the file is read."""
    first = len(content["model"]["vocab"])
    own = {token: first + i for i, token in enumerate((*STARTS, *FRAMES, *NUMBERS))}
    content["model"]["vocab"].update(own | SPECIAL_IDS)
    content["added_tokens"] = [
        {
            "id": index,
            "content": token,
            "single_word": token.isdecimal(),
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": token in SPECIAL,
        }
        for token, index in (own | SPECIAL_IDS).items()
    ]
    return content


def ordinary_size(tokenizer: Tokenizer) -> int:
    """How many tokens there are besides Qwen's added ones: their ids are 0..n-1."""
    return tokenizer.get_vocab_size(with_added_tokens=True) - len(SPECIAL_IDS)


def tokenizer_config() -> dict[str, Any]:
    """What `tokenizer_config.json` says; padding on the left, as batched generation needs."""
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "padding_side": "left",
        "processor_class": "Qwen3VLProcessor",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`."""
    content = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(tokenizer_config(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
