"""How often an address, a user or an account may do something; all processes count together.

The counts are in Redis where REDIS_URL names one, else in a small SQLite file of their own. While
that store does not answer, each process counts for itself: a site that nobody can enter would be
worse than one with looser limits.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import ipaddress
import logging
import math
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest
    from rest_framework.request import Request

    T = TypeVar("T")
    _View = TypeVar("_View", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

FREE_ATTEMPTS: Final = 5
"""Wrong passwords of one account that have no consequence."""
LONGEST_DELAY_SECONDS: Final = 900.0
"""Of an account, for one address. Every wrong password after the free ones doubles the delay."""
LONGEST_SHARED_DELAY_SECONDS: Final = 30.0
"""Of an account, for all addresses that have not logged in to it lately."""
SHARED_FREE_ATTEMPTS: Final = 20
KNOWN_SECONDS: Final = 30 * 86_400.0
"""An address that logged in to an account is known to it for this long."""
WORDS_TURNS: Final = 1
"""Texts that one process rates at the same time."""
WORDS_PLACES: Final = 3
"""Requests of one process that rate a text or wait for their turn; the others are refused."""
KEYS_REFUSED_SECONDS: Final = 60.0
"""No key of a name is taken from an address for this long after it sent too many wrong ones."""
KEYS_OF_ADDRESS: Final = 10
"""An address may send wrong keys of all names so many times as often as those of one."""
STORE_TIMEOUT_SECONDS: Final = 0.25
STORE_PAUSE_SECONDS: Final = 5.0
"""A store that failed is not asked again for this long."""
_MEMORY_SECONDS: Final = 3600.0
"""Wrong passwords are forgotten this long after the last one."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Rate(NamedTuple):
    """At most `count` within `seconds` of the first."""

    count: int  # type: ignore[assignment]  # tuple.count is not used
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Return the rate that a setting such as 600/min states."""
        count, _, period = text.partition("/")
        return cls(int(count), _SECONDS[period[0]])


class Use(NamedTuple):
    """How much of a rate was used, this request included; `left` seconds until it starts anew."""

    scope: str
    rate: Rate
    count: int  # type: ignore[assignment]  # tuple.count is not used
    left: float

    @property
    def remaining(self) -> int:
        """How many more requests are answered until then."""
        return max(0, self.rate.count - self.count)


class Store(Protocol):
    """Counts that all processes share; every method is atomic."""

    def hit(self, key: str, seconds: float) -> tuple[int, float]:
        """Count one more; return (count, seconds until the count starts anew)."""

    def attempt(self, key: str, free: int, longest: float) -> float:
        """Count an attempt and return 0; without counting, return the seconds left to wait."""

    def remember(self, key: str, seconds: float) -> None:
        """Have `knows` find the key for a time."""

    def knows(self, key: str) -> bool:
        """Return whether the key is remembered."""

    def forget(self, key: str) -> None:
        """Forget the key's counts."""


def _delay(count: int, free: int, longest: float) -> float:
    return 0.0 if count <= free else min(longest, 2.0 ** min(count - free, 30))


class SQLiteStore:
    """Counts in a SQLite file, or in memory for one process."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.Lock()
        self._hits = 0
        self._connection = sqlite3.connect(
            path, timeout=STORE_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        # What a crash of the machine loses is a minute's counts.
        self._connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
            "CREATE TABLE IF NOT EXISTS counts"
            " (key TEXT PRIMARY KEY, count INTEGER, until REAL, expires REAL) WITHOUT ROWID;"
        )

    def hit(self, key: str, seconds: float) -> tuple[int, float]:
        with self._writing() as now:
            # A clock that was set back would keep a count for too long.
            (count, until) = self._connection.execute(
                "INSERT INTO counts VALUES (:key, 1, :end, :end) ON CONFLICT (key) DO UPDATE SET"
                " count = CASE WHEN until BETWEEN :now AND :end THEN count + 1 ELSE 1 END,"
                " until = CASE WHEN until BETWEEN :now AND :end THEN until ELSE :end END,"
                " expires = CASE WHEN until BETWEEN :now AND :end THEN until ELSE :end END"
                " RETURNING count, until",
                {"key": key, "now": now, "end": now + seconds},
            ).fetchone()
        return count, until - now

    def attempt(self, key: str, free: int, longest: float) -> float:
        with self._writing() as now:
            count, until = self._read(key, now) or (0, 0.0)
            if now < until <= now + longest:
                return until - now
            end = now + _delay(count + 1, free, longest)
            self._write(key, count + 1, end, end + _MEMORY_SECONDS)
        return 0.0

    def remember(self, key: str, seconds: float) -> None:
        with self._writing() as now:
            self._write(key, 1, now + seconds, now + seconds)

    def knows(self, key: str) -> bool:
        with self._lock:
            return self._read(key, time.time()) is not None

    def forget(self, key: str) -> None:
        with self._writing():
            self._connection.execute("DELETE FROM counts WHERE key = ?", (key,))

    def _read(self, key: str, now: float) -> tuple[int, float] | None:
        query = "SELECT count, until FROM counts WHERE key = ? AND expires > ?"
        row: tuple[int, float] | None = self._connection.execute(query, (key, now)).fetchone()
        return row

    def _write(self, key: str, count: int, until: float, expires: float) -> None:
        row = (key, count, until, expires)
        self._connection.execute("REPLACE INTO counts VALUES (?, ?, ?, ?)", row)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[float]:
        """Hold the file for one change, and give the time as it is after the wait for the file.

        A time from before the wait makes a window of another process seem to begin in the future.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                now = time.time()
                yield now
                self._hits += 1
                if self._hits % 1000 == 0:
                    self._connection.execute("DELETE FROM counts WHERE expires < ?", (now,))
                self._connection.execute("COMMIT")
            finally:
                # After a failure, for example of a full disk: an open transaction would make every
                # later one fail.
                self._connection.rollback()


_HIT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
_ATTEMPT: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local count = tonumber(redis.call('HGET', KEYS[1], 'count') or 0) + 1
local left = tonumber(redis.call('HGET', KEYS[1], 'until') or 0) - now
local free, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
if left > 0 and left <= longest then return tostring(left) end
local delay = 0
if count > free then delay = math.min(longest, 2 ^ math.min(count - free, 30)) end
redis.call('HSET', KEYS[1], 'count', count, 'until', tostring(now + delay))
redis.call('PEXPIRE', KEYS[1], math.ceil((delay + tonumber(ARGV[3])) * 1000))
return '0'
"""


class RedisStore:
    """Counts in Redis."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(
            url,
            socket_timeout=STORE_TIMEOUT_SECONDS,
            socket_connect_timeout=STORE_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Any = client
        self._hit = client.register_script(_HIT)
        self._attempt = client.register_script(_ATTEMPT)

    def hit(self, key: str, seconds: float) -> tuple[int, float]:
        count, left = self._hit(keys=[_redis_key(key)], args=[round(seconds * 1000)])
        return count, left / 1000

    def attempt(self, key: str, free: int, longest: float) -> float:
        arguments = [free, longest, _MEMORY_SECONDS]
        return float(self._attempt(keys=[_redis_key(key)], args=arguments))

    def remember(self, key: str, seconds: float) -> None:
        self._client.set(_redis_key(key), 1, px=round(seconds * 1000))

    def knows(self, key: str) -> bool:
        return bool(self._client.exists(_redis_key(key)))

    def forget(self, key: str) -> None:
        self._client.delete(_redis_key(key))


def _redis_key(key: str) -> str:
    return f"affetti:throttle:{key}"


class CarefulStore:
    """A store that counts for this process alone while the shared one does not answer."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = functools.lru_cache(maxsize=1)(make)
        self._own: Store = SQLiteStore(":memory:")
        self._away_until = 0.0

    def hit(self, key: str, seconds: float) -> tuple[int, float]:
        return self._asked(lambda store: store.hit(key, seconds))

    def attempt(self, key: str, free: int, longest: float) -> float:
        return self._asked(lambda store: store.attempt(key, free, longest))

    def remember(self, key: str, seconds: float) -> None:
        self._asked(lambda store: store.remember(key, seconds))

    def knows(self, key: str) -> bool:
        return self._asked(lambda store: store.knows(key))

    def forget(self, key: str) -> None:
        self._asked(lambda store: store.forget(key))

    def _asked(self, question: Callable[[Store], T]) -> T:
        if time.monotonic() >= self._away_until:
            try:
                return question(self._make())
            except (redis.RedisError, sqlite3.Error, OSError) as error:
                self._away_until = time.monotonic() + STORE_PAUSE_SECONDS
                logger.warning("Each process counts for itself, because the store fails: %s", error)
        return question(self._own)


@functools.lru_cache(maxsize=1)
def store() -> Store:
    """Return the store of this process."""
    if settings.REDIS_URL:
        return CarefulStore(lambda: RedisStore(settings.REDIS_URL))
    return CarefulStore(lambda: SQLiteStore(settings.VAR_DIR / "throttles.sqlite3"))


def address(request: Any) -> str:
    """Return the client's address; of IPv6, the network that a client has to itself."""
    ident = BaseThrottle().get_ident(request) or ""
    try:
        parsed = ipaddress.ip_address(ident)
    except ValueError:
        return ident[:100]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def limit(scope: str, ident: str, request: HttpRequest | Request) -> None:
    """Count a request of `ident`; Throttled if it is one too many for the scope's rate."""
    rate = Rate.parse(settings.AFFETTI_THROTTLE_RATES[scope])
    count, left = store().hit(f"{scope}:{ident}", rate.seconds)
    _uses(request)[scope] = Use(scope, rate, count, left)
    if count > rate.count:
        raise Throttled(max(1.0, left))


def request_limit(
    request: HttpRequest | Request, user: AbstractBaseUser | AnonymousUser | None
) -> None:
    """Count a request against its user's rate, or its address's without a login."""
    mark_counted(request)
    if user is not None and user.is_authenticated:
        limit("user", str(user.pk), request)
    else:
        limit("anon", address(request), request)


def rate_headers(request: HttpRequest) -> dict[str, str]:
    """Return what tells a client how much of its rates is left; nothing if it was not counted.

    The three older fields are about the rate of which the least is left. The two of the IETF's
    draft are about every rate that the request counts against.
    """
    uses = _uses(request).values()
    if not uses:
        return {}
    least = min(uses, key=lambda use: use.remaining / max(1, use.rate.count))
    return {
        "RateLimit-Limit": str(least.rate.count),
        "RateLimit-Remaining": str(least.remaining),
        "RateLimit-Reset": str(math.ceil(least.left)),
        "RateLimit-Policy": ", ".join(
            f'"{use.scope}";q={use.rate.count};w={math.ceil(use.rate.seconds)}' for use in uses
        ),
        "RateLimit": ", ".join(
            f'"{use.scope}";r={use.remaining};t={math.ceil(use.left)}' for use in uses
        ),
    }


def _uses(request: HttpRequest | Request) -> dict[str, Use]:
    # The framework's request wraps the one that the middleware sees.
    plain: Any = getattr(request, "_request", request)
    if not hasattr(plain, "_rate_uses"):
        plain._rate_uses = {}
    uses: dict[str, Use] = plain._rate_uses
    return uses


def mark_counted(request: HttpRequest | Request) -> None:
    """Note that a request has been counted, or need not be."""
    # The framework's request wraps the one that the middleware sees.
    plain: Any = getattr(request, "_request", request)
    plain._is_counted = True


def is_counted(request: HttpRequest) -> bool:
    """Return whether a request has been counted, or need not be."""
    return getattr(request, "_is_counted", False)


def throttled(scope: str) -> Callable[[_View], _View]:
    """Have a page counted by address in `scope` in place of the pages' rates; empty for none."""

    def mark(view: _View) -> _View:
        view.throttle = scope  # type: ignore[attr-defined]
        return view

    return mark


def words_limit(request: HttpRequest | Request) -> None:
    """Count a request whose words the networks have to rate."""
    user = request.user
    who = f"user {user.pk}" if user.is_authenticated else address(request)
    limit("words", who, request)


class RequestThrottle(BaseThrottle):
    """The rates of users and addresses, for the API's views."""

    def allow_request(self, request: Any, view: object) -> bool:
        request_limit(request, request.user)
        return True


class LoginThrottle(BaseThrottle):
    """How often one address may try a name and password, on pages and API together."""

    def allow_request(self, request: Any, view: object) -> bool:
        mark_counted(request)
        limit("login", address(request), request)
        return True


# --- Passwords of one account --------------------------------------------------------------------


def account_attempt(request: HttpRequest, username: str) -> None:
    """Count an attempt to log in to an account before its password is checked.

    Throttled while a delay of earlier attempts lasts. One address has a delay that grows up to
    `LONGEST_DELAY_SECONDS`; the shared delay of all addresses is short, and does not hold for an
    address that has logged in to the account. So no stranger can lock its owner out for long.
    """
    account, known = _keys(request, username)
    wait = store().attempt(known, FREE_ATTEMPTS, LONGEST_DELAY_SECONDS)
    if not wait and not store().knows(f"known {known}"):
        wait = store().attempt(account, SHARED_FREE_ATTEMPTS, LONGEST_SHARED_DELAY_SECONDS)
    if wait:
        raise Throttled(max(1.0, wait))


def account_entered(request: HttpRequest, username: str) -> None:
    """Forget the attempts of an address that gave the right password."""
    account, known = _keys(request, username)
    store().forget(known)
    store().forget(account)
    store().remember(f"known {known}", KNOWN_SECONDS)


def _keys(request: HttpRequest, username: str) -> tuple[str, str]:
    name = _hashed(username)
    return f"account {name}", f"account {name} from {address(request)}"


def _hashed(name: str) -> str:
    """Return a name for the store, which need not know it; and a name may be long."""
    return hashlib.sha256(name.casefold().encode("utf-8", "replace")).hexdigest()[:32]


# --- Keys of players -----------------------------------------------------------------------------


def keys_check(request: HttpRequest, name: str) -> None:
    """Throttled while an address is refused for wrong keys of `name`, or of too many names.

    Players send their key with every request, so right ones are not counted as attempts.
    """
    if any(store().knows(f"keys {sender}") for sender in _senders(request, name)):
        raise Throttled(KEYS_REFUSED_SECONDS)


def key_was_wrong(request: HttpRequest, name: str) -> None:
    """Count a wrong key; Throttled, for a time, if it is one too many.

    An old key in one player refuses no other account at the same address, and no login.
    """
    rate = Rate.parse(settings.AFFETTI_THROTTLE_RATES["keys"])
    too_many = False
    for sender, times in zip(_senders(request, name), (1, KEYS_OF_ADDRESS), strict=True):
        if store().hit(f"keys:{sender}", rate.seconds)[0] > times * rate.count:
            store().remember(f"keys {sender}", KEYS_REFUSED_SECONDS)
            too_many = True
    if too_many:
        raise Throttled(KEYS_REFUSED_SECONDS)


def refusal_count(request: HttpRequest) -> None:
    """Count a call that is refused before its account is known; Throttled if it is one too many.

    The rate is that of strangers, counted apart: such calls refuse no page.
    """
    rate = Rate.parse(settings.AFFETTI_THROTTLE_RATES["anon"])
    count, left = store().hit(f"refused:{address(request)}", rate.seconds)
    if count > rate.count:
        raise Throttled(max(1.0, left))


def _senders(request: HttpRequest, name: str) -> tuple[str, str]:
    place = address(request)
    return f"{_hashed(name)} from {place}", place


# --- Words ---------------------------------------------------------------------------------------

_places = threading.BoundedSemaphore(WORDS_PLACES)
_turns = threading.BoundedSemaphore(WORDS_TURNS)


@contextlib.contextmanager
def words_turn() -> Iterator[None]:
    """Hold one of the few turns to rate a text; Throttled if too many wait already.

    The networks keep a core busy and load for seconds the first time. The threads of a web process
    that are left answer everything else.
    """
    if not _places.acquire(blocking=False):
        raise Throttled(2)
    try:
        with _turns:
            yield
    finally:
        _places.release()
