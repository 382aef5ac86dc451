"""The verbs of the command line: each is a function of `api`, and a function that shows its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, final

from pixelrec import api
from pixelrec.cli import recipes, show, show_data
from pixelrec.cli.arguments import SUPPLIED, Parameter, help_text, parameters, parse, summary
from pixelrec.cli.outputs import PEOPLE, REPORT, ROWS, Output
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
    output: Output = PEOPLE  # comes before `show`, which is for people only
    prints: bool = False  # what is printed is the result; else it is in files

    @property
    def title(self) -> str:
        return (inspect.getdoc(self.call) or "").splitlines()[0]

    def parameters(self) -> list[Parameter]:
        own = (parameters(each, keywords_only=True) for each in (self.output.put, self.show))
        return [*parameters(self.call, self.renames), *chain(*own)]

    def help(self, name: str, words: Sequence[str]) -> str:
        known = self.parameters()
        more = self.more(parse(name, known, words, partly=True)) if self.more else ""
        return help_text(name, summary(self.call), known) + more

    def run(self, name: str, words: Sequence[str], console: Console) -> None:
        found = parse(name, self.parameters(), words)
        demand_address_space(self.address_space)
        supplied = {
            "console": console,
            "on_packed": partial(show_data.packing, console=console),
            "on_note": show.note,
        }
        takes = inspect.signature(self.call).parameters
        known = {key: each.default for key, each in takes.items() if key not in SUPPLIED} | found
        chosen = _of(self.output.put, found)
        self.output.check(**chosen)
        result = self.call(**_of(self.call, found | supplied))
        if self.output.put(result, console, **chosen):
            self.show(result, console, **_of(self.show, known))


def _of(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those values that a function takes, by the names of its parameters."""
    return {key: values[key] for key in inspect.signature(function).parameters if key in values}


_SMALL = 1_500_000_000  # bytes that suffice without PyTorch

VERBS: dict[str, Verb] = {
    "demo": Verb(api.demo, show.demo),
    "prepare": Verb(api.prepare, show_data.prepared, address_space=_SMALL),
    "images pack": Verb(api.pack_images, show_data.packed, address_space=_SMALL),
    "images check": Verb(
        api.check_images, show_data.checked, address_space=_SMALL, output=REPORT, prints=True
    ),
    "cache": Verb(api.cache, show_data.cache, address_space=_SMALL, prints=True),
    "features extract": Verb(api.extract_features, show_data.extracted),
    "features import": Verb(api.import_features, show_data.imported),
    "features export": Verb(api.export_features, show.files),
    "features inspect": Verb(api.inspect_features, show_data.inspected, output=REPORT, prints=True),
    "codes fit": Verb(api.fit_codes, show_data.codes, output=REPORT),
    "codes assign": Verb(api.assign_codes, show.nothing, {"pictures": "picture"}, output=ROWS, prints=True),
    "similar": Verb(
        api.similar,
        show.similar,
        {"items": "item", "pictures": "picture"},
        output=ROWS,
        prints=True,
    ),
    "recipes": Verb(recipes.read, show.text, prints=True),
    "import-recipe": Verb(api.import_recipe, show.imported_recipe),
    "train": Verb(api.train, show.run, more=recipes.options),
    "train --resume": Verb(api.resume, show.run),
    "train --final": Verb(api.train_final, show.run),
    "evaluate": Verb(api.evaluate, show.evaluation),
    "compare": Verb(api.compare, show.comparison, prints=True),
    "bench": Verb(api.bench, show.grid),
    "ladder": Verb(api.ladder, show.ladder),
    "blend": Verb(api.blend, show.blend, {"runs": "run"}),
    "recommend": Verb(
        api.recommend,
        show.recommendations,
        {"users": "user", "covers": "with-cover"},
        output=ROWS,
        prints=True,
    ),
    "recommend --all-users": Verb(api.recommend_all, show.all_recommendations),
    "serve": Verb(api.serve, show.nothing, {"names": "name"}, prints=True),
    "explain": Verb(api.explain, show.explanations, {"items": "item"}, output=ROWS, prints=True),
    "what-if": Verb(api.what_if, show.nothing, {"covers": "cover"}, output=ROWS, prints=True),
    "export data": Verb(api.export_data, show.files, address_space=_SMALL),
    "export vectors": Verb(api.export_vectors, show.files),
    "export onnx": Verb(api.export_onnx, show.files),
    "publish": Verb(api.publish, show.published),
    "report": Verb(api.report, show.report),
}
