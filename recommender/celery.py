"""The Celery application. The tasks are in `catalog.tasks` and `recommender.tasks`."""

from __future__ import annotations

import os

from celery import Celery

from recommender import broker as _  # noqa: F401  # registers the embedded broker's scheme
from recommender import logs as _logs  # noqa: F401  # workers log as the web process does

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recommender.settings")

app = Celery("affetti")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
