"""What a terminal sees while a run trains."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from pixelrec.training.journal import EpochBar


def test_a_bar_says_what_is_known_and_nothing_before() -> None:
    screen = StringIO()
    bar = EpochBar(
        Console(file=screen, width=100, force_terminal=True, color_system=None), 1, 2, batches=3, done=0
    )

    def shown() -> str:
        screen.truncate(screen.seek(0))
        bar.line.draw()
        bar.line.progress.console.print(bar.line.progress.make_tasks_table(bar.line.progress.tasks))
        return screen.getvalue()

    before = shown()
    assert "0/3" in before and "loss" not in before and "windows/s" not in before
    bar.advance(None, 8)
    assert "1/3" in shown() and "windows/s" in shown() and "loss" not in shown()
    bar.advance(0.25, 8)
    assert "loss 0.2500" in shown()
