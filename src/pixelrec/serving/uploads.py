"""Pictures in the body of a request: never in a file, as the body is bounded."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pixelrec.errors import RequestError
from pixelrec.serving.limits import Limits

_FORM = "multipart/form-data"


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 30


async def form_of(request: Request, limits: Limits, fields: int = 0) -> FormData:
    """Raises `RequestError` for what is no form, or has too many files or fields."""
    if not request.headers.get("content-type", "").startswith(_FORM):
        raise RequestError(f"pictures are sent as a form ({_FORM})")
    try:
        return await _InMemory(
            request.headers, request.stream(), max_files=limits.pictures, max_fields=fields
        ).parse()
    except MultiPartException as error:
        if "files" in error.message:
            raise RequestError(f"send at most {limits.pictures} pictures at once") from None
        raise RequestError(f"the form cannot be read: {error.message}") from None


async def pictures_of(request: Request, limits: Limits, name: str) -> list[tuple[str, bytes]]:
    """Names and bytes of the pictures of a form, or of the one that is the whole body; errors as above."""
    if not request.headers.get("content-type", "").startswith(_FORM):
        data = await request.body()
        found = [(name, data)] if data else []
    else:
        form = await form_of(request, limits)
        files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
        found = [(each.filename or name, await each.read()) for each in files]
        await form.close()
    if not found:
        raise RequestError("no picture came: send its bytes as the body, or files in a form")
    return found
