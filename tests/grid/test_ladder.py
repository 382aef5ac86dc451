"""The ladder of a network: one recipe for each way of using it, and a table of them like that of any grid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from end_to_end.pixel_runs import checkpoint

from pixelrec import api
from pixelrec.choices import RUNGS
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RecipeError, RequestError, RunError
from pixelrec.grid.cell import Cell, Costs
from pixelrec.grid.estimate import estimates
from pixelrec.grid.ladder import Ladder, plan_ladder
from pixelrec.grid.pareto import pareto_plots
from pixelrec.grid.trials import MOST, plan_trials
from pixelrec.reports.tables import flatten
from pixelrec.runs.results import EvaluationResult, result_file
from pixelrec.runs.run import Run

TINY = {"training.epochs": 1, "training.batch_size": 256, "users.layers": 1}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("network") / "resnet", "resnet")


@pytest.fixture(scope="module")
def ladder(network: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    return Ladder.of(str(network), 32, dataset, tmp_path_factory.mktemp("ladder") / "out")


def test_rungs_differ_in_how_pictures_are_used_alone(ladder: Ladder) -> None:
    made = ladder.recipes(RUNGS)
    assert [recipe.name for recipe in made] == [rung for rung in RUNGS if rung != "blend"]
    config = [dict(flatten(recipe.config)) for recipe in made]
    differing = {key for each in config for key in each if any(each[key] != one.get(key) for one in config)}
    rates = {"items_learning_rate", "items_weight_decay", "backbone_learning_rate", "backbone_weight_decay"}
    allowed = {"about", "negatives.bank", "negatives.reencoded", "training.epochs", "training.patience"}
    allowed |= {f"optimiser.{name}" for name in rates}
    assert {key for key in differing if not key.startswith(("items.", "fit."))} <= allowed
    assert {recipe.name for recipe in made if recipe.training.epochs != 200} == {"fitted"}


def test_few_items_have_few_directions(ladder: Ladder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.grid.ladder.item_counts", lambda *_: np.array([0, 2, 0, 1, 5, 1]))
    assert ladder.recipes(["aligned"])[0]["items"]["pca"] == 3, "of four items with training events"


def test_the_estimate_counts_passes_of_pictures(ladder: Ladder, dataset: Dataset) -> None:
    found = {each.rung: each for each in estimates(ladder, RUNGS)}
    assert found["ids"].once == 0 and "no pictures" in found["ids"].line
    assert found["frozen"].once == found["deep"].once == dataset.items and not found["frozen"].trained
    assert 0 < found["top"].trained < found["all"].trained and "an epoch" in found["all"].line
    assert found["fitted"].trained <= 20 * dataset.items and found["fitted"].cpu_seconds > 0


@pytest.mark.parametrize("rungs", [["blend"], ["ids", "blend"]])
def test_a_blend_needs_two_others(ladder: Ladder, rungs: list[str]) -> None:
    with pytest.raises(RequestError, match="two beside blend"):
        plan_ladder(ladder, rungs, seeds=1, split="test", overrides={})  # type: ignore[arg-type]


def test_options_of_a_fit_are_of_the_fitted_rung_alone(ladder: Ladder) -> None:
    grid = plan_ladder(ladder, ["ids", "fitted"], seeds=1, split="test", overrides={"fit.passes": 2})
    assert [recipe.fit.passes for recipe in grid.recipes] == [0, 2]


def test_rungs_have_as_many_trials_each_of_another_setting(ladder: Ladder) -> None:
    grid = plan_trials(ladder, RUNGS, MOST, {"training.epochs": 3})
    names = [f"{rung}-{number}" for rung in RUNGS if rung != "blend" for number in range(1, MOST + 1)]
    assert [recipe.name for recipe in grid.recipes] == names and grid.split == "validation"
    told = {json.dumps({**recipe.config, "name": None}, default=str) for recipe in grid.recipes}
    assert len(told) == len(names) and {recipe.training.epochs for recipe in grid.recipes} == {3}
    with pytest.raises(RequestError, match="trials is 5; each rung has 4 settings to try"):
        plan_trials(ladder, RUNGS, 5, {})


def test_the_best_trial_on_validation_gets_the_seeds(
    network: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = tmp_path / "out", [f"--{key}={value}" for key, value in TINY.items()]
    command = ["ladder", str(dataset.folder), str(network), "--size=32", "--seeds=1", f"--out={out}"]
    command += ["--rungs", "ids", "--trials", "2", *options]
    assert main(command) == 0
    measured = [
        EvaluationResult.read(out / "trials" / f"ids-{number}" / "seed-0", "validation").own_metrics[
            "NDCG@10"
        ]
        for number in (1, 2)
    ]
    expected = (0.5, 0.0)[measured.index(max(measured))]
    run = Run.open(out / "ids" / "seed-0")
    assert run.recipe["negatives"]["logit_adjustment"] == expected
    assert result_file(run.folder, "test").exists() and not list(out.glob("trials/**/*-test.*"))
    assert f"{100 * max(measured):.2f} % on validation of" in " ".join(capsys.readouterr().out.split())
    made = {path: path.stat().st_mtime_ns for path in out.glob("**/cell.json")}
    assert main(command) == 0
    assert made == {path: path.stat().st_mtime_ns for path in out.glob("**/cell.json")} and len(made) == 3


def test_what_is_no_network_or_no_rung_is_refused_at_once(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        api.ladder(dataset.folder, str(tmp_path), out=tmp_path / "out")
    with pytest.raises(RequestError, match="rungs is 'frosen'; did you mean 'frozen'"):
        api.ladder(dataset.folder, str(tmp_path), rungs=["frosen"], out=tmp_path / "out")  # type: ignore[list-item]


def test_features_of_another_network_are_not_taken(ladder: Ladder, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other", "resnet", embedding_size=4)
    ladder.extract()
    ladder.extract()
    with pytest.raises(RunError, match="another network.*choose another --out"):
        Ladder.of(str(other), 32, ladder.dataset, ladder.out).extract()


def test_rungs_are_added_and_the_best_are_blended(
    network: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = [f"--{key}={value}" for key, value in TINY.items()]
    command = [
        "ladder",
        str(dataset.folder),
        str(network),
        "--size=32",
        "--seeds=1",
        f"--out={out}",
        *options,
    ]
    assert main([*command, "--estimate"]) == 0 and not out.exists()
    assert "an epoch" in capsys.readouterr().out
    assert main([*command, "--rungs", "whitened"]) == 0
    first = (out / "whitened" / "seed-0" / "cell.json").stat().st_mtime_ns
    assert main([*command, "--rungs", "ids", "whitened", "blend"]) == 0
    assert (out / "whitened" / "seed-0" / "cell.json").stat().st_mtime_ns == first
    run = json.loads((out / "blend" / "seed-0" / "run.json").read_text("utf-8"))
    assert set(run["blend"]) == {"ids", "whitened"}
    made = (out / "blend" / "seed-0" / "run.json").stat().st_mtime_ns
    rungs = ["ids", "whitened", "blend"]
    again = api.ladder(dataset.folder, str(network), rungs=rungs, size=32, seeds=1, out=out, overrides=TINY)  # type: ignore[arg-type]
    assert again is not None and [row.model for row in again.results.recipes] == rungs
    assert (out / "blend" / "seed-0" / "run.json").stat().st_mtime_ns == made, "it is made once"
    costs = {row.model: row.costs[0] for row in again.results.recipes}
    assert costs["whitened"].encodes == dataset.items and costs["ids"].encodes == 0
    used = [costs[name].cpu_seconds or 0 for name, weight in run["blend"].items() if weight]
    assert costs["blend"].cpu_seconds == pytest.approx(sum(used))
    assert pareto_plots(again.results)[0].front
    # Another run of a part makes another blend.
    cell = Cell(replace(again.grid.recipes[0]), out / "ids" / "seed-0")
    found = Costs.read(cell.folder)
    assert found is not None
    found.write(cell.folder)
    api.ladder(dataset.folder, str(network), rungs=rungs, size=32, seeds=1, out=out, overrides=TINY)  # type: ignore[arg-type]
    assert (out / "blend" / "seed-0" / "run.json").stat().st_mtime_ns > made
