"""Judging with the demo's judge: batches, workers and names of files change no byte."""

from __future__ import annotations

import os
import uuid
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from blocks.local_store import LocalStore
from configs.parts import EngineConfig, ModelConfig, SpreadConfig
from configs.settings import load
from configs.stage_b import StageBConfig
from flows.stage_b import stage_b
from tasks.checkpoints.resolve import Checkpoint, resolve
from tasks.engines.open import close_engines
from tasks.engines.protocol import Request, Scores
from tasks.engines.transformers import TransformersEngine
from tasks.runs.keys import split_manifest_uri, stage_b_folder
from tasks.tickets.ingest import tickets_of
from tasks.verdicts.evidence import Evidence, evidence_of
from tasks.verdicts.kind import candidate_items, candidates_of
from tasks.verdicts.scoring import score_item, scores_of
from tests.builders import MISSION, files_under, make_group
from tests.demo import Demo
from tests.judging import drawn_groups, lasting, publish_drawn
from tests.workers import make_pool, worker

JUDGE = {
    "grid": [{"temperature": 0.0}, {"temperature": 0.7, "top_p": 0.95, "samples": 2}],
    "max_new_tokens": 96,
    "critic_max_new_tokens": 160,
    "uncalibrated": "allow",
}
TEXTS = ("BBU设备/品牌:华为×2，挡风板/安装规范×1", "BBU设备/品牌:中兴×1，光模块×2", "无关图片", "标签/可识别×3")


def told(demo: Demo, store: Path, groups: list[Any]) -> dict[str, Any]:
    """Parameters of a run over these groups, which are published first."""
    store.mkdir(exist_ok=True)
    published = publish_drawn(LocalStore(store), groups)
    return {
        "manifest": published.uri,
        "model": ModelConfig(base=demo.judge),
        "device": "cpu",
        "judge": JUDGE,
    }


def judged(demo: Demo, store: Path, groups: int, **settings: Any) -> dict[str, Any]:
    """All that lasts of the tickets and of the judgement of drawn groups."""
    stage_b(**told(demo, store, drawn_groups(groups)), **settings)
    return lasting(LocalStore(store))


@pytest.mark.usefixtures("prefect_harness")
def test_batches_of_one_eight_and_thirty_two_judge_alike(demo: Demo, tmp_path: Path) -> None:
    """Candidates, scores and all that follows from them."""
    alone = judged(demo, tmp_path / "1", 6, engine=EngineConfig(batch_size=1))
    assert not any(b'"p_pass": null' in line for line in selections(alone))
    for size in (8, 32):
        assert judged(demo, tmp_path / str(size), 6, engine=EngineConfig(batch_size=size)) == alone


def selections(files: dict[str, Any]) -> list[bytes]:
    """The lines of the judgement's selections."""
    (content,) = (content for name, content in files.items() if name.endswith("/selections.jsonl"))
    return content.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_and_two_workers_judge_as_one_process_does(demo: Demo, prefect_harness: str, tmp_path: Path) -> None:
    alone = judged(demo, tmp_path / "alone", 6)
    close_engines()  # the workers need the memory
    pool = f"field-{uuid.uuid4().hex[:8]}"
    environment = os.environ | {"PREFECT_API_URL": prefect_harness}
    make_pool(pool, pool, environment)
    spread = SpreadConfig(over="workers", pieces=2, deployment=f"infer-piece/{pool}")
    with worker(pool, environment, tmp_path / "1.log"):
        assert judged(demo, tmp_path / "one", 6, shard_photos=3, spread=spread) == alone
        with worker(pool, environment, tmp_path / "2.log"):
            assert judged(demo, tmp_path / "two", 6, shard_photos=5, spread=spread) == alone
    for name in ("one", "two"):
        assert not files_under(LocalStore(tmp_path / name), f"{stage_b_folder(MISSION)}/pieces/")


def test_no_order_of_file_names_changes_a_request_or_a_score(demo: Demo, tmp_path: Path) -> None:
    """All 24 orders of four photos."""
    engine = TransformersEngine(demo.judge, device="cpu")
    found = set()
    for number, order in enumerate(permutations(range(4))):
        group = make_group("QC-0001", label=None, contents=[f"photo {place}" for place in order])
        given = told(demo, tmp_path / str(number), [(group, [TEXTS[place] for place in order])])
        config = load(StageBConfig, given)
        checkpoint = resolve(config.model, config.merge, "cpu")
        root, key = split_manifest_uri(given["manifest"])
        (ticket,) = tickets_of(LocalStore(root), key)
        requests = requests_of(config, checkpoint, evidence_of(ticket))
        scores = list(engine.generate([one for one in requests if one.continuations]))
        assert all(isinstance(one, Scores) for one in scores)
        found.add((tuple(requests), tuple(scores)))
    engine.close()
    ((requests, scores),) = found
    assert len(requests) == 3 + 3
    assert len({score.log_probs for score in scores}) == 3, "the judge itself minds the order, which is why it is fixed"


def requests_of(config: StageBConfig, checkpoint: Checkpoint, evidence: Evidence) -> list[Request]:
    """All that is asked about a ticket before its candidates are known."""
    candidates, scoring = candidates_of(config, checkpoint), scores_of(config, checkpoint)
    scored = (score_item(scoring.identity, evidence, places) for places in evidence.orders())
    return [
        *(candidates.request(one, 0, None) for one in candidate_items(config.judge, candidates.identity, [evidence])),
        *(scoring.request(one, 0, None) for one in scored),
    ]
