"""The pages of the Python API: every public name of pixelrec, by the room it comes from."""

from __future__ import annotations

import pixelrec

TITLES = {  # the start of the module a name comes from → the page and its title; the first that fits
    "pixelrec.api": ("python-verbs", "Verbs", "A function for every command."),
    "pixelrec.errors": ("python-errors", "Errors", "What a caller can mend is one of these."),
    "pixelrec.batch": ("python-models", "Models", "A recommender, its parts, and the values they exchange."),
    "pixelrec.recommender": ("python-models", "Models", ""),
    "pixelrec.users": ("python-models", "Models", ""),
    "pixelrec.items": ("python-models", "Models", ""),
    "pixelrec.recipe": ("python-files", "Files", ""),
    "pixelrec": ("python-files", "Files", "Data sets, runs, recipes, features and pictures."),
}
OTHERS = {  # public modules besides the names of pixelrec
    "python-testing": ("Testing and types", ["pixelrec.testing", "pixelrec.hyperparameters"]),
}


def api_pages() -> dict[str, tuple[str, str]]:
    """Place of a page → its title and text."""
    names: dict[str, list[str]] = {}
    heads: dict[str, tuple[str, str]] = {}
    for name in pixelrec.__all__:
        if name == "__version__":
            continue
        home = pixelrec._HOME[name]
        page, title, about = next(TITLES[start] for start in TITLES if home.startswith(start))
        names.setdefault(page, []).append(f"{home}.{name}")
        if about or page not in heads:
            heads[page] = (title, about)
    order = sorted(heads.items(), key=lambda each: list(TITLES.values()).index((each[0], *each[1])))
    pages = {page: (title, names[page], about) for page, (title, about) in order}
    pages |= {page: (title, modules, "") for page, (title, modules) in OTHERS.items()}
    return {f"reference/{page}.md": (title, _text(title, *rest)) for page, (title, *rest) in pages.items()}


def _text(title: str, names: list[str], about: str) -> str:
    entries = [f"::: {name}\n    options: {{heading_level: 2}}" for name in names]
    return "\n\n".join([f"# {title}", about, *entries])
