"""User names that cannot be mistaken for another's, whichever way an account is made.

Every way ends in `User.save`, so the check is there: the looks of a name that another account has
are refused, by a unique column. The forms ask `name_problem` first, for a message at the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confusable_homoglyphs import categories
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recommender.looks import name_looks
from recommender.models import NameLook

if TYPE_CHECKING:
    from collections.abc import Collection

RESERVED: Final = frozenset(
    (
        *("admin", "administrator", "affetti", "anonymous", "guest", "help", "info", "mod"),
        *("moderator", "none", "null", "official", "owner", "postmaster", "root", "security"),
        *("staff", "superuser", "support", "sysadmin", "system", "undefined", "webmaster"),
    )
)
_TOGETHER: Final = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "HANGUL"},
    {"LATIN", "HAN", "BOPOMOFO"},
)
"""Scripts that are written together (Unicode Technical Standard 39, "highly restrictive")."""
NAME_TAKEN: Final = _("This name is taken, or looks like one that is. Choose another.")


def name_problem(name: str, *, may_be_reserved: bool = False, of: User | None = None) -> str:
    """Return why nobody but `of` may take `name` now; empty if it may be taken."""
    scripts = categories.unique_aliases(name) - {"COMMON", "INHERITED"}
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        return gettext("Letters of different alphabets are mixed. Use one alphabet.")
    looks = name_looks(name)
    if not may_be_reserved and any(looks & name_looks(reserved) for reserved in RESERVED):
        return gettext("This name is reserved. Choose another.")
    taken = NameLook.objects.filter(look__in=looks)
    if of is not None and of.pk is not None:
        taken = taken.exclude(user_id=of.pk)
    return str(NAME_TAKEN) if taken.exists() else ""


class NameForm:
    """What a form with a user name adds to Django's: the check, with its message at the field."""

    may_be_reserved = True

    def clean_username(self: Any) -> str:
        """Return the name; ValidationError if it is a new one that may not be taken."""
        parent = getattr(super(), "clean_username", None)
        name: str = (parent() if parent else self.cleaned_data.get("username")) or ""
        if name == self.initial.get("username"):
            return name
        if problem := name_problem(name, may_be_reserved=self.may_be_reserved, of=self.instance):
            raise ValidationError(problem)
        return name


@receiver(pre_save, sender=User)
def _name_check(
    instance: User, *, raw: bool, update_fields: Collection[str] | None, **_: object
) -> None:
    """Raise ValidationError before an account gets a name that it may not have.

    Names from before this check are kept until they are changed.
    """
    instance._is_new_name = False  # type: ignore[attr-defined]
    if raw or (update_fields is not None and "username" not in update_fields):
        return
    if instance.pk and User.objects.filter(pk=instance.pk, username=instance.username).exists():
        return
    if problem := name_problem(instance.username, may_be_reserved=True, of=instance):
        raise ValidationError({"username": problem})
    instance._is_new_name = True  # type: ignore[attr-defined]


@receiver(post_save, sender=User)
def _name_keep(instance: User, *, created: bool, **_: object) -> None:
    """Keep the looks of a new name; ValidationError if another account got one meanwhile."""
    if not getattr(instance, "_is_new_name", False):
        return
    try:
        with transaction.atomic():
            NameLook.objects.filter(user=instance).delete()
            NameLook.objects.bulk_create(
                # One order, so that two accounts never wait for each other.
                NameLook(look=look, user=instance)
                for look in sorted(name_looks(instance.username))
            )
    except IntegrityError as error:
        if created:
            User.objects.filter(pk=instance.pk).delete()
        raise ValidationError({"username": NAME_TAKEN}) from error
