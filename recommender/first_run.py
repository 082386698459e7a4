"""The first admin of an installation, made in the browser by whoever can read its log.

Until there is an admin, the address of the setup is open to who knows its code. The code follows
from the secret key, so that every process knows it; `manage.py prepare` prints it.
"""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext

from recommender.errors import AccountError, AccountErrorCode

_LOCK: Final = 0x0AFF_E773
_SALT: Final = "affetti.first-run"


class _Done:
    """Whether this process has seen an admin; from then on it need not ask again."""

    is_known = False


def setup_is_open() -> bool:
    """Whether there is no admin yet; the last one can be neither deleted nor demoted."""
    if not _Done.is_known:
        _Done.is_known = User.objects.filter(is_superuser=True).exists()
    return not _Done.is_known


def setup_forget() -> None:
    """Ask the database again; for tests."""
    _Done.is_known = False


def setup_code() -> str:
    """Return the code that opens the setup of this installation."""
    return salted_hmac(_SALT, "setup", algorithm="sha256").hexdigest()[:24]


def setup_check(code: str) -> None:
    """Raise AccountError unless there is no admin yet and the code is right."""
    if not setup_is_open():
        raise AccountError(
            AccountErrorCode.LINK_INVALID,
            gettext("This installation is set up. Log in in its place."),
        )
    if not constant_time_compare(code.strip(), setup_code()):
        raise AccountError(
            AccountErrorCode.LINK_INVALID,
            gettext(
                "This code is wrong. Copy the address that was printed when Affetti was started."
            ),
            field="code",
        )


def first_admin_create(*, code: str, user: User) -> User:
    """Save the first admin; AccountError as `setup_check`, of two at once for the second.

    ValidationError if the name is taken.
    """
    setup_check(code)
    with transaction.atomic():
        _one_at_a_time()
        if User.objects.filter(is_superuser=True).exists():
            raise AccountError(
                AccountErrorCode.LINK_INVALID,
                gettext("Somebody else has just set this up. Log in."),
            )
        user.is_staff = user.is_superuser = True
        user.save()
    return user


def _one_at_a_time() -> None:
    """Wait until no other transaction makes an admin here."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    # SQLite: the transaction is IMMEDIATE, so it is the only one that writes.
