"""A published run recommends as the run does, from its folder alone; a hostile folder is a line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from end_to_end.pixel_runs import RESNET
from hub import Hub, serving

import pixelrec
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.errors import PixelrecError
from pixelrec.files.json_object import digest_of
from pixelrec.runs.run import Run

TINY = {"length": 6, "items.width": 16, "users.heads": 2, "users.layers": 1, "training.epochs": 1}
PIXELS = {**RESNET, "items.trainable": "head", "items.cache": "never", "training.epochs": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def ids(dataset: Dataset, place: Path) -> Run:
    run = pixelrec.train("sasrec-id", data=dataset, out=place / "ids", overrides=TINY)
    pixelrec.evaluate(run)
    return run


@pytest.fixture(scope="module")
def pixels(dataset: Dataset, place: Path) -> Run:
    return pixelrec.train("sasrec-id", data=dataset, out=place / "pixels", overrides=PIXELS)


@pytest.fixture(scope="module")
def folder(ids: Run, place: Path) -> Path:
    return Path(ids.save_pretrained(place / "of-ids", licence="mit", data_licence="CC BY-NC 4.0").place)


@pytest.fixture(scope="module")
def with_pictures(pixels: Run, place: Path) -> Path:
    """Of a run whose data set is out of reach meanwhile."""
    return Path(pixels.save_pretrained(place / "of-pixels").place)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as (found, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        yield found


def histories(dataset: Dataset) -> list[list[str]]:
    known = dataset.item_ids.to_list()
    return [known[:1], known[3:9], known[40:44] + ["unheard-of"], known[::7]]


def same(first: Any, second: Any) -> bool:
    return bool(first.frame().equals(second.frame()))


def test_it_recommends_exactly_as_the_run_does(
    dataset: Dataset, ids: Run, folder: Path, pixels: Run, with_pictures: Path
) -> None:
    for run, published in ((ids, folder), (pixels, with_pictures)):
        there, here = pixelrec.load(run), pixelrec.from_pretrained(str(published))
        asked = histories(dataset)
        assert same(there.recommend(histories=asked, k=7), here.recommend(histories=asked, k=7))
        among = dataset.item_ids.to_list()[5:50]
        assert same(*(each.recommend(histories=asked, among=among, seen=True) for each in (there, here)))


def test_new_covers_stand_where_the_run_puts_them(
    dataset: Dataset, world: World, pixels: Run, with_pictures: Path, tmp_path: Path, folder: Path
) -> None:
    cover = Path(shutil.copy(next(world.covers.iterdir()), tmp_path / "new.png"))
    asked = histories(dataset)
    services = (pixelrec.load(pixels), pixelrec.from_pretrained(str(with_pictures)))
    assert same(*(each.add([cover]).recommend(histories=asked, k=9) for each in services))
    assert main(["recommend", str(with_pictures), "--history", asked[0][0], "--with-cover", str(cover)]) == 0
    with pytest.raises(PixelrecError, match="do not come from pictures"):
        pixelrec.from_pretrained(str(folder)).add([cover])


def test_nothing_in_it_is_about_users_or_this_machine(
    dataset: Dataset, folder: Path, with_pictures: Path, place: Path
) -> None:
    users = {str(user).encode() for user in dataset.user_ids if len(str(user)) > 3}
    for published in (folder, with_pictures):
        names = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
        assert names == {
            "README.md", "run.json", "recipe.yaml", "items.parquet", "recommender.json", "model.safetensors",
            "item-vectors/features.json", "item-vectors/ids.parquet", "item-vectors/vectors.safetensors",
        }  # fmt: skip
        for path in published.rglob("*.*"):
            content = path.read_bytes()
            assert str(place.parent).encode() not in content, path
            assert not [user for user in users if user in content], path
    assert pl.read_parquet(folder / "items.parquet").columns[0] == "item_id"


def test_its_card_says_what_it_is(dataset: Dataset, ids: Run, folder: Path) -> None:
    _, head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["library_name"] == "pixelrec" and found["license"] == "mit"
    metrics = {each["name"]: each["value"] for each in found["model-index"][0]["results"][0]["metrics"]}
    own = pixelrec.evaluate(ids).own_metrics
    assert metrics == {name: round(value, 6) for name, value in own.items()}
    assert f"{dataset.users:,}" in text and "95 % interval" in text and "of the data: CC BY-NC 4.0" in text
    assert "best baseline" in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code.replace("OWNER/NAME", str(folder)), {})  # noqa: S102


def test_a_final_run_carries_the_figures_of_the_run_that_chose(ids: Run, tmp_path: Path) -> None:
    last = pixelrec.train_final(ids, out=tmp_path / "last")
    text = Path(last.save_pretrained(tmp_path / "out").place, "README.md").read_text(encoding="utf-8")
    assert "trained on every event" in text and "NDCG@10" in text
    with pytest.raises(PixelrecError, match="final run"):
        pixelrec.evaluate(tmp_path / "out")


def test_figures_of_later_weights_of_the_run_that_chose_are_left_out(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chooser = pixelrec.train("sasrec-id", data=dataset, out=tmp_path / "run", overrides=TINY)
    last = pixelrec.train_final(chooser, out=tmp_path / "last")
    chooser = pixelrec.resume(chooser, overrides={"training.epochs": 4})
    pixelrec.evaluate(chooser)
    assert main(["publish", str(last.folder), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "model-index" not in text and "NDCG@10" not in text
    for said in (" ".join(capsys.readouterr().out.split()), text):
        assert "does not have the weights that were recorded then" in said


def test_without_its_encoder_it_is_small_and_takes_no_covers(
    dataset: Dataset, pixels: Run, world: World, with_pictures: Path, tmp_path: Path
) -> None:
    assert main(["publish", str(pixels.folder), str(tmp_path / "small"), "--no-encoder"]) == 0
    small = pixelrec.from_pretrained(str(tmp_path / "small"))
    asked = histories(dataset)
    assert same(small.recommend(histories=asked), pixelrec.load(pixels).recommend(histories=asked))
    sizes = [(each / "model.safetensors").stat().st_size for each in (tmp_path / "small", with_pictures)]
    assert sizes[0] < sizes[1]
    with pytest.raises(PixelrecError, match="published without its item encoder"):
        small.add([next(world.covers.iterdir())])


def test_to_the_hub_and_back(
    hub: Hub, dataset: Dataset, ids: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ids.push_to_hub("me/shop", private=True, licence="mit", data_licence="CC BY-NC 4.0")
    assert made.url.endswith("/me/shop") and made.place == "hf://me/shop" and hub.private == {"me/shop": True}
    there = {path: data for path, data in hub.files["me/shop"].items() if path != ".gitattributes"}
    assert there.keys() == made.sizes.keys()
    card = (folder / "README.md").read_text(encoding="utf-8").replace("OWNER/NAME", "me/shop")
    assert there["README.md"].decode() == card and "OWNER" not in card
    hub.files["me/shop"]["other.bin"] = b"not ours"
    asked = histories(dataset)
    service = pixelrec.from_pretrained("me/shop")
    assert same(service.recommend(histories=asked), pixelrec.load(ids).recommend(histories=asked))
    assert not list((tmp_path / "cache").rglob("other.bin"))
    assert pixelrec.Recommender.from_pretrained("me/shop").spec.items == dataset.items
    assert main(["recommend", "hf://me/shop", "--history", asked[0][0]]) == 0
    assert main(["publish", str(ids.folder), "--push", "me/shop"]) == 0
    assert "other.bin" not in hub.files["me/shop"] and hub.commits == 2
    assert "hf://me/shop --history" in capsys.readouterr().out
    commit = hub.commit_of("me/shop")
    assert pixelrec.from_pretrained("me/shop", revision=commit).run.name == ids.name
    with pytest.raises(PixelrecError, match="no such revision"):
        pixelrec.from_pretrained("me/shop", revision="v9")
    with pytest.raises(PixelrecError, match="none of this name on the hub"):
        pixelrec.from_pretrained("me/nothing")


def test_without_a_network_it_is_a_line(
    ids: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PixelrecError, match="me/shop: the hub cannot be reached"):
        ids.push_to_hub("me/shop")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(PixelrecError, match="me/shop: no such folder, and the hub cannot be reached"):
        pixelrec.from_pretrained("me/shop")
    assert main(["recommend", "hf://me/shop", "--history", "1"]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "cannot be reached" in said
    for name in ("nowhere", "../x", "a/b/c"):
        with pytest.raises(PixelrecError, match="no such folder"):
            pixelrec.from_pretrained(name)
    with pytest.raises(PixelrecError, match="no address on the hub"):
        pixelrec.load("hf://../x")


def test_what_is_not_published_is_named(dataset: Dataset, ids: Run, folder: Path, tmp_path: Path) -> None:
    factors = pixelrec.train("mf-id", data=dataset, out=tmp_path / "mf", overrides={"training.epochs": 0})
    with pytest.raises(PixelrecError, match="mf has a vector for each user"):
        factors.save_pretrained(tmp_path / "out")
    blend = pixelrec.blend([ids], baselines=["popularity"], out=tmp_path / "blend").run
    with pytest.raises(PixelrecError, match="is a blend of other models"):
        pixelrec.publish(blend, tmp_path / "out")
    with pytest.raises(PixelrecError, match="is not empty; choose another folder"):
        pixelrec.publish(ids, folder)
    with pytest.raises(PixelrecError, match="publish where"):
        pixelrec.publish(ids)
    with pytest.raises(PixelrecError, match="is no name on the hub"):
        pixelrec.publish(ids, push="../../etc")
    assert not (tmp_path / "out").exists()
    for attempt, message in (
        (lambda: pixelrec.resume(folder), "is a published run, without data set"),
        (lambda: pixelrec.evaluate(folder), "is a published run, without data set"),
        (lambda: pixelrec.load(folder).recommend(users=["1"]), "holds nothing about users"),
    ):
        with pytest.raises(PixelrecError, match=message):
            attempt()


def test_a_published_run_serves_users_of_a_data_set(dataset: Dataset, ids: Run, folder: Path) -> None:
    users = dataset.user_ids.to_list()[:5]
    here, there = pixelrec.load(folder, data=dataset), pixelrec.load(ids)
    assert here.recommend(users=users).frame().equals(there.recommend(users=users).frame())


def test_it_replaces_only_a_published_run(ids: Run, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "stale.txt").touch()
    assert not Path(ids.save_pretrained(copy, overwrite=True).place, "stale.txt").exists()
    with pytest.raises(PixelrecError, match="is not empty"):
        ids.save_pretrained(ids.folder, overwrite=True)


def json_edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights changed": (lambda f: flip(f / "model.safetensors"), "not the weights that were saved"),
    "weights cut": (lambda f: cut(f / "model.safetensors", 900), "model.safetensors: not a readable"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no such file"),
    "vectors changed": (lambda f: flip(f / "item-vectors/vectors.safetensors"), "vectors are missing"),
    "vectors cut": (lambda f: cut(f / "item-vectors/vectors.safetensors", 500), "vectors are missing"),
    "no vectors": (lambda f: shutil.rmtree(f / "item-vectors"), "vectors are missing"),
    "items cut": (lambda f: cut(f / "items.parquet", 99), "missing or damaged"),
    "other items": (
        lambda f: pl.DataFrame({"item_id": ["/etc/passwd"]}).write_parquet(f / "items.parquet"), "other items"
    ),
    "description changed": (lambda f: json_edit(f / "recommender.json", users={"name": "fm"}), "was changed"),
    "another version": (lambda f: json_edit(f / "run.json", format=99), "install the version"),
    "a blend": (lambda f: json_edit(f / "run.json", blend={"x": 1}), "is of no published run"),
    "not an object": (lambda f: json_edit(f / "run.json", published=3), "is of no published run"),
    "huge": (lambda f: (f / "run.json").write_bytes(b" " * (64 << 20) + b"{}"), "too large"),
    "deep": (lambda f: (f / "run.json").write_text("[" * 100_000), "not JSON"),
    "a link out": (
        lambda f: ((f / "run.json").unlink(), (f / "run.json").symlink_to("/dev/zero")), "cannot be read"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_folder_is_a_line(
    kind: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    change, message = HOSTILE[kind]
    change(copy)
    with pytest.raises(PixelrecError, match=message):
        pixelrec.from_pretrained(str(copy))
    assert main(["recommend", str(copy), "--history", "1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"spec": 3},
        {"spec": {"items": 10**9, "users": 1, "length": 6}},
        {"weights": None},
        {"items": {}},
        {"items": {"name": "../x"}},
        {"users": {"name": "sasrec", "layers": "many"}},
        {"scoring": None},
        {"classes": 7},
        {"described": []},
    ],
    ids=str,
)
def test_a_description_of_nonsense_is_a_line(change: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    describe(copy, change)
    if change == {"classes": 7} or change == {"described": []}:  # of no use here
        assert pixelrec.from_pretrained(str(copy)).recommend(histories=[["i3"]], k=1)
        return
    with pytest.raises(PixelrecError):
        pixelrec.from_pretrained(str(copy))


def describe(folder: Path, changes: dict[str, Any]) -> None:
    """Changes a description, and its digest with it."""
    path = folder / "recommender.json"
    about = json.loads(path.read_text("utf-8"))
    del about["digest"]
    about |= changes
    path.write_text(json.dumps({**about, "digest": digest_of(about)}), "utf-8")


def test_paths_in_a_description_are_not_opened(with_pictures: Path, tmp_path: Path, dataset: Dataset) -> None:
    """A description that names files of this machine, with its digest in order."""
    copy = Path(shutil.copytree(with_pictures, tmp_path / "copy"))
    (copy / "item-vectors").rename(tmp_path / "taken")
    items = json.loads((copy / "recommender.json").read_text("utf-8"))["items"]
    place = str(dataset.folder)
    describe(copy, {"items": {**items, "cache_folder": place, "source": place}})
    json_edit(copy / "run.json", data=str(dataset.folder), data_from_here="x")
    with pytest.raises(PixelrecError, match="item vectors are missing"):
        pixelrec.from_pretrained(str(copy))
