"""Text that is shown to people."""

import pytest

from procession.core.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größer 世界 ✓", "größer 世界 ✓"),
        ("a\u3000b\u00a0c", "a\u3000b\u00a0c"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("\x9b31m\x7f\0", "\\x9b31m\\x7f\\x00"),
        ("\u202eright to left\u2028", "\\u202eright to left\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text, shown):
    assert printable(text) == shown


def test_what_is_to_be_kept_is_kept():
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"
