"""The report page: valid and safe for any content."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reports.html_page import Page

from pixelrec.drawing.scales import linear_steps
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Verdict
from pixelrec.reports import figures, page, tables, thumbnails
from pixelrec.reports.page import render, write
from pixelrec.reports.view import (
    Cover,
    Curves,
    MetricRow,
    OtherList,
    Report,
    Role,
    SlicePart,
    Spread,
    Standing,
    Tile,
    UserStory,
)

NASTY = '</style><script>alert("x")</script> <b>&amp;</b> שלום 🎉 ' + "long" * 200


def picture(seed: int, height: int = 160, width: int = 160) -> np.ndarray:
    """Coloured clouds with grain, which compress about as badly as film posters."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    clouds = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    return np.clip(clouds + rng.normal(0, 12, clouds.shape), 0, 255).astype(np.uint8)


def covers(*numbers: int, pictures: bool = True) -> list[Cover]:
    return [Cover(f"i{n}", f"Title {n}", picture(n) if pictures else None) for n in numbers]


def story(*, answer: int = 3, rank: int = 2, pictures: bool = True) -> UserStory:
    history, recommended = covers(1, 2, pictures=pictures), covers(4, 3, 5, pictures=pictures)
    return UserStory("u7", history, recommended, covers(answer, pictures=pictures)[0], rank, 600)


ROLES: tuple[Role, Role, Role] = ("baseline", "model", "other")


def part(name: str, where: str, cases: int, values: dict[str, float]) -> SlicePart:
    rows = [
        MetricRow(model, {"NDCG@5": 0.9, "Recall@10": 0.5, "NDCG@10": value}, role, median_rank=median)
        for (model, value), role, median in zip(values.items(), ROLES, (30, 7, 12), strict=True)
    ]
    standings = [Standing("behind", f"sasrec is behind on {where}")] if cases < 100 else []
    return SlicePart(name, where, cases, rows, standings)


SLICES = [
    part("long-tail items", "items with < 5", 40, {"random": 0.04, "sasrec": 0.0123, "another": 0.01}),
    part("other items", "items with ≥ 5", 900, {"random": 0.002, "sasrec": 0.3, "another": 0.31}),
]


@pytest.fixture
def report() -> Report:
    return Report(
        name="a run",
        when="2025-01-01",
        data="shop",
        tiles=[
            Tile("NDCG@10", 0.2, (0.18, 0.22), "0.80 × popularity, behind", "behind", 0.21),
            Tile("Recall@10", 0.3),
        ],
        metrics=[
            MetricRow("sasrec", {"Recall@10": 0.30, "NDCG@10": 0.20}, "model", {"NDCG@10": (0.18, 0.23)}),
            MetricRow("popularity", {"Recall@10": 0.06, "NDCG@10": 0.25}),
            MetricRow("oracle", {"Recall@10": 0.60, "NDCG@10": 0.40}, "ceiling"),
        ],
        standing=Standing("behind", "sasrec is behind popularity"),
        baselines=[("item-kNN", "half-life 1"), ("EASE", "left out: too many items")],
        summary=[("device", "CPU")],
        epochs=[{"epoch": e, "loss": 1 / e, "NDCG@10": 0.02 * e, "seconds": 2.0} for e in range(1, 6)],
        best_epoch=5,
        ranks=np.array([1, 1, 4, 8, 30, 600]),
        catalogue=600,
        stories=[story()],
        dataset=[("users", "2,000")],
        configuration={"users": {"kind": "sasrec", "layers": 2}, "seed": 0},
    )


VARIANTS = {
    "whole": {},
    "no epoch": {"epochs": [], "best_epoch": None},
    "one epoch": {"epochs": [{"epoch": 1, "loss": 0.7, "NDCG@10": 0.1}], "best_epoch": 1},
    "no validation": {"epochs": [{"epoch": 1, "loss": 0.7}], "best_epoch": None},
    "nothing finite": {"epochs": [{"epoch": 1, "loss": math.nan, "NDCG@10": math.inf, "seconds": math.nan}]},
    "a loss beyond all axes": {"epochs": [{"epoch": 1, "loss": 1e308, "NDCG@10": 1e308}]},
    "constant loss": {
        "epochs": [{"epoch": e, "loss": 0.0, "NDCG@10": 0.0} for e in range(3)],
        "best_epoch": 0,
    },
    "no numbers": {"metrics": [], "summary": [], "tiles": []},
    "no baselines": {"standing": None, "baselines": []},
    "undefined metric": {"metrics": [MetricRow("m", {"Recall@10": math.nan}, "model")]},
    "no ranks": {"ranks": None},
    "empty ranks": {"ranks": np.array([], dtype=int)},
    "no stories": {"stories": []},
    "answer not listed": {"stories": [story(answer=9, rank=37)]},
    "no pictures": {"stories": [story(pictures=False)]},
    "nobody": {"stories": [UserStory("u", [], [], Cover("i1"), 1, 1)]},
    "no facts": {"dataset": [], "configuration": None},
    "other runs": {
        "curves_beside": [Curves("mf", [{"epoch": 1, "loss": 9.0}, {"epoch": 2, "loss": math.nan}], 2)],
        "stories": [replace(story(), others=[OtherList("mf", covers(8, 9), 37)])],
        "spread": [Spread(name, 50, 30, 600, 0.4, covers(1, 2)) for name in ("sasrec", "mf")],
        "left_out": "3 users are left out",
        "origins": [("torch", "2.13")],
    },
    "no value in large print": {"tiles": [Tile("NDCG@10", math.nan, None, "", None, math.nan)]},
    "slices": {"slices": SLICES, "beside": [Standing("ahead", "sasrec is ahead of another run")]},
    "one slice": {"slices": SLICES[:1]},
    "a slice of nothing finite": {
        "slices": [replace(SLICES[0], metrics=[MetricRow("m", {"NDCG@10": math.nan})]), SLICES[1]]
    },
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_page_is_valid_and_self_contained(report: Report, variant: dict[str, object]) -> None:
    text = render(replace(report, **variant))
    parsed = Page(text)
    assert parsed.faults == []
    targets = [
        attrs[key] for _, attrs in parsed.tags for key in ("href", "src", "srcset", "data") if key in attrs
    ]
    assert all(
        target.startswith(("#", "data:image/webp;base64,", "data:image/jpeg;base64,")) for target in targets
    )
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert "url(" not in text
    assert "@import" not in text
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in targets if target.startswith("#")} <= set(ids)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", parsed.words(), flags=re.IGNORECASE)
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)


def test_nothing_in_the_data_becomes_markup(report: Report) -> None:
    cover = Cover(NASTY, NASTY, None, NASTY)
    nasty = Report(
        name=NASTY,
        when=NASTY,
        metrics=[MetricRow(NASTY, {NASTY: 0.5}, "model"), MetricRow(NASTY * 2, {NASTY: 0.4})],
        standing=Standing("level", NASTY),
        beside=[Standing("ahead", NASTY)],
        slices=[
            SlicePart(name, NASTY, 3, [MetricRow(NASTY, {"NDCG@10": 0.5})], [Standing("level", NASTY)])
            for name in ("long-tail items", NASTY)
        ],
        baselines=[(NASTY, NASTY), (NASTY, NASTY)],
        summary=[(NASTY, NASTY)],
        epochs=[{"epoch": 1, "loss": 0.5, NASTY: 0.1}],
        best_epoch=1,
        watched=NASTY,
        data=NASTY,
        tiles=[Tile(NASTY, 0.5, None, NASTY, "level")],
        left_out=NASTY,
        curves_beside=[Curves(NASTY, [{"epoch": 1, "loss": 0.5}], 1)],
        spread=[Spread(NASTY, 5, 3, 9, 0.5, [cover])] * 2,
        stories=[
            UserStory(
                NASTY, [cover], [cover], Cover("other", NASTY), 11, 20, others=[OtherList(NASTY, [cover], 3)]
            )
        ],
        origins=[(NASTY, NASTY)],
        dataset=[(NASTY, NASTY)],
        configuration={NASTY: {NASTY: NASTY}, "list": [NASTY]},
    )
    parsed = Page(render(nasty))
    assert parsed.faults == []
    assert not {"script", "b"} & {tag for tag, _ in parsed.tags}
    assert {tag for tag, _ in parsed.tags} <= {tag for tag, _ in Page(render(report)).tags} | {
        "p",
        "div",
        "strong",
        "br",
    }
    assert '<script>alert("x")</script>' in parsed.words()  # shown as it is written


def test_the_choice_is_framed_where_it_was_recommended(report: Report) -> None:
    parsed = Page(render(report))
    assert parsed.classes()["right"] == 1
    assert "✓ next" in parsed.words() and parsed.classes()["outside"] == 0
    assert "rank 2 of 600" in parsed.words()


def test_the_choice_stands_apart_where_it_was_not_recommended(report: Report) -> None:
    parsed = Page(render(replace(report, stories=[story(answer=9, rank=1037)])))
    assert parsed.classes()["right"] == 1
    assert "✓ next" not in parsed.words() and parsed.classes()["outside"] == 1
    assert "rank 1,037 of 600" in parsed.words() and "Title 9 next" in parsed.words()


def test_lists_of_another_run_stand_below_with_their_own_rank(report: Report) -> None:
    both = replace(story(answer=9, rank=37), others=[OtherList("mf", covers(8, 9), 2)])
    parsed = Page(render(replace(report, stories=[both])))
    assert parsed.classes()["right"] == 2 and parsed.classes()["outside"] == 1
    assert "mf rank 2 of 600" in parsed.words() and "a run best first rank 37 of 600" in parsed.words()


def test_control_characters_are_shown_and_never_sent(report: Report) -> None:
    odd = Cover("i\x1b]0;x\x07", "\u202egnp.exe\x9b2J")
    text = render(replace(report, name="\x1b[2J", stories=[replace(story(), history=[odd])]))
    assert not set(text) & set("\x1b\x07\u202e\x9b")
    assert "\\x1b[2J" in text and "\\u202egnp.exe" in text


def test_the_spread_over_the_catalogue_is_told(report: Report) -> None:
    shown = [Spread("sasrec", 50, 30, 600, 0.4, [replace(covers(7)[0], note="35.1 %")])]
    words = Page(render(replace(report, spread=shown))).words()
    assert "30 of 600 items are in at least one list (5.0 %) Gini 0.40" in words and "Title 7 35.1 %" in words


def test_a_long_history_shows_its_last_ten(report: Report) -> None:
    long = replace(story(), history=covers(*range(100, 123), pictures=False))
    words = Page(render(replace(report, stories=[long]))).words()
    assert "the last 10 of 23, oldest first" in words
    cut = replace(long, history=long.history[-10:], events=23)
    assert "the last 10 of 23, oldest first" in Page(render(replace(report, stories=[cut]))).words()
    parsed = Page(render(replace(report, stories=[long])))
    shown = [attrs["title"] for _, attrs in parsed.tags if attrs.get("class") == "tile" and "title" in attrs]
    assert shown == [f"Title {n}" for n in range(113, 123)]


def test_every_cover_is_embedded_once_and_described(report: Report) -> None:
    parsed = Page(render(replace(report, stories=[story()] * 3)))
    assert sum(tag == "image" for tag, _ in parsed.tags) == 5
    drawn = [attrs for tag, attrs in parsed.tags if attrs.get("class") == "picture"]
    assert len(drawn) == 3 * 5
    assert all(attrs["role"] == "img" and attrs["aria-label"].startswith("Cover of Title") for attrs in drawn)


def test_a_page_of_many_covers_stays_small(report: Report) -> None:
    stories = [
        UserStory(
            f"u{u}", covers(*range(u * 21, u * 21 + 10)), covers(*range(u * 21 + 10, u * 21 + 20)), c, 50, 600
        )
        for u, c in enumerate(covers(*range(1000, 1012)))
    ]
    assert 300_000 < len(render(replace(report, stories=stories)).encode()) < 2_500_000


@pytest.mark.parametrize(("height", "width", "aspect"), [(160, 160, 1.0), (240, 160, 0.667), (80, 800, 1.5)])
def test_tiles_take_the_shape_of_the_covers(report: Report, height: int, width: int, aspect: float) -> None:
    cover = Cover("i1", "one", picture(0, height, width))
    if width == 160:  # stretched to a square, as a store does
        cover = Cover("i1", "one", picture(0, 160, 160), aspect=width / height)
    parsed = Page(render(replace(report, stories=[UserStory("u", [cover], [cover], cover, 1, 2)])))
    body = next(attrs for tag, attrs in parsed.tags if tag == "body")
    assert float(body["style"].removeprefix("--aspect:")) == pytest.approx(aspect, abs=0.01)


@pytest.mark.parametrize(("aspect", "fit"), [(1.0, "slice"), (1.2, "slice"), (0.6, "meet"), (1.5, "meet")])
def test_a_cover_of_an_odd_shape_is_shown_whole(aspect: float, fit: str) -> None:
    one = thumbnails.gallery([Cover("i", None, picture(0, 160, 160), aspect=aspect)]).thumbnails["i"]
    assert one.width / one.height == pytest.approx(aspect, abs=0.02) and one.fit(1.0) == fit


def test_a_single_pixel_is_a_picture(report: Report) -> None:
    cover = Cover("i1", "one", np.zeros((1, 1, 3), dtype=np.uint8))
    assert Page(render(replace(report, stories=[UserStory("u", [cover], [], cover, 1, 2)]))).faults == []


def test_large_print_has_its_interval_and_the_one_verdict(report: Report) -> None:
    text = render(report)
    parsed = Page(text)
    assert parsed.classes()["lead"] == 2 and text.count('class="against behind"') == 1
    words = parsed.words()
    assert "NDCG@10 test 20.00% 95 %: 18.00 to 22.00validation 21.00 0.80 × popularity, behind" in words
    assert "Recall@10 test 30.00%" in words
    assert "20.00±2.50" in words, "the table has the interval, too"


@pytest.mark.parametrize("verdict", ["ahead", "level", "behind"])
def test_verdicts_are_sentences_in_colour(report: Report, verdict: Verdict) -> None:
    text = render(replace(report, standing=Standing(verdict, "sasrec is somewhere")))
    assert f'<p class="standing {verdict}">sasrec is somewhere</p>' in text
    assert f".standing.{verdict} {{" in text
    assert "standing" not in Page(render(replace(report, standing=None))).classes()


def test_hyperparameters_of_baselines_are_below_the_table(report: Report) -> None:
    said = "Baselines: item-kNN (half-life 1), EASE (left out: too many items); tuned on validation"
    assert said in Page(render(report)).words()
    assert "tuned on validation" not in Page(render(replace(report, baselines=[]))).words()


def test_a_narrow_table_has_a_column_for_each_metric_and_keeps_its_roles(report: Report) -> None:
    parsed = Page(render(report))
    table = next(attrs for tag, attrs in parsed.tags if tag == "table")
    assert table["style"] == "--metrics:2"
    roles = Counter(attrs.get("role") for _, attrs in parsed.tags)
    assert (roles["table"], roles["row"], roles["rowheader"], roles["cell"]) == (1, 4, 3, 6)


def test_the_best_of_each_column_is_marked_and_the_ceiling_never(report: Report) -> None:
    table = tables.metric_table(report.metrics)
    assert [[cell.best for cell in line.cells] for line in table.lines] == [
        [True, False],
        [False, True],
        [False] * 2,
    ]
    assert [round(line.cells[0].share, 2) for line in table.lines] == [0.5, 0.1, 1.0]


def test_a_metric_that_a_model_lacks_is_a_dash() -> None:
    table = tables.metric_table([MetricRow("a", {"x": 0.5}), MetricRow("b", {"y": 0.123456})])
    shown = [[cell.text for cell in line.cells] for line in table.lines]
    assert shown == [["50.00", "–"], ["–", "12.35"]]


def test_configuration_is_flattened_in_order() -> None:
    nested = {"users": {"kind": "sasrec", "layers": 2, "extra": {}}, "seed": None, "parts": ["é", 1]}
    assert list(tables.flatten(nested)) == [
        ("users.kind", "sasrec"),
        ("users.layers", "2"),
        ("users.extra", "{}"),
        ("seed", "null"),
        ("parts", '["é", 1]'),
    ]


def test_the_cost_of_training_is_shown_beside_that_of_other_runs(report: Report) -> None:
    assert tables.cost_table([Curves("a", report.epochs), Curves("b", [{"cpu_seconds": 1.0}])]) is not None
    assert tables.cost_table([Curves("a", report.epochs)]) is None, "its journal has no CPU seconds"
    epochs = [{**row, "cpu_seconds": 3.0, "trained_encodes": 500.0} for row in report.epochs]
    other = Curves("other", [{"epoch": 0, "cpu_seconds": 30.0, "encodes": 10.0}])
    blend = Curves("blend", [])
    table = tables.cost_table([Curves("own", epochs), other, blend])
    assert table is not None
    shown = {line.model: [cell.text for cell in line.cells] for line in table.lines}
    assert shown == {"own": ["15.0 s", "0", "2,500"], "other": ["30.0 s", "10", "0"]}
    assert [line.role for line in table.lines] == ["model", "other"]
    assert [line.cells[0].share for line in table.lines] == [0.5, 1.0]
    assert "Cost of training" in render(replace(report, epochs=epochs))
    assert "Cost of training" not in render(report)


def test_curves_stay_in_their_frame_and_mark_the_best_epoch(report: Report) -> None:
    loss, metric = figures.learning_curves([Curves("a", report.epochs, 5)], "NDCG@10")
    assert loss.lines[0].mark == loss.lines[0].points[4]
    assert loss.lines[0].mark_label == "best: epoch 5, 0.2"
    assert metric.lines[0].mark_label == "best: epoch 5, 10 %"
    for curve in (loss, metric):
        points = curve.lines[0].points
        assert all(58 <= x <= 460 and 18 <= y <= 252 for x, y in points)
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert 3 <= len(curve.up) <= 7
    heights = [y for _, y in loss.lines[0].points]
    assert heights == sorted(heights)  # y grows downwards, the loss falls
    assert metric.up[0].label == "0"


def test_other_runs_share_the_axes(report: Report) -> None:
    other = Curves("mf", [{"epoch": e, "loss": 2.0 * e, "NDCG@10": 0.05} for e in range(1, 21)], 20)
    silent = Curves("silent", [{"epoch": 1, "seconds": 2.0}], None)
    loss, metric = figures.learning_curves([Curves("a", report.epochs, 5), silent, other], "NDCG@10")
    for curve in (loss, metric):
        assert [line.model for line in curve.lines] == ["a", "mf"]
        assert all(58 <= x <= 460 and 18 <= y <= 252 for line in curve.lines for x, y in line.points)
        assert curve.lines[0].points[4][0] == curve.lines[1].points[4][0], "the same epoch"
    assert figures.learning_curves([silent, other], "NDCG@10") == [], "the reported run decides"


def test_an_epoch_written_twice_counts_as_written_last() -> None:
    epochs = [{"epoch": 1, "loss": 9.0}, {"epoch": 2, "loss": 8.0}, {"epoch": 2, "loss": 4.0}]
    (loss,) = figures.learning_curves([Curves("a", epochs)], "NDCG@10")
    assert loss.description == "Training loss: 9 in epoch 1, 4 in epoch 2"


START = [{"epoch": 0, "seconds": 0.0, "NDCG@10": 0.25}]
EPOCHS = [
    {"epoch": e, "loss": 1.0, "NDCG@10": 0.1, "seconds": 2.0, "windows_per_second": 50.0} for e in (1, 2)
]


def test_a_start_is_marked_and_counts_as_no_epoch(report: Report) -> None:
    assert tables.pace(START + EPOCHS) == tables.pace(EPOCHS) == "2 epochs · 2 s each · 50 windows/s"
    assert tables.pace(START) == ""
    loss, metric = figures.learning_curves([Curves("a", START + EPOCHS, 0)], "NDCG@10")
    assert loss.lines[0].mark is None and [tick.label for tick in loss.across] == ["1", "2"]
    (line,) = metric.lines
    assert line.mark == line.points[0] and line.mark_label == "best: the start, 25 %"
    assert [tick.label for tick in metric.across] == ["start", "1", "2"]
    assert metric.description.startswith("Validation NDCG@10: 25 % at the start, 10 % in epoch 2")
    assert "best: the start, 25 %" in Page(render(replace(report, epochs=START, best_epoch=0))).words()


def test_runs_of_one_recipe_are_told_apart_at_the_top(report: Report) -> None:
    text = render(replace(report, origin=("first", "seed 3")))
    assert "<title>a run · shop · first · seed 3 · pixelrec</title>" in text
    assert "a run on shop first · seed 3 · 2025-01-01" in Page(text.partition("<header>")[2]).words()


def test_columns_come_in_the_order_of_the_model_whatever_others_lack() -> None:
    whole, less = {"Recall@5": 0.1, "MRR@5": 0.1, "Recall@10": 0.1}, {"Recall@5": 0.2, "Recall@10": 0.2}
    found = [MetricRow("law", less, "ceiling"), MetricRow("a", whole, "model")]
    assert tables.metric_table(found).metrics == list(whole)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.69, 0.71), (-3, 1e6), (5, 5), (0, 0), (1e-9, 2e-9), (1, 200)]
)
def test_steps_enclose_the_values_in_round_numbers(low: float, high: float) -> None:
    steps = linear_steps(low, high, most=5)
    assert steps[0] <= low + 1e-12
    assert steps[-1] >= high - 1e-12
    assert 2 <= len(steps) <= 7


def test_rank_bars_count_every_user_once(report: Report) -> None:
    bars = figures.rank_bars(report.ranks, 600)
    assert bars is not None
    labels = ["1", "2–5", "6–10", "11–20", "21–50", "51–100", "101–200", "201–500", "501–600"]
    assert [bar.label for bar in bars.bars] == labels
    assert [round(6 * bar.fraction) for bar in bars.bars] == [2, 1, 1, 0, 1, 0, 0, 0, 1]
    assert sum(bar.chance for bar in bars.bars) == pytest.approx(1)
    assert bars.bars[1].chance == pytest.approx(4 / 600)
    assert [bar.listed for bar in bars.bars] == [True] * 3 + [False] * 6
    assert (bars.within_ten, bars.median) == (pytest.approx(4 / 6), 6)


@pytest.mark.parametrize("catalogue", [1, 2, 5, 10, 11, 1_000_000])
def test_rank_bars_fit_any_catalogue(catalogue: int) -> None:
    bars = figures.rank_bars(np.array([1, catalogue]), catalogue)
    assert bars is not None
    full = float(bars.across[-1].label) / 100
    assert bars.across[0].label == "0" and bars.across[-1].at == figures.STOP
    for bar in bars.bars:
        width = figures.STOP - figures.START
        assert bar.length == pytest.approx(width * bar.fraction / full, abs=0.1), (
            "the axis holds for the bars"
        )
        assert bar.chance_at == pytest.approx(figures.START + width * bar.chance / full, abs=0.1)
    assert sum(bar.fraction for bar in bars.bars) == pytest.approx(1)
    assert sum(bar.chance for bar in bars.bars) == pytest.approx(1)
    assert all(bar.chance_at <= figures.STOP for bar in bars.bars), "numbers stand behind"


def test_written_whole_or_not_at_all(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write(report, path)
    assert path.read_text(encoding="utf-8") == render(report)

    def broken(_: Report) -> str:
        raise MemoryError

    monkeypatch.setattr(page, "render", broken)
    with pytest.raises(MemoryError):
        write(replace(report, name="another"), path)
    assert "another" not in path.read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_no_draft(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(RunError, match="is a folder, pipe or device, which a file cannot replace"):
        write(report, tmp_path / "report.html")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_text_that_has_no_utf8_is_written_all_the_same(report: Report, tmp_path: Path) -> None:
    write(replace(report, name="half \ud83c emoji"), tmp_path / "report.html")
    assert "half ? emoji" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_missing_folder_is_an_error_of_one_line(report: Report, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a folder; give the folder of a run$"):
        write(report, tmp_path / "nowhere" / "report.html")


def test_slices_stand_side_by_side_in_the_order_of_the_first(report: Report) -> None:
    text = render(replace(report, slices=SLICES))
    section = Page(
        text.partition("How well on long-tail and new items")[2].partition("</section>")[0]
    ).words()
    assert "sasrec is behind on items with < 5" in section, "this is what the project is about"
    assert "sasrec is behind on items with ≥ 5" not in section
    table = section.partition("n: events ")[2]
    assert table.startswith(
        "items with < 5items with ≥ 5 modelNDCG@10median rankNDCG@10median rank "
        "random 4.00300.2030 sasrec this run 1.23730.007 another other run 1.001231.0012"
    )
    found = tables.slice_table(SLICES)
    assert found is not None and found.groups == [("items with < 5", 2), ("items with ≥ 5", 2)]
    best = [[cell.best for cell in line.cells] for line in found.lines]
    assert best == [[True, False, False, False], [False, True, False, True], [False, False, True, False]]
    assert [round(line.cells[2].share, 2) for line in found.lines] == [0.01, 0.97, 1.0]


def test_a_model_that_a_slice_lacks_has_dashes_there() -> None:
    lacking = replace(SLICES[1], metrics=SLICES[1].metrics[:2])
    found = tables.slice_table([SLICES[0], lacking])
    assert found is not None
    shown = [[cell.text for cell in line.cells] for line in found.lines]
    assert shown[2] == ["1.00", "12", "–", "–"] and shown[1] == ["1.23", "7", "30.00", "7"]


def test_a_single_slice_is_a_sentence_and_none_is_nothing(report: Report) -> None:
    words = Page(render(replace(report, slices=SLICES[1:]))).words()
    assert "All of them are of items with ≥ 5." in words
    assert Page(render(replace(report, slices=SLICES[1:]))).classes()["metrics"] == 1
    assert "long-tail items" not in Page(render(report)).words()


def test_slices_too_small_to_compare_say_so(report: Report) -> None:
    said = "Models are compared on 30 events or more."
    small = [replace(SLICES[0], cases=29, standings=()), SLICES[1]]
    assert said in Page(render(replace(report, slices=small))).words()
    assert said not in Page(render(replace(report, slices=SLICES))).words()


def test_other_runs_are_no_baselines(report: Report) -> None:
    other = MetricRow("another", {"Recall@10": 0.5, "NDCG@10": 0.6}, "other")
    shown = replace(report, metrics=[other, *report.metrics], beside=[Standing("behind", "behind another")])
    text = render(shown)
    assert '<p class="standing behind">behind another</p>' in text
    assert '<span class="tag">other run</span>' in text
    table = tables.metric_table(shown.metrics)
    assert [cell.best for cell in table.lines[0].cells] == [True, True]


def test_a_column_of_zeros_has_no_best() -> None:
    table = tables.metric_table([MetricRow("a", {"x": 0.0}), MetricRow("b", {"x": 0.0})])
    assert not any(cell.best for line in table.lines for cell in line.cells)
