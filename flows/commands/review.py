"""`fieldcheck review forecast`: how many labels a certificate takes, and whose. Opens no look, and no label of one that
is open."""

from __future__ import annotations

from typing import Any

from configs.certify import ReviewConfig
from flows.commands.certify import bound_of, labels_of, pending, percent
from flows.terminal import print_result, progress_line

_WRONG = 4


def review(config: ReviewConfig) -> int:
    """`fieldcheck review forecast`. Raises ConfigError, ManifestError, RecordError or StoreError."""
    return print_result(_forecast(config))


def _forecast(config: ReviewConfig) -> dict[str, Any]:
    from tasks.assurance.looks import needed, pool_of, to_draw

    store, whose, terms, proposals, looks = bound_of(config)
    if looks and looks[-1][1] is None:
        look = looks[-1][0]
        return pending(look, labels_of(store, look)[1])
    ended = [certificate for _, certificate in looks if certificate is not None]
    number, known = len(looks) + 1, [one.answer_key for look, _ in looks for one in look.labels]
    size = config.draw or to_draw(terms, ended)
    left = pool_of(proposals, terms).left(known)
    names = [one.ticket_id for one in left[:size]]
    progress_line(
        f"label these {size} to certify {percent(terms.alpha)} by look {number}: {len(left)} groups can be drawn"
    )
    return {
        "state": "forecast",
        "mission": whose.mission,
        "risk": terms.risk.value,
        "certificate_key": whose.certificate_key,
        "look": number,
        "alpha": terms.alpha,
        "delta": terms.delta,
        "needed": {str(wrong): needed(terms, number, wrong) for wrong in range(_WRONG)},
        "known": len(known),
        "more": size,
        "can_be_drawn": len(left),
        "label": names,
    }
