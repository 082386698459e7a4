"""An open suite for emotion-aware playlists: labelled songs and queries in, a table out.

The formats of its files are in docs/playlist-suite.md. A recommender answers the queries of a
folder with one table of songs, so that any recommender can be measured.

``suite``     songs, queries and lists, and the gain of a song for a query
``measures``  what a list is worth
``figures``   means of the measures with intervals, and paired tests
``rivals``    lists of simple recommenders
``material``  a suite of the labelled data sets, with out-of-fold predictions
``report``    the page of the results
``command``   ``python -m mer.research playlists``
"""
