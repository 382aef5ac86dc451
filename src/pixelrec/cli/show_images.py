"""Reports on packed and checked covers, and on cached activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelrec.console.numbers import plural, short, with_prefix
from pixelrec.console.terminal import plain_table, printable, say
from pixelrec.errors import some_of
from pixelrec.images.covers import Unusable, list_path
from pixelrec.images.doctor import PERCENTILES, CheckReport
from pixelrec.images.pack import PackReport
from pixelrec.items.cache.entries import Entry

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 5  # lines of a list; --json has all of them
_DEFAULT_SIZE = 224  # pixels of a side of a packed picture
_DONE = {"error": "refused", "grey": "stored as grey pictures", "drop-item": "left out"}


def print_pack(report: PackReport, console: Console) -> None:
    rate = f", {report.packed / report.seconds:,.0f} a second" if report.packed and report.seconds else ""
    before = f", {report.resumed:,} were packed before" if report.resumed else ""
    say(f"{plural(report.packed, 'cover')} packed in {report.seconds:.1f} s{rate}{before}", console)
    form = f"{report.size} x {report.size} pixels, {report.fit}"
    say(f"store: {report.store}, {with_prefix(report.bytes)}; pictures of {form}", console)
    _print_notes(report.notes, console)
    if report.unusable:
        items = plural(len(report.unusable), "item")
        say(f"{items} without a usable cover, {_DONE[report.missing]}:", console)
        _print_unusable(report.unusable, report.reasons, console)
        say(f"all of them: {list_path(report.store)}", console)


def print_check(report: CheckReport, console: Console) -> None:
    say(f"{report.sound:,} of {report.checked:,} covers in {report.covers} are usable", console)
    if report.unusable:
        _print_unusable(report.unusable, report.reasons, console)
    _print_notes(report.notes, console)
    if report.measures:
        _print_measures(report, console)
    if report.extras:
        say(f"{plural(len(report.extras), 'file')} of no item: {some_of(report.extras)}", console)
    if report.duplicates is not None:
        _print_duplicates(report.duplicates, console)
    lists = [report.extras, *(report.duplicates or ())]
    if max(map(len, lists)) > 3 or max(len(report.duplicates or ()), len(report.notes)) > _SHOWN:
        say("all of them: --json", console)
    say(f"checked in {report.seconds:.1f} s", console)


def print_activations(entries: Sequence[Entry], console: Console, *, deleted: bool) -> None:
    if not entries:
        say("no activations that can be deleted" if deleted else "no cached activations", console)
        return
    table = plain_table("last used", "size", "activations")
    for entry in entries:
        used = "in use" if entry.in_use else f"{entry.last_used:%Y-%m-%d %H:%M}"
        table.add_row(used, with_prefix(entry.size), entry.summary)
    console.print(table, highlight=False)
    total = f"{with_prefix(sum(entry.size for entry in entries))} in {entries[0].folder.parent}"
    say(f"\ndeleted    {total}" if deleted else f"\ntotal      {total}", console)


def _print_unusable(unusable: Sequence[Unusable], counts: dict[str, int], console: Console) -> None:
    table = plain_table("reason", "items", "for example")
    for reason, count in counts.items():
        example = next(each for each in unusable if each.reason == reason)
        table.add_row(reason, f"{count:,}", printable(f"{example.item_id}: {example.detail}"))
    console.print(table, highlight=False)


def _print_measures(report: CheckReport, console: Console) -> None:
    names = {0: "least", 50: "median", 100: "most"}
    written = {"bytes": with_prefix, "width / height": "{:.2f}".format}
    cells = [map(written.get(what, "{:,.0f}".format), values) for what, values in report.measures.items()]
    table = plain_table("")
    for what in report.measures:
        table.add_column("file size" if what == "bytes" else what, justify="right", no_wrap=True)
    for percentile, *row in zip(PERCENTILES, *cells, strict=True):
        table.add_row(names.get(percentile, f"{percentile} %"), *row)
    console.print(table, highlight=False)
    kinds = [f"{name} {count:,}" for part in (report.formats, report.modes) for name, count in part.items()]
    say(f"formats and modes: {', '.join(kinds)}", console)
    if (least := min(report.measures["width"][0], report.measures["height"][0])) < _DEFAULT_SIZE:
        enlarged = f"packing at the default --size {_DEFAULT_SIZE} enlarges such covers"
        say(f"the shortest side has {short(least)} pixels: {enlarged}", console)


def _print_duplicates(groups: Sequence[Sequence[str]], console: Console) -> None:
    if not groups:
        say("no two covers look alike", console)
        return
    items = f"{sum(map(len, groups)):,} items have covers that look alike"
    say(f"{items}, in {plural(len(groups), 'group')}:", console)
    for group in groups[:_SHOWN]:
        say(f"  {some_of(group)}", console)
    if len(groups) > _SHOWN:
        say(f"  … and {len(groups) - _SHOWN:,} more", console)


def _print_notes(notes: Sequence[str], console: Console) -> None:
    for note in notes[:_SHOWN]:
        say(f"note: {note}", console)
    if len(notes) > _SHOWN:
        say(f"note: … and {len(notes) - _SHOWN:,} more like this", console)
