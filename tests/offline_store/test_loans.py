"""What waits for the library: kept with its record, in order, tried and settled once, and carried over a rescue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from offline_store import loans
from offline_store.errors import RecordInvalid
from offline_store.journal import Append, Journal
from offline_store.loans import Loan, LoanSettled, LoanTried, latest, waiting
from offline_store.rescue import rescue
from tests.offline_store.parts import BOOT_ID, START_MS, SeededRandom, SteppingClock, entry


def row(number: int, **fields: object) -> Loan:
    values: dict[str, object] = {
        "id": number.to_bytes(16, "big"),
        "lane": "desk",
        "profile": "library",
        "act": "checkout",
        "mode": "send",
        "item": f"item-{number}",
        "patron": "reader",
        "at_ms": START_MS + number,
    }
    return Loan(**(values | fields))  # type: ignore[arg-type]  # a test's shorthand


def test_what_waits_leaves_in_the_order_in_which_it_came(journal: Journal, directory: Path) -> None:
    journal.append([Append((entry(number),), loans=(row(number),)) for number in (3, 1, 2)])
    assert [loan.item for loan in waiting(directory, 10)] == ["item-3", "item-1", "item-2"]
    assert [loan.item for loan in waiting(directory, 2)] == ["item-3", "item-1"]


def test_an_append_that_comes_again_keeps_nothing_twice_and_a_failed_one_keeps_nothing(
    journal: Journal, directory: Path
) -> None:
    append = Append((entry(1),), loans=(row(1),))
    journal.append([append])
    journal.append([append])
    assert len(waiting(directory, 10)) == 1
    with pytest.raises(RecordInvalid):
        journal.append([Append((entry(2),), loans=(row(2),)), Append((entry(3, lane="x" * 65),), loans=(row(3),))])


def test_tries_are_counted_and_what_is_settled_waits_no_more_and_forgets_whose_it_was(
    journal: Journal, directory: Path, open_journal: Callable[[], Journal]
) -> None:
    journal.append([Append((entry(1),), loans=(row(1), row(2)))])
    journal.append([Append(loans=(LoanTried(row(1).id),))])
    assert [loan.tries for loan in waiting(directory, 10)] == [1, 0]
    settled = (LoanSettled(row(1).id, "told", 5), LoanSettled(row(2).id, "refused", 6, open_to_people=True))
    journal.append([Append(loans=settled)])
    journal = open_journal()
    assert waiting(directory, 10) == []
    assert [(loan.result, loan.settled_ms, loan.patron) for loan in latest(directory, 10)] == [
        ("told", 5, None),
        ("refused", 6, "reader"),
    ]
    journal.append([Append(loans=(LoanSettled(row(1).id, "void", 9), LoanTried(row(1).id)))])
    assert [(loan.result, loan.tries) for loan in latest(directory, 1)] == [("refused", 0)]
    assert latest(directory, 2)[0].result == "told", "what is settled stays so"


def test_the_list_is_bounded_and_never_forgets_what_waits(
    journal: Journal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loans, "MAX_KEPT", 10)
    journal.append([Append(loans=(row(1000),))])
    for number in range(40):
        journal.append([Append(loans=(row(number), LoanSettled(row(number).id, "told", number)))])
    kept = latest(directory, 1000)
    assert [loan.item for loan in kept] == ["item-1000", *(f"item-{number}" for number in range(30, 40))]


def test_what_waits_goes_on_in_a_rescued_journal(journal: Journal, directory: Path, clock: SteppingClock) -> None:
    tried = Append(loans=(LoanTried(row(2).id), LoanSettled(row(1).id, "told", 7)))
    journal.append([Append((entry(1),), loans=(row(1), row(2), row(3))), tried])
    before = latest(directory, 10)
    journal.close()
    rescue(directory, BOOT_ID, clock, SeededRandom(2))
    assert latest(directory, 10) == before
    assert [(loan.item, loan.tries) for loan in waiting(directory, 10)] == [("item-2", 1), ("item-3", 0)]


def test_a_terminal_that_never_ran_owes_nothing(tmp_path: Path) -> None:
    assert waiting(tmp_path, 10) == []


@pytest.mark.parametrize("fields", [{"id": b"short"}, {"item": ""}, {"patron": "x" * 65}, {"mode": "y" * 65}])
def test_a_row_out_of_bounds_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RecordInvalid):
        row(1, **fields)
