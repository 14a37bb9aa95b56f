"""Everything a run of dense captions is told."""

from __future__ import annotations

from pydantic import Field

from configs.parts import LeaseConfig
from configs.photo import DenseConfig
from configs.work import WorkConfig


class DenseCaptionConfig(WorkConfig):
    """A folder of photos to caption densely, at any depth."""

    name: str = Field("", description="Name of the photo set in the store; by default the folder's own.")
    overlays: bool = Field(True, description="Draw every captioned photo with its objects, as a PNG.")
    font: str | None = Field(None, description="Font file with Chinese characters, for the labels.")
    dense_key: str | None = Field(
        None, description="JSON file with the right captions; the run then reports F1 and description accuracy."
    )
    dense: DenseConfig = Field(default_factory=DenseConfig, description="How captions are decoded.")
    lease: LeaseConfig = Field(default_factory=LeaseConfig, description="Other runs of the same photo set.")
