"""From frames to presentations: once each, hints that do not chatter, and a camera that gets worse."""

from __future__ import annotations

from drivers.api import CodeHint, CodeProblem, CodeReading, Reading, SourceHealth
from drivers.presentations import TEXTS_MAX, Presentations
from drivers.vision.sight import Located, Problem, Quad, Sight, Symbol, Symbology

MS = 1_000_000
GAP_MS = 1500
FRAME_MS = 33


def square(side: float) -> Quad:
    return ((0, 0), (side, 0), (side, side), (0, side))


def shows(*texts: str) -> Sight:
    """The first text is the smallest code."""
    return Sight(
        tuple(Symbol(text, text.encode(), Symbology.QR, square(100 + number)) for number, text in enumerate(texts))
    )


def finds(problem: Problem) -> Sight:
    return Sight(located=(Located(square(50), problem),))


class Film:
    """Frames at 30 a second, and all that they brought."""

    def __init__(self) -> None:
        self.presentations = Presentations("lens", GAP_MS)
        self.now_ms = 0

    def play(self, sight: Sight, for_ms: int) -> list[Reading]:
        readings: list[Reading] = []
        for _ in range(max(1, for_ms // FRAME_MS)):
            self.now_ms += FRAME_MS
            readings += self.presentations.note(sight, self.now_ms * MS)
        return readings


def texts_of(readings: list[Reading]) -> list[str]:
    return [reading.text for reading in readings if isinstance(reading, CodeReading)]


def test_a_text_is_read_once_while_it_is_in_view_and_when_it_flickers() -> None:
    film = Film()
    assert texts_of(film.play(shows("A"), 5000)) == ["A"]
    film.play(Sight(), GAP_MS - 200)
    assert texts_of(film.play(shows("A"), 1000)) == []


def test_after_it_was_away_it_is_read_again() -> None:
    film = Film()
    film.play(shows("A"), 100)
    film.play(Sight(), GAP_MS + 100)
    assert texts_of(film.play(shows("A"), 100)) == ["A"]


def test_the_nearest_code_comes_first() -> None:
    assert texts_of(Film().play(shows("FAR", "NEAR"), 33)) == ["NEAR", "FAR"]


def test_what_is_too_long_to_be_a_code_is_dropped_and_counted() -> None:
    film = Film()
    assert film.play(shows("x" * 4097), 500) == []
    assert film.presentations.dropped == 1


def test_texts_in_view_are_forgotten_beyond_their_bound() -> None:
    film = Film()
    for number in range(TEXTS_MAX + 1):
        film.play(shows(f"{number}"), 33)
    assert texts_of(film.play(shows("0"), 33)) == ["0"]
    assert texts_of(film.play(shows(f"{TEXTS_MAX}"), 33)) == []


def test_a_code_that_stays_unread_is_a_hint_every_two_seconds() -> None:
    film = Film()
    assert film.play(finds(Problem.SMALL), 400) == []
    hints = film.play(finds(Problem.SMALL), 4300)
    assert [hint.problem for hint in hints if isinstance(hint, CodeHint)] == [CodeProblem.SMALL] * 3


def test_whoever_was_read_hears_no_hint_while_he_takes_the_phone_away() -> None:
    film = Film()
    film.play(shows("A"), 500)
    assert film.play(finds(Problem.CUT), 1400) == []


def test_a_camera_that_begins_to_fail_says_so_once_and_that_it_is_well_again() -> None:
    film = Film()
    healths: list[bool] = []

    def present(number: int, *, read: bool) -> None:
        readings = film.play(finds(Problem.UNREAD), 700)
        readings += film.play(shows(f"CODE {number}"), 100) if read else []
        readings += film.play(Sight(), GAP_MS + 100)
        healths.extend(reading.poor for reading in readings if isinstance(reading, SourceHealth))

    for number in range(60):
        present(number, read=True)
    assert healths == []
    for number in range(60):
        present(number, read=False)
    assert healths == [True]
    for number in range(100):
        present(1000 + number, read=True)
    assert healths == [True, False]
