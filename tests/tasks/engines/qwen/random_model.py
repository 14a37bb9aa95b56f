"""A Qwen3-VL of random weights, so small that a step takes a millisecond, and photos and a prompt for it.

In float64, unless said otherwise, so that what else is in the batch changes no likeliest token.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tasks.engines.photos import Patches, Shown, patchify
from tasks.engines.prompting import PromptIds
from tasks.engines.protocol import Decoding, Request
from tasks.engines.qwen.vision import Normalisation
from tasks.engines.sequence import Sequence

PATCH, MERGE, VOCABULARY = 4, 2, 48
NORMALISATION = Normalisation(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGE = VOCABULARY - 1
"""The placeholder of a visual token in the ids of a prompt."""
PROMPT = PromptIds(tuple(range(5, 14)), (3, 4))


def random_model(seed: int = 0, dtype: torch.dtype = torch.float64) -> Qwen3VLForConditionalGeneration:
    """The model. Its answers go on without a pattern: rotations and large weights keep them from repeating."""
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 100.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": False,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        tie_word_embeddings=False,
        image_token_id=IMAGE,
    )
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config).to(dtype).eval()
    with torch.no_grad():
        for parameter in model.model.language_model.layers.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.6)
    return model


def picture(seed: int, rows: int, columns: int) -> torch.Tensor:
    """A picture of noise, of `rows` x `columns` visual tokens: uint8 [3, height, width]."""
    side = PATCH * MERGE
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, rows * side, columns * side), dtype=torch.uint8, generator=generator)


def photo(seed: int, rows: int, columns: int) -> Patches:
    """The same in patches."""
    return patchify(picture(seed, rows, columns), PATCH, MERGE)


def about_photo(request_id: str, patches: Patches, most: int, **decoding: Any) -> Sequence:
    """A sequence about a picture."""
    request = Request(request_id, lambda: b"", "", "", Decoding(most, **decoding))
    rows, columns = (side // MERGE for side in patches.grid)
    shown = Shown(torch.empty(3, 0, 0, dtype=torch.uint8), rows * columns, 0, 0, None)
    return Sequence(request, PROMPT, shown, patches)


def about_text(request_id: str, own: tuple[int, ...], most: int, **decoding: Any) -> Sequence:
    """A sequence about text alone."""
    request = Request(request_id, None, "", "", Decoding(most, **decoding))
    return Sequence(request, PromptIds(PROMPT.shared, own))
