"""Families of picture networks in transformers, one per file.

Knows modules and configurations of transformers; knows neither checkpoints nor recipes.
"""

from collections.abc import Mapping

from pixelrec.items.backbones.families.beit import BEiT
from pixelrec.items.backbones.families.clip import CLIP
from pixelrec.items.backbones.families.convnext import ConvNeXt
from pixelrec.items.backbones.families.dinov2 import DINOv2
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.families.mobilenet_v2 import MobileNetV2
from pixelrec.items.backbones.families.resnet import ResNet
from pixelrec.items.backbones.families.siglip import SigLIP
from pixelrec.items.backbones.families.swin import Swin
from pixelrec.items.backbones.families.vit import ViT
from pixelrec.items.backbones.families.vit_mae import ViTMAE

FAMILIES: Mapping[str, AbstractFamily] = {
    "beit": BEiT(),
    "clip": CLIP(),
    "convnext": ConvNeXt(),
    "dinov2": DINOv2(),
    "mobilenet_v2": MobileNetV2(),
    "resnet": ResNet(),
    "siglip": SigLIP(),
    "swin": Swin(),
    "vit": ViT(),
    "vit_mae": ViTMAE(),
}
