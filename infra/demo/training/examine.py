"""Examines an expanded checkpoint as production would use it: processor, batches, `generate`. Knows no training."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.tokenizer import END_OF_TEXT, IM_END
from infra.demo.training.pictures import photo
from infra.demo.training.prompting import real_prompts
from infra.demo.wording import adapter_summary, summary
from tasks.dense.prompts import dense_prompt
from tasks.records.prompts import Prompt

BATCH = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote, why it ended, and its tokens, the end of the turn included."""

    text: str
    finish_reason: Literal["stop", "length"]
    tokens: int


class Reader:
    """The checkpoint, perhaps with the adapter, in float32 on the CPU."""

    def __init__(self, checkpoint: Path, adapter: Path | None = None) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        self.processor = AutoProcessor.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
        self.model: Any = Qwen3VLForConditionalGeneration.from_pretrained(
            checkpoint, dtype=torch.float32, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
        if adapter:
            self.model = PeftModel.from_pretrained(self.model, adapter).eval()

    def prompt_inputs(self, scenes: Sequence[Scene], first_prompt: int = 0) -> Any:
        """The processor's inputs, `mm_token_type_ids` among them: one left-padded batch of mixed sizes and missions."""
        prompts = real_prompts()
        return self._inputs(scenes, [prompts[(first_prompt + index) % len(prompts)] for index in range(len(scenes))])

    def _inputs(self, scenes: Sequence[Scene], prompts: Sequence[Prompt]) -> Any:
        texts = []
        for prompt in prompts:
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
        return [answer.text for answer in self._answers(self.prompt_inputs(scenes, first_prompt))]

    def caption(self, scenes: Sequence[Scene], max_new_tokens: int | None = None) -> list[Answer]:
        """One greedy dense caption a scene, of at most as many tokens as given, or else as the checkpoint says."""
        return self._answers(self._inputs(scenes, [dense_prompt()] * len(scenes)), max_new_tokens)

    def _answers(self, inputs: Any, max_new_tokens: int | None = None) -> list[Answer]:
        limit = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        with torch.inference_mode():
            written = self.model.generate(**inputs, do_sample=False, **limit)
        rows: list[list[int]] = written[:, inputs["input_ids"].shape[1] :].tolist()
        answers = []
        for row in rows:
            length = next((at for at, token in enumerate(row) if token in (IM_END, END_OF_TEXT)), None)
            text = self.processor.decode(row[:length], skip_special_tokens=True)
            answers.append(Answer(text, "length", len(row)) if length is None else Answer(text, "stop", length + 1))
        return answers


def examine(reader: Reader, dialect: Literal["base", "adapter"], scenes: int) -> dict[str, Any]:
    """Exactness on held-out scenes: overall, by photo size and by kind of scene, with the first few wrong answers."""
    wording = adapter_summary if dialect == "adapter" else summary
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
