"""Reports of packing and checking, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pixelrec.images.doctor import PERCENTILES, CheckReport
from pixelrec.images.pack import PackReport
from pixelrec.images.unusable import Unusable, list_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SHOWN = 5  # so many lines of a list; the whole is in the report's to_dict
_USUAL_SIZE = 224  # pixels of a side that packing makes by default
_DONE = {"error": "refused", "grey": "stored as grey pictures", "drop-item": "left out"}


def print_pack(report: PackReport, console: Console) -> None:
    """Say what a packing did."""
    rate = f", {report.packed / report.seconds:,.0f} a second" if report.packed and report.seconds else ""
    earlier = f", {report.resumed:,} were there already" if report.resumed else ""
    _line(console, f"{_counted(report.packed, 'cover')} packed in {report.seconds:.1f} s{rate}{earlier}")
    _line(console, f"store: {report.store}, {_size(report.bytes)}")
    _print_notes(report.notes, console)
    if report.unusable:
        _line(
            console,
            f"{_counted(len(report.unusable), 'item')} without a usable cover, {_DONE[report.missing]}:",
        )
        _print_unusable(report.unusable, report.reasons, console)
        _line(console, f"all of them: {list_path(report.store)}")


def print_check(report: CheckReport, console: Console) -> None:
    """Say what a check found."""
    _line(console, f"{report.sound:,} of {report.checked:,} covers in {report.covers} are usable")
    if report.unusable:
        _print_unusable(report.unusable, report.reasons, console)
    _print_notes(report.notes, console)
    if report.measures:
        _print_measures(report, console)
    if report.extras:
        named = _some(report.extras)
        _line(console, f"{_counted(len(report.extras), 'file')} that no item asks for: {named}")
    if report.duplicates is not None:
        _print_duplicates(report.duplicates, console)
    _line(console, f"looked at in {report.seconds:.1f} s")


def _print_unusable(unusable: Sequence[Unusable], counts: dict[str, int], console: Console) -> None:
    table = _table("reason", "items", "such as")
    for reason, count in counts.items():
        example = next(u for u in unusable if u.reason == reason)
        table.add_row(reason, f"{count:,}", _escaped(f"{example.item_id}: {example.detail}"))
    console.print(table)


def _print_measures(report: CheckReport, console: Console) -> None:
    names = {0: "least", 50: "median", 100: "most"}
    shows = {"bytes": _size, "width / height": "{:.2f}".format}
    cells = [map(shows.get(what, "{:,.0f}".format), values) for what, values in report.measures.items()]
    table = _table("", *("file size" if what == "bytes" else what for what in report.measures))
    for percentile, *row in zip(PERCENTILES, *cells, strict=True):
        table.add_row(names.get(percentile, f"{percentile} %"), *row)
    console.print(table)
    kinds = (
        f"{name} {count:,}" for counts in (report.formats, report.modes) for name, count in counts.items()
    )
    _line(console, f"formats and modes: {', '.join(kinds)}")
    if (least := min(report.measures["width"][0], report.measures["height"][0])) < _USUAL_SIZE:
        enlarged = f"packing at the default --size {_USUAL_SIZE} enlarges such covers"
        _line(console, f"the shortest side has {least:,.0f} pixels: {enlarged}")


def _print_duplicates(groups: Sequence[Sequence[str]], console: Console) -> None:
    if not groups:
        _line(console, "no two covers look alike")
        return
    _line(
        console,
        f"{sum(map(len, groups)):,} items have covers that look alike, in {_counted(len(groups), 'group')}:",
    )
    for group in groups[:_SHOWN]:
        _line(console, f"  {_some(group)}")
    if len(groups) > _SHOWN:
        _line(console, f"  … and {len(groups) - _SHOWN:,} more")


def _print_notes(notes: Sequence[str], console: Console) -> None:
    for note in notes[:_SHOWN]:
        _line(console, f"note: {note}")
    if len(notes) > _SHOWN:
        _line(console, f"note: … and {len(notes) - _SHOWN:,} more like this")


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        example = name == "such as"
        table.add_column(name, justify="left" if example else "right", no_wrap=not example, overflow="fold")
    return table


def _line(console: Console, text: str) -> None:
    """One line of plain text: names of files are no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f", … {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
