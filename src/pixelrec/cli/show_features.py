"""The inspection of a feature file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelrec.console.numbers import percent, plural
from pixelrec.console.terminal import plain_table, say
from pixelrec.features.codes import CodeReport
from pixelrec.features.inspection import Inspection

if TYPE_CHECKING:
    from rich.console import Console


def print_inspection(found: Inspection, console: Console) -> None:
    table = plain_table("", "")
    table.show_header = False
    for fact in found.facts():
        table.add_row(*fact)
    console.print(table, highlight=False)
    for line in found.notes():
        say(f"note: {line}", console)
    if not found.agreement:
        say("no item follows another in a history, so agreement with purchases cannot be measured", console)
        return
    say(
        f"\nHow often the next item of a history is among the {found.k} nearest of the one before, by "
        f"cosine, over {plural(found.pairs, 'pair')}; and with the vectors given to the wrong items:",
        console,
    )
    recall = plain_table("treatment")
    for title in (f"Recall@{found.k}", "shuffled", "ratio"):
        recall.add_column(title, justify="right", no_wrap=True)
    for each in found.agreement:
        ratio = f"{each.recall / each.shuffled:.1f} ×" if each.shuffled else "–"
        recall.add_row(each.treatment, f"{percent(each.recall)} %", f"{percent(each.shuffled)} %", ratio)
    console.print(recall, highlight=False)


def print_codes(found: CodeReport, console: Console) -> None:
    table = plain_table("level")
    for title in ("entries used", "perplexity"):
        table.add_column(title, justify="right", no_wrap=True)
    for level, (used, evenly) in enumerate(zip(found.used, found.perplexity, strict=True), 1):
        table.add_row(str(level), f"{used * found.size:,.0f} of {found.size:,}", f"{evenly:,.0f}")
    console.print(table, highlight=False)
    items = len(found.codes)
    shared = f"{found.sharing:,} of {items:,} items share their code, at most {found.largest:,} the same"
    say(f"{shared}{'; another level tells them apart' if found.separated else ''}", console)
    say(f"variance lost: {percent(found.error)} %", console)
    say(f"nearest neighbours kept: {percent(found.neighbours)} % of ten", console)
    if 3 * found.size > items:
        say(
            f"note: {found.size:,} entries per level for {items:,} items: most describe one to three, "
            f"so similar items share few; --size {max(2, items // 10):,} leaves ten items for each",
            console,
        )
