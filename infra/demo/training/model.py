"""The tiny Qwen3-VL: its configuration, its processors, and the map between trimmed and real token ids.

Knows nothing of training. Source of the layout: Qwen3-VL's config.json and preprocessor_config.json, scaled down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from infra.demo.scenes import PIXELS_MAX, PIXELS_MIN
from infra.demo.tokenizer import END_OF_TEXT, FIRST_SPECIAL, IM_END, IMAGE_PAD, SPECIAL_IDS, VOCAB_SIZE

TEXT_WIDTH = 160
PATCH = 16


@dataclass(frozen=True, slots=True)
class Trim:
    """Token ids of a model that keeps only the rows in use: ordinary tokens 0..n-1, then the added tokens."""

    ordinary: int

    @property
    def rows(self) -> int:
        """How many embedding rows are in use."""
        return self.ordinary + len(SPECIAL_IDS)

    @property
    def unused(self) -> int:
        """How many rows of the full vocabulary are zero."""
        return VOCAB_SIZE - self.rows

    def small(self, token: int) -> int:
        """The trimmed model's id of a real id."""
        return token if token < self.ordinary else token - FIRST_SPECIAL + self.ordinary


def config(vocab_size: int = VOCAB_SIZE, trim: Trim | None = None) -> Qwen3VLConfig:
    """The model's configuration, with real token ids, or with trimmed ones if `trim` is given."""
    ids = {name: trim.small(index) if trim else index for name, index in SPECIAL_IDS.items()}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": trim.rows if trim else vocab_size,
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 448,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
            "rms_norm_eps": 1e-6,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": True,
            "dtype": "float32",
        },
        vision_config={
            "depth": 3,
            "hidden_size": 128,
            "intermediate_size": 320,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": TEXT_WIDTH,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
        dtype="float32",
    )


def untrained(trim: Trim, seed: int) -> Qwen3VLForConditionalGeneration:
    """A trimmed model with random weights in float32."""
    torch.manual_seed(seed)
    with torch.device("cpu"):  # The same weights on every device.
        model = Qwen3VLForConditionalGeneration(config(trim=trim))
    with torch.no_grad():  # Logits must soon exceed those of ~150 000 zero rows (`Learner.unused`): begin less flat.
        model.get_input_embeddings().weight.mul_(4)
    return model.to(torch.get_default_device())


def generation_config() -> dict[str, Any]:
    """What `generation_config.json` says: greedy, and room for the longest dense caption (about 300 tokens)."""
    return {
        "do_sample": False,
        "eos_token_id": [IM_END, END_OF_TEXT],
        "max_new_tokens": 1024,
        "pad_token_id": END_OF_TEXT,
    }


def image_processor() -> Qwen2VLImageProcessor:
    """The image processor that training and inference share."""
    return Qwen2VLImageProcessor(**_vision_settings(PIXELS_MAX))


def processor_configs() -> dict[str, dict[str, Any]]:
    """The contents of the preprocessor's configuration files, by file name."""
    image = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen3VLProcessor",
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "resample": 3,
        "rescale_factor": 1 / 255,
    }
    video = {**image, "video_processor_type": "Qwen3VLVideoProcessor", "fps": 2, "min_frames": 4, "max_frames": 16}
    del video["image_processor_type"]
    return {
        "preprocessor_config.json": {**image, **_vision_settings(PIXELS_MAX)},
        "video_preprocessor_config.json": {**video, **_vision_settings(4 * PIXELS_MAX)},
    }


def _vision_settings(longest: int) -> dict[str, Any]:
    return {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "merge_size": 2,
        "patch_size": PATCH,
        "size": {"longest_edge": longest, "shortest_edge": PIXELS_MIN},
        "temporal_patch_size": 2,
    }


__all__ = ["IMAGE_PAD", "Trim", "config", "generation_config", "image_processor", "processor_configs", "untrained"]
