"""`mlstrat sentiment train` and `mlstrat sentiment score`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from mlstrat.arrays import FloatArray
    from mlstrat.sentiment.learned.fitting import Scores

    Reader = Callable[[Sequence[str]], tuple[FloatArray, FloatArray, tuple[str, ...]]]

app = typer.Typer(no_args_is_help=True, help="Score headlines, and fit a scorer to labelled ones.")

TextOption = Annotated[str, typer.Option("--text-column", metavar="NAME", help="Column of the headlines.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV in UTF-8, or Parquet.")]


class ScorerName(StrEnum):
    """What turns a headline into a score."""

    learned = "learned"
    vader = "vader"


@app.callback()
def group() -> None:
    """Score headlines, and fit a scorer to labelled ones."""


@app.command()
def train(
    labelled: FileArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="Model to write.")],
    text_column: TextOption = "text",
    label_column: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Column of the labels: negative, neutral, positive; or -1, 0, 1; or 0, 1, 2 in that order.",
        ),
    ] = "label",
    seed: Annotated[int, typer.Option(min=0, help="Of the folds.")] = 7,
    about: Annotated[
        str, typer.Option(metavar="TEXT", help="Source and licence of the texts, kept in the model.")
    ] = "",
) -> None:
    """Fit the learned scorer to labelled headlines, and tell how right it is on those it did not see."""
    from mlstrat.files import make_folder, write_bytes
    from mlstrat.sentiment.learned.fitting import fit
    from mlstrat.sentiment.learned.modelfile import dumps
    from mlstrat.sentiment.learned.table import read_labelled

    texts, labels = read_labelled(labelled, text_column, label_column)
    make_folder(output.parent)
    typer.echo(f"fitting eleven times to {len(texts):,} texts", err=True)
    model, found = fit(texts, labels, seed=seed, about=about)
    _show(found)
    content = dumps(model)
    write_bytes(output, content)
    typer.echo(f"{output} written: {len(content):,} bytes, fitted to {len(texts):,} texts.")


@app.command()
def score(
    file: FileArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Table to write, .csv or .parquet.")
    ],
    text_column: TextOption = "text",
    scorer: Annotated[ScorerName, typer.Option(help="Which scorer reads.")] = ScorerName.learned,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="A model that mlstrat sentiment train wrote; else the shipped one."
        ),
    ] = None,
    even: Annotated[
        bool, typer.Option("--even", help="Take the three classes as equally frequent beforehand.")
    ] = False,
) -> None:
    """Add the columns score, label and confidence to a table of headlines, in chunks."""
    from mlstrat.errors import DataError
    from mlstrat.sentiment.learned.table import check_suffix, chunks_of, write_chunks

    check_suffix(output)
    if output.resolve() == file.resolve():
        raise DataError(f"{output} is the file that is read: name another file to write.")
    read = _reader(scorer, model, even)
    rows = write_chunks(_scored(chunks_of(file), file, text_column, read), output)
    typer.echo(f"{output} written: {rows:,} headlines scored by {scorer.value}.")


def _reader(name: ScorerName, model: Path | None, even: bool) -> Reader:
    from mlstrat.errors import ConfigError

    if name is ScorerName.learned:
        from mlstrat.sentiment.learned.modelfile import load
        from mlstrat.sentiment.learned.scorer import LearnedScorer

        return LearnedScorer(load(model) if model else None, even=even).classify
    if model is not None or even:
        raise ConfigError("--model and --even are for the scorer learned: leave them out, or score with it.")
    from mlstrat.sentiment.scorers import VaderScorer, labels

    vader = VaderScorer()

    def read(texts: Sequence[str]) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
        polarity, confidence = vader.score(texts)
        return polarity, confidence, labels(polarity)

    return read


def _scored(chunks: Iterator[pd.DataFrame], file: Path, column: str, read: Reader) -> Iterator[pd.DataFrame]:
    from mlstrat.errors import DataError
    from mlstrat.sentiment.learned.table import texts_of

    for chunk in chunks:
        taken = {"score", "label", "confidence"} & {*chunk.columns}
        if taken:
            raise DataError(f"{file} already has a column {min(taken)}: rename or drop it first.")
        polarity, confidence, names = read(texts_of(chunk, column, file))
        yield chunk.assign(score=polarity, label=list(names), confidence=confidence)


def _show(found: Scores) -> None:
    from rich.console import Console
    from rich.table import Table

    from mlstrat.sentiment.learned.model import CLASSES

    table = Table("labelled", title="said of the texts that a fit did not see")
    for name in CLASSES:
        table.add_column(name, justify="right")
    for name, row in zip(CLASSES, found.confusion, strict=True):
        table.add_row(name, *(f"{count:,}" for count in row))
    Console(highlight=False).print(table)
    typer.echo(
        f"cross-validated: accuracy {found.accuracy:.3f}, macro-F1 {found.macro_f1:.3f}, "
        f"log loss {found.log_loss:.3f}"
    )
