"""The dashboard and the alerts ask only for numbers that `/metrics` has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from catalog.models import StageTiming
from tests.places import ROOT
from tests.recommender.test_operations import seen

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

    from catalog.models import Song

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = ROOT / "integrations" / "monitoring"


def expressions() -> list[str]:
    panels = json.loads((PLACE / "grafana.json").read_text())["panels"]
    alerts = yaml.safe_load((PLACE / "alerts.yml").read_text())["groups"]
    return [
        *(target["expr"] for panel in panels for target in panel["targets"]),
        *(rule["expr"] for group in alerts for rule in group["rules"]),
    ]


def test_every_number_and_label_is_there(client: Client, staff: User, songs: list[Song]) -> None:
    StageTiming.objects.create(stage="store", items=1, seconds=1)
    seen("worker", memory_bytes=1, gpu_memory_bytes={"used": 1})
    client.force_login(staff)
    client.get("/songs")
    text = client.get("/metrics").content.decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    known = {sample.name for sample in samples} | {"affetti_index_age_seconds"}  # after a build
    labels = {label for sample in samples for label in sample.labels}
    asked = {name for text in expressions() for name in re.findall(r"affetti_\w+", text)}
    assert len(asked) >= 14
    assert asked <= known
    by = {
        name
        for text in expressions()
        for part in re.findall(r"by \(([^)]*)\)", text)
        for name in part.split(", ")
    }
    assert by <= labels | {"le"}


def test_each_number_is_on_the_dashboard(client: Client, staff: User) -> None:
    client.force_login(staff)
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    shown = " ".join(expressions())
    assert [family.name for family in families if family.name not in shown] == []


def test_the_scrape_is_of_our_address() -> None:
    scrape = yaml.safe_load((PLACE / "prometheus.yml").read_text())
    assert scrape["scrape_configs"][0]["metrics_path"] == "/metrics"
    assert scrape["rule_files"] == ["alerts.yml"]
