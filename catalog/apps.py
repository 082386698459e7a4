from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CatalogConfig(AppConfig):
    name = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        # Registers the checks; they import models, which exist only now.
        from catalog import checks as _  # noqa: F401, PLC0415
        from catalog.changes import triggers_drop, triggers_install  # noqa: PLC0415

        pre_migrate.connect(triggers_drop, sender=self)
        post_migrate.connect(triggers_install, sender=self)
