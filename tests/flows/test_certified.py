"""Tests of Stage-B's flow with certificates: what goes out by itself, what is audited, and when a certificate is void.

The engine judges by a rule: a score of 0.95 for every group, or so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from flows.commands.checks import check_any
from flows.stage_b import stage_b
from tasks.records.certificates import Certificate, Risk, certificate_key
from tasks.records.errors import FieldcheckError, ManifestError
from tasks.records.jsonl import to_line
from tasks.records.photos import Group
from tasks.records.sealed import sealed
from tasks.records.verdicts import JudgementManifest, Selection
from tasks.runs.files import JsonlWriter
from tasks.runs.keys import split_manifest_uri
from tasks.verdicts.certificates import put_certificate
from tests.builders import MISSION, make_group, make_identity, sha
from tests.demo import Demo
from tests.judging import RuleJudge, drawn_groups, publish_drawn

GOOD, CROOKED = "BBU设备/品牌:华为×2，挡风板/安装规范×1", "BBU设备/品牌:华为×2，挡风板/安装不规范×1"

Judging = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> RuleJudge:
    """The engine of every run of a test."""
    judge = RuleJudge()
    monkeypatch.setattr("tasks.work.task.open_engine", lambda spec: judge)
    return judge


@pytest.fixture
def judged(demo: Demo, tmp_path: Path) -> Judging:
    """Publish groups and judge them as the defaults say, without a certificate: a person looks."""

    def run(groups: Sequence[tuple[Group, list[str]]], adapter: str | None = None, **judge: Any) -> dict[str, Any]:
        identity = make_identity(adapters=(sha(adapter),) if adapter else ())
        published = publish_drawn(LocalStore(tmp_path), groups, identity=identity)
        summary: dict[str, Any] = stage_b(
            manifest=published.uri, model={"base": demo.checkpoint}, device="cpu", judge=judge
        )
        root, key = split_manifest_uri(summary["judgement"])
        check_any(LocalStore(root), key, summary["judgement_sha256"])
        return summary

    return run


def group(number: int, *texts: str) -> tuple[Group, list[str]]:
    """A group with these summaries."""
    return make_group(f"QC-{number:04d}", label=None, contents=[f"{number} {index}" for index in range(len(texts))]), [
        *texts
    ]


GROUPS = [group(1, GOOD, GOOD), group(2, CROOKED, GOOD), group(3, GOOD)]


def manifest_of(summary: dict[str, Any]) -> JudgementManifest:
    """The manifest of a judgement."""
    return JudgementManifest.model_validate_json(Path(summary["judgement"]).read_bytes())


def files_of(summary: dict[str, Any]) -> dict[str, bytes]:
    """What a judgement says, by name."""
    names = {"metrics.json", "report.html"}
    return {
        path.name: path.read_bytes() for path in Path(summary["judgement"]).parent.iterdir() if path.name not in names
    }


def lines_of(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The selections of a judgement."""
    return [json.loads(line) for line in files_of(summary)["selections.jsonl"].splitlines()]


def certify(
    store: Path, summary: dict[str, Any], threshold: float | None, risk: Risk = Risk.FALSE_PASS, look: int = 1
) -> Certificate:
    """Certify the judge of a judgement."""
    of = manifest_of(summary)
    certificate = Certificate(
        mission=MISSION,
        risk=risk,
        certificate_key=certificate_key(of.judge_key, of.stage_a),
        judge_key=of.judge_key,
        stage_a=of.stage_a,
        alpha=0.05,
        delta=0.1,
        look=look,
        spent=0.1 * 0.5**look,
        threshold=threshold,
        n=93,
        k=1,
        p=0.0499,
        auto_share=0.9,
        lacking=0,
        curve=(),
        draw_seed=0,
        labels=93,
        labels_sha256=sha("labels"),
        at=f"2026-03-0{look}T08:00:00Z",
        by=None,
    )
    put_certificate(LocalStore(store), certificate)
    return sealed(certificate)


def test_a_certified_pass_goes_out_by_itself_and_the_other_direction_waits(judged: Judging, tmp_path: Path) -> None:
    before = judged(GROUPS)
    assert [one["review_reasons"] for one in lines_of(before)] == [["uncalibrated"]] * 3
    assert [one["audit"] for one in lines_of(before)] == [None] * 3
    certificate = certify(tmp_path, before, 0.9)
    after = judged(GROUPS)
    assert after["decisions"] == {"通过": 2, "不通过": 0, "人工复核": 1}
    passed, failed, _ = lines_of(after)
    assert (passed["decision"], passed["threshold"], passed["review_reasons"]) == ("通过", 0.9, [])
    assert (failed["decision"], failed["threshold"], failed["review_reasons"]) == ("人工复核", None, ["uncalibrated"])
    assert after["judgement"] != before["judgement"]  # neither overwrites the other
    assert files_of(after)["calibration.jsonl"] == to_line(certificate)
    assert manifest_of(before).calibration is None
    assert judged(GROUPS)["fresh"] is False
    certify(tmp_path, before, 0.9, Risk.FALSE_FAIL)
    assert judged(GROUPS)["decisions"] == {"通过": 2, "不通过": 1, "人工复核": 0}


def test_a_score_below_the_certified_threshold_waits_whatever_is_allowed(judged: Judging, tmp_path: Path) -> None:
    certify(tmp_path, judged(GROUPS, uncalibrated="allow"), 0.99)
    passed, failed, _ = lines_of(judged(GROUPS, uncalibrated="allow"))
    assert (passed["decision"], passed["review_reasons"]) == ("人工复核", ["below_threshold"])
    assert (failed["decision"], failed["review_reasons"]) == ("不通过", [])


def void_of(caplog: pytest.LogCaptureFixture) -> str:
    """What the log says once of a certificate that counts no more. Prefect's own messages name tasks too."""
    told = {one.getMessage() for one in caplog.records if one.getMessage().startswith("verdicts are uncalibrated: ")}
    (warning,) = told
    return warning


def test_one_character_of_guidance_voids_a_certificate_and_restored_it_is_the_same_bytes(
    judged: Judging, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = ("至少有一台BBU设备", "挡风板安装不规范时不通过")
    first = judged(GROUPS, rules=rules)
    certificate = certify(tmp_path, first, 0.9)
    before = judged(GROUPS, rules=rules)
    assert before["decisions"]["通过"] == 2
    changed = judged(GROUPS, rules=(rules[0], rules[1] + "。"))
    assert [one["review_reasons"] for one in lines_of(changed)] == [["uncalibrated"]] * 3
    warning = void_of(caplog)
    for key in (certificate.judge_key, manifest_of(changed).judge_key, certificate.certificate_key):
        assert key[:16] in warning
    assert "Stage-A" not in warning
    restored = judged(GROUPS, rules=rules)
    assert (restored["judgement_sha256"], files_of(restored)) == (before["judgement_sha256"], files_of(before))


def test_another_adapter_of_stage_a_voids_a_certificate(
    judged: Judging, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certify(tmp_path, judged(GROUPS), 0.9)
    other = judged(GROUPS, adapter="another")
    assert [one["review_reasons"] for one in lines_of(other)] == [["uncalibrated"]] * 3
    warning = void_of(caplog)
    assert f"Stage-A {manifest_of(judged(GROUPS)).stage_a[:16]}" in warning
    assert judged(GROUPS)["decisions"]["通过"] == 2


def test_of_two_looks_the_newer_one_counts(judged: Judging, tmp_path: Path) -> None:
    first = judged(GROUPS)
    certify(tmp_path, first, 0.99)
    certify(tmp_path, first, 0.8, look=2)
    assert judged(GROUPS)["decisions"]["通过"] == 2
    certify(tmp_path, first, None, look=3)
    assert judged(GROUPS)["judgement_sha256"] == first["judgement_sha256"]


def test_some_automatic_verdicts_are_audited_and_go_out_all_the_same(judged: Judging, tmp_path: Path) -> None:
    groups = drawn_groups(120)
    certify(tmp_path, judged(groups), 0.9)
    lines = lines_of(judged(groups))
    out = [one for one in lines if one["decision"] != "人工复核"]
    audited = [one for one in lines if one["audit"] is not None]
    assert len(out) > 40
    assert 1 <= len(audited) < len(out) / 4
    assert {one["decision"] for one in audited} == {"通过"}
    assert {one["audit"] for one in audited} == {0.05 + 0.95 ** len(out) / len(out)}
    other = lines_of(judged(groups, audit_seed=1))
    assert [one["audit"] for one in other] != [one["audit"] for one in lines]
    assert [{**one, "audit": None} for one in other] == [{**one, "audit": None} for one in lines]


@pytest.mark.parametrize(
    "change",
    [{"threshold": 0.5}, {"threshold": None}, {"audit": None}, {"audit": 0.5}],
    ids=["a laxer threshold", "no threshold", "no audit", "another audit"],
)
def test_a_judgement_with_another_threshold_or_audit_than_its_own_is_refused(
    change: dict[str, Any], judged: Judging, tmp_path: Path
) -> None:
    """Though every digest is right."""
    certify(tmp_path, judged(GROUPS[:1]), 0.9)
    summary = judged(GROUPS[:1])
    root, key = split_manifest_uri(summary["judgement"])
    store, manifest = LocalStore(root), manifest_of(summary)
    (line,) = lines_of(summary)
    data = (json.dumps({**line, **change}, ensure_ascii=False) + "\n").encode()
    writer = JsonlWriter("selections.jsonl")

    writer.write([Selection.model_validate_json(data)])
    file = writer.close()
    file.put(store, key.rpartition("/")[0])
    files = tuple(file.entry if one.name == file.entry.name else one for one in manifest.files)
    store.write(key, to_line(sealed(manifest.model_copy(update={"files": files}))))
    with pytest.raises(ManifestError, match=r"threshold|audit"):
        check_any(store, key)


def test_no_changed_byte_of_the_certificates_of_a_judgement_is_overlooked(judged: Judging, tmp_path: Path) -> None:
    certify(tmp_path, judged(GROUPS[:1]), 0.9)
    summary = judged(GROUPS[:1])
    root, key = split_manifest_uri(summary["judgement"])
    path = Path(summary["judgement"]).parent / "calibration.jsonl"
    good = path.read_bytes()
    for offset in range(0, len(good), len(good) // 40):
        path.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
        with pytest.raises(FieldcheckError, match=r"calibration\.jsonl"):
            check_any(LocalStore(root), key)


def test_a_certificate_of_another_judge_cannot_be_put_under_a_judgement(judged: Judging, tmp_path: Path) -> None:
    certify(tmp_path, judged(GROUPS), 0.9)
    summary = judged(GROUPS)
    root, key = split_manifest_uri(summary["judgement"])
    store, manifest = LocalStore(root), manifest_of(summary)
    store.write(key, to_line(sealed(manifest.model_copy(update={"stage_a": sha("other")}))))
    with pytest.raises(ManifestError, match="calibrated"):
        check_any(store, key)
