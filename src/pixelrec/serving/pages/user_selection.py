"""Which users a list shows, of which runs and in which order: parts of the address that pages carry along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias, final

from fastapi import Depends

from pixelrec.errors import RequestError
from pixelrec.serving.evaluated_users import EvaluatedUsers, Order, Shown, common_split
from pixelrec.serving.pages.links import AbstractLinks, Query
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shop import Shop

ALONE = ""  # beside no other run
NOTHING: Query = {}


@final
@dataclass(frozen=True)
class Selection:
    run: str | None = None
    beside: str | None = (
        None  # another run; empty: none; absent: the first that was evaluated on the same users
    )
    show: Shown = "all"
    sort: Order | None = None

    @property
    def order(self) -> Order:
        """That of the data set, so that nobody is picked, unless users are chosen by a difference."""
        by_difference: dict[Shown, Order] = {"wins": "gain", "losses": "loss"}
        return self.sort or by_difference.get(self.show, "data")

    def runs(self, shop: Shop) -> tuple[ServedRun, ServedRun | None]:
        """The run, and the one beside it; raises `RequestError` if one is unknown, or knows other users."""
        run = shop.run(self.run)
        others = shop.others(run)
        if self.beside is None or self.beside == run.name:
            return run, next((other for other in others if common_split(run, other)), None)
        if self.beside == ALONE:
            return run, None
        other = shop.run(self.beside)
        if other not in others:
            raise RequestError(
                f"{other.name} knows other users than {run.name}, so their lists cannot stand side by side"
            )
        return run, other

    def users(self, shop: Shop) -> EvaluatedUsers | None:
        run, other = self.runs(shop)
        found = EvaluatedUsers.of(run, other) or EvaluatedUsers.of(run)
        return found if found is None or shop.sample is None else found.only(shop.sample)

    def query(self, changes: Query = NOTHING) -> dict[str, str | int | None]:
        """For addresses, with changes; what is as by default is left out."""
        own = {"run": self.run, "beside": self.beside, "show": self.show, "sort": self.sort}
        found = {**own, **changes}
        return {key: None if (key, value) == ("show", "all") else value for key, value in found.items()}

    def users_page(self, links: AbstractLinks, changes: Query = NOTHING) -> str:
        return links.to("users", self.query(changes))

    def user_page(self, links: AbstractLinks, user: str, changes: Query = NOTHING) -> str:
        """In an exported folder it is the same whatever list leads to it."""
        return links.to("user", {"id": user, **self.query(changes)}) or (
            "" if changes else links.user(user, self.run)
        )

    def beside_options(self, shop: Shop) -> list[tuple[str, str, bool]]:
        """Name, value of `beside`, and whether it is chosen."""
        run, other = self.runs(shop)
        names = [each.name for each in shop.others(run)]
        if not names:
            return []
        chosen = ALONE if other is None else other.name
        return [(name or "none", name, name == chosen) for name in (*names, ALONE)]


TheSelection: TypeAlias = Annotated[Selection, Depends()]
