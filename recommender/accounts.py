"""What a listener does with the own account: tokens, password, export, deletion."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from catalog.models import BackgroundJob
from recommender.errors import AccountError, AccountErrorCode
from recommender.models import (
    AppPassword,
    ArtistBan,
    Listen,
    PlayerState,
    PlaylistEntry,
    PlaylistVersion,
    Skip,
    SongFeedback,
    Star,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from django.contrib.auth.models import User

LOGIN_TOKEN_NAME: Final = "Login"  # noqa: S105  # the name of a token, not its secret
MOST_APP_PASSWORDS: Final = 50
"""Of one account; each request of a player is compared with all of them."""
_USE_NOTED_EVERY: Final = timedelta(minutes=5)
"""A token's last use is written this often at most, so that reading stays reading."""
_APP_PASSWORD_BYTES: Final = 15  # of 120 bits, written in 24 letters and digits


def token_create(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    by: Token | None = None,
) -> tuple[Token, str]:
    """Return a new token and its secret, which is not stored. Expired ones of the user are deleted.

    `by` is the token that asks, None for a session or a password. Raises `AccountError` if the new
    one could do more or would last longer than `by`, or if it would have ended already.
    """
    now = timezone.now()
    scopes = list(dict.fromkeys(scopes))
    if expires_at is not None and expires_at <= now:
        raise AccountError(
            AccountErrorCode.REQUEST_INVALID,
            gettext("expires_at is in the past."),
            field="expires_at",
        )
    if by is not None:
        _within(by, scopes, expires_at)
    Token.objects.filter(user=user, expires_at__lte=now).delete()
    secret = secrets.token_hex(32)
    token = Token.objects.create(
        user=user,
        name=name,
        scopes=scopes,
        expires_at=expires_at,
        digest=_digest(secret.encode()),
        prefix=secret[:8],
    )
    return token, secret


def _within(by: Token, scopes: Iterable[str], expires_at: datetime | None) -> None:
    more = [scope for scope in scopes if not by.allows(scope)]
    if more:
        raise AccountError(
            AccountErrorCode.PERMISSION_DENIED,
            gettext("This token cannot make one that may do more: %(more)s.")
            % {"more": ", ".join(more)},
            field="scopes",
        )
    if by.expires_at is not None and (expires_at is None or expires_at > by.expires_at):
        raise AccountError(
            AccountErrorCode.PERMISSION_DENIED,
            gettext("This token cannot make one that lasts longer than itself: %(expires_at)s.")
            % {"expires_at": by.expires_at},
            field="expires_at",
        )


def token_find(secret: bytes) -> Token | None:
    """Return the token that may be used now and has this secret, and note its use."""
    digest = _digest(secret)
    found = digest and Token.objects.select_related("user").filter(digest=digest).first()
    now = timezone.now()
    if not found or not found.user.is_active or (found.expires_at and found.expires_at <= now):
        return None
    _use_note(found)
    return found


def _use_note(used: Token | AppPassword) -> None:
    now = timezone.now()
    if used.last_used_at is None or now - used.last_used_at >= _USE_NOTED_EVERY:
        # A database that cannot be written can still be read.
        with contextlib.suppress(OperationalError), transaction.atomic():
            type(used).objects.filter(pk=used.pk).update(last_used_at=now)


def _digest(secret: bytes) -> str:
    """Return the stored form of a secret; empty if no secret looks like this."""
    # The secrets are random, so that no salt and no slow hash are needed.
    try:
        return hashlib.sha512(bytes.fromhex(secret.decode("ascii"))).hexdigest()
    except ValueError:
        return ""


def app_password_create(*, user: User, name: str) -> tuple[AppPassword, str]:
    """Return a new app password and its secret, which is shown once.

    Raises `AccountError` if the account has `MOST_APP_PASSWORDS`.
    """
    if AppPassword.objects.filter(user=user).count() >= MOST_APP_PASSWORDS:
        raise AccountError(
            AccountErrorCode.REQUEST_INVALID,
            gettext("You have %(most)s app passwords; revoke one first.")
            % {"most": MOST_APP_PASSWORDS},
            field="name",
        )
    made = AppPassword.objects.create(user=user, name=name, nonce=secrets.token_hex(32))
    return made, _app_secret(made)


def app_password_find(*, username: str, matches: Callable[[str], bool]) -> AppPassword | None:
    """Return the app password of an account that `matches` takes, and note its use."""
    held = AppPassword.objects.select_related("user").filter(
        user__username=username, user__is_active=True
    )
    # All are compared, so that the time does not tell which one it is.
    found = [one for one in held.order_by("pk") if matches(_app_secret(one))]
    if not found:
        return None
    _use_note(found[0])
    return found[0]


def app_password_matches(password: str) -> Callable[[str], bool]:
    """Return what takes the secret that equals a password."""
    return lambda secret: hmac.compare_digest(secret.encode(), password.encode("utf-8", "replace"))


def app_token_matches(token: str, salt: str) -> Callable[[str], bool]:
    """Return what takes the secret whose MD5 with a salt behind it is a token of Subsonic."""
    given = token.lower().encode("utf-8", "replace")
    behind = salt.encode("utf-8", "replace")
    return lambda secret: hmac.compare_digest(
        hashlib.md5(secret.encode() + behind, usedforsecurity=False).hexdigest().encode(), given
    )


def _app_secret(one: AppPassword) -> str:
    """Return the password of a row: nobody can compute it without the server's secret key."""
    made = salted_hmac("recommender.app_password", f"{one.pk.hex}:{one.nonce}", algorithm="sha256")
    return base64.b32encode(made.digest()[:_APP_PASSWORD_BYTES]).decode().lower()


def password_check(*, user: User, password: str, field: str) -> None:
    """Raise `AccountError` unless it is the user's password, or if the user has none."""
    if not user.has_usable_password():
        raise AccountError(
            AccountErrorCode.PERMISSION_DENIED,
            gettext("Set a first password on the account page."),
            field=field,
        )
    if not user.check_password(password):
        raise AccountError(
            AccountErrorCode.REQUEST_INVALID, gettext("This is not your password."), field=field
        )


def deletion_confirm(*, user: User, password: str) -> None:
    """Raise `AccountError` unless it confirms the deletion of the account: the user's password.

    An account that came by single sign-on has none; its name confirms.
    """
    if user.has_usable_password():
        password_check(user=user, password=password, field="password")
    elif password != user.get_username():
        raise AccountError(
            AccountErrorCode.REQUEST_INVALID,
            gettext("This is not your user name."),
            field="password",
        )


def account_delete(*, user: User) -> None:
    """Delete a user with all that is stored about it; AccountError for the last superuser."""
    users = get_user_model().objects
    with transaction.atomic():
        admins = users.select_for_update().filter(is_superuser=True, is_active=True)
        if list(admins.values_list("pk", flat=True)) == [user.pk]:
            raise AccountError(
                AccountErrorCode.LAST_ADMIN,
                gettext(
                    "This is the only account that administers this installation. Make "
                    "another superuser at /admin/ first."
                ),
            )
        users.get(pk=user.pk).delete()


def account_export(*, user: User) -> dict[str, Any]:
    """Return everything that is stored about a user, as plain JSON; no secret and no hash."""
    return {
        "profile": {
            "username": user.username,
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "joined_at": user.date_joined,
            "last_login_at": user.last_login,
            "is_staff": user.is_staff,
            "is_superuser": user.is_superuser,
        },
        "playlists": _playlists(user),
        "stations": list(
            user.stations.order_by("created_at", "id").values(
                *("id", "name", "request", "schedule", "hour", "weekday", "time_zone"),
                *("fresh_versions", "next_at", "version", "current", "notes", "created_at"),
            )
        ),
        "listens": list(
            Listen.objects.filter(user=user)
            .order_by("listened_at", "id")
            .values(
                "song_id",
                "listened_at",
                "seconds_played",
                title=F("song__title"),
                artist=F("song__artist"),
            )
        ),
        "imports": list(
            user.listen_imports.order_by("created_at", "id").values(
                "id", "file_name", "result", "failure", "created_at"
            )
        ),
        "feedback": _feedback(user),
        "tokens": list(
            user.tokens.values(
                "id", "name", "scopes", "prefix", "created_at", "expires_at", "last_used_at"
            )
        ),
        "app_passwords": list(
            user.app_passwords.values("id", "name", "created_at", "last_used_at")
        ),
        "invitations": list(
            user.invitations.order_by("created_at", "id").values(
                "id", "role", "note", "created_at", "expires_at", "used_at"
            )
        ),
        "jobs": list(
            BackgroundJob.objects.filter(created_by=user)
            .order_by("created_at")
            .values("id", "kind", "created_at")
        ),
        **_ways_in(user),
    }


def _ways_in(user: User) -> dict[str, Any]:
    """Return the connections and second factors of a user, where they are on; no secret."""
    told: dict[str, Any] = {}
    # The models are of apps that are off by default.
    if settings.AFFETTI_SIGN_IN.server:
        from allauth.socialaccount.models import SocialAccount  # noqa: PLC0415

        told["connections"] = list(
            SocialAccount.objects.filter(user=user)
            .order_by("pk")
            .values("provider", "uid", "extra_data", "date_joined", "last_login")
        )
    if settings.AFFETTI_SIGN_IN.has_second_factor:
        from allauth.mfa.models import Authenticator  # noqa: PLC0415

        told["second_factors"] = list(
            Authenticator.objects.filter(user=user)
            .order_by("pk")
            .values("type", "created_at", "last_used_at", name=F("data__name"))
        )
    return told


def _feedback(user: User) -> dict[str, Any]:
    """Return what the user said of songs and artists, by table."""
    song = {"title": F("song__title"), "artist": F("song__artist")}
    said = [
        field.name
        for field in SongFeedback._meta.concrete_fields
        if field.name not in {"id", "user", "song"}
    ]
    return {
        "songs": list(
            SongFeedback.objects.filter(user=user).order_by("id").values("song_id", *said, **song)
        ),
        "skips": list(
            Skip.objects.filter(user=user)
            .order_by("skipped_at", "id")
            .values(
                *("song_id", "skipped_at", "seconds_played", "share_played", "playlist_id"), **song
            )
        ),
        "stars": list(
            Star.objects.filter(user=user)
            .order_by("starred_at", "id")
            .values("album_id", "artist_id", "starred_at")
        ),
        "players": list(
            PlayerState.objects.filter(user=user).values(
                *("song_id", "state", "position_ms", "told_at", "player"),
                *("queue", "queue_current", "queue_position_ms", "queue_at", "queue_player"),
            )
        ),
        "artist_bans": list(
            ArtistBan.objects.filter(user=user)
            .order_by("banned_at", "id")
            .values("artist_id", "banned_at", name=F("artist__name"))
        ),
    }


def _playlists(user: User) -> list[dict[str, Any]]:
    """Return the user's playlists with their entries and former versions, in three queries."""
    playlists: dict[Any, dict[str, Any]] = {
        row["id"]: {**row, "entries": [], "history": []}
        for row in user.playlists.order_by("created_at", "id").values(
            *("id", "name", "created_at", "request", "seed", "model_version", "notes"),
            *("station_id", "station_version", "version"),
            is_shared=Q(share_token__isnull=False),
        )
    }
    entries = (
        PlaylistEntry.objects.filter(playlist__user=user)
        .order_by("position")
        .values(
            *("playlist_id", "position", "song_id", "score", "reason", "is_pinned"),
            title=F("song__title"),
            artist=F("song__artist"),
        )
    )
    for entry in entries:
        playlists[entry.pop("playlist_id")]["entries"].append(entry)
    for version in PlaylistVersion.objects.filter(playlist__user=user).order_by("number"):
        playlists[version.playlist_id]["history"].append(
            {
                "number": version.number,
                "change": version.change,
                "created_at": version.created_at,
                "entries": version.entries,
                "told": version.told,
            }
        )
    return list(playlists.values())
