"""What the README shows runs as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from pixelrec.cli.main import main
from pixelrec.demonstration.world import World

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def shop(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the files that the README speaks of."""
    shutil.copy(world.interactions, tmp_path / "interactions.csv")
    shutil.copy(world.items, tmp_path / "items.csv")
    shutil.copytree(world.covers, tmp_path / "covers")
    shutil.copy(world.covers / "i3.jpg", tmp_path / "new.jpg")
    # What the README takes from the hub: a small one of its kind.
    from transformers import MobileNetV2Config, MobileNetV2Model

    network = MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.35, image_size=64))
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.kaiming_normal_(parameter)
    network.save_pretrained(tmp_path / "mobilenet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_readme(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    quick = "".join(blocks).replace('"training.epochs": 50', '"training.epochs": 1')
    quick = quick.replace('covers="covers/"', 'covers="covers/", size=64')
    quick = quick.replace("path/or/name/of/a/checkpoint", "mobilenet")
    quick = quick.replace("overrides=network", 'overrides=network | {"training.epochs": 1}')
    assert quick.count('"training.epochs": 1') == 2
    exec(compile(quick, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert "Recall@10" in said and "report.html" in said and "user_id" in said
    assert list(shop.glob("runs/*/report.html"))


def test_the_commands_of_the_readme(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.partition("#")[0].strip() for line in README.splitlines() if line.startswith("pixelrec ")]
    assert len(lines) >= 5
    for line in lines:
        quick = line.replace("--training.epochs 50", "--training.epochs 1")
        quick = quick.replace("--seeds 3", "--seeds 1 --training.epochs 1")
        quick = quick.replace(
            "sasrec-mobilenet", "sasrec-mobilenet --items.source mobilenet --training.epochs 1"
        )
        quick = quick.replace("path/to/mobilenet", "mobilenet")
        words = quick.replace("--covers covers/", "--covers covers/ --size 64").split()[1:]
        assert main(words) == 0, (line, capsys.readouterr().err)
    assert (shop / "runs" / "first" / "report.html").exists()


def test_everything_the_docs_link_to_is_there() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
