"""`python -m mlstrat` is the command `mlstrat`."""

from mlstrat.cli.main import main

if __name__ == "__main__":
    main()
