"""The commands of `fieldcheck`: what each is told, what it runs and what its help says, an entry a command.

Flags, help, parsing and dispatch are made from this table, by `configs.cli` and `flows.cli`. What is run stands here by
name: it is imported once all that was told is known to be right.
"""

from __future__ import annotations

from dataclasses import dataclass

from configs.base import BaseConfig
from configs.certify import CertifyConfig, ReviewConfig
from configs.checkpoints import InspectConfig, MergeCheckpointConfig
from configs.dense import DenseCaptionConfig
from configs.doctor import DoctorConfig
from configs.photo import CaptionConfig, SummarizeConfig
from configs.report import ReportConfig
from configs.stage_a import StageAConfig
from configs.stage_b import JudgeGroupConfig, StageBConfig, VerifyConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: it runs a flow, or a plain function. Both are dotted paths."""

    kind: type[BaseConfig] | None
    """What it is told; None for nothing, not even a profile."""
    about: str
    """Its line in the list of commands."""
    help: str
    """What its own help begins with."""
    flow: str = ""
    """A flow: its parameters are the settings of the kind, and its summary is the last line on stdout."""
    function: str = ""
    """A function that takes the configuration, prints the last line on stdout, and returns the exit code."""
    argument: str = ""
    """The setting that is given without a flag."""
    shown: str = ""
    """What that one is called in the help, if not by its name."""
    words: str = ""
    """A function that makes lines for a person of a flow's summary."""


COMMANDS = {
    "stage-a": Command(
        kind=StageAConfig,
        about="photos of a mission in, a published run out",
        help="Summarise every photo of a mission, publish the run and hand it to Stage-B.",
        flow="flows.stage_a.stage_a",
        words="flows.commands.runs.describe",
    ),
    "requeue": Command(
        kind=StageAConfig,
        about="only what was quarantined, once it is mended",
        help="Look again at the groups of a run's quarantine, carry the others over, publish and hand over.\n"
        "Store and mission are those of the quarantine. Checkpoint and settings must be those of the run.",
        flow="flows.stage_a.stage_a",
        argument="requeue",
        shown="quarantine",
        words="flows.commands.runs.describe",
    ),
    "stage-b": Command(
        kind=StageBConfig,
        about="a published run in, tickets and verdicts out",
        help="Check a published Stage-A run, make a ticket of each of its groups, and judge them.",
        flow="flows.stage_b.stage_b",
        words="flows.commands.runs.describe_judgement",
    ),
    "judge": Command(
        kind=JudgeGroupConfig,
        about="one group judged before your eyes",
        help="Judge one group of a published Stage-A run and show every candidate, every check and the decision.\n"
        "Nothing is published.",
        function="flows.commands.judge.judge",
        argument="group",
    ),
    "certify": Command(
        kind=CertifyConfig,
        about="how often automatic verdicts are wrong at most, by labels",
        help="Open a look at labels that are drawn for it, and when they are there, certify the judge of the newest\n"
        "judgement: from which score on at most alpha of its automatic verdicts are wrong.",
        function="flows.commands.certify.certify",
    ),
    "review": Command(
        kind=ReviewConfig,
        about="forecast: how many labels a certificate takes, and whose",
        help="Say how many groups people must label for a certificate, and which. Changes nothing.",
        function="flows.commands.review.review",
        argument="action",
    ),
    "summarize": Command(
        kind=SummarizeConfig,
        about="one photo in, its summary out",
        help="Summarise one photo, as Stage-A would, and say what is wrong with the summary if something is.",
        function="flows.commands.photos.summarize",
        argument="image",
    ),
    "caption": Command(
        kind=CaptionConfig,
        about="one photo in, every object with its place out",
        help="Caption one photo densely: every object with its place, checked, and drawn if an overlay is asked for.",
        function="flows.commands.photos.caption",
        argument="image",
    ),
    "dense-caption": Command(
        kind=DenseCaptionConfig,
        about="a folder of photos in, captions out",
        help="Caption every photo of a folder densely, and publish captions and overlays.",
        flow="flows.dense_caption.dense_caption",
    ),
    "merge": Command(
        kind=MergeCheckpointConfig,
        about="adapters merged into their base, once",
        help="Merge LoRA adapters into their base by ms-swift's export, once, and check that the texts are the same.",
        function="flows.commands.runs.merge",
    ),
    "inspect": Command(
        kind=InspectConfig,
        about="what a checkpoint is, and what is wrong with it",
        help="Say what a checkpoint or an adapter is, and what is wrong with it, without loading it.",
        function="flows.commands.checks.inspect",
        argument="checkpoint",
    ),
    "doctor": Command(
        kind=DoctorConfig,
        about="what photos can be read with here, and whether the engine says what the reference says",
        help="Say which versions, device and engines there are, and whether checkpoint and adapters fit.\n"
        "With --compare, read photos with the engine and with the reference, and show where texts first differ.\n"
        "Exit code 1 if something is wrong, or a text differs.",
        function="flows.commands.doctor.doctor",
    ),
    "verify": Command(
        kind=VerifyConfig,
        about="re-read a published run, every digest and record",
        help="Re-read a published run: every digest, every record. Exit code 1 and the object's name if one differs.",
        function="flows.commands.checks.verify",
        argument="manifest",
    ),
    "report": Command(
        kind=ReportConfig,
        about="a published run as a page: photos, summaries, verdicts",
        help="Make a page of a published run, of Stage-A or of Stage-B, with its photos, to open in a browser.\n"
        "Photos that are not the ones that the model saw are marked, and not shown.",
        function="flows.commands.report.report",
        argument="manifest",
    ),
    "missions": Command(
        kind=None,
        about="list the missions",
        help="List the missions, with what Stage-A looks at.",
        function="flows.commands.checks.missions",
    ),
}
"""The commands by name, in the order in which help lists them."""

KINDS = {command.kind for command in COMMANDS.values() if command.kind is not None}
"""What commands may be told: a variable, or a line of a profile, may be for another one than the one that runs."""
