"""Blends: weights from validation alone, never behind the best part there, and runs like any other."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import pixelrec
from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.baselines.stored import arrays_of, restored
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events, validation_cases
from pixelrec.errors import RequestError, RunError
from pixelrec.evaluation.baselines import best_candidate
from pixelrec.evaluation.metrics import metrics
from pixelrec.features.feature_writer import writing
from pixelrec.files.checkpoint import write_checkpoint
from pixelrec.runs.blend import WEIGHTS, Blend
from pixelrec.runs.blending import BlendResult
from pixelrec.runs.run import Run

TINY = {"length": 4, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.fixture(scope="module")
def data(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(dataset.folder, tmp_path_factory.mktemp("blends") / "data"))


@pytest.fixture(scope="module")
def trained(data: Path) -> Run:
    return pixelrec.train("sasrec-id", data=data, out=data.parent / "ids", overrides=TINY)


@pytest.fixture(scope="module")
def blended(data: Path, trained: Run) -> BlendResult:
    hidden = (data / "held_out").rename(data.parent / "kept")  # test events cannot be read
    try:
        return pixelrec.blend(trained, baselines=["ease", "item-knn"], data=data, out=data.parent / "mix")
    finally:
        hidden.rename(data / "held_out")


def test_it_is_never_behind_its_best_part(blended: BlendResult) -> None:
    best = max(blended.metrics[name]["NDCG@10"] for name in blended.weights)
    assert blended.metrics["blend"]["NDCG@10"] >= best
    assert blended.metrics[blended.best_part]["NDCG@10"] == best
    assert sum(blended.weights.values()) == pytest.approx(1, abs=1e-3)
    assert min(blended.weights.values()) >= 0


def test_a_part_alone_ranks_as_outside_of_a_blend(data: Path, blended: BlendResult) -> None:
    dataset = Dataset.open(data)
    cases, training = validation_cases(dataset), training_events(dataset)
    opened = Blend.open(blended.run, dataset)
    for name in set(blended.weights) & set(BASELINES):
        baseline = best_candidate(BASELINES[name].candidates(training, dataset.items), dataset.items, cases)
        assert blended.choices[name] == baseline.choice
    names = [part.name for part in opened.parts]
    for number, name in enumerate(names):
        assert metrics(opened.alone(number).rank(cases)) == blended.metrics[name]
    assert metrics(opened.rank(cases)) == blended.metrics["blend"]


def test_scores_are_the_sum_of_standardised_ones(data: Path, blended: BlendResult) -> None:
    dataset = Dataset.open(data)
    cases, opened = validation_cases(dataset), Blend.open(blended.run, dataset)
    users = cases.users[:3]
    expected = np.zeros((3, dataset.items))
    for part, weight in zip(opened.parts, opened.weights, strict=True):
        scores = part.ranker.scores(cases.histories, users, users)[:, 1:]
        expected += weight * (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    seen = [set(cases.histories.items[cases.histories.starts[u] : cases.histories.stops[u]]) for u in users]
    wanted = [
        [i + 1 for i in np.argsort(-row, kind="stable") if i + 1 not in s][:10]
        for row, s in zip(expected, seen, strict=True)
    ]
    assert opened.top_items(cases, users).tolist() == wanted


def test_it_is_a_run_like_any_other(
    data: Path, trained: Run, blended: BlendResult, capsys: pytest.CaptureFixture[str]
) -> None:
    mix, ids = str(blended.run.folder), str(trained.folder)
    assert main(["evaluate", mix]) == 0
    assert main(["evaluate", ids, "--no-report"]) == 0
    assert main(["evaluate", mix, "--split", "validation"]) == 0
    assert "blend" in capsys.readouterr().out
    found = pixelrec.compare(mix, ids, split="test")
    assert found.names == ("blend", "sasrec-id")
    assert main(["compare", mix, ids]) == 0
    assert main(["report", mix, "--beside", ids]) == 0
    assert main(["recommend", mix, "--all-users", "--out", str(data.parent / "all.csv")]) == 0
    page = (blended.run.folder / "report.html").read_text(encoding="utf-8")
    assert "How it ranks" in page and "No epoch has finished" not in page
    assert "blend of" in page and "item-kNN" in page


def test_recommendations_keep_to_what_is_asked(blended: BlendResult) -> None:
    service = pixelrec.load(blended.run)
    user = str(Dataset.open(blended.run.about["data"]).user_ids[0])
    free = [each.item_id for each in service.recommend(users=[user], k=5)[0]]
    among = [each.item_id for each in service.recommend(users=[user], k=5, among=free[1:4])[0]]
    assert among == free[1:4]
    without = [each.item_id for each in service.recommend(users=[user], k=4, exclude=free[:1])[0]]
    assert without == free[1:5]
    given = service.recommend(histories=[free[:2]], k=3)[0]
    assert len(given) == 3 and not set(free[:2]) & {each.item_id for each in given}
    with pytest.raises(RequestError, match="does not take pictures"):
        service.add(["new.png"])


def test_seeds_of_a_recipe_share_their_weight(data: Path, trained: Run, tmp_path: Path) -> None:
    again = pixelrec.train("sasrec-id", data=data, out=tmp_path / "again", overrides={**TINY, "seed": 1})
    found = pixelrec.blend([trained, again], baselines=["popularity"], data=data, out=tmp_path / "mix")
    alone = found.weights[found.best_part] == 1
    assert alone or found.weights["sasrec-id (ids)"] == found.weights["sasrec-id (again)"]
    assert found.metrics["blend"]["NDCG@10"] >= found.metrics[found.best_part]["NDCG@10"]


@pytest.mark.parametrize("name", [*BASELINES, *FEATURE_BASELINES])
def test_a_baseline_is_restored_as_it_was_without_fitting(data: Path, name: str) -> None:
    dataset = Dataset.open(data)
    cases, training = validation_cases(dataset), training_events(dataset)
    if name in BASELINES:
        fitted = list(BASELINES[name].candidates(training, dataset.items))[-1]
    else:
        vectors = np.random.default_rng(0).normal(size=(dataset.items + 1, 6)).astype(np.float32)
        fitted = list(FEATURE_BASELINES[name].candidates(training, dataset.items, vectors))[-1]  # type: ignore[assignment]
    again = restored(name, arrays_of(fitted))
    assert again.choice == fitted.choice
    expected = fitted.scores(cases.histories, cases.users[:5])
    assert (again.scores(cases.histories, cases.users[:5]) == expected).all()


def test_features_join(data: Path, tmp_path: Path) -> None:
    dataset = Dataset.open(data)
    vectors = np.random.default_rng(0).normal(size=(dataset.items, 6)).astype(np.float32)
    with writing(tmp_path / "f", list(dataset.item_ids), (6,), {"kind": "test"}) as writer:
        writer.append(vectors)
    found = pixelrec.blend(
        baselines=["vis-rank", "l3ae"], features=tmp_path / "f", data=data, out=tmp_path / "mix"
    )
    assert set(found.weights) == {"VisRank", "L3AE"}
    inside = shutil.copytree(data, tmp_path / "data") / "features"
    shutil.copytree(tmp_path / "f", inside / "sound")
    (inside / "damaged").mkdir(parents=True)
    (inside / "damaged" / "features.json").write_text("{")
    beside = pixelrec.blend(baselines=["vis-rank", "popularity"], data=tmp_path / "data", out=tmp_path / "b")
    assert "VisRank" in beside.weights  # over the sound one
    shutil.rmtree(tmp_path / "f")  # fitted baselines need no features
    ranks = Blend.open(found.run, dataset).rank(validation_cases(dataset))
    assert metrics(ranks) == found.metrics["blend"]


def blend(*words: object) -> int:
    return main(["blend", *map(str, words)])


def test_mistakes_are_one_line(
    data: Path, trained: Run, blended: BlendResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, rest = tmp_path / "out", ["--data", data, "--out", tmp_path / "out"]
    ids, mix = trained.folder, blended.run.folder
    unfinished = shutil.copytree(ids, tmp_path / "unfinished", ignore=shutil.ignore_patterns("best"))
    for words, said in [
        ([ids, *rest], "a blend of 1 part; give 2"),
        ([ids, ids, *rest], "given twice"),
        ([ids, "--baselines", "eas", *rest], "'eas'; expected one of random"),
        ([ids, "--baselines", "vis-rank", *rest], "--features PATH"),
        ([mix, "--baselines", "ease", *rest], "is a blend of other models"),
        ([unfinished, "--baselines", "ease", *rest], "no best checkpoint"),
        ([data, "--baselines", "ease", *rest], "is no run"),
        (["--baselines", "ease", "popularity", "--out", out], "which data set"),
        ([ids, "--baselines", "ease", "--data", data, "--out", mix], "is not empty"),
    ]:
        assert blend(*words) == 2, words
        error = capsys.readouterr().err
        assert re.search(said, error) and error.count("\n") == 1, error
        assert not out.exists()


def test_a_run_of_other_data_is_refused(
    trained: Run, random_dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--data", random_dataset.folder, "--out", tmp_path / "out"]
    assert blend(trained.folder, "--baselines", "ease", *rest) == 2
    assert "is not the data set that" in capsys.readouterr().err


def test_what_needs_a_training_says_so(blended: BlendResult) -> None:
    for use in (pixelrec.resume, lambda run: run.recommender()):
        with pytest.raises(RunError, match="is a blend of other models"):
            use(blended.run)


def test_changed_parts_and_weights_are_noticed(blended: BlendResult, tmp_path: Path) -> None:
    mix = Path(shutil.copytree(blended.run.folder, tmp_path / "mix"))
    path = mix / "best" / "recommender.json"
    changed = path.read_text(encoding="utf-8").replace("half-life", "other")
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(RunError, match="was changed since"):
        pixelrec.load(mix)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0], [1.0], [np.nan, 1.0]])
def test_odd_weights_are_refused(weights: list[float], blended: BlendResult, tmp_path: Path) -> None:

    mix = Path(shutil.copytree(blended.run.folder, tmp_path / "mix", ignore=shutil.ignore_patterns("best")))
    parts = {"EASE": {"choice": "ridge 20"}, "popularity": {"choice": ""}}
    write_checkpoint(mix / "best", {"parts": parts}, {WEIGHTS: torch.tensor(weights).double()})
    with pytest.raises(RunError, match="expected one for each part"):
        pixelrec.load(mix)


def test_a_part_trained_on_since_is_noticed(data: Path, trained: Run, tmp_path: Path) -> None:
    places = [Path(shutil.copytree(trained.folder, tmp_path / name)) for name in ("a", "b")]
    found = pixelrec.blend(places, data=data, out=tmp_path / "mix")
    used = next(name for name, weight in found.weights.items() if weight)
    about = json.loads((found.run.folder / "best" / "recommender.json").read_text(encoding="utf-8"))
    place = Path(about["parts"][used]["run"])
    with (place / "best" / "model.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(RunError, match="other weights than then|not a readable"):
        pixelrec.load(found.run)
    shutil.rmtree(place)
    with pytest.raises(RunError, match="is no longer at"):
        pixelrec.load(found.run)
