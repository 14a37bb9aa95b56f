"""Which certificates a mission has, and which of them are in force for a judge. Opens no label.

stage_b/<mission>/calibration/<risk>/<certificate key>/<look>/look.json, then calibration.json

Of each certificate key and risk the newest look that has ended counts. Another judge, or other texts of Stage-A, have
another certificate key: what was certified for this one is void for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from blocks.store import Store
from tasks.records.certificates import Certificate, Look, Risk, certificate_key
from tasks.records.jsonl import to_line
from tasks.records.sealed import check_seal, sealed
from tasks.records.verdicts import Verdict
from tasks.runs.keys import CERTIFICATE, LOOK, calibration_folder, look_folder
from tasks.runs.verified_files import read_canonical

KeptT = TypeVar("KeptT", Look, Certificate)


@dataclass(frozen=True)
class Certified:
    """What makes the texts of the run's Stage-A (a digest), and the newest certificates of its mission, for whatever
    judge."""

    stage_a: str
    newest: Sequence[Certificate] = ()

    def in_force(self, judge_key: str) -> tuple[Certificate, ...]:
        """The certificates that hold for this judge on these texts, one a direction at most, 通过 first."""
        key = certificate_key(judge_key, self.stage_a)
        held = {one.risk: one for one in self.newest if one.certificate_key == key and one.threshold is not None}
        return tuple(held[risk] for risk in Risk if risk in held)

    def void(self, judge_key: str) -> str | None:
        """Why no certificate is in force though there is one: both keys, for a person. None if one is, or none is
        there."""
        others = [one for one in self.newest if one.threshold is not None]
        if not others or self.in_force(judge_key):
            return None
        last = max(others, key=lambda one: one.at)
        what = " and ".join(
            f"{name} {theirs[:16]}, which is {ours[:16]} in this run"
            for name, theirs, ours in (
                ("judge", last.judge_key, judge_key),
                ("Stage-A", last.stage_a, self.stage_a),
            )
            if theirs != ours
        )
        return (
            f"the certificate of {last.at} (key {last.certificate_key[:16]}) is for {what or 'this judge'}: it is void "
            f"here (key {certificate_key(judge_key, self.stage_a)[:16]}); certify again, or judge as before"
        )


def thresholds(certificates: Iterable[Certificate]) -> dict[Verdict, float]:
    """The certified threshold of each direction that has one."""
    return {one.risk.verdict: one.threshold for one in certificates if one.threshold is not None}


def digest_of(certificates: Sequence[Certificate]) -> str | None:
    """sha256 (64 hex digits) of the certificates in force as a judgement keeps them; None without one."""
    return hashlib.sha256(b"".join(map(to_line, certificates))).hexdigest() if certificates else None


def read_newest(store: Store, mission: str) -> tuple[Certificate, ...]:
    """The newest certificate of each certificate key and risk. Raises ManifestError, RecordError or StoreError."""
    keys = sorted(info.key for info in store.list(f"{calibration_folder(mission)}/"))
    newest = {key.rpartition("/")[0].rpartition("/")[0]: key for key in keys if key.endswith(f"/{CERTIFICATE}")}
    return tuple(_read(Certificate, store, key) for key in newest.values())


def looks_of(store: Store, mission: str, risk: Risk, key: str) -> Iterator[tuple[Look, Certificate | None]]:
    """All looks of a certificate key and risk, the first first, each with its certificate if it has ended.

    Raises ManifestError, RecordError or StoreError.
    """
    number = 1
    while store.stat(place := f"{look_folder(mission, risk, key, number)}/{LOOK}") is not None:
        look = _read(Look, store, place)
        ended = f"{look_folder(mission, risk, key, number)}/{CERTIFICATE}"
        yield look, _read(Certificate, store, ended) if store.stat(ended) else None
        number += 1


def put_look(store: Store, look: Look) -> str:
    """Keep a look that is opened; its URI. Raises ObjectExists if somebody opened this one first, and StoreError."""
    key = f"{look_folder(look.mission, look.risk, look.certificate_key, look.look)}/{LOOK}"
    store.swap(key, to_line(sealed(look)), None)
    return store.uri_of(key)


def put_certificate(store: Store, certificate: Certificate) -> str:
    """Keep what a look found; its URI. Raises ObjectExists if it was ended before, and StoreError."""
    of = certificate
    key = f"{look_folder(of.mission, of.risk, of.certificate_key, of.look)}/{CERTIFICATE}"
    store.swap(key, to_line(sealed(certificate)), None)
    return store.uri_of(key)


def _read(kind: type[KeptT], store: Store, key: str) -> KeptT:
    """A look or certificate as it was kept. Raises ManifestError if it was changed."""
    found, _ = read_canonical(kind, store, key, None)
    check_seal(found, store.uri_of(key))
    return found
