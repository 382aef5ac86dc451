"""Training that starts from the weights of another run: which are copied, and which are not."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from end_to_end.pixel_runs import RESNET, checkpoint
from rich.console import Console
from torch import Tensor

from pixelrec import api
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.demonstration.world import World
from pixelrec.errors import RunError
from pixelrec.files.checkpoint import read_weights
from pixelrec.runs.run import Run
from pixelrec.training import loop
from pixelrec.training.journal import read_journal

SHORT = {"length": 6, "items.width": 16, "training.epochs": 1, "training.batch_size": 64}


@pytest.fixture
def before_training(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """What runs start from."""
    found: list[dict[str, Tensor]] = []
    train_epoch = loop.train_epoch

    def noted(parts: loop.Parts, *rest: Any) -> bool:
        if not rest[2].epoch:
            found.append({name: t.clone() for name, t in parts.recommender.state_dict().items()})
        return train_epoch(parts, *rest)

    monkeypatch.setattr(loop, "train_epoch", noted)
    return found


def trained(recipe: str, data: Dataset, out: Path, **overrides: Any) -> Run:
    words = {key.replace("__", "."): value for key, value in overrides.items()}
    return api.train(recipe, data=data.folder, out=out, overrides={**SHORT, **words})


def hash_of(run: Run) -> str:
    return sha256((run.folder / "best" / "model.safetensors").read_bytes()).hexdigest()


def best(run: Run) -> dict[str, Tensor]:
    return read_weights(run.folder / "best")


def test_on_the_same_data_everything_is_copied(
    dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    again = trained("sasrec-id", dataset, tmp_path / "b", seed=7, training__warm_start=str(source.folder))
    _, start = before_training
    for name, tensor in best(source).items():
        assert torch.equal(start[name], tensor), name
    about = json.loads((again.folder / "run.json").read_text())["warm_start"]
    assert about["run"] == str(source.folder.resolve()) and about["sha256"] == hash_of(source)


def test_the_command_line_says_what_was_copied(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    words = [f"--{key}={value}" for key, value in SHORT.items()]
    words += ["--length=9", f"--training.warm_start={source.folder}", f"--out={tmp_path / 'b'}"]
    assert main(["train", "sasrec-id", "--data", str(dataset.folder), *words]) == 0
    told = " ".join(capsys.readouterr().out.split())
    count = len(best(source))
    assert (
        f"start from the best epoch of {source.folder}: {count - 1} of {count} tensors; "
        f"id vectors of {dataset.items} of {dataset.items} items; not copied: users." in told
    )
    assert "length is 6 there and 9 here" in told


def test_the_command_line_says_how_good_the_start_is(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    words = [f"--{key}={value}" for key, value in SHORT.items()]
    words += [f"--training.warm_start={source.folder}", f"--out={tmp_path / 'b'}"]
    assert main(["train", "sasrec-id", "--data", str(dataset.folder), *words]) == 0
    told = " ".join(capsys.readouterr().out.split())
    epochs = read_journal(source.folder / "metrics.jsonl", "NDCG@10")
    best_value = max(row["NDCG@10"] for row in epochs)
    assert f"start NDCG@10 {100 * best_value:.2f} % before the first step training " in told


def test_vectors_follow_their_items(
    world: World, dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    events = pl.read_csv(world.interactions)
    users = events["user_id"].unique(maintain_order=True)[:200].implode()
    events = events.filter(pl.col("user_id").is_in(users)).reverse()
    events = events.with_columns(pl.col("item_id").replace(dataset.item_ids[4], "quite-new"))
    events.write_csv(tmp_path / "later.csv")
    later = prepare(tmp_path / "later.csv", out=tmp_path / "later")
    trained("sasrec-id", later, tmp_path / "b", seed=7, training__warm_start=str(source.folder))
    start, saved = before_training[1]["items.rows.weight"], best(source)["items.rows.weight"]
    known = dict(zip(dataset.item_ids, range(1, dataset.items + 1), strict=True))
    assert later.item_ids.to_list() != dataset.item_ids.to_list()
    moved = 0
    for number, item_id in enumerate(later.item_ids, start=1):
        if item_id in known:
            assert torch.equal(start[number], saved[known[item_id]]), item_id
            moved += number != known[item_id]
        else:
            assert item_id == "quite-new" and 0 < start[number].abs().max() < 0.2
    assert moved > 20 and "quite-new" in later.item_ids
    assert torch.all(start[0] == 0)


def test_vectors_of_users_are_copied_from_the_same_data_only(
    world: World, dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    source = trained("mf-id", dataset, tmp_path / "a")
    trained("mf-id", dataset, tmp_path / "b", seed=7, training__warm_start=str(source.folder))
    events = pl.read_csv(world.interactions)
    events.with_columns(pl.col("user_id").cast(pl.String) + "x").write_csv(tmp_path / "others.csv")
    others = prepare(tmp_path / "others.csv", out=tmp_path / "others")
    trained("mf-id", others, tmp_path / "c", seed=7, training__warm_start=str(source.folder))
    same, strangers = (start["users.rows.weight"] for start in before_training[1:])
    saved = best(source)["users.rows.weight"]
    assert torch.equal(same, saved)
    assert strangers.shape == saved.shape and not torch.isclose(strangers[1:], saved[1:]).all(1).any()


def test_a_tensor_of_another_shape_stays_random(
    dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    trained("sasrec-id", dataset, tmp_path / "b", seed=7, length=9, training__warm_start=str(source.folder))
    positions = [name for name, t in best(source).items() if t.shape != before_training[1][name].shape]
    assert len(positions) == 1
    assert torch.equal(before_training[1]["items.rows.weight"], best(source)["items.rows.weight"])


def test_each_seed_starts_from_its_own_run(
    dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    pixels = {**RESNET, "items.norm": "items", "training.epochs": 1}
    for seed in (0, 1):
        out = tmp_path / f"seed-{seed}"
        words = {**pixels, "seed": seed, "items.trainable": "none"}
        api.train("sasrec-scratch", data=dataset.folder, out=out, overrides=words)
    words = {
        **pixels,
        "seed": 1,
        "items.trainable": "all",
        "training.warm_start": str(tmp_path / "seed-{seed}"),
    }
    deeper = api.train("sasrec-scratch", data=dataset.folder, out=tmp_path / "deeper", overrides=words)
    for name, tensor in best(Run.open(tmp_path / "seed-1")).items():
        # Batch norms that are trained from here on have looked at the catalogue first.
        if "running" not in name and "tracked" not in name:
            assert torch.equal(before_training[2][name], tensor), name
    changed = read_weights(deeper.folder / "last")  # be it better or not
    assert any(
        not torch.equal(changed[name], tensor)
        for name, tensor in before_training[2].items()
        if name.startswith("items.backbone")
    )


def test_a_fixed_temperature_is_the_recipes(
    dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    cosine = {"scoring__name": "cosine", "scoring__learn": False}
    source = trained("sasrec-id", dataset, tmp_path / "a", **cosine, scoring__temperature=0.15)
    start = str(source.folder)
    trained(
        "sasrec-id", dataset, tmp_path / "b", **cosine, scoring__temperature=0.05, training__warm_start=start
    )
    assert before_training[1]["scoring.log_scale"].exp().item() == pytest.approx(20)


def test_a_network_is_copied_as_a_whole_or_not_at_all(dataset: Dataset, tmp_path: Path) -> None:
    words = {**RESNET, "training.epochs": 1}
    source = api.train("sasrec-scratch", data=dataset.folder, out=tmp_path / "a", overrides=words)
    deeper = {"items.sizes": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]}}
    with pytest.raises(
        RunError,
        match=r"\d+ of \d+ tensors of items fit .* does not \(items.sizes.depths is \[1, 1\] th",
    ):
        api.train(
            "sasrec-scratch",
            data=dataset.folder,
            out=tmp_path / "b",
            overrides={**words, **deeper, "training.warm_start": str(source.folder)},
        )
    ids = api.train(
        "sasrec-id",
        data=dataset.folder,
        out=tmp_path / "c",
        overrides={**SHORT, "training.warm_start": str(source.folder)},
    )
    assert "warm_start" in ids.about, "the user model fits, and ids are something else altogether"


def test_a_start_that_no_epoch_beats_stays_the_best(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a", training__epochs=3)
    ruin = {"optimiser.learning_rate": 1.0, "training.epochs": 9, "training.patience": 2}
    words = {**SHORT, **ruin, "training.warm_start": str(source.folder)}
    shown = Console()
    worse = api.train("sasrec-id", data=dataset.folder, out=tmp_path / "b", overrides=words, console=shown)
    told = " ".join(capsys.readouterr().out.split())
    for name, tensor in best(source).items():
        assert torch.equal(best(worse)[name], tensor), name
    rows = read_journal(worse.folder / "metrics.jsonl", "NDCG@10")
    assert [row["epoch"] for row in rows] == [0, 1, 2], "two epochs without a better one are the patience"
    start = rows[0]["NDCG@10"]
    line = f"the start: training did not improve on it: NDCG@10 {100 * start:.2f} % on validation time "
    assert told.count(line) == 1
    assert rows[0]["NDCG@10"] > max(row["NDCG@10"] for row in rows[1:]) and "loss" not in rows[0]
    assert main(["train", "--resume", str(worse.folder), "--data", str(dataset.folder)]) == 0
    assert "has finished: 2 epochs, best the start" in " ".join(capsys.readouterr().out.split())


def test_killed_in_its_first_epoch_a_run_no_longer_needs_its_start(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = trained("sasrec-id", dataset, tmp_path / "a")
    words = {"training__warm_start": str(source.folder), "training__epochs": 2, "seed": 7}
    whole = trained("sasrec-id", dataset, tmp_path / "whole", **words)

    def kill(*_: Any) -> None:
        raise RuntimeError("as good as killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="as good"):
        patch.setattr(loop, "train_batch", kill)
        trained("sasrec-id", dataset, tmp_path / "b", **words)
    shutil.rmtree(source.folder)
    api.resume(tmp_path / "b", data=dataset.folder)
    for name, tensor in best(whole).items():
        assert torch.equal(best(Run.open(tmp_path / "b"))[name], tensor), name
    rows = read_journal(tmp_path / "b" / "metrics.jsonl", "NDCG@10")
    assert [row["epoch"] for row in rows] == [0, 1, 2]


@pytest.fixture
def killed(dataset: Dataset, tmp_path: Path) -> Run:
    """A run that starts from `tmp_path / "a"`, and was killed before it saved anything."""
    trained("sasrec-id", dataset, tmp_path / "a")
    run = trained("sasrec-id", dataset, tmp_path / "b", seed=7, training__warm_start=str(tmp_path / "a"))
    for name in ("last", "best"):
        shutil.rmtree(run.folder / name)
    (run.folder / "metrics.jsonl").unlink()
    return run


def test_killed_before_its_first_save_a_run_starts_from_the_same_weights(
    dataset: Dataset, tmp_path: Path, killed: Run, before_training: list[dict[str, Tensor]], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    api.resume(killed.folder, data=dataset.folder)
    assert torch.equal(
        before_training[-1]["items.rows.weight"], best(Run.open(tmp_path / "a"))["items.rows.weight"]
    )


def test_a_run_does_not_resume_from_another_start(dataset: Dataset, tmp_path: Path, killed: Run) -> None:
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(RunError, match="is gone, and .* has saved nothing of its own"):
        api.resume(killed.folder, data=dataset.folder)
    trained("sasrec-id", dataset, tmp_path / "a", seed=3)
    with pytest.raises(RunError, match="has other best weights now"):
        api.resume(killed.folder, data=dataset.folder)


def test_without_common_items_no_vector_is_copied(world: World, dataset: Dataset, tmp_path: Path) -> None:
    source = trained("mf-id", dataset, tmp_path / "a")
    events = pl.read_csv(world.interactions)
    ids = [pl.format("{}x", name).alias(name) for name in ("user_id", "item_id")]
    events.with_columns(ids).write_csv(tmp_path / "others.csv")
    others = prepare(tmp_path / "others.csv", out=tmp_path / "others")
    with pytest.raises(
        RunError, match=r"fits here; it holds items.rows.weight, scoring.log_scale, users.rows.weight, this"
    ):
        trained("mf-id", others, tmp_path / "b", training__warm_start=str(source.folder))


def test_a_start_over_pictures_needs_no_source(
    dataset: Dataset, tmp_path: Path, before_training: list[dict[str, Tensor]]
) -> None:
    source = checkpoint(tmp_path / "resnet", "resnet")
    own = {"items.family": None, "items.pretrained": True, "items.sizes": None, "items.cache": "never"}
    words = {**RESNET, **own, "items.size": 32, "training.epochs": 1}
    first = api.train(
        "sasrec-id", data=dataset.folder, out=tmp_path / "a", overrides={**words, "items.source": str(source)}
    )
    shutil.rmtree(source)
    deeper = {**words, "items.source": "owner/nowhere", "items.trainable": "all"}
    deeper["training.warm_start"] = str(first.folder)
    second = api.train("sasrec-id", data=dataset.folder, out=tmp_path / "b", overrides=deeper)
    for name, tensor in best(first).items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(before_training[1][name], tensor), name
    about = json.loads((second.folder / "run.json").read_text())
    assert about["pretrained"]["items"]["source"] == str(source)
    other = {**deeper, "items.source": str(checkpoint(tmp_path / "other", "resnet", depths=[1, 1, 2]))}
    with pytest.raises(RunError, match="tensors of items fit"):
        api.train("sasrec-id", data=dataset.folder, out=tmp_path / "c", overrides=other)


def test_an_unusable_start_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "b"
    with pytest.raises(RunError, match="is no run"):
        trained("sasrec-id", dataset, out, training__warm_start=str(tmp_path))
    with pytest.raises(RunError, match="warm_start: .*nowhere does not exist; give a run folder"):
        trained("sasrec-id", dataset, out, training__warm_start=str(tmp_path / "nowhere"))
    source = trained("mf-id", dataset, tmp_path / "a", items__width=32)
    with pytest.raises(
        RunError, match=r"items.width is 32 there and 16 here, users.name is mf there and sas"
    ):
        trained("sasrec-id", dataset, out, training__warm_start=str(source.folder))
    with pytest.raises(RunError, match=r"fits here; items.width is 32 there and 16 here: start from"):
        trained("mf-id", dataset, out, training__warm_start=str(source.folder))
    for path in (source.folder / "best").iterdir():
        path.unlink()
    (source.folder / "best").rmdir()
    with pytest.raises(RunError, match="has no best checkpoint yet: .* `pixelrec train --resume "):
        trained("mf-id", dataset, out, training__warm_start=str(source.folder))
    assert not out.exists(), "nothing was made"
