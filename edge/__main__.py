"""python -m edge: the same as the console script ``kampung-edge``."""

from edge.cli import main

if __name__ == "__main__":
    main()
