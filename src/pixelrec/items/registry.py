"""The item encoders that recipes may name; `items/__init__.py` ships the package's own."""

from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.registry import Registry

ITEM_ENCODERS: Registry[AbstractItemEncoder] = Registry(
    "item encoder",
    "pixelrec.items",
    AbstractItemEncoder,  # type: ignore[type-abstract]
    {},
)
