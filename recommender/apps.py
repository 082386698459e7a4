from __future__ import annotations

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    name = "recommender"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Recommender"

    def ready(self) -> None:
        # Registers the checks.
        from recommender import checks as _  # noqa: F401, PLC0415
