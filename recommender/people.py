"""Accounts as staff see them: roles, invitations, links to a new password, accounts put to rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.errors import AccountError, AccountErrorCode
from recommender.models import Invitation, Role, Token

if TYPE_CHECKING:
    from django.db.models import QuerySet

LIST_PERMISSION: Final = "auth.view_user"
INVITE_PERMISSION: Final = "auth.add_user"
CHANGE_PERMISSION: Final = "auth.change_user"
MANAGERS: Final = "Managers"
"""The group that gives managers their permissions; an admin may change it at /admin/."""
MANAGER_PERMISSIONS: Final = (
    *("catalog.view_backgroundjob", "catalog.add_backgroundjob"),
    *("catalog.view_modelversion", "catalog.change_modelversion"),
    *("catalog.view_song", "catalog.change_song", "catalog.delete_song"),
    *("catalog.add_emotioncorrection", "recommender.view_indexbuild"),
    *(LIST_PERMISSION, INVITE_PERMISSION, CHANGE_PERMISSION),
)
INVITATION_DAYS: Final = 7
_BACKEND: Final = "recommender.auth.CarefulBackend"
_SALT: Final = "affetti.invitation"
_LINK_SALT: Final = "affetti.password-link"
_GONE: Final = _("This invitation was used, withdrawn or is too old. Ask for another one.")


def people_list(*, query: str = "") -> QuerySet[User]:
    """Return the accounts, admins and managers first, of which name or address has `query`."""
    people = User.objects.order_by("-is_superuser", "-is_staff", "username")
    query = query.replace("\0", "")  # PostgreSQL takes no NUL
    if query:
        people = people.filter(Q(username__icontains=query) | Q(email__icontains=query))
    return people


def role_of(user: User) -> Role:
    """Return the role of an account; staff with permissions of their own count as managers."""
    if user.is_superuser:
        return Role.ADMIN
    return Role.MANAGER if user.is_staff else Role.LISTENER


def may_change(*, by: User, user: User) -> bool:
    """Whether `by` may change an account: admins any, managers those of listeners."""
    return by.is_superuser or (by.has_perm(CHANGE_PERMISSION) and role_of(user) is Role.LISTENER)


def roles_given_by(user: User) -> list[Role]:
    """Return the roles that an account may give."""
    return list(Role) if user.is_superuser else [Role.LISTENER]


@transaction.atomic
def role_set(*, user: User, role: Role, by: User) -> None:
    """Give an account a role. AccountError unless `by` is an admin, and for the last admin."""
    _may(by.is_superuser, gettext("Only an admin gives roles."))
    if role is not Role.ADMIN:
        _not_the_last_admin(user)
    _role_write(user, role)


@transaction.atomic
def account_rest(*, user: User, by: User) -> None:
    """Let nobody log in to an account; its data stays. AccountError as `role_set`."""
    _may(may_change(by=by, user=user), gettext("Only an admin changes the accounts of staff."))
    _not_the_last_admin(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    Token.objects.filter(user=user).delete()


def account_wake(*, user: User, by: User) -> None:
    """Let the owner of a deactivated account log in again."""
    _may(may_change(by=by, user=user), gettext("Only an admin changes the accounts of staff."))
    user.is_active = True
    user.save(update_fields=["is_active"])


def invitation_create(
    *, role: Role, by: User, note: str = "", days: int = INVITATION_DAYS
) -> Invitation:
    """Return a new invitation; AccountError if `by` may not give the role."""
    _may(by.has_perm(INVITE_PERMISSION), gettext("You may not invite people."))
    _may(role in roles_given_by(by), gettext("Only an admin invites managers and admins."))
    return Invitation.objects.create(
        role=role, note=note, created_by=by, expires_at=timezone.now() + timedelta(days=days)
    )


def invitations_open() -> QuerySet[Invitation]:
    """Return the invitations that can still be used, the newest first.

    An invitation ends with its maker's right to give its role.
    """
    makers = User.objects.with_perm(INVITE_PERMISSION, backend=_BACKEND)
    may_give = Q(created_by__is_superuser=True) | Q(role=Role.LISTENER, created_by__is_staff=True)
    return Invitation.objects.filter(
        may_give, created_by__in=makers, used_at=None, expires_at__gt=timezone.now()
    ).select_related("created_by")


def invitation_key(invitation: Invitation) -> str:
    """Return the signed part of an invitation's address."""
    return signing.dumps(invitation.pk.hex, salt=_SALT)


def invitation_find(key: str) -> Invitation:
    """Return the invitation of an address; AccountError if it cannot be used (any more)."""
    try:
        pk = UUID(signing.loads(key, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError):
        pk = None
    found = invitations_open().filter(pk=pk).first() if pk else None
    if found is None:
        raise AccountError(AccountErrorCode.LINK_INVALID, str(_GONE))
    return found


def invitation_accept(*, key: str, user: User) -> User:
    """Save the new account of an invitation, which then is used; AccountError as `find`.

    Of two people who use it at once, one gets the account. ValidationError if the name is taken.
    """
    with transaction.atomic():
        locked = Invitation.objects.select_for_update().filter(pk=invitation_find(key).pk)
        invitation = locked.first()
        if invitation is None or invitation.used_at is not None:
            raise AccountError(AccountErrorCode.LINK_INVALID, str(_GONE))
        user.save()
        _role_write(user, Role(invitation.role))
        invitation.used_at, invitation.used_by = timezone.now(), user
        invitation.save(update_fields=["used_at", "used_by"])
    return user


def invitation_withdraw(*, invitation: Invitation, by: User) -> None:
    """Let nobody use an invitation; AccountError if `by` could not have made it."""
    _may(by.has_perm(INVITE_PERMISSION), gettext("You may not invite people."))
    _may(invitation.role in roles_given_by(by), gettext("Only an admin withdraws this invitation."))
    invitation.delete()


def password_link_keys(*, user: User, by: User) -> tuple[str, str]:
    """Return the two parts of an address at which the owner of an account chooses a password.

    It works once, for PASSWORD_RESET_TIMEOUT seconds, and while `by` may change the account and
    its role stays the same. AccountError unless `by` may change it.
    """
    _may(may_change(by=by, user=user), gettext("Only an admin changes the accounts of staff."))
    _may(user.is_active, gettext("The account is deactivated. Activate it first."))
    who = signing.dumps([user.pk, by.pk, role_of(user)], salt=_LINK_SALT)
    return who, default_token_generator.make_token(user)


def password_link_user(*, uid: str, key: str) -> User:
    """Return whose password an address sets; AccountError if it is wrong, used or too old."""
    try:
        pk, maker_pk, role = signing.loads(uid, salt=_LINK_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        pk = maker_pk = role = None
    active = User.objects.filter(is_active=True)
    user, maker = active.filter(pk=pk).first(), active.filter(pk=maker_pk).first()
    is_valid = (
        user is not None
        and maker is not None
        and role_of(user) == role
        and may_change(by=maker, user=user)
        and default_token_generator.check_token(user, key)
    )
    if user is None or not is_valid:
        raise AccountError(
            AccountErrorCode.LINK_INVALID,
            gettext("This link was used, or is too old. Ask whoever sent it for another one."),
        )
    return user


def _role_write(user: User, role: Role) -> None:
    user.is_superuser = role is Role.ADMIN
    user.is_staff = role is not Role.LISTENER
    user.save(update_fields=["is_superuser", "is_staff"])
    if role is Role.MANAGER:
        user.groups.add(_managers())
    else:
        user.groups.remove(*user.groups.filter(name=MANAGERS))


def _managers() -> Group:
    """Return the group of managers; when it is new it gets its permissions."""
    group, is_new = Group.objects.get_or_create(name=MANAGERS)
    if is_new:
        wanted = Q()
        for name in MANAGER_PERMISSIONS:
            app, codename = name.split(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        group.permissions.set(Permission.objects.filter(wanted))
    return group


def _not_the_last_admin(user: User) -> None:
    """Raise AccountError for the only admin who can log in; call it in a transaction."""
    admins = User.objects.select_for_update().filter(is_superuser=True, is_active=True)
    if [*admins.values_list("pk", flat=True)] == [user.pk]:
        raise AccountError(
            AccountErrorCode.LAST_ADMIN,
            gettext(
                "This is the only account that administers this installation. Make another "
                "one an admin first."
            ),
        )


def _may(is_allowed: bool, reason: str) -> None:  # noqa: FBT001  # the condition itself
    if not is_allowed:
        raise AccountError(AccountErrorCode.PERMISSION_DENIED, reason)
