"""The files of the product, and the verbs that read them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from fuzz.little_world import IDS, PIXELS, epochs
from fuzz.mutations import Named, damages, replace_by
from fuzz.trials import Verb, digests, no_results, page, trained, weights


def _without(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    return remove


_no_vectors = _without("p/best/item-vectors")
EVALUATE = Verb(("evaluate", "r", "--no-report"), ("r", "d"), lambda f: digests(f / "r", "ranks-*"))
RECOMMEND = Verb(("recommend", "r", "--user", "u1", "u2", "--form", "json"), ("r", "d"))
HISTORY = Verb(("recommend", "r", "--history", "i3", "i5", "--form", "json"), ("r",))
REPORT = Verb(("report", "r"), ("r", "d"), page("r/report.html"))
# The page repeats what run.json and the journal say of the past; nothing else depends on it.
ANY_REPORT = replace(REPORT, judge=no_results)
COMPARE = Verb(("compare", "r", "r2"), ("r", "r2", "d"))
RESUME = Verb(("train", "--resume", "s"), ("s", "d"), trained("s"), speaks=False)
TRAIN = Verb(("train", *IDS, *epochs(1), "--data", "d", "--out", "t"), ("d",), trained("t"), speaks=False)
START = Verb(
    ("train", *IDS, *epochs(1), "--data", "d", "--out", "t", "--training.warm_start", "r"),
    ("d", "r"),
    trained("t"),
    speaks=False,
)
PIXEL_TRAIN = Verb(
    ("train", *PIXELS, *epochs(1), "--data", "d", "--out", "t"), ("d", "net"), trained("t"), speaks=False
)
PIXEL_TRAIN_AFRESH = Verb(
    ("train", *PIXELS, *epochs(1), "--data", "d", "--out", "u"),
    ("d", "net"),
    trained("u"),
    speaks=False,
    prepared=_without("d/activations"),
)
PIXEL_RESUME = Verb(("train", "--resume", "q"), ("q", "d", "net"), trained("q"), speaks=False)
PIXEL_EVALUATE = Verb(
    ("evaluate", "p", "--no-report"), ("p", "d", "net"), lambda f: digests(f / "p", "ranks-*")
)
PIXEL_RECOMMEND = Verb(("recommend", "p", "--user", "u1", "--form", "json"), ("p", "d", "net"))
PIXEL_RECOMMEND_AFRESH = Verb(
    ("recommend", "p", "--user", "u2", "--form", "json"), ("p", "d", "net"), prepared=_no_vectors
)
PIXEL_REPORT = Verb(("report", "p"), ("p", "d", "net"), page("p/report.html"))
CACHE = Verb(("cache", "d"), ("d",), speaks=False)

READERS: dict[str, tuple[Verb, ...]] = {
    "r/run.json": (EVALUATE, RECOMMEND, ANY_REPORT, COMPARE, START),
    "r/recipe.yaml": (EVALUATE, RECOMMEND, REPORT),
    "r/items.parquet": (EVALUATE, HISTORY, REPORT, START),
    "r/metrics.jsonl": (ANY_REPORT,),
    "r/evaluation-test.json": (REPORT, COMPARE),
    "r/ranks-test.parquet": (REPORT, COMPARE),
    "r/best/model.safetensors": (EVALUATE, RECOMMEND, START),
    "r/best/recommender.json": (EVALUATE, RECOMMEND, START),
    "r/report.html": (REPORT,),
    "s/run.json": (RESUME,),
    "s/recipe.yaml": (RESUME,),
    "s/items.parquet": (RESUME,),
    # a journal that lacks lines is as one from which they were taken on purpose
    "s/metrics.jsonl": (replace(RESUME, results=weights("s")),),
    "s/last/progress.json": (RESUME,),
    "s/last/recommender.json": (RESUME,),
    "s/last/model.safetensors": (RESUME,),
    "s/last/optimiser.safetensors": (RESUME,),
    "s/best/model.safetensors": (RESUME,),
    "s/best/recommender.json": (RESUME,),
    "q/last/progress.json": (PIXEL_RESUME,),
    "q/last/model.safetensors": (PIXEL_RESUME,),
    "q/last/optimiser.safetensors": (PIXEL_RESUME,),
    "q/last/recommender.json": (PIXEL_RESUME,),
    "p/best/item-vectors/vectors.safetensors": (PIXEL_RECOMMEND, PIXEL_EVALUATE),
    "p/best/item-vectors/features.json": (PIXEL_RECOMMEND,),
    "p/best/model.safetensors": (PIXEL_RECOMMEND, PIXEL_RECOMMEND_AFRESH),
    "p/best/recommender.json": (PIXEL_RECOMMEND, PIXEL_RECOMMEND_AFRESH),
    "p/run.json": (replace(PIXEL_REPORT, judge=no_results),),
    "d/manifest.json": (TRAIN, EVALUATE, RECOMMEND, RESUME),
    "d/users.parquet": (TRAIN, RECOMMEND, REPORT),
    "d/items.parquet": (TRAIN, RECOMMEND, REPORT),
    "d/events/offsets.npy": (TRAIN, EVALUATE, RECOMMEND),
    "d/events/items.npy": (TRAIN, EVALUATE, RECOMMEND),
    "d/events/times.npy": (TRAIN, EVALUATE, RECOMMEND),
    "d/events/evaluated.npy": (TRAIN, EVALUATE, RECOMMEND),
    "d/held_out/items.npy": (EVALUATE, RECOMMEND, REPORT),
    "d/held_out/times.npy": (EVALUATE, RECOMMEND, REPORT),
    "d/baselines/test.safetensors": (EVALUATE,),
    "d/covers.lmdb/data.mdb": (PIXEL_TRAIN_AFRESH, PIXEL_RECOMMEND_AFRESH, REPORT),
    "d/covers.lmdb/lock.mdb": (PIXEL_TRAIN_AFRESH,),
    "d/activations/*/manifest.json": (PIXEL_TRAIN, CACHE),
    "d/activations/*/states.bin": (PIXEL_TRAIN,),
    "d/activations/*/chunks.bin": (PIXEL_TRAIN,),
    "net/config.json": (PIXEL_TRAIN_AFRESH, PIXEL_TRAIN),
    # another network is as good: nothing shows that the weights of a foreign checkpoint were changed
    "net/model.safetensors": tuple(replace(v, judge=no_results) for v in (PIXEL_TRAIN_AFRESH, PIXEL_TRAIN)),
}
CLASSES = {
    "run folder": ("r/", "p/"),
    "state to resume": ("s/", "q/"),
    "data set": ("d/manifest", "d/users", "d/items", "d/events", "d/held_out", "d/baselines"),
    "picture store": ("d/covers.lmdb",),
    "activation cache": ("d/activations",),
    "source checkpoint": ("net/",),
}


def class_of(file: str) -> str:
    return next(name for name, starts in CLASSES.items() if file.startswith(starts))


def files(world: Path) -> Iterator[tuple[str, tuple[Verb, ...]]]:
    """Every file of the little world, and its readers."""
    for pattern, verbs in READERS.items():
        for path in sorted(world.glob(pattern)):
            yield str(path.relative_to(world)), verbs


def damages_of(world: Path, file: str, random: Random, flips: int = 4) -> Iterator[Named]:
    """The damages of a file, and the same file of another run."""
    yield from damages(world / file, random, flips=flips)
    for other in ("r", "r2", "p", "s"):
        twin = world / other / Path(file).relative_to(Path(file).parts[0])
        if file[0] in "rpsq" and twin.is_file() and other != file.split("/")[0]:
            yield f"that of {other}", lambda path, twin=twin: replace_by(path, twin)
