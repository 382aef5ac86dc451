"""Whether RecBole reads an exported data set as it is: users, items, events, their order, and the split.

    python benchmarks/recbole_reads.py [DATA]

Needs RecBole, in an environment of its own (see README.md here). Without DATA, a small world is made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from recbole.config import Config
from recbole.data import create_dataset, data_preparation

import pixelrec
from pixelrec.data.split import all_events, test_cases


def main() -> None:
    # RecBole 1.2 asks for names of NumPy 1.
    np.float_, np.complex_, np.unicode_ = np.float64, np.complex128, np.str_
    with TemporaryDirectory() as folder:
        data = pixelrec.Dataset.open(sys.argv[1]) if sys.argv[1:] else made(Path(folder))
        pixelrec.export_data(data, out=Path(folder, "shop"), format="recbole")
        settings = {
            "data_path": folder,
            "load_col": None,  # everything
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
            "train_neg_sample_args": None,
            "MAX_ITEM_LIST_LENGTH": 10,
            "show_progress": False,
        }
        config = Config(model="SASRec", dataset="shop", config_dict=settings, config_file_list=[])
        theirs = create_dataset(config)
        counts = theirs.user_num - 1, theirs.item_num - 1, theirs.inter_num
        print(f"RecBole: {counts[0]:,} users, {counts[1]:,} items, {counts[2]:,} events")
        events = all_events(data)
        assert counts == (data.users, data.items, data.interactions), data
        test = data_preparation(config, theirs)[2].dataset.inter_feat
        cases = test_cases(data)
        ours = dict(zip(data.user_ids[cases.users - 1], data.item_ids[cases.targets - 1], strict=True))
        users = theirs.id2token("user_id", test["user_id"].numpy())
        items = theirs.id2token("item_id", test["item_id"].numpy())
        found = dict(zip(users, items, strict=True))
        assert {user: found[user] for user in ours} == ours
        print(f"same test item for all {len(ours):,} evaluated users")
        lengths, histories = test["item_length"].numpy(), test["item_id_list"].numpy()
        rows = {user: row for row, user in enumerate(users)}
        for user, target in zip(cases.users, cases.targets, strict=True):
            row = rows[data.user_ids[int(user) - 1]]
            last = events.items[events.starts[user] : events.stops[user] - 1][-10:]
            given = theirs.id2token("item_id", histories[row][: lengths[row]])
            assert list(given) == data.item_ids[last - 1].to_list(), (user, target)
        print("same history before it, in the same order")


def made(folder: Path) -> pixelrec.Dataset:
    world = pixelrec.generate_world(folder / "world", users=2000, items=600, pictures=False)
    return pixelrec.prepare(world.interactions, out=folder / "data", items=world.items)


if __name__ == "__main__":
    main()
