"""Token ids of a prompt."""

from __future__ import annotations

import torch
from transformers import AutoProcessor

from configs.parts import InputConfig, ModelConfig
from tasks.engines.loading import load_processor
from tasks.engines.photos import Bounds, Patchifier, Scaler
from tasks.engines.prompting import PromptEncoder
from tasks.images.open import decode
from tests.demo import Demo
from tests.tasks.engines.asking import ask, photo_files


def test_inputs_are_those_of_the_processor(demo: Demo) -> None:
    """Ids, types, patches and grid equal what Qwen3VLProcessor makes of the same chat."""
    ours = load_processor(demo.checkpoint)
    theirs = AutoProcessor.from_pretrained(demo.checkpoint)
    path = photo_files(demo, 5)[-1]
    request = ask(path)
    image = decode(path.read_bytes(), InputConfig())
    chat = [
        {"role": "system", "content": [{"type": "text", "text": request.system}]},
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": request.user}]},
    ]
    text = theirs.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    want = theirs(text=[text], images=[image], return_tensors="pt")
    shown = Scaler(Bounds.of(ours.image_processor), ModelConfig(), InputConfig()).show(path.read_bytes())
    patches, grid = Patchifier(ours.image_processor).patches(shown.picture)
    encoder = PromptEncoder(ours)
    prompt = encoder.encode(request)
    assert encoder.with_photo(prompt, shown.visual_tokens) == want["input_ids"][0].tolist()
    assert torch.equal(patches, want["pixel_values"])
    assert [list(grid)] == want["image_grid_thw"].tolist()
