"""`mlstrat sentiment train` and `mlstrat sentiment score`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlstrat.cli import sentiment_fetch_command

if TYPE_CHECKING:
    from mlstrat.sentiment.learned.fitting import Scores

app = typer.Typer(no_args_is_help=True, help="Score headlines, and fit a scorer to labelled ones.")
app.command("fetch")(sentiment_fetch_command.fetch)

TextOption = Annotated[str, typer.Option("--text-column", metavar="NAME", help="Column of the headlines.")]
# Texts that a process takes at a time: as many as take about a second.
_CHUNK, _SLOW_CHUNK = 5_000, 64
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV in UTF-8, or Parquet.")]


class ScorerName(StrEnum):
    """What turns a headline into a score."""

    learned = "learned"
    vader = "vader"
    finbert = "finbert"
    ensemble = "ensemble"


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
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Read sentence embeddings too; needs the extra transformers.")
    ] = False,
    feed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Headlines without labels of the kind that is to be read."),
    ] = None,
    feed_column: Annotated[
        str, typer.Option("--feed-column", metavar="NAME", help="Column of the feed's headlines.")
    ] = "title",
) -> None:
    """Fit the learned scorer to labelled headlines, and tell how right it is on those it did not see."""
    from mlstrat.files import make_folder, write_bytes
    from mlstrat.sentiment.learned.fitting import fit
    from mlstrat.sentiment.learned.modelfile import dumps
    from mlstrat.sentiment.learned.table import read_labelled, read_texts

    texts, labels = read_labelled(labelled, text_column, label_column)
    unlabelled = read_texts(feed, feed_column) if feed else []
    make_folder(output.parent)
    typer.echo(f"fitting sixteen times to {len(texts):,} texts", err=True)
    model, found = fit(texts, labels, seed=seed, about=about, embeddings=embeddings, feed=unlabelled)
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
        str,
        typer.Option(
            metavar="MODEL",
            help="For learned, a file that mlstrat sentiment train wrote; for finbert, a folder or a name in "
            "the cache of the Hugging Face hub. Without it the one that each has by default.",
        ),
    ] = "",
    weights: Annotated[
        str, typer.Option(metavar="LIST", help="Of the ensemble's scorers, such as vader=0.5,learned=0.5.")
    ] = "",
    even: Annotated[
        bool,
        typer.Option("--even", help="In learned, take the three classes as equally frequent beforehand."),
    ] = False,
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes that score at the same time.")] = 1,
) -> None:
    """Add the columns score, label and confidence to a table of headlines, in chunks."""
    from mlstrat.cli.sentiment_progress import counting
    from mlstrat.errors import DataError
    from mlstrat.sentiment.choice import ScorerChoice
    from mlstrat.sentiment.chunks import classify_chunks
    from mlstrat.sentiment.learned.table import check_suffix, chunks_of, write_chunks
    from mlstrat.sentiment.scored_table import with_scores

    check_suffix(output)
    if output.resolve() == file.resolve():
        raise DataError(f"{output} is the file that is read: name another file to write.")
    choice = ScorerChoice(scorer.value, model, _weights(weights), even)
    chunk = _SLOW_CHUNK if "finbert" in choice.names else _CHUNK
    with counting() as told:
        tables = with_scores(
            chunks_of(file),
            text_column,
            file,
            lambda texts: classify_chunks(texts, choice, jobs, chunk),
            told,
        )
        rows = write_chunks(tables, output)
    typer.echo(f"{output} written: {rows:,} headlines scored by {scorer.value}.")


def _weights(text: str) -> tuple[tuple[str, float], ...]:
    from mlstrat.errors import ConfigError

    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        try:
            found.append((name.strip(), float(weight)))
        except ValueError as error:
            raise ConfigError(
                f"--weights has {part!r}: write scorers and numbers, such as vader=0.5,learned=0.5."
            ) from error
    return tuple(found)


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
