"""What training says, line by line."""

from __future__ import annotations

from pixelrec.training.config import TrainingConfig
from pixelrec.training.epoch_lines import TRAINING, announcement, epoch_line, summary
from pixelrec.training.fitting import WORDS

ROWS = [
    {
        "epoch": epoch,
        "loss": 4.5,
        "NDCG@10": 0.1 + 0.001 * epoch,
        "seconds": 60.0 * epoch,
        "windows_per_second": 1234.5,
        "validation_seconds": 30.0,
        "encoding_seconds": 20.0,
    }
    for epoch in (1, 2)
]
START = {"epoch": 0, "NDCG@10": 0.2, "seconds": 0.0}


def test_the_announcement_says_what_ends_training() -> None:
    told = announcement(TRAINING, TrainingConfig(epochs=200, patience=20), 1234)
    assert "up to 200 epochs of 1,234 windows" in told
    assert "stops after 20 epochs without a better NDCG@10 on validation\n" in told
    assert max(map(len, told.splitlines())) <= 80
    for patience in (0, 20):  # none, or more than there are epochs
        assert "stops" not in announcement(TRAINING, TrainingConfig(epochs=20, patience=patience), 1)


def test_the_time_left_counts_validation() -> None:
    line = epoch_line(TRAINING, [START, *ROWS], "NDCG@10", 12, better=True)
    assert line == "epoch   2  loss 4.5000  NDCG@10 10.20 %  120.0 s  1,234/s  ≤ 20 min left  best"
    assert len(line) <= 80
    assert epoch_line(TRAINING, ROWS, "NDCG@10", 2, better=False).endswith("120.0 s  1,234/s")


def test_the_summary_names_the_best_epoch_and_where_the_time_went() -> None:
    assert summary(TRAINING, [START, *ROWS], "NDCG@10", 2, encodes=True) == (
        "best       epoch 2 of 2: NDCG@10 10.20 % on validation\n"
        "time       4 min: training 3 min, validation 60.0 s (40.0 s of it encoding items)"
    )
    told = summary(TRAINING, [START, *ROWS], "NDCG@10", 0, encodes=False)
    assert "best       the start: training did not improve on it: NDCG@10 20.00 % on validation\n" in told
    assert "encoding" not in told
    assert summary(TRAINING, ROWS[1:], "NDCG@10", 1, encodes=False).startswith("best       epoch 1 of 2\n"), (
        "no record"
    )


def test_a_fit_has_passes_over_items() -> None:
    config = TrainingConfig(epochs=20, patience=0, monitor="cosine")
    assert "fit        up to 20 passes of 474 items with training events\n" in announcement(
        WORDS, config, 474
    )
    row = {"epoch": 2, "loss": 0.5, "cosine": 0.25, "seconds": 2.0, "items_per_second": 237.0}
    assert epoch_line(WORDS, [row], "cosine", 2, better=False) == (
        "pass    2  loss 0.5000  cosine 25.00 %  2.0 s  237/s"
    )
    assert summary(WORDS, [row], "cosine", 2, encodes=False).startswith(
        "best       pass 2 of 2: cosine 25.00 % on"
    )
