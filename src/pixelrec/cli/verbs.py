"""The verbs of the command line: each is a function of `api`, and a function that shows its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, final

from pixelrec import api
from pixelrec.cli import recipes, show
from pixelrec.cli.arguments import SUPPLIED, Parameter, help_text, parameters, parse, summary
from pixelrec.cli.show_rows import check_out
from pixelrec.errors import demand_address_space

if TYPE_CHECKING:
    from rich.console import Console


@final
@dataclass(frozen=True)
class Verb:
    """A verb: its options are the parameters of `call`, and the keyword-only ones of `show`."""

    call: Callable[..., Any]
    show: Callable[..., None]  # of the result, the console, arguments of `call` by name, and its own options
    renames: Mapping[str, str] = field(default_factory=dict)  # parameter of `call` → the name of its option
    more: Callable[[Mapping[str, Any]], str] | None = None  # the end of help, from the arguments so far
    address_space: int = 2_500_000_000  # bytes; PyTorch aborts with less
    check: Callable[..., None] | None = None  # of options of `show`, by name, before anything is computed
    prints: bool = False  # what is printed is the result; else it is in files

    @property
    def title(self) -> str:
        return (inspect.getdoc(self.call) or "").splitlines()[0]

    def parameters(self) -> list[Parameter]:
        return [*parameters(self.call, self.renames), *parameters(self.show, keywords_only=True)]

    def help(self, name: str, words: Sequence[str]) -> str:
        known = self.parameters()
        more = self.more(parse(name, known, words, partly=True)) if self.more else ""
        return help_text(name, summary(self.call), known) + more

    def run(self, name: str, words: Sequence[str], console: Console) -> None:
        found = parse(name, self.parameters(), words)
        demand_address_space(self.address_space)
        takes, shows = (inspect.signature(each).parameters for each in (self.call, self.show))
        own = {key: found.pop(key) for key in list(found) if key not in takes}
        supplied = {
            "console": console,
            "on_packed": partial(show.packing, console=console),
            "on_note": show.note,
        }
        given = {key: supplied[key] for key in SUPPLIED if key in takes}
        if self.check is not None:
            self.check(**{key: own.get(key) for key in inspect.signature(self.check).parameters})
        result = self.call(**found, **given)
        known = {key: each.default for key, each in takes.items()} | found
        own |= {key: known[key] for key in list(shows)[2:] if key in known}
        self.show(result, console, **own)


_SMALL = 1_500_000_000  # bytes that suffice without PyTorch

VERBS: dict[str, Verb] = {
    "demo": Verb(api.demo, show.demo),
    "prepare": Verb(api.prepare, show.prepared, address_space=_SMALL),
    "images pack": Verb(api.pack_images, show.packed, address_space=_SMALL),
    "images check": Verb(api.check_images, show.checked, address_space=_SMALL, prints=True),
    "cache": Verb(api.cache, show.cache, address_space=_SMALL, prints=True),
    "features extract": Verb(api.extract_features, show.extracted),
    "features import": Verb(api.import_features, show.imported),
    "features export": Verb(api.export_features, show.files),
    "features inspect": Verb(api.inspect_features, show.inspected, prints=True),
    "codes fit": Verb(api.fit_codes, show.codes),
    "codes assign": Verb(
        api.assign_codes, show.assigned, {"pictures": "picture"}, check=check_out, prints=True
    ),
    "similar": Verb(
        api.similar,
        show.similar,
        {"items": "item", "pictures": "picture"},
        check=check_out,
        prints=True,
    ),
    "recipes": Verb(recipes.read, show.text, prints=True),
    "train": Verb(api.train, show.run, more=recipes.options),
    "train --resume": Verb(api.resume, show.run),
    "evaluate": Verb(api.evaluate, show.evaluation),
    "compare": Verb(api.compare, show.comparison, prints=True),
    "bench": Verb(api.bench, show.grid),
    "blend": Verb(api.blend, show.blend, {"runs": "run"}),
    "recommend": Verb(
        api.recommend,
        show.recommendations,
        {"users": "user", "covers": "with-cover"},
        check=check_out,
        prints=True,
    ),
    "recommend --all-users": Verb(api.recommend_all, show.all_recommendations),
    "report": Verb(api.report, show.report),
}
