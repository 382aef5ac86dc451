"""The report of a real run: its row among the baselines, from the best to the worst."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec import api
from pixelrec.baselines import BASELINES
from pixelrec.choices import Split
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases as questions_of_test
from pixelrec.data.views import seen_items
from pixelrec.demonstration.world import World
from pixelrec.errors import ImageError, RequestError, RunError
from pixelrec.images.pack import pack
from pixelrec.images.store import PictureStore
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.report import BEST_POSSIBLE, write_run_report
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks

SMALL = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = api.train(
        "sasrec-id", data=dataset.folder, out=tmp_path_factory.mktemp("report") / "run", overrides=SMALL
    )
    api.evaluate(made)
    return made


def rows(page: Path) -> list[tuple[str, str]]:
    """Role and name of every row of the first table of metrics."""
    text = page.read_text(encoding="utf-8").partition("</table>")[0]
    return re.findall(r'<tr role="row" class="(\w+)"><th scope="row" role="rowheader">([^<]+?) ?<', text)


def test_rows_go_from_the_best_to_the_worst(run: Run, dataset: Dataset) -> None:
    page = write_run_report(run, dataset, "test", {"Recall@10": 0.9, "NDCG@10": 0.8})
    found = rows(page)
    measured = EvaluationResult.read(run.folder, "test")
    values = {name: each["NDCG@10"] for name, each in measured.metrics.items()}
    assert found[0] == ("ceiling", BEST_POSSIBLE)
    names = [name for _, name in found[1:]]
    assert set(names) == {"sasrec-id", *BASELINES}
    assert [values[name] for name in names] == sorted(values.values(), reverse=True)
    assert [name for role, name in found if role == "model"] == ["sasrec-id"]
    assert [role for role, _ in found].count("baseline") == len(BASELINES)


def test_the_report_says_how_the_run_stands(run: Run, dataset: Dataset) -> None:
    text = write_run_report(run, dataset, "test").read_text(encoding="utf-8")
    measured = EvaluationResult.read(run.folder, "test")
    assert measured.comparison is not None
    assert measured.comparison.sentence("sasrec-id") in text
    for name, choice in measured.notes.items():
        assert f"{name} ({choice})" in text


def test_a_run_without_a_result_is_evaluated_again(run: Run, tmp_path: Path) -> None:
    older = tmp_path / "run"
    shutil.copytree(run.folder, older)
    (older / "evaluation-test.json").unlink()
    page = api.report(older)
    assert (older / "evaluation-test.json").exists()
    assert ("model", "sasrec-id") in rows(page)


@pytest.fixture(scope="module")
def longer(dataset: Dataset, run: Run) -> Run:
    """Another run of the same recipe, so of the same name."""
    overrides = {**SMALL, "training.epochs": 3}
    made = api.train("sasrec-id", data=dataset.folder, out=run.folder.parent / "longer", overrides=overrides)
    api.evaluate(made)
    return made


def test_items_with_few_training_events_have_a_table(run: Run, dataset: Dataset) -> None:
    text = html.unescape(write_run_report(run, dataset, "test").read_text(encoding="utf-8"))
    table = text.partition("</table>")[2].partition("</table>")[0]
    few, new, others = EvaluationResult.read(run.folder, "test").slices
    assert few.where in text and others.where in text and few.comparison is not None
    assert few.comparison.sentence("sasrec-id") in text
    found = {}
    for row in table.split("<tr ")[1:]:
        cells = re.findall(r">([\d.]+)</span>", row)
        if cells:
            found[re.findall(r'rowheader">([^<]+?) ?<', row)[0]] = cells
    assert list(found) == few.ordered()
    for name, cells in found.items():
        expected = [
            [f"{100 * part.metrics[name]['NDCG@10']:.2f}", f"{part.median_ranks[name]:,.0f}"]
            for part in (few, new, others)
        ]
        assert cells == [cell for pair in expected for cell in pair]


def test_another_run_is_shown_in_the_same_tables(run: Run, longer: Run, dataset: Dataset) -> None:
    page = write_run_report(run, dataset, "test", beside=[longer])
    text = html.unescape(page.read_text(encoding="utf-8"))
    assert ("other", "sasrec-id (longer)") in rows(page) and ("model", "sasrec-id") in rows(page)
    assert len(rows(page)) == 2 + len(BASELINES)
    assert text.count('<span class="tag">other run</span>') == 3, "over all, on long-tail items, and cost"
    difference = RunDifference.read(run.folder, longer.folder, "test")
    assert difference.long_tail is not None
    for pair in (difference.overall, difference.long_tail):
        assert pair.sentence("sasrec-id", "sasrec-id (longer)") in text
    assert difference.slices["other items"].sentence("sasrec-id", "sasrec-id (longer)") not in text
    theirs = EvaluationResult.read(longer.folder, "test")
    for metrics in (theirs.metrics, theirs.slices[0].metrics):
        assert f">{100 * metrics['sasrec-id']['NDCG@10']:.2f}</span>" in text
    write_run_report(run, dataset, "test")


def test_an_incompatible_run_beside_it_is_refused(
    run: Run, longer: Run, dataset: Dataset, tmp_path: Path
) -> None:
    page = run.folder / "report.html"
    before = page.read_bytes() if page.exists() else None
    with pytest.raises(RunError, match="evaluate the run"):
        write_run_report(run, dataset, "test", beside=[replace(longer, folder=tmp_path)])
    shutil.copytree(longer.folder, tmp_path / "odd")
    path = tmp_path / "odd" / "ranks-test.parquet"
    pl.read_parquet(path).head(50).write_parquet(path)
    with pytest.raises(RunError, match="and 50 users"):
        write_run_report(run, dataset, "test", beside=[replace(longer, folder=tmp_path / "odd")])
    with pytest.raises(RunError, match="twice"):
        write_run_report(run, dataset, "test", beside=[longer] * 3)
    assert (page.read_bytes() if page.exists() else None) == before


def test_a_run_without_ranks_is_evaluated_again(run: Run, tmp_path: Path) -> None:
    older = tmp_path / "run"
    shutil.copytree(run.folder, older)
    (older / "ranks-test.parquet").unlink()
    page = api.report(older)
    assert "items with < 5 training events" in html.unescape(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("split", ["tst", "Test", ""])
def test_a_split_that_does_not_exist_is_refused_everywhere(
    run: Run, dataset: Dataset, tmp_path: Path, split: Split
) -> None:
    before = sorted(run.folder.rglob("*"))
    calls = [
        lambda: api.evaluate(run, split=split),
        lambda: api.report(run, split=split),
        lambda: api.compare(run, run, split=split),
        lambda: api.bench(dataset.folder, ["mf-id"], split=split, out=tmp_path / "bench"),
    ]
    for call in calls:
        with pytest.raises(RequestError, match=f"split is {split!r}; .*'?test"):
            call()
    assert sorted(run.folder.rglob("*")) == before and not (tmp_path / "bench").exists()


def test_ranks_are_of_the_items_that_were_ranked(run: Run, dataset: Dataset) -> None:
    text = html.unescape(write_run_report(run, dataset, "test").read_text(encoding="utf-8"))
    told = re.findall(r"user</small> <bdi>(.+?)</bdi>.*?rank ([\d,]+) of ([\d,]+)<", text, flags=re.DOTALL)
    assert len(told) == 12
    cases = questions_of_test(dataset)
    for user_id, rank, ranked in told:
        user = 1 + list(dataset.user_ids).index(user_id)
        seen, _ = seen_items(cases.histories, np.array([user]))
        assert int(ranked) == dataset.items - len(set(seen.tolist())) and int(rank) <= int(ranked)
    assert f"{run.folder.name} · seed 0 · " in text


def test_each_split_has_its_page(run: Run, dataset: Dataset) -> None:
    page = write_run_report(run, dataset, "test")
    before = page.read_bytes()
    other = api.report(run, split="validation")
    assert (page.name, other.name) == ("report.html", "report-validation.html")
    assert page.read_bytes() == before and b"Metrics on validation" in other.read_bytes()


def test_other_runs_are_evaluated_first(
    run: Run, longer: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(longer.folder, fresh)
    (fresh / "evaluation-test.json").unlink()
    assert main(["compare", str(run.folder), str(fresh)]) == 2
    assert f"`pixelrec evaluate {fresh} --split test`" in capsys.readouterr().err
    assert main(["report", str(run.folder), "--beside", str(fresh), str(longer.folder)]) == 0
    found = rows(Path(capsys.readouterr().out.splitlines()[0].removeprefix("report     ")))
    assert [name for role, name in found if role == "other"] == ["sasrec-id (fresh)", "sasrec-id (longer)"]
    assert main(["compare", str(run.folder), str(fresh)]) == 0
    assert api.compare(run, fresh).sentence in capsys.readouterr().out
    api.report(run)


def test_covers_are_shown_as_far_as_they_are_there(
    run: Run, dataset: Dataset, world: World, tmp_path: Path
) -> None:
    """No store, one without some items, one whose packing was cut short, and one that is damaged."""
    data = Dataset.open(Path(shutil.copytree(dataset.folder, tmp_path / "data")))
    ids, few = list(data.item_ids), tmp_path / "covers"

    def page() -> tuple[int, str]:
        text = html.unescape(write_run_report(run, data, "test").read_text(encoding="utf-8"))
        return text.count("data:image"), text

    pictures, text = page()
    assert pictures > 50 and "images pack" not in text
    shutil.rmtree(data.covers)
    without, text = page()
    assert without < pictures - 50 and "images pack" not in text
    pack(world.covers, data.covers, ids[:50], size=32)
    some, text = page()
    assert without < some < pictures
    assert f"{len(ids) - 50} items have none: run `pixelrec images pack` again" in text
    shutil.rmtree(data.covers)
    few.mkdir()
    for item in ids[:50]:
        shutil.copyfile(world.covers / f"{item}.jpg", few / f"{item}.jpg")
    with pytest.raises(ImageError):
        pack(few, data.covers, ids, size=32)
    assert page()[0] == without and "not shown: packing of" in page()[1]
    (data.covers / "data.mdb").write_bytes(b"no store")
    assert page()[0] == without and "not shown: " in page()[1]


def test_both_runs_have_their_curves_and_lists(run: Run, longer: Run, dataset: Dataset) -> None:
    text = html.unescape(write_run_report(run, dataset, "test", beside=[longer]).read_text(encoding="utf-8"))
    assert text.count('<polyline class="line"') == 2 * 2 and "sasrec-id (longer), best: epoch" in text
    assert text.count('<h4 class="other">sasrec-id (longer)') == 12
    theirs = SavedRanks.read(longer.folder, "test")
    users = re.findall(r"user</small> <bdi>(.+?)</bdi>", text)
    told = re.findall(r'class="other">.*?rank ([\d,]+) of', text)
    assert told == [f"{theirs.ranks[theirs.table['user_id'].to_list().index(user)]:,}" for user in users]
    assert text.count("items are in at least one list") == 2
    found = EvaluationResult.read(run.folder, "test").exposure
    assert found is not None and f"<strong>{found.shown:,}</strong> of {dataset.items}" in text
    write_run_report(run, dataset, "test")


def test_the_page_says_where_it_comes_from(run: Run, dataset: Dataset) -> None:
    text = html.unescape(write_run_report(run, dataset, "test").read_text(encoding="utf-8"))
    for told in (dataset.fingerprint, f"torch {run.about['torch']}", f"recipe.yaml --data {dataset.folder}"):
        assert told in text
    assert f"sasrec-id <span>on {dataset.folder.name}</span></h1>" in text
    result = EvaluationResult.read(run.folder, "test")
    low, high = result.overall.intervals["sasrec-id"]["NDCG@10"]
    assert f"95 %: {100 * low:.2f} to {100 * high:.2f}<span>validation " in text
    assert result.comparison is not None and result.comparison.verdict == "behind"
    assert text.count(", behind</p>") == 2


def test_ranks_of_other_users_are_refused(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    odd = replace(run, folder=Path(shutil.copytree(run.folder, tmp_path / "odd")))
    path = odd.folder / "ranks-test.parquet"
    ranks = pl.read_parquet(path)
    for changed in (ranks.head(50), ranks.reverse(), ranks.vstack(ranks)):
        changed.write_parquet(path)
        with pytest.raises(RunError, match=r"(different|users).*evaluate .*odd. again$"):
            write_run_report(odd, dataset, "test")
    damages = {
        "empty": ranks.clear(),
        "rank is Float64": ranks.with_columns(pl.col("rank").cast(pl.Float64) / 0),
        "rank goes down to 0": ranks.with_columns(rank=pl.lit(0)),
        "1 of 390 empty": ranks.with_columns(rank=pl.when(pl.col("rank").cum_count() > 1).then("rank")),
        "user_id is Float64": ranks.with_columns(user_id=pl.lit(1.0)),
        "goes down to -1": ranks.with_columns(item_training_events=pl.lit(-1)),
    }
    for what, table in damages.items():
        table.write_parquet(path)
        with pytest.raises(RunError, match=rf"damaged \(.*{what}"):
            write_run_report(odd, dataset, "test")
    page = api.report(odd)
    assert page.exists() and pl.read_parquet(path).equals(ranks), "evaluated again"


def test_covers_that_cannot_be_read_are_told_beside_the_page(
    run: Run, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(dataset.folder, tmp_path / "data"))
    (data / "covers.lmdb" / "data.mdb").write_bytes(b"")
    assert main(["report", str(run.folder), "--data", str(data)]) == 0
    said = capsys.readouterr()
    assert str(run.folder / "report.html") in said.out and "not shown" not in said.out
    assert "covers: not shown: " in said.err.replace("\n", " ")
    write_run_report(run, dataset, "test")


def test_a_damaged_picture_is_told(
    run: Run, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_self: PictureStore, items: list[str]) -> np.ndarray:
        raise ImageError(f"the picture of {items[0]} is damaged")

    with monkeypatch.context() as patch:
        patch.setattr(PictureStore, "read", broken)
        assert main(["report", str(run.folder), "--data", str(dataset.folder)]) == 0
    assert "covers not shown: the picture of" in " ".join(capsys.readouterr().err.split())
    write_run_report(run, dataset, "test")
