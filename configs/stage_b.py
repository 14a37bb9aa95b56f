"""Everything a Stage-B run, and the check of a published run, are told. Knows no step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, model_validator

from configs.base import BaseConfig
from configs.errors import Fault
from configs.judge import JudgeConfig
from configs.parts import LeaseConfig
from configs.preflight import check_file, check_manifest, check_store
from configs.preflight_model import check_budget
from configs.stores import S3Options
from configs.work import WorkConfig

_MANIFEST = re.compile(r"(?:(?P<root>.*)/)?stage_a/(?P<mission>[^/]+)/(?:runs/[^/]+/manifest|latest)\.json", re.DOTALL)


class VerifyConfig(BaseConfig):
    """Which published run to read, and how it is reached."""

    manifest: str = Field(
        "",
        description="URI of a published run's manifest.json, or of its mission's latest.json for the newest one: a "
        "path, or s3://bucket/key.",
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="Expected sha256 of the manifest; checked when given."
    )
    s3: S3Options = Field(default_factory=S3Options, description="How s3:// is reached.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with the name of a published run."""
        if "manifest" not in skip:
            yield from check_manifest(self.manifest)


class StageBConfig(WorkConfig, VerifyConfig):
    """A Stage-B run over one published Stage-A run."""

    lease: LeaseConfig = Field(default_factory=LeaseConfig, description="Other runs that judge the same mission.")
    judge: JudgeConfig = Field(default_factory=JudgeConfig, description="How groups are judged.")
    labels: str | None = Field(
        None,
        description="JSONL file with labels (ticket_id, label, ...) to measure the verdicts by, beside those of the "
        "folders. Nothing that judges reads it.",
    )

    @classmethod
    def implied(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where the manifest is given, so is the store: that of the manifest, unless another one is given too.

        What the environment says of Stage-A's store is not said of this run.
        """
        return {"store": place_of(given["manifest"])[0], **given} if given.get("manifest") else given

    @model_validator(mode="before")
    @classmethod
    def _beside_the_manifest(cls, told: Any) -> Any:
        if isinstance(told, dict) and not told.get("store"):
            return {**told, "store": place_of(told.get("manifest"))[0]}
        return told

    @property
    def mission(self) -> str:
        """The mission, as the manifest's place says it; empty if that is no place of a run."""
        return place_of(self.manifest)[1]

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with a Stage-B run; of the model and its devices only if it judges."""
        yield from VerifyConfig.faults(self, skip)
        skip |= set() if self.store else {"store"}  # it is the manifest's, of which everything is told
        if self.judge.enabled and "judge" not in skip:
            yield from WorkConfig.faults(self, skip)
            yield from self.judge.faults()
            most = max(self.judge.max_new_tokens, self.judge.critic_max_new_tokens * self.judge.critic)
            yield from check_budget(self.model, "verdict", most, "judge.max_new_tokens")
            yield from check_file("labels", self.labels, "give a JSONL file, or leave it out")
        elif "store" not in skip:
            yield from check_store(self.store)


class JudgeGroupConfig(StageBConfig):
    """One group of a published Stage-A run, judged before one's eyes; nothing is published."""

    group: str = Field("", description="The group's id; of one with several submissions a ticket's, such as QC-0001#2.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what is to be judged, and with what judges it."""
        if not self.group and "group" not in skip:
            yield Fault("group", "is not given", "give the id of one of the run's groups")
        yield from super().faults(skip)


def place_of(manifest: object) -> tuple[str, str]:
    """Store and mission of the Stage-A run with this manifest, or pointed to; both empty for what is neither."""
    uri = str(manifest or "")
    match = _MANIFEST.fullmatch(uri)
    if match is None:  # a fault that is told with the others
        return "", ""
    return match["root"] or ("/" if uri.startswith("/") else "."), match["mission"]
