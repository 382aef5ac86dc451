"""LoRA (Hu et al., arXiv 2106.09685) on the frozen blocks of a picture network, through 🤗 peft."""

from __future__ import annotations

from torch import nn

from pixelrec.errors import RecipeError, demand_library
from pixelrec.items.backbones.backbone import AbstractBackbone


def add_lora(backbone: AbstractBackbone, rank: int) -> None:
    """Add a trained correction of this rank, initially zero, to every linear layer of the frozen blocks."""
    demand_library("peft", need="items.lora", extra="pixels", error=RecipeError)
    from peft import LoraConfig, inject_adapter_in_model

    frozen = backbone.blocks[: max(0, backbone.boundary - 1)]
    names = [
        f"blocks.{i}.{name}"
        for i, block in enumerate(frozen)
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear)
    ]
    if not names:
        raise RecipeError(
            f"items.lora is {rank}, and the frozen part of this network has no linear layer in its "
            f"{len(frozen)} blocks; set items.lora 0, or items.trainable to fewer blocks"
        )
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), backbone)
    for parameter in trained:  # peft has frozen everything else
        parameter.requires_grad_(True)
