"""`python -m citygrain` is the command line."""

from citygrain.cli import main

if __name__ == "__main__":
    main()
