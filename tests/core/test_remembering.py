"""What is remembered of texts is the same as what is read, and never much."""

from dataclasses import dataclass

from spectral_platform.core.remembering import LONGEST, remembered


@dataclass(frozen=True)
class Note:
    title: str
    lines: tuple[str, ...]


def test_what_was_read_of_a_short_text_is_read_once() -> None:
    read: list[object] = []

    @remembered(2)
    def length(text: str, note: Note) -> int:
        read.append(text)
        return len(text) + len(note.title)

    assert [length("short", Note("a", ("b", "c"))) for _ in range(3)] == [6, 6, 6]
    assert read == ["short"]


def test_nothing_is_kept_of_texts_that_are_long_together() -> None:
    read: list[object] = []

    @remembered(2)
    def length(text: str, note: Note) -> int:
        read.append(text)
        return len(text)

    long = Note("a", ("x" * (LONGEST // 2), "x" * (LONGEST // 2)))
    assert [length("short", long) for _ in range(2)] == [5, 5]
    assert len(read) == 2
