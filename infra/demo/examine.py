"""Examines an expanded checkpoint as production would use it: processor, batches, `generate`. Knows no training."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from infra.demo.pictures import photo
from infra.demo.prompting import real_prompts
from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.wording import adapter_summary, summary

BATCH = 32


class Reader:
    """The checkpoint, perhaps with the adapter, in float32 on the CPU."""

    def __init__(self, checkpoint: Path, adapter: Path | None = None) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        self.processor = AutoProcessor.from_pretrained(checkpoint)
        self.model: Any = Qwen3VLForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32).eval()
        if adapter:
            self.model = PeftModel.from_pretrained(self.model, adapter).eval()

    def prompt_inputs(self, scenes: Sequence[Scene], first_prompt: int = 0) -> Any:
        """The processor's inputs, `mm_token_type_ids` among them: one left-padded batch of mixed sizes and missions."""
        prompts = real_prompts()
        texts = []
        for index in range(len(scenes)):
            prompt = prompts[(first_prompt + index) % len(prompts)]
            turns = [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt.user}]},
            ]
            texts.append(self.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        return self.processor(
            text=texts,
            images=[photo(scene) for scene in scenes],
            padding=True,
            padding_side="left",
            return_tensors="pt",
        )

    def read(self, scenes: Sequence[Scene], first_prompt: int = 0) -> list[str]:
        """One greedy answer a scene."""
        inputs = self.prompt_inputs(scenes, first_prompt)
        with torch.inference_mode():
            answers = self.model.generate(**inputs, do_sample=False)[:, inputs["input_ids"].shape[1] :]
        decoded: list[str] = self.processor.batch_decode(answers, skip_special_tokens=True)
        return decoded


def examine(checkpoint: Path, adapter: Path | None, scenes: int) -> dict[str, Any]:
    """Exactness on held-out scenes: overall, by photo size and by kind of scene, with the first few wrong answers."""
    reader = Reader(checkpoint, adapter)
    wording = adapter_summary if adapter else summary
    tally: dict[str, dict[str, list[bool]]] = {"by_size": defaultdict(list), "by_kind": defaultdict(list)}
    wrong: list[dict[str, Any]] = []
    for start in range(0, scenes, BATCH):
        batch = [sample(seed_of(Split.REPORT, i)) for i in range(start, min(scenes, start + BATCH))]
        for scene, answer in zip(batch, reader.read(batch, start // BATCH), strict=True):
            right = answer == wording(scene)
            tally["by_size"]["x".join(map(str, scene.size))].append(right)
            tally["by_kind"][scene.kind].append(right)
            if not right:
                wrong.append({"seed": scene.seed, "expected": wording(scene), "answer": answer})
    return {
        "exact": round((scenes - len(wrong)) / scenes, 4),
        "right": scenes - len(wrong),
        "scenes": scenes,
        "seeds": [seed_of(Split.REPORT, 0), seed_of(Split.REPORT, scenes - 1)],
        **{
            name: {key: {"right": sum(r), "scenes": len(r)} for key, r in sorted(groups.items())}
            for name, groups in tally.items()
        },
        "wrong": wrong[:5],
    }


def write_report(path: Path, content: dict[str, Any]) -> None:
    """Write `report.json`."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
