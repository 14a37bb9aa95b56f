"""`python -m tests.benchmarks.verdicts CHECKPOINT`: what becomes of held-out groups that Stage-B's flow judges.

Groups of the demo's two missions are published as Stage-A would, made tickets of and judged by the flow itself, with
every check, under `uncalibrated: allow`. What is right is what the rules say, which the flow is not told.

    groups       one to four photos: verdicts, what goes out without a person, why the rest does not, the score
    removal      one planted defect: whether 不通过 falls without the photos that it cites
    injections   60 texts in the summaries of groups that must not pass: whether any turns to 通过. Three candidates in
                 place of seven, no critic and no further order of photos: what is left out can only send more to a
                 person, and 3,000 tickets take their time

Prints tables and writes figures as they come. What was asked stays under --root: a run that was killed goes on there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from blocks.local_store import LocalStore
from flows.stage_b import stage_b
from tasks.records.verdicts import JudgementManifest, Selection, Trajectory
from tasks.runs.keys import SELECTIONS, TRAJECTORIES, split_manifest_uri
from tasks.runs.verified_files import entry_of, read_canonical, reread
from tests.benchmarks.verdict_figures import Figures, Judged, of_groups, of_injections, of_removal, table_of, together
from tests.benchmarks.verdict_groups import MISSIONS, Posed, of_mission, plain, victims, with_one_defect
from tests.judging import publish_drawn

TEXTS = Path(__file__).parents[1] / "tasks" / "verdicts" / "injections.txt"
THREE = {
    "grid": [{"temperature": 0.0}, {"temperature": 0.5, "top_p": 0.95, "samples": 2}],
    "critic": False,
    "order_check": False,
    "removal_check": False,
}
AT_ONCE = 10  # texts a run: figures come after each
SHARD = 256

Say = Callable[[str, Figures], None]


class Bench:
    """Judges groups by the flow, in a store of this machine that is kept."""

    def __init__(self, checkpoint: str, root: Path) -> None:
        self.checkpoint, self.root = checkpoint, root

    def judged(self, name: str, groups: Sequence[Posed], **judge: Any) -> Iterator[Judged]:
        """The judgement of each mission's groups, as it comes. `name` is the store's; `judge` goes to the flow."""
        store = LocalStore((self.root / name).resolve())
        for mission in MISSIONS:
            some = of_mission(groups, mission)
            if some:
                yield self._judged(store, mission, some, judge)

    def _judged(self, store: LocalStore, mission: str, groups: Sequence[Posed], judge: dict[str, Any]) -> Judged:
        published = publish_drawn(store, [one.published() for one in groups], mission)
        summary = stage_b(
            manifest=published.uri,
            model={"base": self.checkpoint},
            device="cpu",
            shard_photos=SHARD,
            judge={"uncalibrated": "allow", **judge},
        )
        root, key = split_manifest_uri(summary["judgement"])
        kept = LocalStore(root)
        manifest, _ = read_canonical(JudgementManifest, kept, key, summary["judgement_sha256"])
        return Judged(
            manifest,
            tuple(reread(Selection, kept, key, entry_of(manifest.files, SELECTIONS, kept, key))),
            tuple(reread(Trajectory, kept, key, entry_of(manifest.files, TRAJECTORIES, kept, key))),
            {one.ticket_id: one for one in groups},
        )


def judge_groups(bench: Bench, count: int, say: Say) -> None:
    """Held-out groups as they are."""
    done = []
    for judged in bench.judged("groups", plain(count)):
        done.append(judged)
        say("groups", of_groups(together(done)))


def judge_removal(bench: Bench, count: int, say: Say) -> None:
    """Groups with one defect, and the same without the photo that has it."""
    groups = with_one_defect(count)
    left = [one.without(one.planted) for one in groups if one.planted]
    planted = together(list(bench.judged("removal", groups)))
    say("removal", of_removal(planted, together(list(bench.judged("removal", left, **THREE)))))


def judge_injections(bench: Bench, count: int, texts: Sequence[str], say: Say) -> None:
    """Groups that must not pass, without a text and with each."""
    groups = victims(count)
    before = together(list(bench.judged("injections", groups, **THREE)))
    name_of = {one.with_remark(text, number).name: one.name for one in groups for number, text in enumerate(texts)}
    done = []
    for first in range(0, len(texts), AT_ONCE):
        some = list(enumerate(texts))[first : first + AT_ONCE]
        told = [one.with_remark(text, number) for number, text in some for one in groups]
        done += list(bench.judged("injections", told, **THREE))
        say("injections", of_injections(before, together(done), name_of.__getitem__))


def main() -> None:
    """Command line; prints tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--out", type=Path, default=Path(".bench/verdicts.json"))
    parser.add_argument("--only", nargs="+", choices=("groups", "removal", "injections"))
    parser.add_argument("--groups", type=int, default=512)
    parser.add_argument("--planted", type=int, default=240, help="groups with one defect")
    parser.add_argument("--victims", type=int, default=50, help="groups that each text is put into")
    parser.add_argument("--texts", type=int, default=60, help="texts that are put into them")
    parser.add_argument("--root", type=Path, default=Path(".bench/verdicts"), help="where stores are kept")
    options = parser.parse_args()
    bench, console, began = Bench(options.checkpoint, options.root), Console(width=160), time.monotonic()
    found: Figures = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}

    def say(part: str, figures: Figures) -> None:
        found[part] = {**figures, "seconds": {"seconds": round(time.monotonic() - began)}}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        console.print(table_of(part, found[part]), highlight=False)

    only = options.only or ("groups", "removal", "injections")
    if "groups" in only:
        judge_groups(bench, options.groups, say)
    if "removal" in only:
        judge_removal(bench, options.planted, say)
    if "injections" in only:
        texts = TEXTS.read_text(encoding="utf-8").splitlines()[: options.texts]
        judge_injections(bench, options.victims, texts, say)


if __name__ == "__main__":
    main()
