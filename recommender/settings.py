"""Settings of every mode; the only place that reads the environment.

With nothing set, Affetti runs embedded: SQLite, Celery over the filesystem, FAISS on the CPU.
`DATABASE_URL` and `REDIS_URL` turn on the full mode. Every name read here is in `.env.example` and
`docs/settings.md`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environ
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

from recommender.ways_in import SignIn

if TYPE_CHECKING:
    import logging

PROJECT_DIR = Path(__file__).resolve().parent
IS_CHECKOUT = (PROJECT_DIR.parent / "manage.py").exists()
BASE_DIR = PROJECT_DIR.parent if IS_CHECKOUT else Path.cwd()
"""The checkout. An installed package has none, so it is the folder that Affetti is started in."""

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# --- Where things live -------------------------------------------------------------------------
VAR_DIR = Path(env.str("AFFETTI_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
"""Everything Affetti writes: database, broker, indexes, demo audio, logs."""
# Every process of Affetti reads this file first: what it writes, its own account alone can read.
os.umask(0o077)
VAR_DIR.mkdir(parents=True, exist_ok=True)

# --- Mode --------------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'affetti.sqlite3'}")
REDIS_URL = env.str("REDIS_URL", default="")
IS_SQLITE = DATABASE_URL.startswith("sqlite")
IS_EMBEDDED = IS_SQLITE and not REDIS_URL

DEBUG = env.bool("AFFETTI_DEBUG", default=False)
ALLOWED_HOSTS = env.list("AFFETTI_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("AFFETTI_CSRF_TRUSTED_ORIGINS", default=[])


def _secret_key() -> str:
    """Return the secret key; an embedded installation creates its own, once."""
    key = env.str("AFFETTI_SECRET_KEY", default="")
    if key:
        return str(key)
    if not IS_EMBEDDED:
        raise ImproperlyConfigured(
            "AFFETTI_SECRET_KEY is not set. The full mode (DATABASE_URL or REDIS_URL set) needs "
            "one secret shared by all its processes; make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    path = VAR_DIR / "secret.key"
    if not path.exists():
        # A link never replaces a key, as `mer.files.written_aside` would: two processes that start
        # at once use the same one.
        with tempfile.NamedTemporaryFile("w", dir=VAR_DIR) as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text()


SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env.list("AFFETTI_SECRET_KEY_FALLBACKS", default=[])
"""Former keys: what they signed or encrypted stays valid."""

# --- Applications ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "recommender.apps.RecommenderConfig",
    "catalog.apps.CatalogConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "recommender.logs.request_log_middleware",
    "django.middleware.security.SecurityMiddleware",
    "recommender.middleware.content_security_policy",
    # What comes before it is not counted: static files, and redirects to HTTPS.
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "recommender.middleware.CompressionMiddleware",
    # Before whatever answers with words.
    "recommender.middleware.LanguageMiddleware",
    "recommender.latency.latency_middleware",
    "recommender.middleware.ThrottleMiddleware",
    "recommender.middleware.personal_answers",
    "recommender.middleware.RequestLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "recommender.access.PrivateMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "recommender.middleware.ErrorMiddleware",
]

ROOT_URLCONF = "recommender.urls"
WSGI_APPLICATION = "recommender.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # In a wheel the templates lie in `recommender/templates`, where APP_DIRS finds them.
        "DIRS": [BASE_DIR / "templates"] if IS_CHECKOUT else [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "recommender.access.site",
                "recommender.operations.warnings_for_staff",
            ],
            "libraries": {"affetti": "recommender.web.templatetags.affetti"},
        },
    }
]

# --- Database ----------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {"default": environ.Env.db_url_config(DATABASE_URL)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "recommender.postgresql"
if IS_SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("AFFETTI_DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A connection to a host that has vanished ends after half a minute. One to a server that is
    # stopped lives: recommender.deadlines bounds what waits for it.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 3,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    } | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery ------------------------------------------------------------------------------------
CELERY_TASK_SOFT_TIME_LIMIT = env.int("AFFETTI_TASK_SOFT_TIME_LIMIT_SECONDS", default=1500)
CELERY_TASK_TIME_LIMIT = env.int("AFFETTI_TASK_TIME_LIMIT_SECONDS", default=1800)
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    # Longer than the hard limit: otherwise Redis would deliver a running task to a second worker.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "visibility_timeout": CELERY_TASK_TIME_LIMIT * 2,
        # A worker waits for a message for one second at a time.
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
    }
else:
    _broker = VAR_DIR / "broker"
    for _folder in (_broker / "messages", _broker / "control"):
        _folder.mkdir(parents=True, exist_ok=True)
    # The scheme of recommender.broker. Without a host, kombu warns.
    CELERY_BROKER_URL = "files://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_broker / "messages"),
        "data_folder_out": str(_broker / "messages"),
        "control_folder": str(_broker / "control"),
        "store_processed": False,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_TASK_ROUTES = {
    "catalog.analyse_songs": {"queue": "analysis"},
    "catalog.*": {"queue": "ingest"},
    "recommender.*": {"queue": "ingest"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULER = "recommender.schedule:MonotonicScheduler"
# A message expires when the next one is sent, so messages do not pile up while no worker is free.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    name: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
    for name, task, seconds in (
        ("reconcile", "catalog.reconcile", 20.0),
        ("build-index-if-stale", "recommender.build_index_if_stale", 60.0),
        ("keep-libraries", "catalog.keep_libraries", 60.0),
        ("refresh-stations", "recommender.refresh_stations", 60.0),
        ("sweep-imports", "recommender.sweep_imports", 600.0),
        ("sweep-keyed-requests", "recommender.sweep_keyed_requests", 600.0),
    )
}


AFFETTI_BUNDLE_KEY = env.str("AFFETTI_BUNDLE_KEY", default="")
"""Signs bundles of analyses; empty: a key that follows from the secret key."""
AFFETTI_LRCLIB_URL = env.str("AFFETTI_LRCLIB_URL", default="").rstrip("/")
"""Address of a lyrics server that is asked for songs without lyrics; empty: none is."""
if AFFETTI_LRCLIB_URL and not AFFETTI_LRCLIB_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured(
        f"AFFETTI_LRCLIB_URL is {AFFETTI_LRCLIB_URL!r}; it must be an address such as "
        "https://lrclib.net, or empty."
    )
if AFFETTI_LRCLIB_URL:
    CELERY_BEAT_SCHEDULE["online-lyrics"] = {
        "task": "catalog.online_lyrics",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    }


# --- Catalogue and model -----------------------------------------------------------------------
def _own_music() -> list[Path]:
    """Return the folder in which desktops keep music, if there is one."""
    with contextlib.suppress(RuntimeError):  # an account without a home
        folder = Path.home() / "Music"
        return [folder] if folder.is_dir() else []
    return []


AFFETTI_CATALOG_ROOTS = [
    Path(root).resolve()
    for root in env.list(
        "AFFETTI_CATALOG_ROOTS", default=[str(VAR_DIR / "demo"), *map(str, _own_music())]
    )
]
"""Folders that staff may ingest from the web and the API; the command line may name any folder."""


def _store_options() -> Any:
    """Return the options of stores; what is wrong with them says the check of the catalogue."""
    try:
        return json.loads(env.str("AFFETTI_STORE_OPTIONS", default="") or "{}")
    except ValueError as error:
        raise ImproperlyConfigured(
            "AFFETTI_STORE_OPTIONS is no JSON; write it as "
            '{"s3://bucket/folder": {"endpoint_url": "https://…"}}'
        ) from error


AFFETTI_STORES = [address.rstrip("/") for address in env.list("AFFETTI_STORES", default=[])]
"""Addresses of object stores that libraries may lie in, such as s3://bucket/folder."""
AFFETTI_STORE_OPTIONS = _store_options()
"""Options of fsspec, such as an endpoint and credentials, by the address of the store."""
AFFETTI_STORE_DIR = Path(env.str("AFFETTI_STORE_DIR", default=str(VAR_DIR / "stores"))).resolve()
"""Where copies of what is in stores lie; a disk of this host."""
AFFETTI_STORE_CACHE_BYTES = env.int("AFFETTI_STORE_CACHE_BYTES", default=10 * 1024**3)
"""The copies take no more room; those that were used longest ago go first."""
AFFETTI_UPLOAD_DIR = Path(env.str("AFFETTI_UPLOAD_DIR", default=str(VAR_DIR / "uploads"))).resolve()
"""Where songs lie that staff upload in the browser; staff may ingest from it."""
AFFETTI_UPLOAD_MEMORY_DIR = VAR_DIR / "upload_memory"
"""Locks of uploads, and the names that uploaded files got; not among the songs."""
AFFETTI_IMPORT_DIR = VAR_DIR / "imports"
"""Where files of listening history lie until they are read."""
AFFETTI_UPLOAD_MAX_BYTES = env.int("AFFETTI_UPLOAD_MAX_BYTES", default=1024**3)
"""A larger file is not taken from a browser."""
AFFETTI_CHECKPOINT = env.str("AFFETTI_CHECKPOINT", default="affetti")
"""Name of a packaged checkpoint, or a path to a .safetensors file."""
AFFETTI_DEVICE = env.str("AFFETTI_DEVICE", default="auto")
"""`auto` (CUDA where there is one), `cpu` or `cuda`."""
AFFETTI_ANALYSIS_BATCH_SIZE = env.int("AFFETTI_ANALYSIS_BATCH_SIZE", default=8)
AFFETTI_ANALYSIS_LEASE_SECONDS = env.int("AFFETTI_ANALYSIS_LEASE_SECONDS", default=120)
"""A lease that was not renewed for this long is over; a live worker renews its leases."""
AFFETTI_MAX_FILE_BYTES = env.int("AFFETTI_MAX_FILE_BYTES", default=2 * 1024**3)
AFFETTI_WATCH_SETTLE_SECONDS = env.float("AFFETTI_WATCH_SETTLE_SECONDS", default=5.0)
"""A file of a watched library is taken when it has not changed for this long."""
AFFETTI_WATCH_POLL_SECONDS = env.float("AFFETTI_WATCH_POLL_SECONDS", default=30.0)
"""The pause between two looks at a library that is watched by polling."""
AFFETTI_INDEX_DIR = VAR_DIR / "indexes"
AFFETTI_CHECKPOINTS_DIR = VAR_DIR / "checkpoints"
AFFETTI_INDEX_ENGINE = env.str("AFFETTI_INDEX_ENGINE", default="faiss")
"""`faiss` (files that all processes map) or `qdrant` (a server, for over ten million songs)."""
AFFETTI_QDRANT_URL = env.str("AFFETTI_QDRANT_URL", default="")
AFFETTI_QDRANT_API_KEY = env.str("AFFETTI_QDRANT_API_KEY", default="")
AFFETTI_QDRANT_SHARDS = env.int("AFFETTI_QDRANT_SHARDS", default=1)
if AFFETTI_INDEX_ENGINE not in ("faiss", "qdrant"):
    raise ImproperlyConfigured(
        f"AFFETTI_INDEX_ENGINE is {AFFETTI_INDEX_ENGINE!r}; it must be faiss or qdrant."
    )
if AFFETTI_INDEX_ENGINE == "qdrant":
    if not AFFETTI_QDRANT_URL:
        raise ImproperlyConfigured(
            "AFFETTI_INDEX_ENGINE is qdrant, but AFFETTI_QDRANT_URL is not set. Set it to the "
            "server's address, such as http://qdrant:6333."
        )
    if importlib.util.find_spec("qdrant_client") is None:
        raise ImproperlyConfigured(
            "AFFETTI_INDEX_ENGINE is qdrant, but its client is not installed. Install it with: "
            "pip install --constraint constraints.txt --editable '.[scale]'"
        )
AFFETTI_INDEX_MAX_CHANGES = env.int("AFFETTI_INDEX_MAX_CHANGES", default=5_000)
"""The index is built again when more songs than this changed since the last build."""
AFFETTI_METRICS_TOKEN = env.str("AFFETTI_METRICS_TOKEN", default="")
"""Opens `/metrics` to a program that sends it as `Authorization: Bearer`; staff need none."""
AFFETTI_MODEL_SWITCH_COVERAGE = env.float("AFFETTI_MODEL_SWITCH_COVERAGE", default=0.95)
"""A new model begins to serve when it has analysed this share of the songs; above 1, never."""
AFFETTI_MODEL_ROLLBACK_DAYS = env.int("AFFETTI_MODEL_ROLLBACK_DAYS", default=30)
"""The index of a former model is kept for this long."""
AFFETTI_DISK_FREE_BYTES = env.int("AFFETTI_DISK_FREE_BYTES", default=2 * 1024**3)
"""With less than this free below VAR_DIR, staff are warned that the disk is nearly full."""

# --- Covers and converted songs ----------------------------------------------------------------
AFFETTI_MEDIA_DIR = VAR_DIR / "media"
"""What can be made again: covers and converted songs."""
AFFETTI_COVER_CACHE_BYTES = env.int("AFFETTI_COVER_CACHE_BYTES", default=1024**3)
AFFETTI_TRANSCODED_CACHE_BYTES = env.int("AFFETTI_TRANSCODED_CACHE_BYTES", default=4 * 1024**3)
AFFETTI_FFMPEG = env.str("AFFETTI_FFMPEG", default="ffmpeg")
"""Name or path of the program that converts songs; where it is absent, none is converted."""
AFFETTI_TRANSCODES = env.int("AFFETTI_TRANSCODES", default=2)
"""Songs that each web process converts at once; with 0, none is converted."""

# --- Web ---------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [PROJECT_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [PROJECT_DIR / "web/static"]
STATIC_ROOT = VAR_DIR / "static"
FILE_UPLOAD_PERMISSIONS = 0o600  # of what collectstatic copies there
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of an absent folder; collectstatic fills it
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "recommender.web.static_files.HashedFilesStorage"},
}
# Only what a browser's debugger asks for is served as it is, besides what is compressed already.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
AFFETTI_MCP_ADDRESS = env.str("AFFETTI_MCP_ADDRESS", default="http://127.0.0.1:8000")
AFFETTI_MCP_TOKEN = env.str("AFFETTI_MCP_TOKEN", default="")
AFFETTI_PUBLIC = env.bool("AFFETTI_PUBLIC", default=True)
"""Whether pages, API and audio are open to everybody; otherwise they need a login."""
# Empty is as good as unset: compose cannot leave a name out.
AFFETTI_SIGNUP = (
    env.bool("AFFETTI_SIGNUP") if env.str("AFFETTI_SIGNUP", default="") else AFFETTI_PUBLIC
)
"""Whether visitors can sign up; otherwise the admin creates accounts. A private site is closed."""
AFFETTI_SIGN_IN = SignIn(
    server=env.str("AFFETTI_OIDC_SERVER", default="").strip().rstrip("/"),
    label=env.str("AFFETTI_OIDC_NAME", default=""),
    client_id=env.str("AFFETTI_OIDC_CLIENT_ID", default=""),
    secret=env.str("AFFETTI_OIDC_SECRET", default=""),
    may_sign_up=(
        env.bool("AFFETTI_OIDC_SIGNUP")
        if env.str("AFFETTI_OIDC_SIGNUP", default="")
        else AFFETTI_SIGNUP
    ),
    has_second_factor=env.bool("AFFETTI_SECOND_FACTOR", default=False),
).checked()
"""Single sign-on and second factors; both are off by default and need the extra `accounts`."""
INSTALLED_APPS += AFFETTI_SIGN_IN.apps
MIDDLEWARE += AFFETTI_SIGN_IN.middleware
globals().update(AFFETTI_SIGN_IN.settings())
globals().update(AFFETTI_SIGN_IN.caches(REDIS_URL, VAR_DIR / "cache"))
# The most that any address takes; recommender.middleware has the lower limit of each.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# The number of our own proxies in front. With 0, the headers in which a proxy names the client's
# address and scheme are ignored, because a client could forge them.
PROXY_COUNT = env.int("AFFETTI_PROXY_COUNT", default=0)
if PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
AFFETTI_HTTPS = env.bool("AFFETTI_HTTPS", default=False)
"""Whether the site is served over HTTPS alone, by itself or by a proxy."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = AFFETTI_HTTPS
SECURE_SSL_REDIRECT = AFFETTI_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if AFFETTI_HTTPS else 0
# Probes come from the same host, without the proxy.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
# Whether its neighbours' subdomains are served over HTTPS is not for Affetti to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if env.bool("AFFETTI_SECURE_COOKIES", default=False) and not AFFETTI_HTTPS:
    raise ImproperlyConfigured(
        "AFFETTI_SECURE_COOKIES is now part of AFFETTI_HTTPS, which also redirects to HTTPS: set "
        "AFFETTI_HTTPS=true in its place."
    )

AUTHENTICATION_BACKENDS = ["recommender.auth.CarefulBackend"]
AFFETTI_THROTTLE_RATES = {
    "anon": env.str("AFFETTI_THROTTLE_ANON", default="600/min"),
    "user": env.str("AFFETTI_THROTTLE_USER", default="3000/min"),
    "login": env.str("AFFETTI_THROTTLE_LOGIN", default="20/min"),
    "keys": env.str("AFFETTI_THROTTLE_KEYS", default="20/min"),
    "stream": env.str("AFFETTI_THROTTLE_STREAM", default="1200/min"),
    "covers": env.str("AFFETTI_THROTTLE_COVERS", default="6000/min"),
    "uploads": env.str("AFFETTI_THROTTLE_UPLOADS", default="12000/min"),
    "words": env.str("AFFETTI_THROTTLE_WORDS", default="60/min"),
    "paths": env.str("AFFETTI_THROTTLE_PATHS", default="60/min"),
}

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "recommender.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["recommender.api.reading.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "recommender.api.schema.ClientSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "recommender.api.pagination.Pagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "recommender.api.errors.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": ["recommender.throttles.RequestThrottle"],
    "NUM_PROXIES": PROXY_COUNT,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Affetti API",
    "DESCRIPTION": "Songs, their emotions, and playlists that match a mood.\n\n"
    "Messages, notes and reasons are in the language of the header `Accept-Language`: `en-gb` or "
    "`de`; the language chosen on a page, which is the cookie `language`, comes first. "
    "Codes, names of fields, moods and other values are the same in every language.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": 0},
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "recommender.api.schema.document_errors",
        "recommender.api.schema.null_as_type",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SongStatus": "catalog.models.Song.Status",
        "JobStatus": "catalog.models.BackgroundJob.Status",
        "JobKind": "catalog.models.BackgroundJob.Kind",
        "LibraryKind": "catalog.models.Library.Kind",
        "TagRunState": "catalog.models.TagRun.State",
        "TagFileState": "catalog.models.TagWrite.State",
        "TagField": "catalog.files.ours.OURS",
        "StateEnum": "recommender.api.imports.STATES",
        "TableKind": "catalog.ingest.tables.KINDS",
    },
}


def _is_brief(record: logging.LogRecord) -> bool:
    """Take the traceback from the log of a refused request: a client could fill the disk."""
    if record.name.startswith("django.security."):
        record.exc_info = record.exc_text = None
    return True


_LOG_FORMAT = env.str("AFFETTI_LOG_FORMAT", default="line")
if _LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured(f"AFFETTI_LOG_FORMAT is {_LOG_FORMAT!r}; set it to line or json")
AFFETTI_LOG_REQUESTS = env.bool("AFFETTI_LOG_REQUESTS", default=False)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"brief": {"()": "django.utils.log.CallbackFilter", "callback": _is_brief}},
    "formatters": {
        "line": {"()": "recommender.logs.LineFormatter"},
        "json": {"()": "recommender.logs.json_formatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": _LOG_FORMAT,
            "filters": ["brief"],
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env.str("AFFETTI_LOG_LEVEL", default="INFO"),
    },
    # It logs at every start which processor features are missing.
    # Waitress logs every request that waits for a thread.
    # watchfiles counts changes.
    "loggers": {
        "faiss.loader": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},  # it writes down every address, with what is asked
        "waitress.queue": {"level": "ERROR"},
        "watchfiles": {"level": "WARNING"},
    },
}
