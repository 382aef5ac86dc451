"""What the command line prints of data sets, pictures, features and codes; as `show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.choices import OVER_IDS, OVER_PICTURES
from pixelrec.cli.lines import say, say_next
from pixelrec.errors import command

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.covers import PackedCovers
    from pixelrec.data.dataset import Dataset
    from pixelrec.features.codes import CodeReport
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.features.importing import ImportReport
    from pixelrec.features.inspection import Inspection
    from pixelrec.images.doctor import CheckReport
    from pixelrec.items.cache.entries import Entry
    from pixelrec.items.extraction import Extraction


def prepared(dataset: Dataset, console: Console) -> None:
    from pixelrec.cli.show_statistics import print_statistics
    from pixelrec.data.statistics import statistics

    print_statistics(statistics(dataset), console)
    for names in dataset.identical_sources:
        say(console, f"note: {', '.join(names)} hold the same bytes; is that meant?")
    recipe = OVER_PICTURES if dataset.covers.exists() else OVER_IDS
    say(console, "", f"data set   {dataset.folder}")
    say_next(console, "train", recipe, "--data", dataset.folder)
    for place in dataset.features.values():
        words = ("train", "sasrec-features", "--data", dataset.folder, "--items.file", place)
        say(console, f"           {command(*words)}")


def packing(found: PackedCovers, console: Console) -> None:
    from pixelrec.cli.show_images import print_pack

    print_pack(found.report, console)
    if found.dropped_events:
        say(console, f"left out with them: {found.dropped_events:,} of {found.events:,} events")


def packed(found: PackedCovers, console: Console, data: Path) -> None:
    """The report, and what it means for runs that items were dropped."""
    packing(found, console)
    if found.dropped_events:
        say(console, "the data set has changed: runs trained on it before no longer fit; train again")
    say_next(console, "train", OVER_PICTURES, "--data", data)


def checked(found: CheckReport, console: Console, covers: Path, data: Path | None) -> None:
    """Usable and unusable covers."""
    from pixelrec.cli.show_images import print_check

    print_check(found, console)
    if data is None:
        say_next(console, "prepare", "INTERACTIONS", "--covers", covers, "--out", "DATA")
    else:
        say_next(console, "images", "pack", covers, "--data", data)


def cache(found: list[Entry], console: Console, data: Path, clear: bool) -> None:
    from pixelrec.cli.show_images import print_activations

    print_activations(found, console, deleted=clear)
    if found and not clear:
        say_next(console, "cache", data, "--clear")


def extracted(found: Extraction, console: Console, data: Path) -> None:
    from pixelrec.console.numbers import plural

    reused = f", {found.reused:,} were there already" if found.reused else ""
    say(console, f"{plural(found.computed, 'picture')} encoded{reused}", "")
    _features(found.features, console, data)


def imported(found: ImportReport, console: Console, data: Path | None) -> None:
    from pixelrec.console.numbers import plural

    done = {"mean": "given the mean of all vectors", "drop": "left out"}
    if found.absent:
        say(console, f"{plural(len(found.absent), 'item')} without a vector {done[found.missing]}", "")
    if found.unknown:
        say(console, f"{plural(found.unknown, 'vector')} of items that are not in the data set left out", "")
    _features(found.features, console, data)


def _features(found: FeatureFile, console: Console, data: Path | None) -> None:
    shape = " × ".join(f"{each:,}" for each in found.vectors.shape)
    codes = found.vectors.dtype.kind != "f"
    say(console, f"{'codes' if codes else 'features':<10} {found.folder}, {shape}")
    place = data or "DATA"
    if codes:
        say_next(console, "train", "sasrec-codes", "--data", place, "--items.file", found.folder)
    else:
        say_next(console, "features", "inspect", found.folder, "--data", place)


def inspected(found: Inspection, console: Console, features: Path, data: Path, page: Path | None) -> None:
    """The figures of vectors."""
    from pixelrec.cli.show_features import print_inspection

    print_inspection(found, console)
    say(console, "")
    if page is not None:
        say(console, f"page       {page}")
    say_next(console, "train", "sasrec-features", "--data", data, "--items.file", features)


def codes(found: CodeReport, console: Console) -> None:
    """The quality of codes."""
    from pixelrec.cli.show_features import print_codes

    print_codes(found, console)
    say(console, "", f"codes      {found.codes.folder}")
    say_next(console, "train", "sasrec-codes", "--data", "DATA", "--items.file", found.codes.folder)
