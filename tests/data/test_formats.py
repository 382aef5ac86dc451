"""Folders of other programs, written as those write them: each gives the data set of a plain table."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.data.dropping import drop_items
from pixelrec.data.json_file import read_line
from pixelrec.data.split import all_events, validation_cases
from pixelrec.data.split import test_cases as cases_of_test
from pixelrec.features.feature_file import FeatureFile


class Event(NamedTuple):
    user: str
    item: str
    rating: int
    time: int


def world() -> list[Event]:
    """Events in an order of their own, every time once; ids are whole numbers from 0, as MMRec has them."""
    chance = random.Random(2)
    pairs = [(user, item) for user in range(12) for item in chance.sample(range(15), chance.randint(4, 9))]
    times = chance.sample(range(1_500_000_000, 1_600_000_000), len(pairs))
    events = [
        Event(str(user), str(item), chance.randint(1, 5), time)
        for (user, item), time in zip(pairs, times, strict=True)
    ]
    return chance.sample(events, len(events))


EVENTS = world()
ITEMS = sorted({event.item for event in EVENTS}, key=int)
TITLES = {item: f'Caf\u00e9 {item}, part "{item}"' for item in ITEMS}


def table(path: Path, rows: Sequence[Sequence[object]], sign: str = ",", encoding: str = "utf-8") -> Path:
    """Rows with quotes where CSV needs them; none with other separators."""

    def field(value: object) -> str:
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if sign == "," and ("," in text or '"' in text) else text

    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(sign.join(map(field, row)) + "\n" for row in rows)
    path.write_bytes(text.encode(encoding))
    return path


def labels(events: Sequence[Event]) -> list[int]:
    """2 for the last event of a user, 1 for the one before, 0 for the others."""
    found = []
    for event in events:
        later = sum(other.user == event.user and other.time > event.time for other in events)
        found.append(max(2 - later, 0))
    return found


def pictures(folder: Path, items: Iterable[str] = ITEMS) -> None:
    folder.mkdir()
    for number, item in enumerate(items):
        Image.new("RGB", (4, 4), (number * 10, 0, 0)).save(folder / f"{item}.png")


def plain(folder: Path) -> Path:
    return table(
        folder / "events.csv",
        [("item_id", "user_id", "timestamp"), *((e.item, e.user, e.time) for e in EVENTS)],
    )


def recbole(folder: Path) -> None:
    header = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
    table(folder / "shop.inter", [header, *((*e[:3], f"{e.time}.0") for e in EVENTS)], "\t")
    table(folder / "shop.item", [("item_id:token", "movie_title:token_seq"), *TITLES.items()], "\t")
    table(folder / "shop.user", [("user_id:token", "age:token"), ("0", "7")], "\t")


def recbole_divided(folder: Path) -> None:
    header = ("user_id:token", "item_id:token", "timestamp:float")
    for name, part in (("train", 0), ("valid", 1), ("test", 2)):
        some = [
            (e.user, e.item, e.time) for e, label in zip(EVENTS, labels(EVENTS), strict=True) if label == part
        ]
        table(folder / f"shop.{name}.inter", [header, *some], "\t")


def mmrec(folder: Path) -> None:
    header = ("userID", "itemID", "rating", "timestamp", "x_label")
    rows = [(*e, label) for e, label in zip(EVENTS, labels(EVENTS), strict=True)]
    table(folder / "baby.inter", [header, *rows], "\t")
    vectors = np.arange(len(ITEMS) * 3, dtype=np.float64).reshape(-1, 3)
    np.save(folder / "image_feat.npy", vectors)
    np.save(folder / "text_feat.npy", vectors[:, :2])


def movielens_dat(folder: Path) -> None:
    table(folder / "ratings.dat", EVENTS, "::")
    table(folder / "movies.dat", [(i, TITLES[i], "Drama|Comedy") for i in ITEMS], "::", "latin-1")
    table(folder / "users.dat", [("0", "F", "1", "10", "48067")], "::")
    (folder / "README").write_text("MovieLens", encoding="utf-8")


def movielens_csv(folder: Path) -> None:
    table(folder / "ratings.csv", [("userId", "movieId", "rating", "timestamp"), *EVENTS])
    table(folder / "movies.csv", [("movieId", "title", "genres"), *((i, TITLES[i], "Drama") for i in ITEMS)])
    table(folder / "links.csv", [("movieId", "imdbId", "tmdbId"), ("0", "1", "2")])


def movielens_100k(folder: Path) -> None:
    table(folder / "u.data", EVENTS, "\t")
    flags = ["0"] * 19
    rows = [(i, TITLES[i], "01-Jan-1995", "", "http://us.imdb.com", *flags) for i in ITEMS]
    table(folder / "u.item", rows, "|", "latin-1")
    table(folder / "u.user", [("0", "24", "M", "technician", "85711")], "|")


def lines(path: Path, objects: Sequence[dict[str, Any]]) -> None:
    data = "".join(json.dumps(each) + "\n" for each in objects).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def amazon_2018(folder: Path) -> None:
    keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    lines(
        folder / "Beauty_5.json.gz",
        [dict(zip(keys, event, strict=True)) | {"reviewText": "x"} for event in EVENTS],
    )
    about = [{"asin": i, "title": TITLES[i], "imageURL": ["https://x/1.jpg"], "also_buy": []} for i in ITEMS]
    lines(folder / "meta_Beauty.json.gz", about)


def amazon_2023(folder: Path) -> None:
    reviews = [
        {
            "user_id": e.user,
            "parent_asin": e.item,
            "asin": "v",
            "rating": float(e.rating),
            "timestamp": e.time * 1000,
        }
        for e in EVENTS
    ]
    lines(folder / "All_Beauty.jsonl", reviews)
    about = [
        {"parent_asin": i, "title": TITLES[i], "images": [{"large": "https://x/1.jpg"}], "details": {"a": 1}}
        for i in ITEMS
    ]
    lines(folder / "meta_All_Beauty.jsonl", about)


def amazon_ratings(folder: Path) -> None:
    table(folder / "ratings_Beauty.csv", EVENTS)
    python_lines(folder / "meta_Beauty.json.gz")


def python_lines(path: Path) -> None:
    """Products as of 2014, with the entities of HTML in titles."""
    titles = {
        item: escape(escape(title)) if int(item) % 2 else escape(title) for item, title in TITLES.items()
    }
    about = [{"title": titles[i], "asin": i, "imUrl": "https://x/1.jpg", "also": {"a": ["1"]}} for i in ITEMS]
    path.write_bytes(gzip.compress("".join(f"{each!r}\n" for each in about).encode()))


def amazon_2014(folder: Path) -> None:
    keys = ("reviewerID", "asin", "overall", "unixReviewTime")
    reviews = [dict(zip(keys, event, strict=True)) | {"summary": "it's \\/"} for event in EVENTS]
    (folder / "reviews_Beauty.json").write_text("".join(f"{each!r}\n" for each in reviews), "utf-8")
    python_lines(folder / "meta_Beauty.json.gz")


def pixelrec_download(folder: Path) -> None:
    plain(folder).rename(folder / "Pixel50K.csv")
    header = ("item_id", "view_number", "title", "tag", "description")
    table(folder / "Pixel50K_item_info.csv", [header, *((i, 3, TITLES[i], "t", "d") for i in ITEMS)])
    pictures(folder / "images")


def hllm(folder: Path) -> None:
    (folder / "dataset").mkdir()
    plain(folder / "dataset").rename(folder / "dataset" / "Pixel50K.csv")
    table(
        folder / "information" / "Pixel50K.csv",
        [("item_id", "title", "tag", "description"), *((i, TITLES[i], "t", "d") for i in ITEMS)],
    )


def published_code(folder: Path) -> None:
    """The folder of the code, with its data in `dataset`."""
    (folder / "dataset").mkdir()
    pixelrec_download(folder / "dataset")
    (folder / "code").mkdir()


def microlens(folder: Path) -> None:
    table(
        folder / "MicroLens-50k_pairs.csv",
        [("user", "item", "timestamp"), *((e.user, e.item, e.time * 1000) for e in EVENTS)],
    )
    table(folder / "MicroLens-50k_titles.csv", [("item", "title"), *TITLES.items()])
    microlens_histories(folder)
    pictures(folder / "MicroLens-50k_covers")


def microlens_histories(folder: Path) -> None:
    histories: dict[str, list[str]] = {event.user: [] for event in EVENTS}
    for event in sorted(EVENTS, key=lambda each: each.time):
        histories[event.user].append(event.item)
    rows = [(user, " ".join(items)) for user, items in histories.items()]
    table(folder / "MicroLens-50k_pairs.tsv", rows, "\t")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("plain")
    return pixelrec.prepare(plain(folder), out=folder / "data")


def content(dataset: Dataset) -> dict[str, list[tuple[str, int]]]:
    """User → items and times, in order."""
    events = all_events(dataset)
    names = dataset.item_ids.to_list()
    return {
        user: [(names[i - 1], t) for i, t in zip(events.items[a:b], events.times[a:b].tolist(), strict=True)]
        for user, a, b in zip(dataset.user_ids, events.starts[1:], events.stops[1:], strict=True)
    }


@pytest.mark.parametrize(
    ("write", "name", "others"),
    [
        (recbole, "RecBole", ["shop.user"]),
        (recbole_divided, "RecBole", []),
        (mmrec, "MMRec", []),
        (movielens_dat, "MovieLens", ["README", "users.dat"]),
        (movielens_csv, "MovieLens", ["links.csv"]),
        (movielens_100k, "MovieLens", ["u.user"]),
        (amazon_2018, "Amazon reviews", ["addresses of pictures"]),
        (amazon_2023, "Amazon reviews", ["addresses of pictures"]),
        (amazon_ratings, "Amazon reviews", ["addresses of pictures", "items of meta_Beauty.json.gz"]),
        (amazon_2014, "Amazon reviews", ["addresses of pictures"]),
        (pixelrec_download, "PixelRec", []),
        (hllm, "PixelRec", []),
        (published_code, "PixelRec", ["code"]),
        (microlens, "MicroLens", ["MicroLens-50k_pairs.tsv"]),
    ],
)
def test_a_folder_gives_the_data_set_of_a_plain_table(
    write: Callable[[Path], None], name: str, others: list[str], expected: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set")
    notes: list[str] = []
    found = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", on_note=notes.append, size=4)
    assert content(found) == content(expected)
    if write is not recbole_divided:  # whose files have the events in another order
        assert found.item_ids.to_list() == expected.item_ids.to_list()
    for cases in (validation_cases, cases_of_test):
        assert len(cases(found)) == len(cases(expected))
    told = next(note for note in notes if "read as" in note)
    assert f"read as {name}" in told and all(other in told for other in others)
    if write not in (recbole_divided, mmrec):
        titles = dict(zip(found.item_ids, found.information["title"], strict=True))
        assert titles == {item: TITLES[item] for item in titles}
    if write in (pixelrec_download, published_code, microlens):
        assert found.covers.exists()


def test_arrays_of_mmrec_become_feature_files(tmp_path: Path) -> None:
    mmrec(tmp_path)
    found = pixelrec.prepare(tmp_path, out=tmp_path / "data")
    assert sorted(found.features) == ["image_feat", "text_feat"]
    vectors = FeatureFile.open(found.features["image_feat"]).table(found.item_ids)[1:]
    assert vectors.tolist() == [[3 * int(i), 3 * int(i) + 1, 3 * int(i) + 2] for i in found.item_ids]


def test_ids_behind_the_numbers_of_mmrec_come_back(expected: Dataset, tmp_path: Path) -> None:
    mmrec(tmp_path)
    named = {number: f"B{int(number) * 7:03}" for number in ITEMS}
    pictures(tmp_path / "covers", named.values())
    table(
        tmp_path / "i_id_mapping.csv", [("asin", "itemID"), *((named[i], i) for i in reversed(ITEMS))], "\t"
    )
    notes: list[str] = []
    found = pixelrec.prepare(tmp_path, out=tmp_path / "data", size=4, on_note=notes.append)
    assert "ids of i_id_mapping.csv, covers of covers, features image_feat and text_feat, split" in notes[0]
    assert found.covers.exists()
    assert found.item_ids.to_list() == [named[item] for item in expected.item_ids]
    vectors = FeatureFile.open(found.features["image_feat"])
    assert vectors.table(found.item_ids)[1:, 0].tolist() == [3 * int(i) for i in expected.item_ids]


@pytest.mark.parametrize("form", ["recbole", "mmrec"])
def test_what_we_export_comes_back(form: Any, expected: Dataset, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    movielens_csv(tmp_path / "set")
    own = pixelrec.prepare(tmp_path / "set", out=tmp_path / "own")
    pixelrec.export_data(own, out=tmp_path / "shop", format=form)
    found = pixelrec.prepare(tmp_path / "shop", out=tmp_path / "data")
    assert content(found) == content(expected)
    if form == "recbole":
        titles = [dict(each.information.select("item_id", "title").rows()) for each in (found, own)]
        assert titles[0] == titles[1]


def test_histories_without_times_keep_their_order(expected: Dataset, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    microlens_histories(tmp_path / "set")
    found = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    items = {user: [item for item, _ in events] for user, events in content(found).items()}
    assert items == {user: [item for item, _ in events] for user, events in content(expected).items()}
    assert not found.has_times


@pytest.mark.parametrize("sign", ["-", "(", "[", "{'a':", "not ", "1+", "x.a", "1 if 1 else "])
def test_deep_python_is_refused(sign: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_line(b"{'a': " + sign.encode() * 10**5 + b"1}")


def swapped(folder: Path) -> None:
    """The divided files of RecBole; the test event of user 0 is an early one."""
    recbole_divided(folder)
    lines = {
        name: (folder / f"shop.{name}.inter").read_text("utf-8").splitlines() for name in ("train", "test")
    }
    a, b = (next(n for n, line in enumerate(some) if line.startswith("0\t")) for some in lines.values())
    lines["train"][a], lines["test"][b] = lines["test"][b], lines["train"][a]
    for name, some in lines.items():
        (folder / f"shop.{name}.inter").write_text("\n".join(some) + "\n", "utf-8")


def test_a_given_split_is_kept_also_against_the_order_of_time(expected: Dataset, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    swapped(tmp_path / "set")
    given = content(pixelrec.prepare(tmp_path / "set", out=tmp_path / "given"))
    last = (tmp_path / "set" / "shop.test.inter").read_text("utf-8")
    assert f"0\t{given['0'][-1][0]}\t{given['0'][-1][1]}\n" in last
    assert given != content(expected)
    own = pixelrec.prepare(tmp_path / "set", out=tmp_path / "own", split="leave-one-out")
    assert content(own) == content(expected)


def test_users_without_held_out_events_are_trained_on(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rows = [
        (e.user, e.item, e.rating, e.time, 0 if e.user == "3" else label)
        for e, label in zip(EVENTS, labels(EVENTS), strict=True)
    ]
    table(tmp_path / "set" / "a.inter", [("userID", "itemID", "rating", "timestamp", "x_label"), *rows], "\t")
    found = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    assert found.manifest["counts"]["evaluated_users"] == found.users - 1
    without = drop_items(found, [content(found)["0"][-1][0]])
    users = without.user_ids.to_list()
    assert not without.evaluated[users.index("0") + 1] and not without.evaluated[users.index("3") + 1]


def file(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8") and None


def array(name: str, values: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, values)


def cut(name: str) -> Callable[[Path], None]:
    """Half of a file, as of a download that ended early."""
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def inside(name: str, write: Callable[[Path], None]) -> Callable[[Path], None]:
    def written(folder: Path) -> None:
        if write is not pictures:
            (folder / name).mkdir()
        write(folder / name)

    return written


def ratio_split(folder: Path) -> None:
    mmrec(folder)
    text = (folder / "baby.inter").read_text("utf-8")
    (folder / "baby.inter").write_text(text.replace("\t1\n", "\t2\n"), "utf-8")


REFUSED: dict[str, list[Callable[[Path], None]]] = {
    "expected NAME.train.inter, NAME.valid.inter": [recbole_divided, without("shop.valid.inter")],
    "or NAME.inter alone; there are shop.inter, shop.test.inter": [recbole, recbole_divided],
    "several files of interactions: b.inter, shop.inter": [
        recbole,
        file("b.inter", "user_id:token\titem_id:token\n"),
    ],
    "has histories in lists": [file("a.inter", "user_id:token\titem_id_list:token_seq\titem_id:token\n")],
    "no column 'timestamp'": [file("a.inter", "user_id:token\titem_id:token\n1\t2\n")],
    "shop.item, line 2: 1 fields": [recbole, file("shop.item", "item_id:token\ttitle:token_seq\n1\n")],
    "may be of recbole and amazon": [recbole, amazon_2018],
    "several sets of MovieLens: ratings.dat, ratings.csv": [movielens_dat, movielens_csv],
    "image_feat.npy, text_feat.npy as of MMRec, but no NAME.inter": [mmrec, without("baby.inter")],
    "the numbers from 0, each once": [mmrec, file("i_id_mapping.csv", "asin\titemID\na\t0\nb\t2\n")],
    "has no id of item '3', which has events": [
        mmrec,
        file("i_id_mapping.csv", "asin\titemID\na\t0\nb\t1\n"),
    ],
    "has no vector for": [mmrec, array("image_feat.npy", np.zeros((3, 2)))],
    "finite": [mmrec, array("image_feat.npy", np.full((15, 2), np.nan))],
    "not a readable array": [mmrec, file("text_feat.npy", "no array")],
    "text_feat.npy: not a readable array": [mmrec, cut("text_feat.npy")],
    "shop.inter, line 2: 2 fields": [
        recbole,
        file("shop.inter", "user_id:token\titem_id:token\ttimestamp:float\n1\t2\n"),
    ],
    "the given split cannot be kept: 12 of 12 users have other than one validation": [ratio_split],
    "_pairs.tsv, line 2: '1 2'; expected a user, a tab": [file("M_pairs.tsv", "0\t1 2 3\n1 2\n")],
    "meta_Beauty.json: no JSON (no dictionary of Python": [
        amazon_2018,
        without("meta_Beauty.json.gz"),
        file("meta_Beauty.json", "{'asin': __import__('os')}\n"),
    ],
    "shop.inter: the file is empty": [recbole, file("shop.inter", "")],
    "/set holds a (RecBole), b (RecBole): to read one alone, give ": [
        inside("a", recbole),
        inside("b", recbole_divided),
        inside("c", pictures),
    ],
}


@pytest.mark.parametrize("says", REFUSED)
def test_half_and_ambiguous_folders_are_refused(says: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for write in REFUSED[says]:
        write(tmp_path / "set")
    with pytest.raises(pixelrec.PixelrecError) as raised:
        pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    assert says in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "data").exists()


def test_a_split_by_ratio_is_replaced_if_asked_for(expected: Dataset, tmp_path: Path) -> None:
    ratio_split(tmp_path)
    found = pixelrec.prepare(tmp_path, out=tmp_path / "data", split="leave-one-out")
    assert content(found) == content(expected)


def test_options_precede_what_was_recognised(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    movielens_csv(tmp_path / "set")
    found = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", item_column="rating")
    assert sorted(found.item_ids) == ["1", "2", "3", "4", "5"]
    high = pixelrec.prepare(tmp_path / "set", out=tmp_path / "high", min_rating=3)
    assert high.interactions == sum(event.rating >= 3 for event in EVENTS)


def test_a_format_is_demanded_by_name(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    recbole(tmp_path / "set")
    with pytest.raises(pixelrec.DataError, match="not recognised as mmrec; it holds shop.inter, shop.item"):
        pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", format="mmrec")
    with pytest.raises(pixelrec.RequestError, match="is of one folder"):
        pixelrec.prepare(tmp_path / "set" / "shop.inter", out=tmp_path / "data", format="recbole")
    with pytest.raises(pixelrec.RequestError, match="split is 'given', but the files say none"):
        pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", split="given")
    amazon_2018(tmp_path / "set")
    assert pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", format="recbole").users == 12


def test_parts_in_folders_of_a_format_are_read_together(expected: Dataset, tmp_path: Path) -> None:
    for name, some in (("a", EVENTS[:30]), ("b", EVENTS[30:])):
        table(tmp_path / "set" / name / "ratings.csv", [("userId", "movieId", "rating", "timestamp"), *some])
    columns = {"item_column": "movieId", "user_column": "userId"}
    found = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", **columns)  # type: ignore[arg-type]
    assert content(found) == content(expected)


def test_folders_of_parts_are_read_as_before(expected: Dataset, tmp_path: Path) -> None:
    header = ("item_id", "user_id", "timestamp")
    for number in range(2):
        some = [(e.item, e.user, e.time) for e in EVENTS[number * 40 : number * 40 + 40 + number * 1000]]
        table(tmp_path / "parts" / f"{number}.csv", [header, *some])
    table(tmp_path / "parts" / "items.csv", [("item_id", "title"), *TITLES.items()])
    items = tmp_path / "parts" / "items.csv"
    found = pixelrec.prepare(tmp_path / "parts", items=items, out=tmp_path / "data")
    assert content(found) == content(expected)


def test_replacing_keeps_features_of_others(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    mmrec(tmp_path / "set")
    first = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    pixelrec.import_features(
        tmp_path / "set" / "text_feat.npy",
        ids=table(tmp_path / "ids.txt", [[i] for i in ITEMS]),
        data=first,
        out=first.folder / "features" / "own",
        unknown="drop",
    )
    again = pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", overwrite=True)
    assert sorted(again.features) == ["image_feat", "own", "text_feat"]


def test_covers_may_be_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    pixelrec_download(tmp_path / "set")
    assert not pixelrec.prepare(tmp_path / "set", out=tmp_path / "data", pack=False).covers.exists()


def test_categories_of_amazon_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    amazon_2023(tmp_path / "set")
    reviews = (
        (tmp_path / "set" / "All_Beauty.jsonl")
        .read_text("utf-8")
        .replace('"parent_asin": "', '"parent_asin": "x')
    )
    (tmp_path / "set" / "Books.jsonl").write_text(reviews, "utf-8")
    with pytest.raises(pixelrec.DataError, match="several files of reviews"):
        pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    (tmp_path / "set" / "meta_All_Beauty.jsonl").unlink()
    assert pixelrec.prepare(tmp_path / "set", out=tmp_path / "data").interactions == 2 * len(EVENTS)


def test_many_parts_are_no_download(tmp_path: Path) -> None:
    for number in range(30):
        table(
            tmp_path / "parts" / f"{number}.csv",
            [("item_id", "user_id", "timestamp"), *((e.item, e.user, e.time + number) for e in EVENTS)],
        )
    assert pixelrec.prepare(tmp_path / "parts", out=tmp_path / "data").interactions == 30 * len(EVENTS)


@pytest.mark.parametrize(
    "names",
    [
        "a.inter a.item",
        "a.train.inter a.valid.inter a.test.inter",
        "a.inter image_feat.npy i_id_mapping.csv u_id_mapping.csv",
        "ratings.dat movies.dat",
        "ratings.csv movies.csv",
        "u.data u.item",
        "a.jsonl meta_a.jsonl",
        "ratings_a.csv",
        "a_pairs.csv a_titles.csv",
        "Pixel50K.csv item_info.csv image.lmdb",
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_no_content_of_any_file_is_a_traceback(names: str, seed: int, tmp_path: Path) -> None:
    chance, signs = random.Random(seed), [b"\t", b",", b"::", b"\n", b"1", b"a", b'"', b"{", b"\0", b"\xff"]
    (tmp_path / "set").mkdir()
    for name in names.split():
        noise = b"".join(chance.choices(signs, k=200)) if seed else b""
        (tmp_path / "set" / name).write_bytes(noise)
    with pytest.raises(pixelrec.PixelrecError) as raised:
        pixelrec.prepare(tmp_path / "set", out=tmp_path / "data")
    assert "\n" not in str(raised.value) and not (tmp_path / "data").exists()
