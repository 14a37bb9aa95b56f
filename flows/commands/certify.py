"""`fieldcheck certify`: how far a judge's automatic verdicts can be trusted, by labels that were drawn for it.

no look yet, or another is asked for -> open one: which groups people must label
a look is open, labels are lacking   -> say whose
a look is open, all labels are there -> the certificate: a threshold, or none
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from configs.certify import BoundConfig, CertifyConfig
from configs.errors import ConfigError, Fault
from flows.terminal import print_result, progress_line

if TYPE_CHECKING:
    from blocks.store import Store
    from tasks.assurance.looks import Terms, Whose
    from tasks.records.certificates import Certificate, Look, Risk
    from tasks.records.verdicts import Verdict
    from tasks.verdicts.published import Proposal

Looks = list[tuple["Look", "Certificate | None"]]
_SHOWN = 10


def certify(config: CertifyConfig) -> int:
    """`fieldcheck certify`. Raises ConfigError for what cannot be certified, ManifestError, RecordError or
    StoreError."""
    store, whose, terms, proposals, looks = bound_of(config)
    promised = next((one.alpha for _, one in reversed(looks) if one is not None), terms.alpha)
    audits = audited(store, whose.mission, terms.risk, promised, proposals)
    if not looks or (config.again and looks[-1][1] is not None):
        look = _open(config, store, whose, terms, proposals, looks)
        return print_result({**pending(look, list(look.labels)), **audits})
    look, certificate = looks[-1]
    if certificate is None:
        truths, missing = labels_of(store, look)
        if missing and not config.close:
            return print_result({**pending(look, missing), **audits})
        certificate = _end(config, store, look, truths)
    return print_result({**_told(certificate), **audits})


def bound_of(config: BoundConfig) -> tuple[Store, Whose, Terms, list[Proposal], Looks]:
    """The store, the judge that is meant, the terms, all that it proposes, and its looks so far.

    Raises ConfigError for a mission without a judgement, ManifestError, RecordError or StoreError.
    """
    from blocks.stores import open_store
    from tasks.assurance.looks import Terms, Whose
    from tasks.records.certificates import Risk
    from tasks.verdicts.certificates import looks_of
    from tasks.verdicts.published import judgements, proposals

    store = open_store(config.store, config.s3)
    found = judgements(store, config.mission)
    meant = [one for one in found if config.judgement in (None, one.manifest.run_id)]
    if not meant:
        where = "mission" if config.judgement is None else "judgement"
        what = f"{config.mission} has no judgement {config.judgement or ''} in {store.uri}".replace("  ", " ")
        raise ConfigError([Fault(where, what, "run stage-b first, or name the store and run it has")])
    of = meant[-1]
    whose = Whose(config.mission, of.manifest.judge_key, of.manifest.stage_a)
    progress_line(
        f"judge {whose.judge_key[:16]} of judgement {of.manifest.run_id}, on texts of Stage-A {whose.stage_a[:16]}"
    )
    risk = Risk(config.risk)
    terms = Terms(risk=risk, alpha=config.most_wrong, delta=config.delta, since=config.since, seed=config.draw_seed)
    looks = list(looks_of(store, config.mission, risk, whose.certificate_key))
    if looks and looks[0][0].delta != config.delta:
        what = f"{config.delta} is not {looks[0][0].delta}, which the first look at this judge shares out"
        raise ConfigError([Fault("delta", what, f"give {looks[0][0].delta}")])
    told = proposals(store, [one for one in found if one.certificate_key == whose.certificate_key])
    return store, whose, terms, list(told), looks


def labels_of(store: Store, look: Look) -> tuple[dict[str, Verdict], list[Any]]:
    """The labels of a look's groups by answer key, and the groups without one. What was answered in the queue of
    doubtful groups is refused."""
    from tasks.assurance.looks import unanswered
    from tasks.records.reviews import Queue
    from tasks.reviews.blind import read_blind

    truths: dict[str, Verdict] = {}
    refused = disputed = 0
    for queue in (Queue.CERTIFY, Queue.AUDIT):
        keys = [one.answer_key for one in look.labels if one.drawn == queue.value]
        labels = read_blind(store, look.mission, queue, keys)
        truths |= {key: label.verdict for key, label in labels.settled.items()}
        refused, disputed = refused + labels.refused, disputed + len(labels.disputed)
    if refused:
        progress_line(f"{refused} labels are refused: they were given in another queue, such as fix")
    if disputed:
        progress_line(f"{disputed} groups are disputed: two people differ, and a third decides")
    return truths, list(unanswered(look, truths))


def pending(look: Look, missing: Sequence[Any]) -> dict[str, Any]:
    """What is said of a look that is open."""
    names = [one.ticket_id for one in missing]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    of = f"look {look.look} at {percent(look.alpha)} is open"
    progress_line(f"{of}: {len(names)} more of {len(look.labels)} labels: {shown}")
    return {
        "state": "open",
        "mission": look.mission,
        "risk": look.risk.value,
        "certificate_key": look.certificate_key,
        "look": look.look,
        "alpha": look.alpha,
        "delta": look.delta,
        "threshold": None,
        "labels": len(look.labels),
        "more": len(names),
        "label": names,
    }


def audited(store: Store, mission: str, risk: Risk, promised: float, proposals: Sequence[Proposal]) -> dict[str, Any]:
    """What audits say: how often automatic verdicts are wrong, and whether that is more than was promised."""
    from tasks.assurance.audited import weighted
    from tasks.assurance.drift import watch
    from tasks.assurance.looks import audits_of
    from tasks.records.reviews import Queue
    from tasks.reviews.blind import read_blind

    drawn = audits_of(proposals, risk)
    settled = read_blind(store, mission, Queue.AUDIT, drawn).settled
    ordered = sorted(settled, key=lambda key: (settled[key].at, key))
    wrong = [settled[key].verdict is not risk.verdict for key in ordered]
    rate, alarm = weighted(wrong, [drawn[key].audit or 1.0 for key in ordered]), watch(wrong, promised)
    if alarm.alarm_at is not None:
        what = f"{alarm.wrong} of {alarm.audits} audits are wrong"
        progress_line(f"ALARM: {what}, more often than the {percent(promised)} that were promised")
    told = {"rate": rate.model_dump(mode="json"), "alarm": alarm.model_dump(mode="json")}
    return {"audits": {"drawn": len(drawn), "answered": len(settled), **told}}


def _open(
    config: CertifyConfig, store: Store, whose: Whose, terms: Terms, proposals: Sequence[Proposal], looks: Looks
) -> Look:
    from tasks.assurance.looks import audits_of, open_look, pool_of, to_draw
    from tasks.records.reviews import Queue
    from tasks.reviews.blind import read_blind
    from tasks.verdicts.certificates import put_look

    pool = pool_of(proposals, terms)
    audits = audits_of(proposals, terms.risk)
    answered = read_blind(store, whose.mission, Queue.AUDIT, audits).settled
    size = config.draw or to_draw(terms, [certificate for _, certificate in looks if certificate is not None])
    try:
        look = open_look(
            whose, terms, pool, [look for look, _ in looks], [audits[key] for key in answered], size, _now(), config.by
        )
    except ValueError as error:
        cure = "judge more groups, draw fewer with --draw, or raise alpha: forecast says how few can be enough"
        raise ConfigError([Fault("draw", str(error), cure)]) from error
    progress_line(put_look(store, look))
    return look


def _end(config: CertifyConfig, store: Store, look: Look, truths: dict[str, Verdict]) -> Certificate:
    from tasks.assurance.looks import end_look
    from tasks.verdicts.certificates import put_certificate

    certificate = end_look(look, truths, _now(), config.by)
    progress_line(put_certificate(store, certificate))
    return certificate


def _told(certificate: Certificate) -> dict[str, Any]:
    one = certificate
    if one.threshold is None:
        what = f"look {one.look} certifies nothing at {percent(one.alpha)}"
        progress_line(f"{what}; {one.lacking} more labels, all right, would have")
    else:
        sure = f"with probability {percent(1 - one.delta)}"
        found = f"{one.k} of {one.n} labels were, p {one.p:.4f} <= {one.spent:.4f}"
        progress_line(
            f"certified by look {one.look}: of automatic {one.risk.verdict.value} with a score of {one.threshold:.4f} "
            f"or more, at most {percent(one.alpha)} are wrong, {sure} ({found}); {percent(one.auto_share)} of what is "
            "proposed goes out"
        )
        progress_line("不保证：" + "；".join(one.not_promised))
    told = one.model_dump(mode="json", exclude={"schema_version", "kind", "curve", "self_sha256"})
    return {"state": "none" if one.threshold is None else "certified", **told, "more": one.lacking}


def percent(share: float) -> str:
    """A share for a person, such as 0.5 %."""
    return f"{100 * share:.3g} %"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
