"""Tests of the ledger's groups: in order, whole, and not lost while they are settled."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tasks.ledger.groups import State
from tasks.ledger.ledger import Ledger
from tasks.records.photos import Group, Label, Photo
from tasks.records.reasons import Reason
from tasks.records.stage_a import QuarantineEntry
from tests.builders import MISSION, examples, make_group

LINE = QuarantineEntry(
    kind="group", mission=MISSION, group_id="QC-1", label=None, reason=Reason.EMPTY_GROUP, detail="x"
)


def found(group_id: str, label: Label | None = None, folder: str = "") -> Group:
    """A group that was found, without photos."""
    return Group(group_id, MISSION, label, (), folder=folder or f"{MISSION}/{label or '-'}/{group_id}")


def test_a_group_comes_back_as_it_was_added() -> None:
    group = make_group("QC-1", 3, Label.FAIL)
    with Ledger() as ledger:
        ledger.groups.add(group, State.REJECTED, [LINE, LINE])
        (entry,) = ledger.groups.entries()
    assert (entry.group, entry.state, entry.lines) == (group, State.REJECTED, (LINE, LINE))


def test_the_first_group_of_a_folder_counts() -> None:
    with Ledger() as ledger:
        ledger.groups.add(make_group("QC-1", 2), State.ACCEPTED)
        ledger.groups.add(replace(make_group("QC-1", 2), photos=()))
        (entry,) = ledger.groups.entries()
    assert (entry.state, len(entry.group.photos)) == (State.ACCEPTED, 2)


def test_photos_and_markers_go_to_the_group_of_their_folder_and_nowhere_else() -> None:
    with Ledger() as ledger:
        ledger.groups.add(found("QC-1", folder="m/QC-1"))
        ledger.groups.add(found("QC-2", folder="m/QC-2"))
        told = [("m/QC-1", "a.jpg"), ("m/QC-2", "b.jpg"), ("m/QC-1", "c.jpg")]
        assert all(ledger.groups.add_photo(folder, Photo(name, f"{folder}/{name}", 7)) for folder, name in told)
        assert not ledger.groups.add_photo("m", Photo("d.jpg", "m/d.jpg", 7))
        assert (ledger.groups.mark("m/QC-2"), ledger.groups.mark("m/QC-3")) == (True, False)
        assert ledger.groups.found_photos() == 3
        entries = list(ledger.groups.entries(State.FOUND))
    assert [{photo.name for photo in entry.group.photos} for entry in entries] == [{"a.jpg", "c.jpg"}, {"b.jpg"}]
    assert [entry.group.marked for entry in entries] == [False, True]


def test_names_that_are_not_utf8_survive() -> None:
    with Ledger() as ledger:
        ledger.groups.add(found("QC-\udcff", folder="m/QC-\udcff"))
        assert ledger.groups.add_photo("m/QC-\udcff", Photo("\udcfe\n.jpg", "m/QC-\udcff/\udcfe\n.jpg", 1))
        (entry,) = ledger.groups.entries()
        ledger.groups.settle(entry, entry.group.photos, State.REJECTED)
        (settled,) = ledger.groups.entries()
    assert settled.group == entry.group
    assert settled.group.photos[0].name == "\udcfe\n.jpg"


names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=4)


@examples()
@given(st.lists(st.tuples(names, st.sampled_from([None, *Label])), unique=True, max_size=12))
def test_groups_come_in_the_order_that_python_gives_them(told: list[tuple[str, Label | None]]) -> None:
    with Ledger() as ledger:
        for group_id, label in told:
            ledger.groups.add(found(group_id, label))
        order = [(entry.group.group_id, entry.group.label or "") for entry in ledger.groups.entries()]
    assert order == sorted((group_id, label or "") for group_id, label in told)


def test_more_groups_than_a_page_are_all_read_while_they_are_settled() -> None:
    count = 700
    with Ledger() as ledger:
        for index in range(count):
            ledger.groups.add(found(f"QC-{index:04d}"))
        seen = []
        for entry in ledger.groups.entries(State.FOUND):
            seen.append(entry.group.group_id)
            ledger.groups.settle(entry, (), State.ACCEPTED if len(seen) % 3 else State.REJECTED)
        assert seen == [f"QC-{index:04d}" for index in range(count)]
        counts = [ledger.groups.count(state) for state in State]
    assert counts == [0, count - count // 3, count // 3]


def test_another_try_forgets_what_was_found_and_keeps_what_was_carried_over() -> None:
    with Ledger() as ledger:
        ledger.groups.add(make_group("QC-1"), State.ACCEPTED)
        ledger.groups.add(found("QC-2"))
        (entry,) = ledger.groups.entries(State.FOUND)
        ledger.groups.settle(entry, (), State.ACCEPTED)
        ledger.groups.forget_found(carried=True)
        assert [entry.group.group_id for entry in ledger.groups.entries()] == ["QC-1"]
        ledger.groups.forget_found(carried=False)
        assert ledger.groups.count() == 0
