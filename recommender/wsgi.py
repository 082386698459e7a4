"""WSGI entry point."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from recommender.deadlines import serving_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recommender.settings")

application = get_wsgi_application()
serving_start()
