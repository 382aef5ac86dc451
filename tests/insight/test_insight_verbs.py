"""`explain` and `what-if`, from Python and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import pixelrec
from pixelrec.cli.main import main
from pixelrec.errors import RequestError
from pixelrec.insight.leave_one_out import leave_one_out
from pixelrec.insight.past import past_of
from pixelrec.insight.what_if import AS_IS
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.run import Run


def test_explain_is_leave_one_out(
    ids_run: Run, ids: RecommendationService, capsys: pytest.CaptureFixture[str]
) -> None:
    found = pixelrec.explain(ids_run, user="u5", k=2)
    best = [str(each.item_id) for each in ids.recommend(users=["u5"], k=2)[0]]
    assert found["item_id"].unique(maintain_order=True).to_list() == best
    for item, one in zip(best, leave_one_out(ids, past_of(ids, user="u5"), best), strict=True):
        mine = found.filter(item_id=item)
        assert mine["score_change"].is_sorted(descending=True)
        plain = one.frame.select("event", "item_id", "title", "score_change", "rank")
        assert mine.sort("event").select(
            "event", "event_item", "title", "score_change", "rank_without"
        ).rows() == (plain.rows())
    assert main(["explain", str(ids_run.folder), "--user", "u5", "-k", "2", "--form", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == found.to_dicts()


def test_what_if_has_a_row_for_each_change(
    pixels_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []
    found = pixelrec.what_if(
        pixels_run, "i7", crop=[0.9, 0.4], text=["-50 %"], users=30, on_note=notes.append
    )
    assert found["change"].to_list() == [AS_IS, "crop 0.9", "crop 0.4", "text '-50 %'"]
    assert found["rise"].to_list()[0] is None and found["low"][1] <= found["rise"][1] <= found["high"][1]
    assert "users; " in notes[0] and "more have 'i7' already" in notes[0]
    out = tmp_path / "moves.csv"
    words = ["what-if", str(pixels_run.folder), "i7", "--crop", "0.9", "0.4", "--text=-50 %", "--users", "30"]
    assert main([*words, "--by-user", "--out", str(out)]) == 0
    moves = pl.read_csv(out)
    assert moves.columns == ["change", "user_id", "rank_before", "rank_after", "rise"]
    means = moves.group_by("change", maintain_order=True).agg(pl.col("rise").mean())
    assert means["rise"].to_list() == pytest.approx(found["rise"].to_list()[1:])
    assert main(words) == 0
    assert "crop 0.4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "--user", "u5", "--history", "i3"], "exactly one of the two"),
        (["explain"], "exactly one of the two"),
        (["explain", "--history", "i3", "--item", "zzz"], "unknown item 'zzz'"),
        (["what-if", "i7"], "what if what?"),
        (["what-if", "i7", "--blur", "-1"], "blur is -1.0; expected percent"),
        (["what-if", "i7", "--grey"], "do not come from pictures"),
        (["what-if", "i7", "--cover", "absent.jpg"], "absent.jpg"),
        (["what-if", "i7", "--jpeg-quality", "0"], "at least 1"),
    ],
)
def test_faults_are_one_line(
    ids_run: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *rest = words
    assert main([verb, str(ids_run.folder), *rest]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_unknown_items_have_no_covers(pixels_run: Run) -> None:
    with pytest.raises(RequestError, match="unknown item 'zzz'"):
        pixelrec.what_if(pixels_run, "zzz", grey=True)
