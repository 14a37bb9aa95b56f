"""Compares a merged checkpoint with its base and adapters on probe photos. Knows no folder of ms-swift's.

The two models are never loaded at once: what the first one gave is kept in a scratch folder, and the second is asked
the same, batch by batch.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from configs.parts import InputConfig, ModelConfig
from tasks.checkpoints.merge_record import Parity
from tasks.checkpoints.probes import Probe
from tasks.engines.loading import load_model, load_processor, pick_device
from tasks.engines.photos import Bounds, Patchifier, Scaler
from tasks.engines.prompting import PromptEncoder
from tasks.engines.protocol import Decoding, Request
from tasks.engines.static_batches import pack
from tasks.records.errors import DeviceOutOfMemory
from tasks.records.prompts import Prompt, read_prompt

_MOST_NEW = 128
_BATCH, _BATCH_TOKENS = 8, 16_384
_MOST_QUOTED = 24


@dataclass(frozen=True, slots=True)
class _Row:
    """A probe that is ready for the device; `ids` are those of the prompt with its photo."""

    place: int
    name: str
    ids: list[int]
    patches: torch.Tensor
    grid: tuple[int, int, int]


class Comparison:
    """The probes, made ready once with the base's own processor, which the merged checkpoint has too."""

    def __init__(self, base: str, model: ModelConfig, device: str, probes: Sequence[Probe], scratch: Path) -> None:
        """`scratch` is an empty folder; logits of every answer are put there, in the model's dtype.

        Weights are not quantised, whatever `model` says: what is checked is the merge. Raises CheckpointError.
        """
        self._model = model.model_copy(update={"quantisation": "none"})
        self._device = pick_device(device)
        self._scratch = scratch
        processor = load_processor(base)
        self._tokenizer, self._image = processor.tokenizer, int(processor.image_token_id)
        self._batches = self._prepared(processor, probes)
        self._photos = len(probes)
        self._answers: dict[int, list[int]] = {}

    def learn(self, base: str, adapters: Sequence[str], say: Callable[[str], None]) -> None:
        """Let base and adapters answer. Raises CheckpointError, DeviceOutOfMemory, and OSError if the scratch folder
        has no room."""

        def ask(loaded: Any) -> None:
            for number, rows in enumerate(self._batches):
                self._answers |= self._generate(loaded, rows)
                with self._kept(number).open("wb") as file:  # torch hides an OSError where it opens a file itself
                    torch.save(self._logits(loaded, rows), file)
                say(f"parity: base and adapters answered {len(self._answers)} of {self._photos} photos")

        self._with_model(base, adapters, ask)

    def compare(self, merged: str, say: Callable[[str], None]) -> Parity:
        """Ask the merged checkpoint the same. Raises CheckpointError, DeviceOutOfMemory."""
        answers: dict[int, list[int]] = {}
        furthest = [0.0]

        def ask(loaded: Any) -> None:
            for number, rows in enumerate(self._batches):
                answers.update(self._generate(loaded, rows))
                before = torch.load(self._kept(number), mmap=True, weights_only=True)
                pairs = zip(before, self._logits(loaded, rows), strict=True)
                furthest.extend(_furthest(one, other) for one, other in pairs)
                self._kept(number).unlink()
                say(f"parity: the merged checkpoint answered {len(answers)} of {self._photos} photos")

        self._with_model(merged, (), ask)
        texts = [(self._text(self._answers[place]), self._text(answers[place])) for place in range(self._photos)]
        different = [place for place, (one, other) in enumerate(texts) if one != other]
        same = self._photos - len(different)
        names = {row.place: row.name for rows in self._batches for row in rows}
        first = _told(names[different[0]], *texts[different[0]]) if different else None
        return Parity(self._photos, same, same / self._photos, max(furthest), first)

    def _kept(self, number: int) -> Path:
        return self._scratch / f"{number}.pt"

    def _with_model(self, checkpoint: str, adapters: Sequence[str], work: Callable[[Any], None]) -> None:
        """Do `work` with a model that is gone from the device afterwards."""
        try:
            with torch.inference_mode():
                work(load_model(checkpoint, adapters, self._model, self._device))
        except torch.OutOfMemoryError as error:
            raise DeviceOutOfMemory(
                f"{_BATCH} probe photos do not fit on {self._device}; lower model.max_pixels, or merge with device cpu"
            ) from error
        finally:
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _prepared(self, processor: Any, probes: Sequence[Probe]) -> list[list[_Row]]:
        asked = read_prompt("summary")
        encoder = PromptEncoder(processor)
        scaler = Scaler(Bounds.of(processor.image_processor), self._model, InputConfig())
        patchifier = Patchifier(processor.image_processor)
        rows: list[_Row] = []
        for place, probe in enumerate(probes):
            shown = scaler.show(probe.data)
            patches, grid = patchifier.patches(shown.picture)
            ids = encoder.with_photo(encoder.encode(_question(asked, probe)), shown.visual_tokens)
            rows.append(_Row(place, probe.name, ids, patches, grid))
        rows.sort(key=lambda row: -len(row.ids))
        return list(pack(rows, lambda row: len(row.ids) + _MOST_NEW, most_items=_BATCH, most_tokens=_BATCH_TOKENS))

    def _generate(self, loaded: Any, rows: list[_Row]) -> dict[int, list[int]]:
        """Greedy answers by place, each with the token that ended it, if one did."""
        inputs = self._collate(rows, [row.ids for row in rows])
        width = inputs["input_ids"].shape[1]
        output = loaded.generate(**inputs, max_new_tokens=_MOST_NEW, do_sample=False)
        ends = loaded.generation_config.eos_token_id
        ends = {*ends} if isinstance(ends, list) else {ends}
        answers: dict[int, list[int]] = {}
        for row, ids in zip(rows, output[:, width:].tolist(), strict=True):
            at = next((index for index, token in enumerate(ids) if token in ends), len(ids) - 1)
            answers[row.place] = ids[: at + 1]
        return answers

    def _logits(self, loaded: Any, rows: list[_Row]) -> list[torch.Tensor]:
        """Logits [answer tokens, vocabulary] that base and adapters' own answers are given, a tensor a row."""
        answers = [self._shown(self._answers[row.place]) for row in rows]
        inputs = self._collate(rows, [[*row.ids, *answer] for row, answer in zip(rows, answers, strict=True)])
        longest = max(map(len, answers))
        logits = loaded(**inputs, use_cache=False, logits_to_keep=longest + 1).logits
        # Rows are padded on the left, so that answers end where the batch ends; a token is told by the place before it.
        return [row[longest - len(answer) : longest].cpu().clone() for row, answer in zip(logits, answers, strict=True)]

    def _shown(self, answer: list[int]) -> list[int]:
        """An answer up to a photo's placeholder: a model that writes one cannot be shown it again."""
        return answer[: answer.index(self._image)] if self._image in answer else answer

    def _collate(self, rows: list[_Row], sequences: list[list[int]]) -> dict[str, torch.Tensor]:
        width = max(map(len, sequences))
        ids = torch.full((len(rows), width), self._tokenizer.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, sequence in enumerate(sequences):
            ids[index, width - len(sequence) :] = torch.tensor(sequence)
            mask[index, width - len(sequence) :] = 1
        tensors = {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_token_type_ids": (ids == self._image).long(),
            "pixel_values": torch.cat([row.patches for row in rows]),
            "image_grid_thw": torch.tensor([row.grid for row in rows]),
        }
        return {key: tensor.to(self._device) for key, tensor in tensors.items()}

    def _text(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text


def _furthest(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference; NaN counts as infinitely far."""
    if one.numel() == 0:
        return 0.0
    furthest = float((one.float() - other.float()).abs().max())
    return furthest if furthest == furthest else float("inf")


def _told(name: str, one: str, other: str) -> str:
    pairs = zip(one, other, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    ours, theirs = one[at : at + _MOST_QUOTED], other[at : at + _MOST_QUOTED]
    return f"{name} from character {at + 1} on: {ours!r} with adapters, {theirs!r} merged"


def _question(prompt: Prompt, probe: Probe) -> Request:
    return Request(probe.name, lambda: probe.data, prompt.system, prompt.user, Decoding(_MOST_NEW))
