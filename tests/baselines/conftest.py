"""Fixtures of the baselines' tests."""

from __future__ import annotations

import pytest
from baselines.pasts import Past, drawn_past


@pytest.fixture(scope="session")
def past() -> Past:
    return drawn_past()
