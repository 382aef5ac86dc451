"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from pixelrec.console import numbers as wording


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.percent(0.12345), "12.35"),
        (wording.percent(math.nan), "–"),
        (wording.signed(0.0123), "+1.23"),
        (wording.signed(-0.0123), "−1.23"),
        (wording.signed(math.nan), "–"),
        (wording.short(0.01234), "0.0123"),
        (wording.short(12.345), "12.3"),
        (wording.short(1234.5), "1,234"),
        (wording.duration(0.04), "0.0 s"),
        (wording.duration(119.9), "119.9 s"),
        (wording.duration(150), "2.5 min"),
        (wording.duration(7200), "2 h"),
        (wording.with_prefix(999), "999 B"),
        (wording.with_prefix(412_000_000), "412 MB"),
        (wording.with_prefix(1_234_567, ""), "1.23 M"),
        (wording.with_prefix(12, ""), "12"),
        (wording.with_prefix(math.nan), "–"),
        (wording.plural(1, "run"), "1 run"),
        (wording.plural(0, "run"), "0 runs"),
        (wording.plural(2000, "user"), "2,000 users"),
    ],
)
def test_what_is_written(written: str, expected: str) -> None:
    assert written == expected
