"""The ways to read photos that are compared. Each loads the same checkpoint and gives one text a photo.

`one` and `groups` are what the published scripts do: the checkpoint's processor and `generate`, for one photo at a
time, or for the photos of a group. `swift` is ms-swift's own engine. `engine` is ours, `unshared` is ours
without the keys and values that all photos of a prompt share, and `flow` is all of Stage-A.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image, ImageOps

from configs.missions import known_missions
from configs.parts import EngineConfig, InputConfig, ModelConfig
from flows.terminal import embedded
from tasks.engines.answers import read_answer
from tasks.engines.loading import end_tokens, load_model, load_processor, pick_device
from tasks.engines.photos import Bounds, Scaler
from tasks.engines.protocol import Completion, Decoding, Request, longest_first
from tasks.engines.qwen.kv_slots import KVSlots, read_shared
from tasks.engines.sequence import Sequence
from tasks.engines.transformers import TransformersEngine
from tasks.records.prompts import Prompt
from tasks.runs.keys import records_name
from tasks.summaries.prompts import summary_prompt
from tests.benchmarks.throughput.checkpoints import Setting
from tests.benchmarks.throughput.workload import MISSION, Item

Groups = list[list[Item]]
Texts = dict[str, str]


@dataclass(frozen=True)
class Asked:
    """What all ways have in common."""

    setting: Setting
    checkpoint: Path
    device: str
    batch: int

    @cached_property
    def prompt(self) -> Prompt:
        """The demo mission's prompt, its system part repeated until it is as long as the setting wants it."""
        prompt = summary_prompt(known_missions()[MISSION])
        tokenizer = load_processor(str(self.checkpoint)).tokenizer
        system = prompt.system
        while len(tokenizer(system + prompt.user)["input_ids"]) < self.setting.prompt_tokens:
            system += prompt.system
        return Prompt(system, prompt.user)

    @property
    def model(self) -> ModelConfig:
        """How our engine loads the checkpoint."""
        return ModelConfig.model_validate({"dtype": self.setting.dtype, "max_pixels": self.setting.max_pixels})

    def request(self, item: Item) -> Request:
        """A photo as our engine is asked about it."""
        with Image.open(item.path) as image:
            size = image.size
        decoding = Decoding(max_new_tokens=self.setting.answer_tokens)
        return Request(item.key, item.path.read_bytes, self.prompt.system, self.prompt.user, decoding, size)


class Way(Protocol):
    """A loaded checkpoint."""

    def read(self, groups: Groups) -> Texts:
        """Texts by `Item.key`."""
        ...


class Published:
    """The checkpoint's processor and `generate`, as the model's own page shows them."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.device = pick_device(asked.device)
        self.processor = load_processor(str(asked.checkpoint))
        self.model = load_model(str(asked.checkpoint), (), asked.model, self.device)
        self._ends = end_tokens(self.model.generation_config)

    def answer(self, items: list[Item]) -> Texts:
        """One batch."""
        images = []
        for item in items:
            image = Image.open(io.BytesIO(item.path.read_bytes()))
            images.append(ImageOps.exif_transpose(image).convert("RGB"))
        prompt = self.asked.prompt
        chats = [
            [
                {"role": "system", "content": [{"type": "text", "text": prompt.system}]},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt.user}]},
            ]
            for _ in items
        ]
        chat = self.processor.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
        inputs = self.processor(text=chat, images=images, padding=True, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            output = self.model.generate(**inputs, max_new_tokens=self.asked.setting.answer_tokens, do_sample=False)
        answers = output[:, inputs["input_ids"].shape[1] :].tolist()
        return {
            item.key: read_answer(self.processor.tokenizer, ids, self._ends).text
            for item, ids in zip(items, answers, strict=True)
        }


class One(Published):
    """One photo at a time."""

    def read(self, groups: Groups) -> Texts:
        """See `Way.read`."""
        texts: Texts = {}
        for group in groups:
            for item in group:
                texts.update(self.answer([item]))
        return texts


class ByGroup(Published):
    """The photos of a group as one batch, cut to the batch size."""

    def read(self, groups: Groups) -> Texts:
        """See `Way.read`."""
        texts: Texts = {}
        for group in groups:
            for first in range(0, len(group), self.asked.batch):
                texts.update(self.answer(group[first : first + self.asked.batch]))
        return texts


class Swift:
    """ms-swift's TransformersEngine, given all photos at once.

    The photos are scaled by our code first, one after the other: ms-swift's own resizing differs by a grey level here
    and there, and then so do texts.
    """

    def __init__(self, asked: Asked) -> None:
        from tasks.engines.swift_loading import open_swift

        self.asked = asked
        config = EngineConfig(kind="swift", batch_size=asked.batch)
        most = 4096 if asked.setting.shape else 2048
        self._swift = open_swift(str(asked.checkpoint), (), asked.device, asked.model, config, most)
        processor = load_processor(str(asked.checkpoint))
        self._scaler = Scaler(Bounds.of(processor.image_processor), asked.model, InputConfig())

    def read(self, groups: Groups) -> Texts:
        """See `Way.read`."""
        from swift.infer_engine import InferRequest, RequestConfig

        items = [item for group in groups for item in group]
        prompt = self.asked.prompt
        requests = []
        for item in items:
            image = self._scaler.show(item.path.read_bytes()).image()
            content = [{"type": "image", "image": image}, {"type": "text", "text": prompt.user}]
            requests.append(
                InferRequest(
                    messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": content}]
                )
            )
        config = RequestConfig(max_tokens=self.asked.setting.answer_tokens, temperature=0.0)
        answers = self._swift.infer(requests, config, use_tqdm=False)
        return {item.key: answer.choices[0].message.content for item, answer in zip(items, answers, strict=True)}


class Ours:
    """Our engine."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.engine = TransformersEngine(
            str(asked.checkpoint),
            device=asked.device,
            model=asked.model,
            engine=EngineConfig(batch_size=asked.batch, batch_tokens=asked.batch * 4096),
        )

    def read(self, groups: Groups) -> Texts:
        """See `Way.read`."""
        requests = [self.asked.request(item) for group in groups for item in group]
        results = list(self.engine.generate(longest_first(self.engine, requests)))
        return {result.id: result.text for result in results if isinstance(result, Completion)}


class Unshared(Ours):
    """Our engine, which here reads what comes before the photo once for each photo, and not once a prompt."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        generator = self.engine._generator
        read = generator._read

        def anew(slots: KVSlots, entering: list[Sequence]) -> Any:
            read_shared(generator.language, entering[0].prompt.shared, len(entering))
            return read(slots, entering)

        generator._read = anew  # type: ignore[method-assign]


class Flow:
    """All of Stage-A: photos verified, summaries checked, the run published. A new store every time."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
        self._prefect = ExitStack()
        self._prefect.enter_context(embedded())  # for all runs of this process

    def read(self, groups: Groups) -> Texts:
        """See `Way.read`."""
        from flows.stage_a import stage_a

        root = groups[0][0].path.parents[3]
        with tempfile.TemporaryDirectory() as store:
            given: dict[str, Any] = {
                "mission": MISSION,
                "input_root": str(root),
                "store": store,
                "device": self.asked.device,
                "model": {"base": str(self.asked.checkpoint), "max_pixels": self.asked.setting.max_pixels},
                "generation": {"max_new_tokens": self.asked.setting.answer_tokens},
                "engine": {"batch_size": self.asked.batch},
                "hand_off": {"mode": "none"},
            }
            summary = stage_a(**given)
            folder = Path(summary["manifest"].removeprefix("file://")).parent
            texts: Texts = {}
            for line in (folder / records_name(MISSION)).read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                answers = zip(record["images"], record["per_image"].values(), strict=True)
                texts.update({f"{record['group_id']}/{name}": text for name, text in answers})
        return texts


WAYS: dict[str, Callable[[Asked], Way]] = {
    "one": One,
    "groups": ByGroup,
    "swift": Swift,
    "engine": Ours,
    "unshared": Unshared,
    "flow": Flow,
}
