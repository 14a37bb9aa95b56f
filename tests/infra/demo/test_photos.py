"""The demo's input folder: what it holds, oddities included, and that it comes out the same every time."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from infra.demo import photos
from infra.demo.photo_plan import BAFFLES, FAIL, GROUNDING, GROUPS, PASS, PENDING
from infra.demo.scenes import PHOTO_SIZES
from tasks.dense.parse import parse_caption

ENDINGS = {".jpg", ".jpeg", ".png"}


def contents(root: Path) -> dict[str, str]:
    """Every entry under a folder with the digest of its bytes; a folder has none."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
    }


def photo_files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)


def group_folders(root: Path) -> list[Path]:
    return [root / plan.folder for plan in GROUPS]


def test_counts(photo_root: Path) -> None:
    folders = group_folders(photo_root)
    assert len(set(folders)) == 24
    assert all(folder.is_dir() for folder in folders)
    files = photo_files(photo_root)
    assert len(files) == 120
    assert {path.parent for path in files} <= set(folders)
    sizes = {len(photo_files(folder)) for folder in folders}
    assert min(sizes) == 0
    assert max(sizes) == 8
    assert {path.parts[-2] for path in folders} >= {PASS, FAIL, PENDING, BAFFLES, GROUNDING}


def test_the_same_bytes_every_time(photo_root: Path, tmp_path: Path) -> None:
    photos.generate(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(photo_root)


def test_a_whole_folder_is_left_alone_and_a_damaged_one_is_made_again(photo_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    shutil.copytree(photo_root, root)
    before = root.stat().st_ino
    photos.generate(root)
    assert root.stat().st_ino == before
    photo_files(root)[7].unlink()
    photos.generate(root)
    assert contents(root) == contents(photo_root)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_every_readable_photo_has_an_answer_in_both_dialects(photo_root: Path) -> None:
    key = json.loads((photo_root / photos.ANSWERS).read_text(encoding="utf-8"))
    adapter_key = json.loads((photo_root / photos.ADAPTER_ANSWERS).read_text(encoding="utf-8"))
    answered = {(m, g, name) for m, groups in key.items() for g, names in groups.items() for name in names}
    present = set()
    for plan in GROUPS:
        for path in photo_files(photo_root / plan.folder):
            if not _is_broken(path):
                present.add((plan.mission, plan.answer_name, path.name))
    assert answered == present
    assert len(answered) == 119
    assert {m: {g: set(n) for g, n in groups.items()} for m, groups in key.items()} == {
        m: {g: set(n) for g, n in groups.items()} for m, groups in adapter_key.items()
    }
    assert key != adapter_key
    texts = [text for groups in key.values() for names in groups.values() for text in names.values()]
    assert texts.count("无关图片") == 1


def test_every_readable_photo_has_a_caption_in_upright_coordinates(photo_root: Path) -> None:
    key = json.loads((photo_root / photos.DENSE_ANSWERS).read_text(encoding="utf-8"))
    readable = {str(path.relative_to(photo_root)) for path in photo_files(photo_root) if not _is_broken(path)}
    assert set(key) == readable
    answers = json.loads((photo_root / photos.ANSWERS).read_text(encoding="utf-8"))
    for name, objects in key.items():
        caption = parse_caption(json.dumps(objects, ensure_ascii=False))
        assert caption.as_json() == objects
        mission, group = name.split("/")[0], name.split("/")[-2]
        (said,) = {
            texts[Path(name).name]
            for label, texts in answers[mission].items()
            if label.endswith(f"/{group}") and label.split("/")[0] in (name.split("/")[1], "未标注")
        }
        counts = Counter(item.desc for item in caption.objects)
        assert all(f"{desc}×{count}" in said for desc, count in counts.items())
        assert bool(counts) != (said == "无关图片")


def test_the_broken_photo_opens_and_does_not_load(photo_root: Path) -> None:
    broken = [path for path in photo_files(photo_root) if _is_broken(path)]
    assert len(broken) == 1
    assert broken[0].suffix == ".jpg"
    assert BAFFLES in broken[0].parts
    with Image.open(broken[0]) as image:
        assert image.size in PHOTO_SIZES or image.size[::-1] in PHOTO_SIZES
        with pytest.raises(OSError, match="truncated"):
            image.load()


def test_rotated_photos_come_upright_by_their_tag(photo_root: Path) -> None:
    seen: dict[int, int] = {}
    for path in photo_files(photo_root):
        if _is_broken(path):
            continue
        with Image.open(path) as image:
            turn = image.getexif().get(0x0112, 0)
            seen[turn] = seen.get(turn, 0) + 1
            upright = ImageOps.exif_transpose(image)
            assert upright.size in PHOTO_SIZES
    assert all(seen.get(turn, 0) >= 3 for turn in (3, 6, 8))


def test_a_resubmission_shares_photos_byte_for_byte(photo_root: Path) -> None:
    twice = [plan for plan in GROUPS if plan.group_id == "QC-20260305-0005"]
    assert [plan.label for plan in twice] == [FAIL, PASS]
    first, second = ({path.read_bytes() for path in photo_files(photo_root / plan.folder)} for plan in twice)
    assert len(first & second) == 3
    assert second - first
    assert first - second


def test_oddities(photo_root: Path) -> None:
    empty = [folder for folder in group_folders(photo_root) if not any(folder.iterdir())]
    assert len(empty) == 1
    assert BAFFLES in empty[0].parts
    names = {path.name for path in photo_root.rglob("*")}
    assert {"现场说明.txt", "Thumbs.db", "img2.jpg", "img10.jpg"} <= names
    assert any(name.endswith(".JPG") for name in names)
    assert any(name.endswith(".png") for name in names)
    assert any("近景" in name for name in names)
    marked = [folder for folder in group_folders(photo_root) if (folder / photos.MARKER).exists()]
    assert 12 < len(marked) < 24
    assert all((folder / photos.MARKER).stat().st_size == 0 for folder in marked)


def _is_broken(path: Path) -> bool:
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            image.load()
    except OSError:
        return True
    return False
