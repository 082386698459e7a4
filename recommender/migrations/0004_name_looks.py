"""No two accounts have names that look alike; the looks of present names are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from recommender.looks import name_looks

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keep the looks of every account; of accounts that look alike, the first one has them."""
    look_model: Any = apps.get_model("recommender", "NameLook")
    users: Any = apps.get_model("auth", "User").objects.order_by("pk")
    for pk, username in users.values_list("pk", "username").iterator():
        rows = [look_model(look=look, user_id=pk) for look in sorted(name_looks(username))]
        look_model.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("recommender", "0003_token"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="NameLook",
            fields=[
                ("look", models.CharField(max_length=64, primary_key=True, serialize=False)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="name_looks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
