"""A model of another package, taken from the guide: registered or installed, it works as a shipped one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import final

import pytest
import torch
from torch import Tensor, nn

import pixelrec
from pixelrec.batch import DatasetSpec, Items
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RecipeError, RunError
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.build import try_user_model
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recipe.schema import json_schema
from pixelrec.testing import check_item_encoder
from pixelrec.users import USER_MODELS
from pixelrec.users.mf import MF
from pixelrec.users.sasrec import SASRec

GUIDE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", GUIDE, flags=re.DOTALL))
SMALL = ["--length", "5", "--items.width", "8", "--training.epochs", "1"]


def install(folder: Path, points: str, name: str = "my-models") -> None:
    """What pip leaves in `folder` for a package with these entry points."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the modules of the guide."""
    for name in ("my_models.py", "test_my_models.py", "train_it.py"):
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    return tmp_path


@pytest.fixture
def installed(package: Path) -> Path:
    points = FILES["pyproject.toml"].replace("project.entry-points.", "").replace('"', "")
    install(package, re.sub(r"(= *)(\S+)", r"\1\2", points))
    return package


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_the_guide_is_checked_and_trained_as_it_says(package: Path, dataset: Dataset) -> None:
    (package / "data").mkdir()
    (package / "data" / "shop").symlink_to(dataset.folder)
    code = "import sys, test_my_models; test_my_models.test_latest(); import train_it; "
    done = run(package, "-c", code + "assert 'accelerate' not in sys.modules, 'one process needs none'")
    assert done.returncode == 0, done.stderr
    (trained,) = (package / "runs").iterdir()
    with pytest.raises(RunError, match=r"users\.name is 'latest'; .*trained with my_models:Latest: install"):
        _ = pixelrec.Run.open(trained).recipe
    with pytest.raises(
        RunError, match="user model 'latest' is not registered; .* of my_models:Latest"
    ) as raised:
        pixelrec.Recommender.from_pretrained(trained / "best")
    assert "\n" not in str(raised.value)


def test_an_installed_model_works_from_training_to_recommending(installed: Path, dataset: Dataset) -> None:
    (installed / "mine.yaml").write_text("users: {name: latest}\n", encoding="utf-8")
    data = ["--data", str(dataset.folder)]
    chosen = ["--out", "run", "--users.name", "latest", "--users.scale", "2", *SMALL]
    lines = [
        ["train", "sasrec-id", *data, *chosen],
        ["evaluate", "run", "--no-report"],
        ["recommend", "run", "--history", str(dataset.item_ids[0]), "-k", "3", "--form", "csv"],
        ["train", "mine.yaml", "--help"],
        ["recipes", "--schema"],
        ["train", "mine.yaml", *data, "--users.scale", "0"],
    ]
    code = f"from pixelrec.cli.main import main; print([main(words) for words in {lines!r}])"
    done = run(installed, "-c", code)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0, 2]", done.stderr
    assert "Recall@10" in done.stdout and "\n3," in done.stdout and "--users.scale" in done.stdout
    assert "factor of every vector (a number from 0.1 to 10)" in " ".join(done.stdout.split())
    assert '"factor of every vector."' in done.stdout
    assert "users.scale is 0; expected a number from 0.1 to 10" in done.stderr


@pytest.fixture
def path_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of this process, where packages may be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    for known in (USER_MODELS, ITEM_ENCODERS):
        known.__dict__.pop("installed", None)


def test_an_installed_class_is_in_the_json_schema(path_of: Path) -> None:
    (path_of / "my_models_two.py").write_text(FILES["my_models.py"], encoding="utf-8")
    install(path_of, "[pixelrec.users]\nlatest = my_models_two:Latest\n")
    scale = json_schema()["definitions"]["users__latest"]["properties"]["scale"]
    assert (scale["minimum"], scale["maximum"], scale["default"]) == (0.1, 10, 1.0)
    assert scale["description"] == "factor of every vector."
    assert "latest" in USER_MODELS and len(USER_MODELS) == len(list(USER_MODELS))


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (
            "broken = no_such_module:Model",
            "package bad: its user model 'broken', no_such_module:Model, cannot be loaded",
        ),
        ("broken = pixelrec.errors:Nothing", "cannot be loaded: AttributeError"),
        ("broken = pixelrec.errors:RecipeError", "is no AbstractUserModel; derive it from that class"),
        (
            "sasrec = my_models:Latest",
            "user model 'sasrec' is provided by bad and pixelrec; one of them",
        ),
    ],
)
def test_a_bad_package_is_one_line_where_it_is_used(points: str, says: str, path_of: Path) -> None:
    install(path_of, f"[pixelrec.users]\n{points}\n", name="bad")
    name = points.partition(" ")[0]
    with pytest.raises(RecipeError, match=re.escape(says)) as raised:
        read_recipe("sasrec-id", {"users.name": name})
    assert "\n" not in str(raised.value)
    assert read_recipe("mf-id")["users"]["name"] == "mf", "other models are not concerned"


def test_two_packages_of_one_name_are_an_error(path_of: Path) -> None:
    for name in ("one", "two"):
        install(path_of, "[pixelrec.items]\nmine = pixelrec.items.id_table:IdTable\n", name=name)
    with pytest.raises(RecipeError, match="item encoder 'mine' is provided by (one and two|two and one)"):
        read_recipe("sasrec-id", {"items.name": "mine"})


@final
class Hashed(AbstractItemEncoder):
    """A few vectors that items share; its width is no option."""

    width = 8

    def __init__(self, spec: DatasetSpec, *, buckets: int = 50) -> None:  # noqa: ARG002
        super().__init__()
        self.rows = nn.Embedding(buckets + 1, self.width, padding_idx=0)

    def forward(self, items: Items) -> Tensor:
        ids = items.ids
        return self.rows(torch.where(ids == 0, 0, 1 + ids % (self.rows.num_embeddings - 1)))


def test_a_registered_encoder_is_trained_saved_and_joined(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ITEM_ENCODERS, "registered", {})
    check_item_encoder(Hashed, config={"buckets": 700})
    pixelrec.register(Hashed, "hashed")
    small = {"length": 5, "users.heads": 2, "training.epochs": 1}
    alone = {"items.name": "hashed", "items.buckets": 20, **small}
    parts = {"hash": {"name": "hashed", "buckets": 9}, "ids": {"name": "id_table", "width": 8}}
    joined = {"items": {"name": "joined", "parts": parts}, **small}
    for name, overrides in (("alone", alone), ("joined", joined)):
        try_user_model(read_recipe("sasrec-id", overrides))
        run = pixelrec.train("sasrec-id", data=dataset.folder, out=tmp_path / name, overrides=overrides)
        found = pixelrec.recommend(run.folder, history=[dataset.item_ids[0]], k=3)
        assert len(found) == 3
    monkeypatch.setattr(ITEM_ENCODERS, "registered", {})
    with pytest.raises(RunError, match="item encoder 'hashed' is not registered"):
        pixelrec.Recommender.from_pretrained(tmp_path / "alone" / "best")
    with pytest.raises(RecipeError, match=r"items\.parts\.hash\.name is 'hashed'; .*pixelrec\.register"):
        pixelrec.Recommender.from_pretrained(tmp_path / "joined" / "best")


def test_registering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(USER_MODELS, "registered", {})
    pixelrec.register(MF, "my-mf")
    pixelrec.register(MF, "my-mf")
    assert read_recipe("mf-id", {"users.name": "my-mf"})["users"]["name"] == "my-mf"
    with pytest.raises(RecipeError, match="'my-mf' is pixelrec.users.mf:MF already"):
        pixelrec.register(SASRec, "my-mf")
    with pytest.raises(RecipeError, match="'sasrec' is pixelrec.users.sasrec:SASRec already"):
        pixelrec.register(MF, "sasrec")
    with pytest.raises(RecipeError, match="cannot name a user model; expected letters"):
        pixelrec.register(MF, "my mf")
    with pytest.raises(RecipeError, match="expected a subclass of AbstractUserModel or AbstractItemEncoder"):
        pixelrec.register(RecipeError, "mine")  # type: ignore[arg-type]
