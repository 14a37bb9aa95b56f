"""Builds what tests need: photos, groups, outcomes, checkpoints, published runs. Knows no test."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import settings
from PIL import Image

from blocks.local_store import LocalStore
from blocks.store import Store
from configs.parts import GenerationConfig, LadderConfig, PublishingConfig
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.outcomes import READER, Answered, Failed, Outcome
from tasks.records.photos import Group, Label, Photo
from tasks.records.prompts import Prompt
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry
from tasks.records.work import Identity, Shard, WorkItem
from tasks.runs.keys import stage_a_folder
from tasks.runs.publish import Published, RunInput, publish
from tasks.summaries.kind import Summaries, work_items
from tasks.summaries.ladder import decodings
from tasks.work.plan import plan_shards
from tests.folders import make_small

MISSION = "挡风板安装检查"
FOLDER = stage_a_folder(MISSION)


def examples(most: int = 60) -> settings:
    """How many examples a property is tried with: the same ones every time, and as slowly as a busy machine likes."""
    return settings(max_examples=most, deadline=None, derandomize=True, database=None)


def make_picture(size: tuple[int, int] = (64, 48), seed: int = 0) -> Image.Image:
    """A smooth picture in RGB that differs for every seed."""
    width, height = size
    shade = Image.linear_gradient("L").resize(size)
    flat = Image.new("L", size, (seed * 37) % 256)
    return Image.merge("RGB", (shade, flat, Image.new("L", size, (width + height + seed) % 256)))


def make_photo_bytes(kind: str = "JPEG", size: tuple[int, int] = (64, 48), seed: int = 0, **options: Any) -> bytes:
    """The bytes of a photo file; `options` go to Pillow."""
    buffer = io.BytesIO()
    make_picture(size, seed).save(buffer, kind, **options)
    return buffer.getvalue()


def put_photos(root: Path, group: str, names: Sequence[str], seed: int = 0) -> None:
    """Different small photos in the folder `group` under `root`."""
    folder = root / group
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        kind = "PNG" if name.lower().endswith(".png") else "JPEG"
        (folder / name).write_bytes(make_photo_bytes(kind, seed=seed + index))


def sha(text: str) -> str:
    """A digest that stands for `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_photo(content: str, name: str = "img1.jpg", group: str = "QC-0001", mission: str = MISSION) -> Photo:
    """A photo that was verified, whose bytes are told apart by `content`."""
    return Photo(name, f"{mission}/{group}/{name}", size=100, sha256=sha(content), width=64, height=48)


def make_group(
    group_id: str = "QC-0001",
    photos: int = 2,
    label: Label | None = Label.PASS,
    contents: Sequence[str] | None = None,
    marked: bool = True,
    mission: str = MISSION,
) -> Group:
    """A verified group; its photos differ from those of other groups unless `contents` says otherwise."""
    told = contents or [f"{group_id}/{index}" for index in range(1, photos + 1)]
    return Group(
        group_id=group_id,
        mission=mission,
        label=label,
        photos=tuple(
            make_photo(content, f"img{index}.jpg", group_id, mission) for index, content in enumerate(told, start=1)
        ),
        marked=marked,
        folder=f"{mission}/{label}/{group_id}" if label else f"{mission}/{group_id}",
    )


def make_identity(**changes: Any) -> Identity:
    """What decides the texts beside the photo."""
    parts: dict[str, Any] = {
        "prompt": sha("prompt"),
        "checkpoint": sha("checkpoint"),
        "adapters": (),
        "settings": {"grammar": 1, "dtype": "float32", "generation": {"max_new_tokens": 96, "temperature": 0.0}},
    }
    return Identity(**{**parts, **changes})


def make_summaries(
    generation: GenerationConfig | None = None, ladder: LadderConfig | None = None, identity: Identity | None = None
) -> Summaries:
    """The questions of a run, with a prompt of two words."""
    return Summaries(
        folder=FOLDER,
        photos_under=MISSION,
        prompt=Prompt("system text", "user text"),
        identity=identity or make_identity(),
        decodings=decodings(generation or GenerationConfig(), ladder or LadderConfig()),
    )


def make_shard(items: Sequence[WorkItem], epoch: int = 0) -> Shard:
    """The one shard of these items, even of none."""
    (shard,) = plan_shards(items, lambda: max(1, len(items)), epoch, 1) if items else (Shard("0" * 64, ()),)
    return shard


def make_item(photo: Photo, identity: Identity | None = None) -> WorkItem:
    """The work of one photo."""
    return WorkItem((identity or make_identity()).work_key(photo.sha256), photo)


def make_summarised(
    photo: Photo, text: str = "BBU设备×1", identity: Identity | None = None, **changes: Any
) -> Answered:
    """A good outcome of a photo."""
    values: dict[str, Any] = {
        "work_key": (identity or make_identity()).work_key(photo.sha256),
        "sha256": photo.sha256,
        "text": text,
        "finish_reason": "stop",
        "prompt_tokens": 200,
        "visual_tokens": 6,
        "completion_tokens": 9,
        "width": 64,
        "height": 48,
        "shown_width": 64,
        "shown_height": 64,
        "scaled_by": None,
        "attempts": 1,
        "engine": "table",
    }
    return Answered(**{**values, **changes})


def make_bad(photo: Photo, text: str = "BBU设备") -> Answered:
    """An outcome of a photo whose summary never obeyed the grammar."""
    return make_summarised(
        photo, text, attempts=4, violations=("no_count",), reason=Reason.SUMMARY_INVALID, detail="no good summary"
    )


def make_failed(photo: Photo, reason: Reason = Reason.TRUNCATED_IMAGE) -> Failed:
    """An outcome of a photo that could not be read."""
    work_key = make_identity().work_key(photo.sha256)
    return Failed(work_key=work_key, sha256=photo.sha256, reason=reason, detail="cut off", reader=READER)


def make_outcomes(groups: Iterable[Group], others: Iterable[Outcome] = ()) -> dict[str, Outcome]:
    """Good outcomes of all photos, except for those that `others` gives."""
    good = (make_summarised(photo, f"BBU设备×{i}") for g in groups for i, photo in enumerate(g.photos, start=1))
    return {outcome.work_key: outcome for outcome in (*good, *others)}


def make_ledger(
    groups: Iterable[Group],
    outcomes: Iterable[Outcome] = (),
    rejected: Iterable[tuple[Group, Sequence[QuarantineEntry]]] = (),
    identity: Identity | None = None,
) -> Ledger:
    """A ledger of accepted groups with these outcomes of their photos, and of rejected ones with their lines."""
    ledger = Ledger()
    for group in groups:
        ledger.groups.add(group, State.ACCEPTED)
    for group, lines in rejected:
        ledger.groups.add(group, State.REJECTED, lines)
    for item in work_items(ledger.groups, identity or make_identity()):
        ledger.works.add(item)
    ledger.works.answer(outcomes)
    return ledger


def make_run(**changes: Any) -> RunInput:
    """What a run is beside its groups; it may lose all of them, unless `config` says otherwise."""
    config = PublishingConfig(max_quarantine_fraction=1.0)
    return RunInput(
        **{"mission": MISSION, "no_mission": False, "identity": make_identity(), "config": config, **changes}
    )


def publish_groups(
    store: Store,
    groups: Sequence[Group],
    outcomes: Mapping[str, Outcome],
    rejected: Iterable[tuple[Group, Sequence[QuarantineEntry]]] = (),
    **changes: Any,
) -> Published:
    """Publish a run of these groups."""
    with make_ledger(groups, outcomes.values(), rejected, changes.get("identity")) as ledger:
        return publish(store, make_run(**changes), ledger)


def some_groups() -> list[Group]:
    """Three groups, one of them unlabelled and one with a bad photo; see `some_outcomes`."""
    return [
        make_group("QC-0001", 2, Label.PASS),
        make_group("QC-0002", 1, None, marked=False),
        make_group("QC-0003", 2, Label.FAIL),
        make_group("QC-0004", 1, Label.FAIL),
    ]


def some_outcomes(groups: Sequence[Group]) -> Mapping[str, Outcome]:
    """Outcomes of `some_groups`; the second photo of the third group has no good summary."""
    return make_outcomes(groups, [make_bad(groups[2].photos[1])])


def published_run(store: Store) -> Published:
    """A run of three published groups and a quarantined one."""
    groups = some_groups()
    return publish_groups(store, groups, some_outcomes(groups))


def files_under(store: LocalStore, prefix: str = "") -> dict[str, bytes]:
    """Every object of a store, by key."""
    return {info.key: store.read(info.key) for info in store.list(prefix)}


def make_checkpoint(folder: Path, positions: int = 262_144) -> Path:
    """A checkpoint that a run takes: the demo's words, and a model of one layer whose weights are all zero."""
    return make_small(folder, max_position_embeddings=positions)


def make_adapter(folder: Path) -> Path:
    """A folder that looks like a LoRA adapter."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"adapter")
    return folder


def make_given(base: Path) -> dict[str, Any]:
    """What must be told of a run, all of it there: photos, store and checkpoint under `base`."""
    (base / "photos" / MISSION).mkdir(parents=True)
    return {
        "mission": MISSION,
        "input_root": str(base / "photos"),
        "store": str(base / "store"),
        "model": {"base": str(make_checkpoint(base / "checkpoint"))},
    }
