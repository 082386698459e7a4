from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        # Registers the checks; they import models, which exist only now.
        from catalog import checks as _  # noqa: F401, PLC0415
