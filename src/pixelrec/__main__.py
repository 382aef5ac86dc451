"""`python -m pixelrec` is the command line."""

from pixelrec.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
