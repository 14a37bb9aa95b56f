"""Tests of the records' own rules."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.records.base import FileEntry
from tasks.records.outcomes import Answered
from tasks.records.photos import Label
from tasks.records.stage_a import RunManifest, StageARecord
from tests.builders import make_group, make_photo, make_summarised, sha

GOOD: dict[str, Any] = {
    "group_id": "QC-0001",
    "mission": "挡风板安装检查",
    "label": "审核通过",
    "stage_a_complete": True,
    "images": ["img1.jpg", "img2.jpg"],
    "per_image": {"image_1": "BBU设备×1，光模块×3", "image_2": "无关图片"},
}


def test_a_good_record_is_read_as_it_is() -> None:
    record = StageARecord.model_validate(GOOD)
    assert record.label is Label.PASS
    assert record.model_dump(mode="json") == GOOD


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("group_id", ""),
        ("mission", ""),
        ("label", "pass"),
        ("label", ""),
        ("images", []),
        ("images", ["img1.jpg"]),
        ("images", ["img1.jpg", "img2.jpg", "img3.jpg"]),
        ("per_image", {}),
        ("per_image", {"image_1": "a"}),
        ("per_image", {"image_2": "a", "image_1": "b"}),
        ("per_image", {"image_0": "a", "image_1": "b"}),
        ("per_image", {"image_1": "a", "image_02": "b"}),
        ("per_image", {"image_1": "a", "image_2": "b", "image_3": "c"}),
        ("per_image", {"image_1": "a", "image_2": ""}),
        ("per_image", {"image_1": "a", "image_2": "  "}),
        ("per_image", {"image_1": "a", "image_2": "b\nc"}),
        ("per_image", {"image_1": "a", "image_2": "b\u2028c"}),
        ("per_image", {"image_1": "a", "image_2": None}),
        ("extra", 1),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        StageARecord.model_validate({**GOOD, key: value})


def test_the_tenth_photo_comes_after_the_ninth() -> None:
    images = [f"img{index}.jpg" for index in range(1, 12)]
    per_image = {f"image_{index}": "无关图片" for index in range(1, 12)}
    assert list(StageARecord.model_validate({**GOOD, "images": images, "per_image": per_image}).per_image)[9] == (
        "image_10"
    )
    with pytest.raises(ValidationError):
        StageARecord.model_validate({**GOOD, "images": images, "per_image": dict(sorted(per_image.items()))})


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        StageARecord.model_validate(GOOD).group_id = "QC-0002"  # type: ignore[misc]


@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_only_a_sha256_is_a_sha256(digest: str) -> None:
    with pytest.raises(ValidationError):
        Answered.model_validate({**make_summarised(make_photo("x")).model_dump(), "sha256": digest})


def test_groups_are_ordered_by_id_then_label_unlabelled_first() -> None:
    groups = [make_group("B", label=None), *(make_group("A", label=label) for label in (Label.PASS, None, Label.FAIL))]
    ordered = sorted(groups, key=lambda group: group.sort_key)
    assert [(group.group_id, group.label) for group in ordered] == [
        ("A", None),
        ("A", Label.FAIL),
        ("A", Label.PASS),
        ("B", None),
    ]


def test_a_manifest_finds_its_files_by_name() -> None:
    entry = FileEntry(name="a.jsonl", sha256=sha(""), size=0, records=0)
    manifest = RunManifest.model_construct(files=(entry,))
    assert manifest.file("a.jsonl") is entry
    with pytest.raises(KeyError):
        manifest.file("b.jsonl")
