"""Tests of reading photos that were verified, from a root that may go away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blocks.errors import ObjectMissing
from blocks.local_store import LocalStore
from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options
from tasks.inputs.reading import reading
from tasks.records.errors import InputGone
from tests.builders import MISSION, put_photos
from tests.servers import S3Server

KEY = f"{MISSION}/QC-1/img1.jpg"


def test_one_photo_that_is_gone_is_missing_and_a_mission_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    root = LocalStore(tmp_path / "photos")
    put_photos(tmp_path / "photos" / MISSION, "QC-1", ["img1.jpg", "img2.jpg"])
    read = reading(root, MISSION)
    assert read(KEY) == (tmp_path / "photos" / KEY).read_bytes()
    (tmp_path / "photos" / KEY).unlink()
    with pytest.raises(ObjectMissing):
        read(KEY)
    shutil.rmtree(tmp_path / "photos" / MISSION)
    with pytest.raises(InputGone, match=MISSION):
        read(KEY)
    (tmp_path / "photos" / MISSION).mkdir()  # the place where a disk was mounted
    with pytest.raises(InputGone):
        read(KEY)
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(InputGone):
        read(KEY)


def test_a_bucket_that_is_deleted_is_gone(moto_server: S3Server) -> None:
    client, bucket = moto_server.client(), moto_server.new_bucket()
    for name in ("img1.jpg", "img2.jpg"):
        client.put_object(Bucket=bucket, Key=f"in/{MISSION}/QC-1/{name}", Body=b"x")
    options = S3Options(endpoint_url=moto_server.endpoint, region="us-east-1")
    read = reading(S3Store(S3Location(bucket, "in"), options, moto_server.credentials()), MISSION)
    assert read(KEY) == b"x"
    client.delete_object(Bucket=bucket, Key=f"in/{KEY}")
    with pytest.raises(ObjectMissing):
        read(KEY)
    client.delete_object(Bucket=bucket, Key=f"in/{MISSION}/QC-1/img2.jpg")
    with pytest.raises(InputGone):
        read(KEY)
    client.delete_bucket(Bucket=bucket)
    with pytest.raises(InputGone):
        read(KEY)


def test_a_root_without_missions_is_gone_when_it_is_empty(tmp_path: Path) -> None:
    root = LocalStore(tmp_path / "photos")
    put_photos(tmp_path / "photos", "", ["img1.jpg", "img2.jpg"])
    read = reading(root, "")
    assert read("img1.jpg")
    (tmp_path / "photos" / "img1.jpg").unlink()
    with pytest.raises(ObjectMissing):
        read("img1.jpg")
    (tmp_path / "photos" / "img2.jpg").unlink()
    with pytest.raises(InputGone):
        read("img1.jpg")
