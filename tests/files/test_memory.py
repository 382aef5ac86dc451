"""The least of the limits on memory counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelrec.files.memory import memory_limit


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        ("0::/a/b", {"a/memory.max": "5000\n", "a/b/memory.max": "max\n"}, 5000),
        ("0::/a/b", {"memory.max": "7000", "a/b/memory.max": "3000"}, 3000),
        ("0::/of/the/host", {"memory.max": "6000"}, 6000),
        ("3:cpu:/a\n4:memory:/a", {"memory/a/memory.limit_in_bytes": "4000"}, 4000),
        ("0::/a", {"a/memory.max": "max"}, None),
        (None, {}, None),
    ],
)
def test_the_smallest_group_counts(
    tmp_path: Path, group: str | None, files: dict[str, str], limit: int | None
) -> None:
    if group is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(f"{group}\n", encoding="utf-8")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    machine = memory_limit(tmp_path / "nowhere")
    assert machine > 10_000 and memory_limit(tmp_path) == (limit or machine)
