#!/usr/bin/env python
"""Django's command line for Affetti, in a checkout."""

from recommender.__main__ import main

if __name__ == "__main__":
    main()
