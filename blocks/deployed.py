"""The block in which a server keeps what was last deployed to it, so that a deploy from any machine knows it."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field


class Deployed(Block):
    """
    What `make deploy` wrote last, as the files had it. The next deploy compares: what differs on the server since then
    was changed by a person and is kept. Delete it, and the next deploy keeps what people change most: pauses,
    schedules, limits.

    Attributes:
        state: JSON; written and read by `infra/memory.py`.

    Example:
        Look at what was deployed:
        ```python
        from blocks.deployed import Deployed

        print(Deployed.load("BLOCK_NAME").state)
        ```
    """

    _block_type_name = "Fieldcheck Deployed"
    _block_type_slug = "fieldcheck-deployed"
    _description = "What was last deployed; made by `make deploy`, and not to be edited."
    _documentation_url = "https://docs.prefect.io/v3/concepts/blocks"  # type: ignore[assignment]

    # Text, not a mapping: Prefect takes a mapping with "$ref" in it, as job templates have, for another block.
    state: str = Field(title="State", description="JSON. Written by `make deploy`; do not edit.")
