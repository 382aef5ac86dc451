"""`similar` and the pages about vectors, through the command line, on a small world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from reports.html_page import Page

from pixelrec import api
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.images.store import PictureStore
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.extraction import vectors_of
from pixelrec.runs.about import FORMAT, KEYS


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network in a folder, as transformers writes it."""
    from transformers import ResNetConfig, ResNetModel

    folder = tmp_path_factory.mktemp("network") / "tiny"
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def features(dataset: Dataset, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureFile:
    out = tmp_path_factory.mktemp("features") / "tiny"
    return api.extract_features(dataset, source=str(checkpoint), size=32, out=out).features


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Status and output of a command; what it says about errors must be one line."""
    status = main(list(map(str, words)))
    out, err = capsys.readouterr()
    assert len(err.splitlines()) <= 1
    return status, out + err


def test_neighbours_of_an_item_with_titles(
    features: FeatureFile, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = str(dataset.item_ids[5])
    words = ["similar", features.folder, "--item", item, "-k", 4, "--data", dataset.folder]
    status, text = said(capsys, *words, "--form", "json")
    rows = json.loads(text)
    vectors = features.vectors - features.vectors.mean(0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [row for row in np.argsort(-unit @ unit[5]) if row != 5][:4]
    assert status == 0
    assert [row["item_id"] for row in rows] == [features.ids[int(row)] for row in expected]
    assert [row["title"] for row in rows] == [dataset.information["title"][int(row)] for row in expected]
    assert said(capsys, *words, "--out", tmp_path / "rows.csv")[0] == 0
    assert pl.read_csv(tmp_path / "rows.csv")["rank"].to_list() == [1, 2, 3, 4]


def test_a_picture_of_an_item_is_nearest_to_that_item(features: FeatureFile, dataset: Dataset) -> None:
    covers = dataset.folder.parent / "world" / "covers"
    files = [next(covers.rglob(f"{item}.*")) for item in dataset.item_ids[:2]]
    found = api.similar(features, items=[dataset.item_ids[9]], pictures=files, k=1)
    assert found["query"].to_list() == [dataset.item_ids[9], *(file.name for file in files)]
    assert found["item_id"].to_list()[1:] == dataset.item_ids[:2].to_list()
    assert found["cosine"].to_numpy()[1:] == pytest.approx(1, abs=1e-4)


def test_the_sheet_is_whole_and_shows_every_cover_undistorted(
    features: FeatureFile, dataset: Dataset, tmp_path: Path
) -> None:
    cover = next((dataset.folder.parent / "world" / "covers").rglob("*.jpg"))
    item, sheet = str(dataset.item_ids[0]), tmp_path / "sheet.html"
    found = api.similar(features, items=[item], pictures=[cover], k=3, data=dataset, sheet=sheet)
    page = Page(sheet.read_text("utf-8"))
    assert not page.faults
    assert "http" not in sheet.read_text("utf-8")
    assert page.classes()["tile"] == 8
    assert "resnet, layer features, pictures of 32 pixels, treatment: centre" in page.words()
    assert all(f"{cosine:.3f}" in page.words() for cosine in found["cosine"])
    aspects = dict(
        zip(found["item_id"], PictureStore.open(dataset.covers).aspects(found["item_id"]), strict=True)
    )
    shapes = {a["id"]: a["viewbox"].split() for tag, a in page.tags if tag == "symbol"}
    sizes = [int(width) / int(height) for *_, width, height in shapes.values()]
    assert min(sizes) >= min(aspects.values()) * 0.95


def test_the_inspection_as_a_page(features: FeatureFile, dataset: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "inspect.html"
    found = api.inspect_features(features, data=dataset, page=place)
    page = Page(place.read_text("utf-8"))
    assert not page.faults
    assert page.classes()["query"] == 6
    assert "treatment: none" in page.words()
    assert f"effective rank {found.effective_rank:.1f}" in page.words()
    assert found.spectrum.sum() == pytest.approx(1)
    assert (np.diff(found.spectrum) <= 0).all()


def test_figures_in_the_terminal(
    features: FeatureFile, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line is a fact; codes of about as many entries as items come with a hint."""
    _, text = said(capsys, "features", "inspect", features.folder, "--data", dataset.folder)
    assert text.splitlines()[0].startswith("vectors")
    words = ["codes", "fit", features.folder, "--levels", 2, "--size"]
    assert "note: 41 entries per level for 120 items" in said(capsys, *words, 41, "--out", tmp_path / "a")[1]
    assert "note" not in said(capsys, *words, 40, "--out", tmp_path / "b")[1]


def test_codes_of_new_pictures_are_those_of_their_items(
    features: FeatureFile, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["codes", "fit", features.folder, "--out", tmp_path / "codes", "--levels", 2, "--size", 8]
    status, text = said(capsys, *words, "--separate", "--size", 120, "--json")
    figures = json.loads(text)
    assert status == 0
    assert (figures["items"], figures["size"], figures["separated"]) == (120, 120, True)
    covers = dataset.folder.parent / "world" / "covers"
    file = next(covers.rglob(f"{dataset.item_ids[3]}.*"))
    found = api.assign_codes(tmp_path / "codes", pictures=[file])
    codes = FeatureFile.open(tmp_path / "codes").vectors
    assert found["code"].item() == " ".join(map(str, codes[3, :2]))
    assert found["items"].item() == (codes[:, :2] == codes[3, :2]).all(1).sum()
    assert found["picture"].item() == file.name


def test_item_vectors_of_a_run_are_features(dataset: Dataset, tmp_path: Path) -> None:
    tiny = {
        "length": 3,
        "items.family": "resnet",
        "items.sizes": {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
        "items.width": 8,
        "users.layers": 1,
        "users.heads": 1,
        "training.epochs": 1,
    }
    run = api.train("sasrec-scratch", data=dataset, out=tmp_path / "run", overrides=tiny)
    found = api.extract_features(dataset, run=run, out=tmp_path / "f").features
    vectors = run.encoded(run.recommender(run.dataset()))[1:]
    assert np.array_equal(found.vectors, vectors.numpy())
    assert found.origin["weights"] == run.recommender().digests["items"]
    assert found.pictures.null_count() == 0
    file = next((dataset.folder.parent / "world" / "covers").rglob(f"{dataset.item_ids[3]}.*"))
    nearest = api.similar(found, pictures=[file], k=1)
    assert nearest["item_id"].item() == dataset.item_ids[3]


def test_features_of_all_depths(dataset: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    """They train like any others, and a new picture gets its row."""
    words = ["features", "extract", dataset.folder, "--source", checkpoint, "--size", 32]
    words += ["--depths", "stem,2,last", "--out", tmp_path / "rows"]
    assert main(list(map(str, words))) == 0
    found = FeatureFile.open(tmp_path / "rows")
    network = make_network(
        NetworkConfig(str(checkpoint), options=BackboneOptions(size=32), depths=["stem", 2, "last"])
    )
    assert found.width == network.width and found.origin["network"]["depths"] == ["stem", 2, "last"]
    files = [next((dataset.folder.parent / "world" / "covers").rglob(f"{dataset.item_ids[4]}.*"))]
    np.testing.assert_allclose(vectors_of(files, found)[0], found.vectors[4], rtol=0, atol=1e-5)


def test_features_of_several_pictures(
    dataset: Dataset, features: FeatureFile, checkpoint: Path, tmp_path: Path
) -> None:
    """Here each item has one in the folder, so that the mean is its vector."""
    covers = dataset.folder.parent / "world" / "covers"
    words = ["features", "extract", dataset.folder, "--source", checkpoint, "--size", 32, "--covers", covers]
    assert main(list(map(str, [*words, "--out", tmp_path / "mean"]))) == 0
    found = FeatureFile.open(tmp_path / "mean")
    np.testing.assert_allclose(found.vectors, features.vectors, rtol=0, atol=1e-5)


def test_an_index_says_its_recall(features: FeatureFile, dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="FAISS is not installed")
    notes: list[str] = []
    items = dataset.item_ids[:3].to_list()
    found = api.similar(features, items=items, k=5, index=tmp_path / "i", on_note=notes.append)
    exact = api.similar(features, items=items, k=5)
    assert found["item_id"].to_list() == exact["item_id"].to_list()
    assert found["cosine"].to_numpy() == pytest.approx(exact["cosine"].to_numpy(), abs=1e-5)
    assert notes[0].startswith(f"index {tmp_path / 'i'}: 100.00 % of the 5 nearest of 120 items found")


@pytest.fixture(scope="module")
def imported(features: FeatureFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same vectors as if from another program."""
    out = tmp_path_factory.mktemp("imported") / "f"
    with writing(out, features.ids, (features.width,), {"kind": "imported"}) as writer:
        writer.append(features.vectors)
    return out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("similar F", "similar to what? Give ids of items (--item) or files of pictures (--picture)"),
        ("similar F --item zzz", "has no vector of 'zzz'"),
        ("similar F --item zzz --sheet s.html", "give the data set that has them with --data"),
        ("similar F --picture P", "was not extracted by a picture network"),
        ("similar F --picture nowhere.jpg", "nowhere.jpg: no such file or folder; give a picture"),
        ("similar F --item zzz -k 0", "k is 0; expected a whole number of at least 1"),
        ("similar nowhere --item a", "nowhere: no such file or folder"),
        ("similar P --item a", "or `import` from vectors of another program"),
        ("similar D --item a", "not a folder of features: it holds no features.json"),
        ("similar F --item a --data nowhere", "nowhere"),
        ("similar F --item a --out x.doc", "unknown form"),
        ("similar F --pictures P", "did you mean '--picture'?"),
        ("features inspect F", "--data is missing"),
        ("features inspect nowhere --data D", "nowhere: no such file or folder"),
        ("features inspect F --data D --page D", "page is 'D'; expected a file whose name ends in .html"),
        ("features extract D", "vectors of what? Give a network (--source) or a trained run (--run)"),
        ("features extract D --source S --cover-column c", "names files of --covers: give that, too"),
        ("features extract D --source S --depths all --layer stem", "instead of --layer and --regions"),
        ("features import F", "--out is missing, and there is no data set for the features"),
        ("features extract nowhere --source x --out y", "nowhere"),
        ("features import nowhere --out y", "nowhere: no such file or folder"),
        ("features import P --out y", "P"),
        ("features export F", "--out is missing"),
        ("features export F --out y.doc", "y.doc"),
        ("features export nowhere --out y.npy", "nowhere: no such file or folder"),
        ("features exprot F", "did you mean 'features export'?"),
        ("codes fit nowhere --out y", "nowhere: no such file or folder"),
        ("codes fit F --out F", "F exists, with vectors of 120 items (imported); replace it with"),
        ("codes fit F --out y --levels 0", "levels is 0"),
        ("codes fit F --out y --size 99999", "size is 99999; expected a whole number from 2 to 32767"),
        ("codes fit F --out y --quantiser pq", "expected one of"),
        ("codes fit F --out y --size 1", "size is 1; expected a whole number from 2"),
        ("codes assign F --picture P", "F holds no quantiser, so new pictures cannot be given codes"),
        ("features inspect C --data D", "C holds codes; expected vectors"),
        ("similar C --item a", "C holds codes; expected vectors"),
        ("codes assign nowhere --picture P", "nowhere: no such file or folder"),
        ("codes assign F", "--picture is missing"),
        ("features extract D --out y", "Give a network (--source) or a trained run (--run)"),
        ("features extract D --out y --source x --run z", "one of the two"),
        ("features extract D --out y --run nowhere", "nowhere"),
        ("features extract D --out y --run z --size 3", "--size is of a network given by --source"),
        ("codes", "codes fit"),
    ],
)
def test_bad_input_is_a_line(
    imported: Path,
    dataset: Dataset,
    tmp_path: Path,
    words: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "run.json").write_text(json.dumps({"format": FORMAT, **dict.fromkeys(KEYS, "")}))
    (tmp_path / "P").write_text("no picture")
    (tmp_path / "F").symlink_to(imported)
    (tmp_path / "D").symlink_to(dataset.folder)
    with writing(tmp_path / "C", dataset.item_ids, (2,), {"kind": "imported"}, dtype="int16") as writer:
        writer.append(np.zeros((dataset.items, 2)))
    before = sorted(tmp_path.iterdir())
    status, text = said(capsys, *words.split())
    assert status == (0 if words == "codes" else 2)
    assert says in text
    assert sorted(tmp_path.iterdir()) == before


def test_another_network_at_its_place_is_refused(
    features: FeatureFile,
    checkpoint: Path,
    dataset: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cover = next((dataset.folder.parent / "world" / "covers").rglob("*.jpg"))
    weights = checkpoint / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-4] + b"\0\0\0\0")
        status, text = said(capsys, "similar", features.folder, "--picture", cover)
    finally:
        weights.write_bytes(kept)
    assert status == 2
    assert "is not the network that" in text
    moved = checkpoint.rename(tmp_path / "elsewhere")
    try:
        status, text = said(capsys, "similar", features.folder, "--picture", cover)
    finally:
        moved.rename(checkpoint)
    assert status == 2
    assert "cannot be loaded" in text
