"""The interface that players for Subsonic and OpenSubsonic servers know, below `/rest/`.

It shows the same songs, lists and marks as the pages and the API, by the same services. A call is a
function of one module, registered by its name in `calls`. `view` finds it, after `caller` has
checked who calls, and `answers` writes what it returns as JSON or XML.
"""

from recommender.subsonic.view import rest

__all__ = ["rest"]
