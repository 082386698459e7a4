"""The first admin, made in the browser."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections

from recommender.errors import AccountError
from recommender.first_run import first_admin_create, setup_check, setup_code, setup_is_open
from tests.factories import UserFactory

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


@pytest.mark.django_db
def test_the_setup_is_open_until_there_is_an_admin() -> None:
    UserFactory()  # somebody who signed up first takes nothing over
    assert setup_is_open()
    with pytest.raises(AccountError):
        setup_check("wrong")
    admin = first_admin_create(code=f" {setup_code()} ", user=User(username="boss"))
    assert (admin.is_staff, admin.is_superuser) == (True, True)
    assert not setup_is_open()
    with pytest.raises(AccountError, match="is set up"):
        setup_check(setup_code())


@pytest.mark.django_db
def test_the_code_is_of_this_installation(settings: SettingsWrapper) -> None:
    code = setup_code()
    settings.SECRET_KEY = "another"
    assert setup_code() != code
    with pytest.raises(AccountError, match="code is wrong"):
        setup_check(code)


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="threads cannot wait for each other in memory"
)
@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_becomes_admin() -> None:
    setup_check(setup_code())  # both have opened the page
    start, made, refused = threading.Barrier(2), [], []

    def create(name: str) -> None:
        try:
            start.wait()
            made.append(first_admin_create(code=setup_code(), user=User(username=name)))
        except AccountError as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=create, args=[name]) for name in ("grace", "linus")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 1)
    assert User.objects.filter(is_superuser=True).count() == 1
