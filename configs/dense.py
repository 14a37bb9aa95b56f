"""Everything a run of dense captions is told."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from configs.errors import Fault
from configs.parts import LeaseConfig
from configs.photo import DenseConfig
from configs.preflight import check_file, check_folder_name, check_font, check_input_root
from configs.preflight_model import check_budget
from configs.work import PhotosConfig


class DenseCaptionConfig(PhotosConfig):
    """A folder of photos to caption densely, at any depth."""

    name: str = Field("", description="Name of the photo set in the store; by default the folder's own.")
    overlays: bool = Field(True, description="Draw every captioned photo with its objects, as a PNG.")
    font: str | None = Field(None, description="Font file with Chinese characters, for the labels.")
    dense_key: str | None = Field(
        None, description="JSON file with the right captions; the run then reports F1 and description accuracy."
    )
    dense: DenseConfig = Field(default_factory=DenseConfig, description="How captions are decoded.")
    lease: LeaseConfig = Field(default_factory=LeaseConfig, description="Other runs of the same photo set.")

    def faults(self, skip: frozenset[str] = frozenset()) -> Iterator[Fault]:
        """Everything wrong with a run of dense captions."""
        if "input_root" not in skip:
            yield from check_input_root(self.input_root)
        if self.name and "name" not in skip:
            yield from check_folder_name("name", self.name)
        yield from super().faults(skip)
        yield from check_budget(self.model, "dense", self.dense.max_new_tokens, "dense.max_new_tokens")
        yield from check_font(self.font)
        yield from check_file("dense_key", self.dense_key, "give a JSON file, or leave it out")
