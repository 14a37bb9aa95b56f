"""What was last deployed to a server, kept on the server itself (`blocks/deployed.py`).

It is written twice in a deploy: what is about to be written before the first change, and what was written after the
last. A deploy that is killed between them leaves both, and the next one takes neither for a person's change.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from blocks.deployed import Deployed
from configs.errors import ConfigError, Fault

NAME = "fieldcheck"


@dataclass
class Memory:
    """What a server was told, by the name of each thing."""

    deployed: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, list[Any]] = field(default_factory=dict)
    """What deploys that began and did not end were about to write, the latest last."""
    settings: dict[str, Any] = field(default_factory=dict)
    """How each site was deployed last: nights, gpus, image, judge."""
    site: str | None = None
    """Whose the missions are."""

    def bases(self, name: str) -> list[Any]:
        """What may lie on the server without a person having put it there."""
        deployed = [self.deployed[name]] if name in self.deployed else []
        return [*deployed, *self.pending.get(name, [])]

    def begin(self, wanted: dict[str, Any]) -> None:
        """Keep what is about to be written."""
        for name, document in wanted.items():
            before = [one for one in self.pending.get(name, []) if one != document]
            self.pending[name] = [*before, document]
        self._save()

    def end(self, site: str, settings: dict[str, Any]) -> None:
        """All that was about to be written is."""
        self.deployed |= {name: documents[-1] for name, documents in self.pending.items()}
        self.pending = {}
        self.site, self.settings = site, {**self.settings, site: settings}
        self._save()

    def _save(self) -> None:
        Deployed(state=json.dumps(asdict(self), ensure_ascii=False)).save(NAME, overwrite=True)


def recall(client: SyncPrefectClient) -> Memory:
    """What the server keeps; nothing when it was never deployed to. Raises ConfigError if it was edited."""
    slug = Deployed.get_block_type_slug()
    try:
        document = client.read_block_document_by_name(NAME, slug)
    except ObjectNotFound:
        return Memory()
    try:
        return Memory(**json.loads(document.data["state"]))
    except (ValueError, KeyError, TypeError) as error:
        fault = Fault(f"block {slug}/{NAME}", f"is not as a deploy left it: {error}", "delete it in *Blocks*")
        raise ConfigError([fault]) from error
