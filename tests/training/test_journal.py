"""The progress line of an epoch."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from pixelrec.training.epoch_lines import TRAINING
from pixelrec.training.journal import EpochBar
from pixelrec.training.state import Progress


def test_the_loss_is_shown_once_it_is_known() -> None:
    screen = StringIO()
    console = Console(file=screen, width=100, force_terminal=True, color_system=None)
    bar = EpochBar(console, TRAINING, Progress(), epochs=2, batches=3)

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
