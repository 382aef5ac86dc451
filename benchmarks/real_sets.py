"""The models of a data set at their best: settings chosen on validation, some seeds on test, then blends.

    OMP_NUM_THREADS=1 python benchmarks/real_sets.py DATA --features FILE [--regions FILE] [--codes FILE] \\
        [--source NETWORK] [--seeds 3] [--only NAME …] --out FOLDER

Every model has the same number of trials (see `candidates`), of one seed each; the best by NDCG@10 on
validation is trained with every seed. What is done is not done again. Test events are read at the end,
by `bench`, and by `--blends`, which mixes the runs of each seed with the baselines. DVBPR trains its network
from random weights: on a laptop, give `--only dvbpr` a data set packed at 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pixelrec import api
from pixelrec.choices import Baseline
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.recipe.recipe import Recipe, read_recipe
from pixelrec.runs.saved_ranks import SavedRanks

BASELINES: tuple[Baseline, ...] = ("item-knn", "ease", "l3ae", "vis-rank")
COSINE = {"scoring": {"name": "cosine", "temperature": 0.15, "learn": False}}
SHARED = {"negatives": {"name": "shared", "drawn": 2048, "interacted_only": True, "in_batch": True}}
STRONG = {"users.dropout": 0.4, "users.attention_dropout": 0.2}
FAST = {"optimiser.learning_rate": 0.003}
COSINE_DOTTED = {f"scoring.{key}": value for key, value in COSINE["scoring"].items()}
LAST = {"items.depths": None, "scoring.unit_items": False}
END = {**STRONG, "training.epochs": 6, "training.patience": 2, "negatives.bank": True}


def candidates(
    features: str, regions: str | None, codes: str | None, source: str | None, starts: Path
) -> dict[str, Any]:
    """(recipe, sections replaced, trials) by model; a trial is options.

    End-to-end training goes on from runs with the frozen network at `starts`.
    """
    seen = {"name": "features", "file": features, "scale": "standardise", "activation": "none"}
    seen |= {"init": "xavier_normal"}
    narrow = {"items.pca": 256, "items.whiten": 0.5}

    def joined(combine: str) -> dict[str, Any]:
        parts = {"features": {**seen, "width": 64}, "ids": {"name": "id_table", "width": 64}}
        return {"items": {"name": "joined", "combine": combine, "parts": parts}}

    pca = {"items.parts.features.pca": 256, "items.parts.features.whiten": 0.5}
    both = [{}, STRONG, pca, {**pca, **STRONG}]
    table: dict[str, Any] = {
        "ids": ("sasrec-id", {}, [{}, STRONG, COSINE_DOTTED, {**COSINE_DOTTED, **STRONG}]),
        "frozen": (
            "sasrec-features",
            {"items": {**seen, "width": 64}},
            [{}, STRONG, narrow, {**narrow, **STRONG}],
        ),
        "joined-sum": ("sasrec-features", joined("sum"), both),
        "joined-concat": ("sasrec-features", joined("concat"), both),
        "joined-delta": (
            "sasrec-features",
            joined("delta"),
            [
                {"items.bound": 0.1},
                {**STRONG, "items.bound": 0.1},
                {**STRONG, "items.bound": 0.2},
                {**pca, **STRONG},
            ],
        ),
        "vbpr": (
            "mf-id",
            {**_vbpr(seen), **SHARED},
            [{}, FAST, {"optimiser.weight_decay": 0.1}, {"optimiser.weight_decay": 0.1, **FAST}],
        ),
        "curatornet": (
            "curatornet-id",
            {"items": {**seen, "width": 64}, **COSINE, **SHARED},
            [{}, {"optimiser.learning_rate": 0.001}, FAST, {**narrow, "optimiser.learning_rate": 0.001}],
        ),
    }
    if codes is not None:
        section = {"items": {"name": "codes", "file": codes, "width": 64}}
        table["codes"] = ("sasrec-codes", section, [{}, STRONG, COSINE_DOTTED, {**COSINE_DOTTED, **STRONG}])
    if regions is not None:
        table["acf"] = (
            "acf-regions",
            {"items": {"name": "regions", "file": regions, "width": 64, "init": "normal"}},
            [{}, {"optimiser.weight_decay": 0.1}, {"optimiser.learning_rate": 0.001}, {"length": 50}],
        )
    if source is not None:
        start = {**LAST, "items.source": source, "training.warm_start": str(starts / "seed-{seed}"), **END}
        rates = [("3", 5e-5), ("3", 3e-4), ("1", 3e-4)]
        table["end-to-end"] = (
            "sasrec-mobilenet",
            {},
            [
                {
                    **start,
                    "items.trainable": top,
                    "optimiser.learning_rate": 3e-4,
                    "optimiser.backbone_learning_rate": rate,
                }
                for top, rate in rates
            ],
        )
        short = {"training.epochs": 10, "training.patience": 3}
        rates = ({}, {"optimiser.backbone_learning_rate": 1e-3}, {"optimiser.weight_decay": 0.1})
        table["dvbpr"] = ("dvbpr", {}, [{**short, **rate} for rate in rates])
    return table


def _vbpr(seen: Mapping[str, Any]) -> dict[str, Any]:
    parts = {
        "ids": {"name": "id_table", "width": 64},
        "visual": {**seen, "width": 64},
        "bias": {**seen, "width": 1},
    }
    return {"items": {"name": "joined", "combine": "concat", "parts": parts}, "users": {"name": "vbpr"}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    for name in ("features", "regions", "codes", "source"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=4, help="of each model, at most")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trials-only", action="store_true")
    parser.add_argument("--blends", nargs="*", help="after the grid: models mixed with the baselines")
    given = parser.parse_args()
    paths = [
        None if path is None else str(Path(path).resolve())
        for path in (given.features, given.regions, given.codes, given.source)
    ]
    starts = given.out.resolve() / "starts"
    table = candidates(*paths, starts)  # type: ignore[arg-type]
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = []
    for name, (base, sections, trials) in table.items():
        if given.only and name not in given.only:
            continue
        if name == "end-to-end":
            _start(given.data, paths[3], given.seeds, starts)
        recipe, trial = _best(name, base, sections, trials[: given.trials], given.data, given.out / "trials")
        (given.out / f"{name}.yaml").write_text(recipe.dump(named=True))
        chosen.append(given.out / f"{name}.yaml")
        if not (first := given.out / "bench" / name / "seed-0").exists():
            shutil.copytree(trial, first)  # the trial is the run of seed 0
    if not given.trials_only:
        api.bench(given.data, chosen, seeds=given.seeds, out=given.out / "bench", console=Console())
    if given.blends is not None:
        _blends(given.data, given.features, given.blends, given.seeds, given.out / "bench")


def _start(data: Path, source: str | None, seeds: int, out: Path) -> None:
    """SASRec over the frozen network, for each seed."""
    for seed in range(seeds):
        folder = out / f"seed-{seed}"
        if (folder / "run.json").exists():
            api.resume(folder, data=data)
            continue
        options = {**STRONG, "items.source": source, "training.patience": 8, "seed": seed}
        api.train(read_recipe("sasrec-mobilenet", {**LAST, **options}), data=data, out=folder)


def _best(
    name: str, base: str, sections: Mapping[str, Any], trials: list[Any], data: Path, out: Path
) -> tuple[Recipe, Path]:
    """The trial with the best NDCG@10 on validation: its recipe and run."""
    read = read_recipe(base)
    found = []
    for number, options in enumerate(trials):
        folder, path = out / f"{name}-{number}", out / f"{name}-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        config = {**read.config, **sections}
        config["training"] = {**config["training"], "patience": 8}
        path.write_text(replace(read, name=name, config=config).dump(named=True))
        recipe = read_recipe(path, options)
        if (folder / "run.json").exists():
            api.resume(folder, data=data)
        else:
            api.train(recipe, data=data, out=folder)
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        best = max(row.get("NDCG@10", 0.0) for row in rows)
        print(f"{name:14} validation NDCG@10 {100 * best:5.2f} %  {options}", flush=True)
        found.append((best, recipe, folder))
    return max(found, key=lambda each: each[0])[1:]


def _blends(data: Path, features: str, models: list[str], seeds: int, bench: Path) -> None:
    """Mixes the runs of each seed with the baselines, and compares every model with the blends on test."""
    for seed in range(seeds):
        out = bench / "blend" / f"seed-{seed}"
        if not (out / "run.json").exists():
            runs = [bench / name / f"seed-{seed}" for name in models]
            mixed = api.blend(runs, out=out, baselines=BASELINES, features=features, data=data)
            weights = ", ".join(f"{name} {weight:.2f}" for name, weight in mixed.weights.items())
            print(f"blend seed {seed}: {weights}", flush=True)
        if not (out / "ranks-test.parquet").exists():
            api.evaluate(out)
    blend = _gains(bench / "blend")
    print("| model | Recall@10 | NDCG@10 | few-event items | blend less model |\n|---|---|---|---|---|")
    for folder in sorted(
        path for path in bench.iterdir() if (path / "seed-0" / "ranks-test.parquet").exists()
    ):
        found = _gains(folder)
        gap = paired(blend["NDCG@10"], found["NDCG@10"])
        shown = [found["Recall@10"], found["NDCG@10"], found["NDCG@10"][:, found["few"]]]
        cells = [folder.name, *(f"{100 * values.mean():.2f}" for values in shown)]
        cells.append(f"{100 * gap.difference:+.2f} [{100 * gap.low:.2f}, {100 * gap.high:.2f}]")
        print(f"| {' | '.join(cells)} |")


def _gains(folder: Path) -> dict[str, Any]:
    """Metrics of each seed and user, and which users have a test item of few events."""
    kept = [SavedRanks.read(run, "test") for run in sorted(folder.glob("seed-?")) if run.is_dir()]
    gains = [per_user(each.ranks) for each in kept]
    found: dict[str, Any] = {
        name: np.stack([each[name] for each in gains]) for name in ("Recall@10", "NDCG@10")
    }
    return {**found, "few": kept[0].counts < LONG_TAIL_BELOW}


if __name__ == "__main__":
    main()
