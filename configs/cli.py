"""The command line, as classes: pydantic-settings makes the flags, help and parsing of them. Runs nothing.

A command holds what was typed and judges none of it: the same values are judged once, together with the layers below
them, by `configs.settings`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, model_validator
from pydantic_settings import BaseSettings, CliPositionalArg, CliSubCommand, SettingsConfigDict

from configs.checkpoints import InspectConfig, MergeCheckpointConfig
from configs.dense import DenseCaptionConfig
from configs.photo import CaptionConfig, SummarizeConfig
from configs.stage_a import StageAConfig
from configs.stage_b import StageBConfig, VerifyConfig
from configs.variables import SHORTCUTS

TypedT = TypeVar("TypedT", bound="Typed")


class Typed(BaseModel):
    """Base of the commands that build a configuration: `typed` holds exactly the flags that were given."""

    profile: str | None = Field(
        None, description="A profile in configs/profiles (demo, gpu), or the path of a YAML file."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _keep_as_typed(cls, data: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(data, dict):
            return handler(data)
        typed = dict(data)
        command = cls.model_construct(profile=typed.pop("profile", None))
        command.__dict__["typed"] = typed
        return command

    def given(self) -> dict[str, Any]:
        """The flags that were typed, by field name, not validated yet."""
        return dict(self.__dict__.get("typed", {}))


class StageACommand(Typed, StageAConfig):
    """Summarise every photo of a mission, publish the run and hand it to Stage-B."""


class RequeueCommand(Typed, StageAConfig):
    """Look again at the groups of a run's quarantine, carry the others over, publish and hand over. Store and mission
    are those of the quarantine. Checkpoint and settings must be those of the run."""

    quarantine: CliPositionalArg[str] = Field(description="URI of a quarantine.jsonl: a path, or s3://bucket/key.")


class StageBCommand(Typed, StageBConfig):
    """Check a published Stage-A run and make a ticket of each of its groups."""


class VerifyCommand(Typed, VerifyConfig):
    """Re-read a published run: every digest, every record. Exit code 1 and the object's name if one differs."""

    manifest: CliPositionalArg[str] = Field(description="URI of a manifest.json: a path, or s3://bucket/key.")


class SummarizeCommand(Typed, SummarizeConfig):
    """Summarise one photo, as Stage-A would, and say what is wrong with the summary if something is."""

    image: CliPositionalArg[str] = Field(description="A photo: JPEG, PNG, WebP, HEIC or AVIF.")


class CaptionCommand(Typed, CaptionConfig):
    """Caption one photo densely: every object with its place, checked, and drawn if an overlay is asked for."""

    image: CliPositionalArg[str] = Field(description="A photo: JPEG, PNG, WebP, HEIC or AVIF.")


class DenseCaptionCommand(Typed, DenseCaptionConfig):
    """Caption every photo of a folder densely, and publish captions and overlays."""


class MergeCommand(Typed, MergeCheckpointConfig):
    """Merge LoRA adapters into their base by ms-swift's export, once, and check that the texts are the same."""


class InspectCommand(Typed, InspectConfig):
    """Say what a checkpoint or an adapter is, and what is wrong with it, without loading it."""

    checkpoint: CliPositionalArg[str] = Field(description="Directory of a base, merged or adapter checkpoint.")


class MissionsCommand(BaseModel):
    """List the missions, with what Stage-A looks at."""

    model_config = ConfigDict(extra="forbid")


class Fieldcheck(BaseSettings):
    """Field photos of telecom cabinets in, evidence that inspectors can act on out."""

    model_config = SettingsConfigDict(
        cli_prog_name="fieldcheck",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_avoid_json=True,
        cli_hide_none_type=True,
        cli_shortcuts=SHORTCUTS,
        extra="forbid",
        # A rejected endpoint may carry a password.
        hide_input_in_errors=True,
    )

    stage_a: CliSubCommand[StageACommand] = Field(description="photos of a mission in, a published run out")
    requeue: CliSubCommand[RequeueCommand] = Field(description="only what was quarantined, once it is mended")
    stage_b: CliSubCommand[StageBCommand] = Field(description="a published run in, tickets out")
    summarize: CliSubCommand[SummarizeCommand] = Field(description="one photo in, its summary out")
    caption: CliSubCommand[CaptionCommand] = Field(description="one photo in, every object with its place out")
    dense_caption: CliSubCommand[DenseCaptionCommand] = Field(description="a folder of photos in, captions out")
    merge: CliSubCommand[MergeCommand] = Field(description="adapters merged into their base, once")
    inspect: CliSubCommand[InspectCommand] = Field(description="what a checkpoint is, and what is wrong with it")
    verify: CliSubCommand[VerifyCommand] = Field(description="re-read a published run, every digest and record")
    missions: CliSubCommand[MissionsCommand] = Field(description="list the missions")
