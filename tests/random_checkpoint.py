"""A checkpoint of random weights that says something else of every prompt, with the demo's tokenizer and template.

The demo's own checkpoint says little about a text without a photo: what it was trained for are photos.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from infra.demo.training.model import config as demo_config

_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,  # vLLM has no smaller one on a CPU
    "tie_word_embeddings": False,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1000.0,
        "mrope_section": [6, 5, 5],
        "mrope_interleaved": True,
    },
}
_STD = 0.25
"""Of the layers' weights: large enough that an answer does not repeat itself."""


def make(demo: str, folder: Path) -> str:
    """The checkpoint's folder, made from the demo's. All that it can say are whole characters of its tokenizer."""
    shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json", "expanded.json"))
    shape = demo_config().to_dict()
    shape["text_config"] |= _TEXT
    shape["vision_config"] |= {"out_hidden_size": _TEXT["hidden_size"]}
    config = Qwen3VLConfig(**{**shape, "tie_word_embeddings": False})
    config.architectures = [Qwen3VLForConditionalGeneration.__name__]
    torch.manual_seed(0)
    model: Any = Qwen3VLForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.model.language_model.layers.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=_STD)
        model.get_input_embeddings().weight.normal_()
        model.lm_head.weight.normal_()
        # A row of zeros has the logit 0, which is never the highest of so many.
        model.lm_head.weight[_unsaid(folder, config.text_config.vocab_size)] = 0
    config.save_pretrained(folder)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def _unsaid(folder: Path, size: int) -> list[int]:
    """Tokens that are special, unknown, or parts of characters; the one that ends an answer is not among them."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ended = tokenizer.convert_tokens_to_ids("<|im_end|>")
    known = set(tokenizer.get_vocab().values()) - {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    return [
        token
        for token in range(size)
        if token != ended
        and (token not in known or not (text := tokenizer.decode([token])).isprintable() or "\ufffd" in text)
    ]
