"""Roles, invitations and links to a new password."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone

from recommender.errors import AccountError
from recommender.models import Invitation, Role, Token
from recommender.people import (
    MANAGER_PERMISSIONS,
    account_rest,
    account_wake,
    invitation_accept,
    invitation_create,
    invitation_find,
    invitation_key,
    invitation_withdraw,
    invitations_open,
    password_link_keys,
    password_link_user,
    people_list,
    role_of,
    role_set,
)
from tests.factories import UserFactory, token_secret

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return UserFactory(username="boss", is_staff=True, is_superuser=True)


@pytest.fixture
def manager(admin: User) -> User:
    manager = UserFactory(username="max")
    role_set(user=manager, role=Role.MANAGER, by=admin)
    return User.objects.get(pk=manager.pk)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(AccountError) as raised:
        call()
    return raised.value.code


def test_a_manager_has_the_permissions_of_the_pages_and_loses_them(
    admin: User, manager: User
) -> None:
    assert manager.is_staff
    assert all(manager.has_perm(name) for name in MANAGER_PERMISSIONS)
    assert role_of(manager) is Role.MANAGER
    role_set(user=manager, role=Role.LISTENER, by=admin)
    again = User.objects.get(pk=manager.pk)
    assert (again.is_staff, again.get_all_permissions()) == (False, set())
    assert role_of(again) is Role.LISTENER


def test_only_admins_give_roles_and_the_last_admin_stays_one(admin: User, manager: User) -> None:
    listener = UserFactory()
    give = {"user": listener, "role": Role.MANAGER}
    assert code_of(lambda: role_set(**give, by=manager)) == "PERMISSION_DENIED"
    demote = {"user": admin, "role": Role.LISTENER, "by": admin}
    assert code_of(lambda: role_set(**demote)) == "LAST_ADMIN"
    assert code_of(lambda: account_rest(user=admin, by=admin)) == "LAST_ADMIN"
    role_set(user=listener, role=Role.ADMIN, by=admin)
    role_set(**demote)
    assert not User.objects.get(pk=admin.pk).is_staff


def test_a_deactivated_account_has_no_tokens(admin: User, manager: User) -> None:
    listener = UserFactory()
    token_secret(listener)
    account_rest(user=listener, by=manager)
    assert not User.objects.get(pk=listener.pk).is_active
    assert not Token.objects.exists()
    account_wake(user=listener, by=manager)
    assert User.objects.get(pk=listener.pk).is_active
    assert code_of(lambda: account_rest(user=admin, by=manager)) == "PERMISSION_DENIED"
    assert code_of(lambda: account_rest(user=listener, by=UserFactory())) == "PERMISSION_DENIED"


def test_an_invitation_makes_one_account_of_its_role(admin: User) -> None:
    invitation = invitation_create(role=Role.MANAGER, by=admin, note="Grace")
    key = invitation_key(invitation)
    assert invitation_find(key) == invitation
    grace = invitation_accept(key=key, user=User(username="grace"))
    assert role_of(grace) is Role.MANAGER
    assert Invitation.objects.get().used_by == grace
    assert code_of(lambda: invitation_find(key)) == "LINK_INVALID"
    assert code_of(lambda: invitation_accept(key=key, user=User(username="x"))) == "LINK_INVALID"
    assert not User.objects.filter(username="x").exists()


def test_invitations_that_do_not_work(admin: User) -> None:
    invitation = invitation_create(role=Role.LISTENER, by=admin, days=2)
    key = invitation_key(invitation)
    for wrong in ("", "x", key[:-1], key + "x", "ü", "a:b:c"):
        assert code_of(lambda wrong=wrong: invitation_find(wrong)) == "LINK_INVALID"
    with time_machine.travel(timezone.now() + timedelta(days=2, seconds=1)):
        assert code_of(lambda: invitation_find(key)) == "LINK_INVALID"
    invitation_withdraw(invitation=invitation, by=admin)
    assert code_of(lambda: invitation_find(key)) == "LINK_INVALID"


def listener_now(user: User, admin: User) -> None:
    role_set(user=user, role=Role.LISTENER, by=admin)


def deactivated(user: User, admin: User) -> None:
    account_rest(user=user, by=admin)


def deleted(user: User, admin: User) -> None:
    user.delete()


ENDS = pytest.mark.parametrize("end", [listener_now, deactivated, deleted])


@ENDS
def test_an_invitation_ends_with_the_right_of_its_maker(
    admin: User, manager: User, end: Callable[[User, User], None]
) -> None:
    other = UserFactory(is_staff=True, is_superuser=True)
    of_other = invitation_create(role=Role.ADMIN, by=other)
    of_manager = invitation_create(role=Role.LISTENER, by=manager)
    assert set(invitations_open()) == {of_other, of_manager}
    for maker in (other, manager):
        end(maker, admin)
    assert not invitations_open().exists()
    for invitation in (of_other, of_manager):
        key = invitation_key(invitation)
        assert code_of(lambda key=key: invitation_find(key)) == "LINK_INVALID"
        call = {"key": key, "user": User(username="x")}
        assert code_of(lambda call=call: invitation_accept(**call)) == "LINK_INVALID"


def test_a_former_admin_who_manages_invites_listeners_alone(admin: User) -> None:
    other = UserFactory(is_staff=True, is_superuser=True)
    invitation_create(role=Role.ADMIN, by=other)
    of_listener = invitation_create(role=Role.LISTENER, by=other)
    role_set(user=other, role=Role.MANAGER, by=admin)
    assert list(invitations_open()) == [of_listener]


def test_an_invitation_withdrawn_while_it_is_accepted_is_gone(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitation = invitation_create(role=Role.LISTENER, by=admin)
    monkeypatch.setattr("recommender.people.invitation_find", lambda _: invitation)
    Invitation.objects.all().delete()
    call = {"key": "any", "user": User(username="x")}
    assert code_of(lambda: invitation_accept(**call)) == "LINK_INVALID"


@ENDS
def test_a_password_link_ends_with_the_right_of_its_maker(
    admin: User, manager: User, end: Callable[[User, User], None]
) -> None:
    uid, key = password_link_keys(user=UserFactory(), by=manager)
    end(manager, admin)
    assert code_of(lambda: password_link_user(uid=uid, key=key)) == "LINK_INVALID"


def test_a_password_link_ends_with_the_role_of_its_account(admin: User) -> None:
    listener = UserFactory()
    uid, key = password_link_keys(user=listener, by=admin)
    role_set(user=listener, role=Role.ADMIN, by=admin)
    assert code_of(lambda: password_link_user(uid=uid, key=key)) == "LINK_INVALID"


def test_managers_invite_listeners_alone(admin: User, manager: User) -> None:
    invitation_create(role=Role.LISTENER, by=manager)
    for role in (Role.MANAGER, Role.ADMIN):
        call = {"role": role, "by": manager}
        assert code_of(lambda call=call: invitation_create(**call)) == "PERMISSION_DENIED"
    listener = UserFactory()
    assert (
        code_of(lambda: invitation_create(role=Role.LISTENER, by=listener)) == "PERMISSION_DENIED"
    )
    of_admin = invitation_create(role=Role.ADMIN, by=admin)
    assert (
        code_of(lambda: invitation_withdraw(invitation=of_admin, by=manager)) == "PERMISSION_DENIED"
    )


def test_a_password_link_works_once(admin: User, manager: User) -> None:
    listener = UserFactory()
    uid, key = password_link_keys(user=listener, by=manager)
    assert password_link_user(uid=uid, key=key) == listener
    for wrong in (("", key), ("!!", key), (uid, "x-y"), ("OTk5OTk5OTk5OTk5OTk5OTk5OTk5", key)):
        bad = {"uid": wrong[0], "key": wrong[1]}
        assert code_of(lambda bad=bad: password_link_user(**bad)) == "LINK_INVALID"
    listener.set_password("another-one-1")
    listener.save()
    assert code_of(lambda: password_link_user(uid=uid, key=key)) == "LINK_INVALID"
    uid, key = password_link_keys(user=listener, by=manager)
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        assert code_of(lambda: password_link_user(uid=uid, key=key)) == "LINK_INVALID"
    assert code_of(lambda: password_link_keys(user=admin, by=manager)) == "PERMISSION_DENIED"


def test_people_are_found_by_name_and_admins_come_first(admin: User, manager: User) -> None:
    ada = UserFactory(username="ada", email="a@example.org")
    assert list(people_list()) == [admin, manager, ada]
    assert list(people_list(query="EXAMPLE\0")) == [ada]
