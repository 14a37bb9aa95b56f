"""A run of photos with each server that does something wrong: no traceback, and no other photo's loss."""

from __future__ import annotations

import pytest

from tests.tasks.engines.endpoint_zoo import CASES, Case, outcome


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_server_that_does_something_wrong(case: Case) -> None:
    assert outcome(case) == case.outcome
