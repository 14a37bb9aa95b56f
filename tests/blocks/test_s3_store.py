"""What only a store in a bucket must do: who is let in, what a broken server or connection becomes."""

from __future__ import annotations

import io
import time
import uuid
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import parse_qs, urlsplit

import pytest
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.errors import (
    BadKey,
    ObjectCorrupt,
    ObjectExists,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreGivenUp,
)
from blocks.retrying import Retry
from blocks.s3_store import S3Store
from configs.stores import S3Location, S3Options
from tests.blocks.fake_s3 import Answer, Request, error, fake_s3
from tests.servers import S3Server, free_port

KEYS = AwsCredentials(aws_access_key_id="wrong", aws_secret_access_key=SecretStr("wrong-secret"))
PATIENT = Retry(60, sleep=lambda _: None)


def store_on(server: S3Server, bucket: str, prefix: str = "", credentials: AwsCredentials | None = None) -> S3Store:
    options = S3Options(endpoint_url=server.endpoint, max_attempts=1, connect_timeout=5, read_timeout=20)
    return S3Store(S3Location(bucket, prefix), options, credentials or server.credentials())


def all_uses(store: S3Store) -> list[Callable[[], object]]:
    return [
        store.check,
        lambda: store.check(write=True),
        lambda: store.stat("a"),
        lambda: store.read("a"),
        lambda: store.open("a"),
        lambda: store.write("a", b"x"),
        lambda: store.write("a", b"x", replace=False),
        lambda: store.upload("a", io.BytesIO(b"x")),
        lambda: list(store.list()),
        lambda: list(store.folders()),
        lambda: store.delete("a"),
        lambda: store.swap("a", b"x", None),
        lambda: store.sweep("a", 0.0),
    ]


def test_uris() -> None:
    assert S3Store(S3Location("bucket", "a/b")).uri_of("c") == "s3://bucket/a/b/c"
    assert S3Store(S3Location("bucket")).uri_of("c") == "s3://bucket/c"
    assert repr(S3Store(S3Location("bucket"))) == "S3Store('s3://bucket')"


def test_a_prefix_is_a_wall(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    name = uuid.uuid4().hex
    inside, neighbour, whole = (store_on(server, bucket, prefix) for prefix in (name, name + "2", ""))
    inside.write("a", b"1")
    neighbour.write("a", b"22")
    assert [(info.key, info.size) for info in inside.list()] == [("a", 1)]
    assert whole.read(f"{name}/a") == b"1"
    assert name in set(whole.folders())


def test_prefix_and_key_share_the_limit(moto_bucket: tuple[S3Server, str]) -> None:
    prefix = "/".join(["p" * 200] * 4)
    key = "/".join(["k" * 200] * 2)
    with pytest.raises(BadKey, match="together"):
        store_on(*moto_bucket, prefix).write(key, b"x")


def test_folder_marks_and_odd_names_of_others(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    prefix = uuid.uuid4().hex
    client = server.client()
    client.put_object(Bucket=bucket, Key=f"{prefix}/mark/", Body=b"")
    for key in ("full/", "a//b", "../up", "ok"):
        client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"x")
    store = store_on(server, bucket, prefix)
    # What has bytes is somebody's object, whatever its name: only an empty one marks a folder.
    assert {info.key for info in store.list()} == {"full/", "a//b", "../up", "ok"}
    assert set(store.folders()) == {"mark", "full", "a", ".."}
    assert list(store.folders("a")) == []
    with pytest.raises(BadKey):
        store.read("a//b")


@pytest.mark.parametrize("kind", ["moto", "rclone"])
def test_missing_bucket(kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    store = store_on(server, "no-such-bucket", "x")
    for use in (
        store.check,
        lambda: store.check(write=True),
        lambda: list(store.list()),
        lambda: list(store.folders()),
    ):
        with pytest.raises(ObjectMissing, match="create the bucket") as caught:
            use()
        assert "no-such-bucket" in str(caught.value)
        assert server.endpoint in str(caught.value)


def test_wrong_credentials(rclone_bucket: tuple[S3Server, str]) -> None:
    server, bucket = rclone_bucket
    own = AwsCredentials(aws_access_key_id=server.access_key, aws_secret_access_key=SecretStr("wrong-secret"))
    for store in (store_on(server, bucket, "x", credentials) for credentials in (KEYS, own)):
        for use in all_uses(store):
            with pytest.raises(StoreDenied, match="credentials") as caught:
                use()
            assert "wrong-secret" not in str(caught.value)


def test_no_credentials_at_all(rclone_bucket: tuple[S3Server, str]) -> None:
    server, bucket = rclone_bucket
    # Its own timeout: clients are kept for equal settings, with the credentials that they found.
    options = S3Options(endpoint_url=server.endpoint, max_attempts=1, connect_timeout=4.5)
    with pytest.raises(StoreDenied, match="NoCredentialsError"):
        S3Store(S3Location(bucket), options).check()


def test_a_profile_that_does_not_exist(moto_bucket: tuple[S3Server, str]) -> None:
    with pytest.raises(StoreDenied, match="ProfileNotFound"):
        store_on(*moto_bucket, "x", AwsCredentials(profile_name="nobody")).check()


def test_the_environment_is_enough(rclone_bucket: tuple[S3Server, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server, bucket = rclone_bucket
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    store = S3Store(S3Location(bucket, uuid.uuid4().hex), S3Options(connect_timeout=4.25))
    store.write("a", b"x")
    assert store.read("a") == b"x"


def test_nobody_listens() -> None:
    options = S3Options(endpoint_url=f"http://127.0.0.1:{free_port()}", max_attempts=2, connect_timeout=1, deadline=0.5)
    store = S3Store(S3Location("bucket"), options, KEYS)
    started = time.monotonic()
    with pytest.raises(StoreGivenUp, match="no connection") as caught:
        store.check()
    assert time.monotonic() - started < 5
    assert not caught.value.retryable
    assert "endpoint_url" in str(caught.value)
    assert "raise s3.deadline" in str(caught.value)


def test_a_server_that_hangs() -> None:
    started = time.monotonic()
    with fake_s3(lambda _: Answer(hang=30), read_timeout=0.3) as (store, seen):
        with pytest.raises(StoreGivenUp, match="in time"):
            store.read("a")
        assert len(seen) == 1
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [
        (error(503, "SlowDown"), StoreGivenUp),
        (error(500, "InternalError"), StoreGivenUp),
        (error(429, "TooManyRequests"), StoreGivenUp),
        (error(507, "InsufficientStorage"), StoreFull),
        (error(403, "AccessDenied"), StoreDenied),
        (error(400, "AuthorizationHeaderMalformed"), StoreDenied),
        (Answer(502, b"<html><body>Bad Gateway</body></html>"), StoreGivenUp),
        (Answer(502), StoreGivenUp),
        # With a checksum header botocore trips over its own stream: boto/boto3#4754 and #4765.
        (Answer(500, b"<Error/>", {"x-amz-checksum-sha256": b64encode(bytes(32)).decode()}), StoreGivenUp),
        (Answer(403, b"<Error/>", {"x-amz-checksum-sha256": b64encode(bytes(32)).decode()}), StoreDenied),
    ],
)
def test_answers(answer: Answer, leaf: type[StoreError]) -> None:
    with fake_s3(lambda _: answer) as (store, _):
        for use in all_uses(store):
            with pytest.raises(leaf) as caught:
                use()
            assert type(caught.value) is leaf
            assert "secret-token" not in str(caught.value)


def test_a_missing_object_without_a_word() -> None:
    with fake_s3(lambda _: Answer(404, b"no XML at all")) as (store, _):
        with pytest.raises(ObjectMissing):
            store.read("a")
        assert store.stat("a") is None
        store.delete("a")


def test_an_answer_that_is_not_s3() -> None:
    with fake_s3(lambda _: Answer(200, b"<html><p>Log in to the guest network")) as (store, _):
        for use in (store.check, lambda: list(store.list())):
            with pytest.raises(StoreGivenUp):
                use()


def test_a_body_that_breaks_off() -> None:
    with fake_s3(lambda _: Answer(200, bytes(1000), promised=5000)) as (store, _):
        with pytest.raises(StoreGivenUp, match="broke"):
            store.read("a")
        with store.open("a") as stream, pytest.raises(StoreGivenUp, match="broke"):
            deque(iter(lambda: stream.read(300), b""))


def test_a_body_that_stalls() -> None:
    with fake_s3(lambda _: Answer(200, bytes(1000), promised=5000, stall=30), read_timeout=0.3) as (store, _):
        for read in (lambda stream: stream.read(), lambda stream: [stream.read(600) for _ in range(3)]):
            with store.open("a") as stream, pytest.raises(StoreGivenUp, match="in time"):
                read(stream)


def test_a_body_that_is_not_what_was_stored() -> None:
    headers = {"x-amz-checksum-sha256": b64encode(bytes(32)).decode()}
    with fake_s3(lambda _: Answer(200, b"damaged", headers)) as (store, _):
        with pytest.raises(ObjectCorrupt, match="checksum"):
            store.read("a")
        with store.open("a") as stream, pytest.raises(ObjectCorrupt):
            deque(iter(lambda: stream.read(3), b""))


@pytest.mark.parametrize(
    "bad",
    [
        Answer(200, b"go", promised=4),
        Answer(200, b"evil", {"x-amz-checksum-sha256": b64encode(bytes(32)).decode()}),
        error(503, "SlowDown"),
    ],
)
def test_a_bad_body_is_read_again(bad: Answer) -> None:
    answers = iter([bad, Answer(200, b"good")])
    with fake_s3(lambda _: next(answers), max_attempts=2, retry=PATIENT) as (store, seen):
        assert store.read("a") == b"good"
    assert len(seen) == 2


PAGES = [
    "<Contents><Key>a</Key><Size>1</Size></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>",
    "<Contents><Key>b</Key><Size>2</Size></Contents><CommonPrefixes><Prefix>e/</Prefix></CommonPrefixes>",
    "<Contents><Key>c</Key><Size>3</Size></Contents><CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>",
]


def page_for(request: Request) -> Answer:
    """One of three pages of a listing, each of which names the next one."""
    query = parse_qs(urlsplit(request.path).query)
    number = int(query.get("continuation-token", ["0"])[0])
    more = number < len(PAGES) - 1
    token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if more else ""
    truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    return Answer(200, f"<ListBucketResult>{truncated}{token}{PAGES[number]}</ListBucketResult>".encode())


def answer_to(request: Request) -> Answer:
    """Enough of an S3 server for every use of a store."""
    if request.method == "POST":
        return Answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    if request.method == "GET" and "list-type" in request.path:
        return page_for(request)
    return Answer(404) if request.method == "HEAD" else Answer(204 if request.method == "DELETE" else 200)


@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("bad", [error(503, "SlowDown"), Answer(500, b"", promised=99)], ids=["503", "broken"])
def test_every_use_is_tried_again(bad: Answer, number: int) -> None:
    counter = count()

    def script(request: Request) -> Answer:
        # Two requests in three fail, whichever they are.
        return answer_to(request) if next(counter) % 3 == 2 else bad

    with fake_s3(script, retry=PATIENT) as (store, seen):
        all_uses(store)[number]()
    assert len(seen) >= 3


@pytest.mark.parametrize("leaf", [error(403, "AccessDenied"), error(401, "Unauthorized"), error(507, "StorageFull")])
def test_what_does_not_pass_is_not_tried_again(leaf: Answer) -> None:
    with fake_s3(lambda _: leaf, retry=PATIENT, max_attempts=3) as (store, seen):
        for use in all_uses(store):
            seen.clear()
            with pytest.raises((StoreDenied, StoreFull)):
                use()
            assert len(seen) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (lambda store: [info.key for info in store.list()], ["a", "b", "c"]),
        (lambda store: list(store.folders()), ["d", "e", "f"]),
    ],
    ids=["list", "folders"],
)
def test_a_listing_goes_on_at_the_page_that_failed(names: Callable[[S3Store], list[str]], expected: list[str]) -> None:
    failures = iter([False, True, False, True, True, False])

    def script(request: Request) -> Answer:
        return error(503, "SlowDown") if next(failures) else page_for(request)

    with fake_s3(script, retry=PATIENT, page=7) as (store, seen):
        assert names(store) == expected
    queries = [parse_qs(urlsplit(request.path).query) for request in seen]
    assert [query.get("continuation-token") for query in queries] == [None, ["1"], ["1"], ["2"], ["2"], ["2"]]
    assert all(query["max-keys"] == ["7"] for query in queries)


@pytest.mark.parametrize("token", ["", "<NextContinuationToken>1</NextContinuationToken>"])
def test_a_listing_that_breaks_off_is_an_error(token: str) -> None:
    body = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}{PAGES[0]}</ListBucketResult>"
    with fake_s3(lambda _: Answer(200, body.encode())) as (store, seen):
        with pytest.raises(StoreGivenUp, match="PaginationError"):
            list(store.list())
        assert len(seen) == (2 if token else 1)


def test_a_write_check_whose_end_was_answered_twice() -> None:
    def script(request: Request) -> Answer:
        return error(404, "NoSuchUpload") if request.method == "DELETE" else answer_to(request)

    with fake_s3(script) as (store, _):
        store.check(write=True)


def test_the_deadline_comes_from_the_options() -> None:
    options = S3Options(endpoint_url=f"http://127.0.0.1:{free_port()}", max_attempts=1, connect_timeout=1, deadline=1.5)
    started = time.monotonic()
    with pytest.raises(StoreGivenUp, match=r"given up after \d+ attempts in 1\.[5-9] s") as caught:
        S3Store(S3Location("bucket"), options, KEYS).read("a/b")
    assert 1.5 <= time.monotonic() - started < 5
    assert str(caught.value).endswith("check the server, or raise s3.deadline [s3://bucket/a/b]")


def test_the_body_is_closed_with_the_stream(moto_bucket: tuple[S3Server, str]) -> None:
    store = store_on(*moto_bucket, uuid.uuid4().hex)
    store.write("a", bytes(100_000))
    for _ in range(40):  # more than the pool of connections holds
        store.open("a").close()
    stream = store.open("a")
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.read()


def test_check_leaves_no_upload_behind(moto_bucket: tuple[S3Server, str]) -> None:
    server, bucket = moto_bucket
    store_on(server, bucket, uuid.uuid4().hex).check(write=True)
    assert "Uploads" not in server.client().list_multipart_uploads(Bucket=bucket)


def test_check_notices_that_nothing_can_be_written() -> None:
    listing = Answer(200, b"<ListBucketResult></ListBucketResult>")
    with fake_s3(lambda request: listing if request.method == "GET" else error(403, "AccessDenied")) as (store, _):
        store.check()
        with pytest.raises(StoreDenied):
            store.check(write=True)


def test_an_endpoint_of_the_block_that_is_no_url() -> None:
    credentials = AwsCredentials.model_validate({"aws_client_parameters": {"endpoint_url": "nonsense"}})
    with pytest.raises(StoreDenied, match="credentials block"):
        S3Store(S3Location("bucket"), None, credentials).check()


def test_passwords_in_the_environment_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hunter2@127.0.0.1:{free_port()}")
    with pytest.raises(StoreError) as caught:
        S3Store(S3Location("bucket"), S3Options(max_attempts=1, deadline=0.01), KEYS).check()
    assert "hunter2" not in str(caught.value)


def test_a_sweep_drops_old_uploads_of_its_prefix_alone(moto_server: S3Server) -> None:
    """To moto every upload began years ago."""
    client, bucket, name = moto_server.client(), moto_server.new_bucket(), uuid.uuid4().hex
    keys = [f"{name}/out/a/{number}.bin" for number in range(3)]
    others = [f"{name}/out/b/1.bin", f"{name}/out2/a/1.bin"]
    for key in (*keys, *others):
        client.create_multipart_upload(Bucket=bucket, Key=key)

    def left() -> set[str]:
        uploads = client.list_multipart_uploads(Bucket=bucket, Prefix=name).get("Uploads", [])
        return {upload["Key"] for upload in uploads}

    assert store_on(moto_server, bucket, f"{name}/out").sweep("a", 3600.0) == 3
    assert left() == {*others}


def test_a_sweep_asks_page_after_page() -> None:
    def page(upload: str, minutes: int, more: bool) -> Answer:
        began = datetime.now(UTC) - timedelta(minutes=minutes)
        marker = "<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>" if more else ""
        body = (
            f"<ListMultipartUploadsResult><IsTruncated>{str(more).lower()}</IsTruncated>{marker}<Upload><Key>out/{upload}"
            f"</Key><UploadId>{upload}</UploadId><Initiated>{began:%Y-%m-%dT%H:%M:%S}.000Z</Initiated></Upload>"
            "</ListMultipartUploadsResult>"
        )
        return Answer(200, body.encode())

    answers = iter([page("old", 60, True), Answer(204), page("new", 30, False)])
    with fake_s3(lambda _: next(answers)) as (store, seen):
        assert store.sweep("out", 3000.0) == 1
    assert [request.method for request in seen] == ["GET", "DELETE", "GET"]
    assert "uploadId=old" in seen[1].path
    assert parse_qs(urlsplit(seen[2].path).query)["key-marker"] == ["k"]


@pytest.mark.parametrize("code", ["NotImplemented", "AccessDenied"])
def test_a_server_that_does_not_let_us_sweep_says_so(code: str) -> None:
    with (
        fake_s3(lambda _: error(501 if code == "NotImplemented" else 403, code)) as (store, _),
        pytest.raises(StoreDenied),
    ):
        store.sweep("a", 0.0)


def test_a_swap_on_a_server_that_knows_no_conditions_goes_by_its_own_look() -> None:
    bodies = {"GET": Answer(200, b"before", {"ETag": '"e"'})}

    def script(request: Request) -> Answer:
        if request.method == "PUT" and "if-match" in request.headers:
            return error(501, "NotImplemented")
        return bodies.get(request.method, Answer(200))

    with fake_s3(script) as (store, seen):
        store.swap("a", b"after", b"before")
        assert [(request.method, request.headers.get("if-match")) for request in seen] == [
            ("GET", None),
            ("PUT", '"e"'),
            ("PUT", None),
        ]
        with pytest.raises(ObjectExists):
            store.swap("a", b"after", b"another")
