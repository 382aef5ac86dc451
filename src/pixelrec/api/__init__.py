"""The verbs of pixelrec as functions; the command line is made from their signatures and docstrings.

Knows what callers may pass and which room does the work; does none itself, and prints nothing. What a caller
can mend is raised as a `PixelrecError` with a message of one line.
"""

from pixelrec.api.codes import assign_codes, fit_codes
from pixelrec.api.datasets import prepare
from pixelrec.api.evaluation import compare, evaluate, report
from pixelrec.api.exports import export_data, export_onnx, export_vectors
from pixelrec.api.features import export_features, extract_features, import_features
from pixelrec.api.grids import bench, ladder
from pixelrec.api.images import cache, check_images, pack_images
from pixelrec.api.insights import explain, what_if
from pixelrec.api.publishing import publish
from pixelrec.api.recipes import import_recipe
from pixelrec.api.recommendations import from_pretrained, load, recommend, recommend_all
from pixelrec.api.serving import serve
from pixelrec.api.similarity import inspect_features, similar
from pixelrec.api.training import blend, demo, resume, train, train_final

__all__ = [
    "assign_codes",
    "bench",
    "blend",
    "cache",
    "check_images",
    "compare",
    "demo",
    "evaluate",
    "explain",
    "export_data",
    "export_features",
    "export_onnx",
    "export_vectors",
    "extract_features",
    "fit_codes",
    "from_pretrained",
    "import_features",
    "import_recipe",
    "inspect_features",
    "ladder",
    "load",
    "pack_images",
    "prepare",
    "publish",
    "recommend",
    "recommend_all",
    "report",
    "resume",
    "serve",
    "similar",
    "train",
    "train_final",
    "what_if",
]
