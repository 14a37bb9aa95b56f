"""Published runs to judge: groups of drawn scenes, with the summaries that Stage-A would write. Knows no test."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from blocks.store import Store
from infra.demo.scenes import Scene, Split, sample, seed_of
from infra.demo.wording import summary
from tasks.engines.protocol import Completion, Request, Result, Results, Scores
from tasks.records.outcomes import Outcome
from tasks.records.photos import Group, Label
from tasks.runs.keys import stage_b_folder
from tasks.runs.publish import Published
from tests.builders import MISSION, make_failed, make_group, make_summarised, publish_groups

LabelOf = Callable[[int], Label | None]


@lru_cache(maxsize=1)
def scenes(count: int = 3000) -> tuple[Scene, ...]:
    """Scenes that trained nobody."""
    return tuple(sample(seed_of(Split.TESTS, 600_000 + index)) for index in range(count))


def no_label(number: int) -> Label | None:
    """Of no group."""
    return None


def drawn_groups(
    count: int, seed: int = 0, sizes: Sequence[int] = (1, 2, 3, 4), label: LabelOf = no_label
) -> list[tuple[Group, list[str]]]:
    """So many groups of the first demo mission, with the summaries of their photos."""
    rng = random.Random(f"groups {seed}")
    racks = [summary(scene) for scene in scenes() if scene.kind != "ground"]
    found = []
    for number in range(count):
        texts = rng.choices(racks, k=rng.choice(sizes))
        contents = [f"{seed} {number} {index}" for index in range(len(texts))]
        found.append((make_group(f"QC-{number:04d}", label=label(number), contents=contents), texts))
    return found


def publish_drawn(
    store: Store,
    groups: Sequence[tuple[Group, list[str]]],
    mission: str = MISSION,
    unreadable: Sequence[Group] = (),
    **changes: Any,
) -> Published:
    """Publish a run of Stage-A with these groups of a mission, and in its quarantine those whose photos are cut off;
    `changes` to what is known of the run."""
    outcomes: dict[str, Outcome] = {
        outcome.work_key: outcome
        for group, texts in groups
        for photo, text in zip(group.photos, texts, strict=True)
        for outcome in [make_summarised(photo, text, changes.get("identity"))]
    }
    outcomes |= {one.work_key: one for group in unreadable for one in map(make_failed, group.photos)}
    return publish_groups(store, [*(group for group, _ in groups), *unreadable], outcomes, mission=mission, **changes)


def lasting(store: Store, mission: str = MISSION) -> dict[str, Any]:
    """All that any run of the same judgement leaves, by key: every file of the mission's tickets and judgements; of the
    metrics what no clock has a part in, and no page of them."""
    files = {info.key: store.read(info.key) for info in store.list(f"{stage_b_folder(mission)}/runs/")}
    found: dict[str, Any] = {key: content for key, content in files.items() if not key.endswith("/report.html")}
    for key in files:
        if key.endswith("/metrics.json"):
            found[key] = {**json.loads(files[key]), "spent": None}
    return found


@dataclass
class RuleJudge:
    """An engine that judges by a rule: 不通过 where a photo's baffle is crooked or missing. It remembers what it was
    asked. `says` may give another text for a request."""

    says: Callable[[Request], str | None] = lambda request: None
    asked: list[Request] = field(default_factory=list)
    name = "rule"

    def length(self, request: Request) -> int:
        """All are alike."""
        return 1

    def generate(self, requests: Iterable[Request]) -> Results:
        """One result a request."""
        for request in requests:
            self.asked.append(request)
            bad = [name for name, text in shown(request.user).items() if "安装不规范" in text or "缺少" in text]
            if request.continuations:
                yield Scores(request.id, (-3.0, -0.05) if bad else (-0.05, -3.0), (3, 3), 100)
                continue
            text = self.says(request)
            if text is None:
                text = critic_line(request.user, bool(bad)) if "候选判定" in request.user else three_lines(request, bad)
            yield Completion(request.id, text, "stop", 100, 0, len(text))

    def stream(self, request: Request, on_text: Callable[[str], None]) -> Result:
        """The answer in one piece."""
        (result,) = self.generate([request])
        if isinstance(result, Completion):
            on_text(result.text)
        return result

    def close(self) -> None:
        """Nothing is held."""


def shown(user: str) -> dict[str, str]:
    """The summaries in a prompt, by the photos' names there."""
    found = {}
    for line in user.splitlines():
        if line.startswith("image_"):
            names, _, text = line.partition(": ")
            found |= dict.fromkeys(names.split(","), json.loads(text))
    return dict(sorted(found.items(), key=lambda one: int(one[0].partition("_")[2])))


def three_lines(request: Request, bad: Sequence[str]) -> str:
    """A verdict whose reason the summaries bear out."""
    texts = shown(request.user)
    if bad:
        clauses = [
            f"{'挡风板安装不规范' if '安装不规范' in texts[name] else '两台BBU之间缺少挡风板'}（{name}）"
            for name in bad
        ]
        return f"Verdict: 不通过\nReason: {'；'.join(clauses)}\nConfidence: 0.95"
    seen = next((name for name, text in texts.items() if "BBU设备" in text), None)
    reason = f"有BBU设备（{seen}）" if seen else "没有BBU设备（全部）"
    return f"Verdict: 通过\nReason: {reason}\nConfidence: 0.93"


def critic_line(user: str, bad: bool) -> str:
    """A second opinion by the same rule."""
    verdict = "不通过" if bad else "通过"
    agrees = f"Verdict: {verdict}\n" in user
    told = {
        "summary": "见摘要",
        "critique": "结论正确" if agrees else "结论不正确",
        "verdict": verdict,
        "needs_recheck": not agrees,
        "evidence_sufficiency": True,
        "recommended_action": verdict if agrees else "人工复核",
    }
    return json.dumps(told, ensure_ascii=False)
