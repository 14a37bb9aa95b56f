"""A piece of a run, on whatever machine takes it.

take piece -> resolve checkpoint -> compare with the run's -> infer shards -> answer with receipts
"""

from __future__ import annotations

from blocks.standalone import flow
from blocks.stores import open_store
from configs.stores import S3Options
from flows.crash_recovery import stop_if_crashing
from flows.devices import infer_here
from flows.kinds import KINDS
from flows.printing import escape_logs
from flows.progress_artifact import shown_progress
from tasks.checkpoints.task import resolve_checkpoint
from tasks.engines.open import close_engines
from tasks.runs.pieces import read_piece, write_receipts
from tasks.work.remote import plan_piece, shards_of_piece


def _run_name() -> str:
    from prefect.runtime import flow_run

    return f"{flow_run.parameters['folder'].rpartition('/')[2]} {flow_run.parameters['piece'][:8]}"


@flow(name="infer-piece", flow_run_name=_run_name, persist_result=False)
def infer_piece(store: str, folder: str, piece: str, s3: S3Options | None = None) -> int:
    """Ask about the items of a piece, write the answers as shards, and answer with the shards' receipts.

    Shards that an earlier try wrote are not done again.

    Args:
        store: Where the run keeps its results: s3://bucket/prefix, or a directory that this machine has too.
        folder: The run's folder in the store, such as stage_a/<mission>.
        piece: Name of the piece, as the run wrote it.
        s3: How s3:// is reached.

    Returns:
        How many items the piece has.
    """
    escape_logs()
    stop_if_crashing()
    kept = open_store(store, s3 or S3Options())
    order = read_piece(kept, folder, piece)
    settings, make = KINDS[order.kind]
    config = settings.model_validate(order.config)
    resolved = resolve_checkpoint(config, config.fleet[0])
    plan = plan_piece(order, make(config, resolved))
    receipts, shards = shards_of_piece(kept, order, plan, config.shard_photos)
    try:
        with shown_progress(folder.rpartition("/")[2], plan.pending) as progress:
            progress.advance(sum(receipt.items for receipt in receipts))
            receipts += infer_here(config, plan, shards, resolved, progress)
    finally:
        close_engines()  # a worker of Ray outlives the piece, and its device is for others then
    write_receipts(kept, folder, piece, receipts)
    return plan.items
