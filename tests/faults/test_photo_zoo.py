"""The photo zoo: verification, decoding and `summarize` agree on every file, and nobody ever sees a traceback."""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from blocks.local_store import LocalStore
from blocks.store import Store
from blocks.stores import open_store
from configs.parts import InputConfig
from flows.cli import main
from tasks.dense.discover import find_photos
from tasks.images.open import decode, read_header
from tasks.inputs.discover import discover
from tasks.inputs.verify import verify
from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.errors import PhotoError
from tests.builders import MISSION
from tests.faults.photo_zoo import ANIMALS, IGNORED, Animal
from tests.faults.pictures import COLOURS, jpeg, quarters
from tests.servers import S3Server
from tests.tasks.engines.faulty import Script, faulty

LIMITS = InputConfig()
COMPANION = "a-companion.jpg"
SIZE = (320, 256)
"""Whole cells of the model's, so that it is shown the photo as it is."""


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    """A server that answers whatever it is shown, and keeps it."""
    with faulty() as script:
        yield script


def put(folder: Path, animal: Animal) -> Path:
    """The file, in a group with a companion; its place."""
    folder.mkdir(parents=True)
    (folder / COMPANION).write_bytes(jpeg(quarters(SIZE)))
    place = folder / animal.name
    place.write_bytes(animal.make(quarters(SIZE)))
    return place


def outcomes(root: Store, markers: str = "optional") -> dict[str, dict[str, str]]:
    """What verification says of every photo, by group: its size, or the reason."""
    found: dict[str, dict[str, str]] = {}
    with Ledger() as ledger:
        verify(root, ledger.groups, discover(root, MISSION, ledger.groups), LIMITS)
        for entry in ledger.groups.entries():
            said = {photo.name: f"{photo.width}x{photo.height}" for photo in entry.group.photos}
            rejected = {line.image: line.reason.value for line in entry.lines if line.image}
            assert (entry.state is State.REJECTED) is bool(rejected)
            found[entry.group.group_id] = rejected or said
    return found


def assert_looks(image: Image.Image, wanted: Image.Image) -> None:
    """The middle of every quarter has the same colour, but for what a lossy format takes."""
    assert (image.mode, image.size) == ("RGB", wanted.size)
    width, height = image.size
    for place in [(x, y) for x in (width // 4, 3 * width // 4) for y in (height // 4, 3 * height // 4)]:
        got, right = image.getpixel(place), wanted.getpixel(place)
        assert max(abs(a - b) for a, b in zip(got, right, strict=True)) <= 14, (place, got, right)


def test_the_picture_tells_its_quarters_apart() -> None:
    assert len(set(COLOURS)) == 4
    assert len({animal.name for animal in ANIMALS}) == len(ANIMALS) > 60


@pytest.mark.parametrize("animal", ANIMALS, ids=lambda animal: animal.name)
def test_a_file_is_read_as_it_looks_refused_with_its_reason_or_ignored(
    animal: Animal, server: Script, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = put(tmp_path / MISSION / "QC-1", animal)
    wanted = animal.looks(quarters(SIZE))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        said = outcomes(LocalStore(tmp_path))["QC-1"].get(animal.name, IGNORED)
        if animal.format:
            header, image = read_header(place.read_bytes(), LIMITS), decode(place.read_bytes(), LIMITS)
            assert said == f"{wanted.width}x{wanted.height}"
            assert (header.format, (header.width, header.height)) == (animal.format, wanted.size)
            assert_looks(image, wanted)
        elif animal.reason is not None:
            with pytest.raises(PhotoError) as caught:
                decode(place.read_bytes(), LIMITS)
            assert caught.value.reason is animal.reason
            # What only its data tells, verification leaves to whoever decodes it.
            assert said in (animal.reason.value, f"{wanted.width}x{wanted.height}")
        else:
            assert said == IGNORED
    assert [str(warning.message) for warning in warned] == []
    assert capfd.readouterr() == ("", "")
    if animal.outcome != IGNORED:
        _summarise(animal, place, wanted, server, capfd)


def _summarise(
    animal: Animal, place: Path, wanted: Image.Image, server: Script, capfd: pytest.CaptureFixture[str]
) -> None:
    """`summarize` says the same, and a server is sent the upright pixels as PNG, whatever the file was."""
    before = len(server.asked)
    code = main(["summarize", str(place), "--engine-kind=endpoint", f"--endpoint={server.url}"])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    assert code == (0 if animal.format else 1)
    if animal.format:
        facts = json.loads(out.splitlines()[-1])
        assert (facts["width"], facts["height"]) == wanted.size
        url = server.asked[-1]["messages"][1]["content"][0]["image_url"]["url"]
        assert_looks(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))), wanted)
    else:
        assert (out, len(server.asked)) == ("", before)
        assert err.startswith(f"fieldcheck: PhotoError: {animal.outcome}: ")
        assert err.count("\n") == 1


def keys_of(root: Store) -> set[str]:
    """The photos that a run of dense captions finds below a root."""
    with Ledger() as ledger:
        find_photos(root, ledger.photos, InputConfig())
        return {entry.photo.key for entry in ledger.photos.entries()}


def test_a_bucket_and_a_folder_of_the_same_files_say_the_same(moto_server: S3Server, tmp_path: Path) -> None:
    bucket, client = moto_server.new_bucket(), moto_server.client()
    for number, animal in enumerate(ANIMALS):
        place = put(tmp_path / MISSION / f"QC-{number:02}", animal)
        for file in (place, place.parent / COMPANION):
            key = f"{MISSION}/QC-{number:02}/{file.name}"
            client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
    local = outcomes(LocalStore(tmp_path))
    assert len(local) == len(ANIMALS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moto_server.env.items():
            patch.setenv(name, value)
        remote = open_store(f"s3://{bucket}", None)
        assert outcomes(remote) == local
        dense = keys_of(remote)
    assert dense == keys_of(LocalStore(tmp_path))
    photos = [f"QC-{n:02}/{animal.name}" for n, animal in enumerate(ANIMALS) if animal.outcome != IGNORED]
    assert {key.partition("/")[2] for key in dense if not key.endswith(COMPANION)} == set(photos)
