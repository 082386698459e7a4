from __future__ import annotations

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    name = "recommender"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Recommender"

    def ready(self) -> None:
        # Registers the checks, of settings and of user names.
        from recommender import checks, names  # noqa: F401, PLC0415
