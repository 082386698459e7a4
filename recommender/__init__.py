"""The Django project, and the app of indexes, playlists, API and pages."""

from recommender.celery import app as celery_app

__all__ = ["celery_app"]
