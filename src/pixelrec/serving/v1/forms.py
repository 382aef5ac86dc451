"""What the requests and answers of version 1 have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, TypeAdapter

Id: TypeAlias = Annotated[StrictStr, Field(max_length=1000)] | StrictInt
RunName: TypeAlias = Annotated[
    str | None, Field(description="Name of a run, as in `/v1/runs`; by default the first.", max_length=1000)
]
Length: TypeAlias = Annotated[int, Field(ge=1, description="Number of items in a list.")]


class Form(BaseModel):
    """A body of a request: names that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as in RFC 9457; `detail` is the sentence that the command line would print."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ListedItem(BaseModel):
    """An item in a list."""

    item_id: str | int
    score: float
    title: str | None = None
    rank: int = Field(description="1 is best.")


_ERROR = {"model": Problem, "content": {"application/problem+json": {}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {**_ERROR, "description": "The request cannot be answered: an unknown id, a bound exceeded, …"},
    401: {**_ERROR, "description": "No token, or another one."},
    413: {**_ERROR, "description": "The body is too large."},
    503: {**_ERROR, "description": "Too many requests wait, or no answer in time: try again."},
}
_ANYTHING: TypeAdapter[Mapping[str, Any]] = TypeAdapter(Mapping[str, Any])


def answer(values: Mapping[str, Any]) -> Response:
    """JSON of what is right already: FastAPI would check it against its model again."""
    return Response(_ANYTHING.dump_json(values), media_type="application/json")
