"""What the page of a published run is told: which run, where its photos lie, where the page goes. Knows no step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from configs.errors import Fault
from configs.parts import InputConfig
from configs.preflight import check_input_root, check_manifest
from configs.stage_b import VerifyConfig


class ReportConfig(VerifyConfig):
    """The page of one published run, of Stage-A or of Stage-B."""

    photos: str = Field(
        "",
        description="Folder or s3://bucket/prefix that Stage-A read, with the missions in it; without it the page has "
        "no photos.",
    )
    out: str | None = Field(
        None,
        description="Where the page goes; .html is put behind the name of one file, and left out of that of a folder. "
        "Without it <mission>-<run> in the working directory.",
    )
    language: Literal["zh", "en"] = Field("zh", description="The language in which the page opens; a button switches.")
    source: str | None = Field(
        None,
        description="Manifest of the Stage-A run, where it is not in the store of the judgement: it says where photos "
        "lie.",
    )
    one_file: int = Field(200, ge=0, le=2000, description="Most photos of a page in one file; of more it is a folder.")
    inputs: InputConfig = Field(default_factory=InputConfig, description="What is accepted as a photo.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with what a page is told."""
        yield from super().faults(skip)
        if self.photos and "photos" not in skip:
            for fault in check_input_root(self.photos):
                yield Fault("photos", fault.what, fault.cure)
        if self.source is not None:
            for fault in check_manifest(self.source):
                yield Fault("source", fault.what, fault.cure)
        if self.out is not None and not Path(self.out).absolute().parent.is_dir():
            yield Fault("out", f"there is no folder {Path(self.out).parent}", "make it first")
