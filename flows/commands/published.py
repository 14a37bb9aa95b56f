"""The command about published runs, without Prefect: `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from configs.stage_b import VerifyConfig
from flows.terminal import print_result

if TYPE_CHECKING:
    from tasks.runs.verified_files import Checked


def verify(config: VerifyConfig) -> int:
    """`fieldcheck verify MANIFEST`. Raises ManifestError, RecordError or StoreError for what does not verify."""
    from blocks.stores import open_store
    from tasks.dense.check import DENSE, check_captions
    from tasks.runs.check import check_run
    from tasks.runs.keys import split_manifest_uri

    root, key = split_manifest_uri(config.manifest)
    store = open_store(root, config.s3)
    if key.startswith(f"{DENSE}/"):
        captions = check_captions(store, key, config.sha256)
        return print_result(_verified(config.manifest, captions, {"name": captions.manifest.name}))
    checked = check_run(store, key, config.sha256)
    return print_result(_verified(config.manifest, checked, {"mission": checked.manifest.mission}))


def _verified(manifest: str, checked: Checked[Any], of: dict[str, str]) -> dict[str, Any]:
    return {
        "manifest": manifest,
        "sha256": checked.sha256,
        "stage": checked.stage,
        **of,
        "objects": checked.objects,
        "records": checked.records,
        "bytes": checked.bytes,
    }
