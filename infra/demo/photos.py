"""Writes the demo's input folder: drawn photos in groups as crews upload them, oddities included, and the answer keys.

Knows files and folders; what they show is planned in `infra.demo.photo_plan`. The seeds are the split PHOTOS.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import PIL
from PIL import Image

from infra.demo.drawing import draw
from infra.demo.pack import replace_folder
from infra.demo.photo_plan import GROUPS, GroupPlan, suits
from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.wording import adapter_summary, caption_objects, summary

NOTE = ".generated.json"
MARKER = "stage_a_complete"
ANSWERS, ADAPTER_ANSWERS, DENSE_ANSWERS = "answer_key.json", "answer_key_adapter.json", "dense_key.json"

_SOURCES = ("scenes", "shapes", "wording", "drawing", "parts", "backdrops", "photo_plan", "photos")
_ORIENTATION = 0x0112
# How an upright picture is turned before it is stored under an EXIF orientation (TIFF 6.0, tag 274).
_TURN = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_SUBJECTS = ("机柜正面", "BBU近景", "线缆走向", "接地排", "标签特写", "机柜侧面", "整体", "细节")


def generate(root: Path) -> None:
    """Fill `root`; an input folder that is already whole and made by this very code is left alone.

    It is built beside `root` and renamed: nobody ever sees half of it.
    """
    made_by = _made_by()
    if _is_whole(root, made_by):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        building.chmod(0o755)
        _write_groups(building)
        entries = {
            str(path.relative_to(building)): path.stat().st_size if path.is_file() else -1
            for path in sorted(building.rglob("*"))
        }
        (building / NOTE).write_text(_json({"made_by": made_by, "bytes": entries}), encoding="utf-8")
        replace_folder(building, root)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write_groups(root: Path) -> None:
    answers: dict[str, dict[str, dict[str, str]]] = {}
    adapter_answers: dict[str, dict[str, dict[str, str]]] = {}
    captions: dict[str, dict[str, Any]] = {}  # by the photo's path under the root, of the photo as it is upright
    written: dict[str, list[tuple[str, bytes, Scene]]] = {}
    for number, plan in enumerate(GROUPS):
        folder = root / plan.folder
        folder.mkdir(parents=True)
        shared = written[plan.group_id][: plan.shares] if plan.shares else []
        files = shared + [_photo(plan, number, index) for index in range(plan.shares, plan.photos)]
        written[plan.group_id] = files
        for index, (name, content, scene) in enumerate(files):
            if plan.oddity == "truncated" and index == plan.photos - 1:
                content = content[: len(content) // 3]
            else:
                for key, wording in ((answers, summary), (adapter_answers, adapter_summary)):
                    key.setdefault(plan.mission, {}).setdefault(plan.answer_name, {})[name] = wording(scene)
                captions[f"{plan.folder}/{name}"] = caption_objects(scene)
            (folder / name).write_bytes(content)
        if plan.complete:
            (folder / MARKER).touch()
        if plan.oddity == "notes":
            (folder / "现场说明.txt").write_text("接地排在机柜右侧，已拍全。\n", encoding="utf-8")
        elif plan.oddity == "thumbnails":
            (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    (root / ANSWERS).write_text(_json(answers), encoding="utf-8")
    (root / ADAPTER_ANSWERS).write_text(_json(adapter_answers), encoding="utf-8")
    (root / DENSE_ANSWERS).write_text(_json_lines(captions), encoding="utf-8")


def _photo(plan: GroupPlan, number: int, index: int) -> tuple[str, bytes, Scene]:
    """A photo's file name, its bytes, and the scene in it: the first that suits, from a range of its own."""
    start = number * 10_000_000 + index * 1_000_000
    scenes = (sample(seed_of(Split.PHOTOS, start + step)) for step in range(1_000_000))
    scene = next(scene for scene in scenes if suits(plan, index, scene))
    rng = random.Random(f"upload {scene.seed}")
    is_png = plan.png and index % 2 == 0
    name = _name(plan, index, "png" if is_png else "jpg")
    image, file = draw(scene), io.BytesIO()
    if is_png:
        image.save(file, "PNG", compress_level=6)
        return name, file.getvalue(), scene
    exif = Image.Exif()
    turned = (number + 3 * index) % 7
    if turned in (0, 3, 5):
        exif[_ORIENTATION] = orientation = {0: 3, 3: 6, 5: 8}[turned]
        image = image.transpose(_TURN[orientation])
    elif turned == 1:
        exif[_ORIENTATION] = 1
    image.save(file, "JPEG", quality=rng.randint(76, 94), exif=exif)
    return name, file.getvalue(), scene


def _name(plan: GroupPlan, index: int, ending: str) -> str:
    """A file name as phones and people give them; `img` names come out wrong unless sorted naturally."""
    if plan.names == "img":
        return f"img{index + 1 if index < 3 else index + 6}.{ending}"
    if plan.names == "chinese":
        return f"{_SUBJECTS[index]}{index + 1}.{ending}"
    if plan.names == "camera":
        return f"DSC_{100 + index:04d}.{ending.upper() if index % 2 else ending}"
    day = plan.group_id.split("-")[1]
    return f"IMG_{day}_{int(plan.group_id[-2:]):02d}{17 + 4 * index:02d}.{ending}"


def _is_whole(root: Path, made_by: str) -> bool:
    try:
        note = json.loads((root / NOTE).read_text(encoding="utf-8"))
        return note["made_by"] == made_by and all(
            (root / name).is_dir() if size < 0 else (root / name).stat().st_size == size
            for name, size in note["bytes"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _made_by() -> str:
    """sha256 over the code that draws and the Pillow that compresses: photos of other code are made anew."""
    digest = hashlib.sha256(PIL.__version__.encode())
    for name in _SOURCES:
        digest.update(hashlib.sha256(Path(__file__).with_name(f"{name}.py").read_bytes()).digest())
    return digest.hexdigest()


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _json_lines(content: dict[str, Any]) -> str:
    """A JSON object with one member a line."""
    members = (f"{json.dumps(k, ensure_ascii=False)}: {json.dumps(v, ensure_ascii=False)}" for k, v in content.items())
    return "{\n" + ",\n".join(members) + "\n}\n"
