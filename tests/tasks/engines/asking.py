"""Requests about the demo's photos, and about photos that are awkward to show. Knows no engine."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

from PIL import Image

from configs.missions import known_missions
from configs.parts import InputConfig
from tasks.engines.protocol import Completion, Decoding, Engine, Request
from tasks.images.open import decode
from tasks.records.errors import PhotoError
from tasks.summaries.prompts import summary_prompt
from tests.demo import Demo

MISSION = "挡风板安装检查"
GREEDY = Decoding(max_new_tokens=96)


def photo_files(demo: Demo, most: int = 200) -> list[Path]:
    """The demo's photos that can be read, in a fixed order."""
    return _photo_files(demo)[:most]


@cache
def _photo_files(demo: Demo) -> list[Path]:
    answers = json.loads(Path(demo.answers).read_text(encoding="utf-8"))
    names = {name for groups in answers.values() for photos in groups.values() for name in photos}
    files = [path for path in sorted(Path(demo.photos).rglob("*.*")) if path.name in names]
    return [path for path in files if _is_whole(path)]


def ask(path: Path, decoding: Decoding = GREEDY, *, sized: bool = True) -> Request:
    """A request about a file."""
    with Image.open(path) as image:
        size = image.size
    request = ask_bytes(str(path), path.read_bytes(), decoding)
    return Request(request.id, request.read, request.system, request.user, decoding, size if sized else None)


def ask_bytes(name: str, data: bytes, decoding: Decoding = GREEDY) -> Request:
    """A request about a photo in memory."""
    prompt = summary_prompt(known_missions()[MISSION])
    return Request(name, lambda: data, prompt.system, prompt.user, decoding)


@cache
def mixed(demo: Demo) -> dict[str, bytes]:
    """A dozen photos: eight of the demo's, one turned by EXIF, one with many pixels, one elongated, one transparent."""
    files = photo_files(demo)
    photos = {str(path): path.read_bytes() for path in files[:: max(1, len(files) // 8)][:8]}
    image = decode(files[0].read_bytes(), InputConfig())
    exif = Image.Exif()
    exif[0x0112] = 6
    photos["turned"] = _saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    photos["large"] = _saved(image.resize((1700, 1300)), "JPEG")
    photos["elongated"] = _saved(image.resize((1800, 22)), "PNG")
    clear = image.resize((150, 61)).convert("RGBA")
    clear.putalpha(128)
    photos["transparent"] = _saved(clear, "PNG")
    return photos


def ask_mixed(demo: Demo, decoding: Decoding = GREEDY) -> list[Request]:
    """Requests about those."""
    return [ask_bytes(name, data, decoding) for name, data in mixed(demo).items()]


def answers(engine: Engine, requests: list[Request]) -> dict[str, Completion]:
    """Every request's completion, by id; all must have one."""
    results = {result.id: result for result in engine.generate(requests)}
    assert results.keys() == {request.id for request in requests}
    return {key: result for key, result in results.items() if isinstance(result, Completion)}


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def _is_whole(path: Path) -> bool:
    try:
        decode(path.read_bytes(), InputConfig())
    except PhotoError:
        return False
    return True
