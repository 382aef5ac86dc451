"""For the machines around the server: whether it answers, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from pixelrec.serving.metrics import Metrics
from pixelrec.serving.request import TheEngine

router = APIRouter()


@router.get("/healthz")
async def health() -> PlainTextResponse:
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


@router.get("/metrics")
async def figures(request: Request, engine: TheEngine) -> Response:
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(engine.waiting), media_type=CONTENT_TYPE_LATEST)
