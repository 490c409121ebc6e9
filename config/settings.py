"""Django's settings. What differs between deployments comes from the typed environment; the rest is fixed here."""

from datetime import timedelta

from config.broker_urls import DATABASE_LAYER, is_postgres
from config.environment import BASE_DIR, load_environment
from tasks.api.defaults import REST_FRAMEWORK as REST_FRAMEWORK
from tasks.api.defaults import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS

ENVIRONMENT = load_environment()

# --- who we are ------------------------------------------------------------------------------------------------------

SECRET_KEY = ENVIRONMENT.secret_key
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

INSTALLED_APPS = [
    "config",
    "examples.csv_import",
    "examples.expense_claim",
    "examples.leave_requests",
    "processes",
    "tasks",
    "channels",
    "corsheaders",
    "django_celery_beat",
    "django_celery_results",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_ace",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]

# All of them work on both sides of Django's handler; a single synchronous one would give every open stream a thread.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.csp.content_security_policy",
    "config.static_files.static_files",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tasks.middleware.ApiTokenMiddleware",
    "tasks.middleware.RequestTaskMiddleware",
    "processes.pages.time_zone.user_time_zone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- database --------------------------------------------------------------------------------------------------------

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Write transactions take their lock when they begin and readers never wait: four writers with SQLite's own defaults
# ran into hundreds of "database is locked", with these into none.
_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    # The log may grow to 64 MB before it is written back: what changes all the time is written once then.
    "wal_autocheckpoint=16000",
    # Otherwise each statement with RETURNING opens a file.
    "temp_store=MEMORY",
)
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": " ".join(f"PRAGMA {pragma};" for pragma in _SQLITE_PRAGMAS),
}

# Left alone, the driver waits two minutes for a host that doesn't answer. What runs many times a second is prepared on
# the server, from its second time on. DATABASE_URL may say otherwise behind its question mark.
_POSTGRESQL_OPTIONS = {"connect_timeout": 5, "prepare_threshold": 1}

DATABASES = {
    "default": {
        **ENVIRONMENT.database,
        "OPTIONS": _SQLITE_OPTIONS
        if ENVIRONMENT.uses_sqlite
        else {**_POSTGRESQL_OPTIONS, **ENVIRONMENT.database_options},
    },
}

# --- signing in ------------------------------------------------------------------------------------------------------

LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
CSRF_FAILURE_VIEW = "processes.pages.errors.csrf_failure"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- transport security ----------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = ENVIRONMENT.https
SESSION_COOKIE_SECURE = ENVIRONMENT.https
CSRF_COOKIE_SECURE = ENVIRONMENT.https
SECURE_HSTS_SECONDS = ENVIRONMENT.hsts_seconds if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
X_FRAME_OPTIONS = "DENY"
if ENVIRONMENT.proxy_scheme_header:
    SECURE_PROXY_SSL_HEADER = (f"HTTP_{ENVIRONMENT.proxy_scheme_header.upper().replace('-', '_')}", "https")

# --- what the pages look like (docs/theming.md) -----------------------------------------------------------------------

STEPLINE_SITE_NAME = ENVIRONMENT.site_name
STEPLINE_THEME = ENVIRONMENT.theme

# --- language and time -----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
TIME_ZONE = ENVIRONMENT.time_zone
USE_I18N = True
USE_TZ = True

# --- static files and uploads ----------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.static_root
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = ENVIRONMENT.media_root

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static_files.CollectedOrFound"},
}

# Files are found where they lie, so that `collectstatic` is an option of a deployment and never a duty.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

STEPLINE_UPLOAD_MAX_BYTES = ENVIRONMENT.upload_max_bytes
STEPLINE_DRAFT_DAYS = ENVIRONMENT.draft_days
STEPLINE_HOOK_MAX_BYTES = ENVIRONMENT.hook_max_bytes
STEPLINE_MESSAGE_DAYS = ENVIRONMENT.message_days
STEPLINE_MESSAGE_MAX_BYTES = ENVIRONMENT.message_max_bytes

# Of a file that its form doesn't take, the first handler keeps nothing.
FILE_UPLOAD_HANDLERS = [
    "processes.pages.uploads.LimitingUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# An upload goes to a temporary file from 256 KiB on, whatever its size; a request's other fields stay small.
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
DATA_UPLOAD_MAX_NUMBER_FILES = 200
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# --- other systems ---------------------------------------------------------------------------------------------------

STEPLINE_ENCRYPTION_KEYS = ENVIRONMENT.encryption_keys
STEPLINE_OUTBOUND_HOSTS = ENVIRONMENT.outbound_hosts
STEPLINE_OUTBOUND_PRIVATE = ENVIRONMENT.outbound_private
STEPLINE_CALLER_HOSTS = ENVIRONMENT.caller_hosts

# The name of this host's own mail server would be a guess: without EMAIL_URL no mail leaves. Under DEBUG it can be read
# in the data folder.
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = ""
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = ENVIRONMENT.mail_sender
if ENVIRONMENT.mail:
    globals().update(ENVIRONMENT.mail)
elif DEBUG:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = ENVIRONMENT.data_dir / "mail"

# --- what is counted and kept for a while -----------------------------------------------------------------------------

# The channel layer's server, where it is one that keeps values: so that all processes count together.
CACHES: dict[str, dict[str, object]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if ENVIRONMENT.channel_layer_url != DATABASE_LAYER and not is_postgres(ENVIRONMENT.channel_layer_url):
    CACHES["default"] = {
        "BACKEND": "tasks.redis_cache.SharedRedisCache",
        "LOCATION": ENVIRONMENT.channel_layer_url,
        "KEY_PREFIX": "stepline-cache",
        # Whoever waits for it does so in vain: nothing in it is needed.
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
    }

# --- live updates ----------------------------------------------------------------------------------------------------

CHANNEL_LAYERS: dict[str, dict[str, object]]
if ENVIRONMENT.channel_layer_url == DATABASE_LAYER:
    CHANNEL_LAYERS = {"default": {"BACKEND": "tasks.postgres_layer.PostgresChannelLayer"}}
elif is_postgres(ENVIRONMENT.channel_layer_url):
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tasks.postgres_layer.PostgresChannelLayer",
            "CONFIG": {"url": ENVIRONMENT.channel_layer_url},
        },
    }
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                # redis-py's own pool holds 100 connections, and 200 clients that leave together overran it.
                "hosts": [{"address": ENVIRONMENT.channel_layer_url, "max_connections": 4096}],
                "prefix": "stepline",
            },
        },
    }

# --- the API (docs/api.md) -------------------------------------------------------------------------------------------

STEPLINE_API_RATE = ENVIRONMENT.api_rate

# Pages of other origins come with a token: a session of this site is never theirs to use.
CORS_ALLOWED_ORIGINS = list(ENVIRONMENT.cors_origins)
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "last-event-id",
    "x-task-request",
]  # fmt: skip
CORS_EXPOSE_HEADERS = ["Content-Disposition", "ETag", "Location", "Retry-After"]

# --- background work -------------------------------------------------------------------------------------------------

STEPLINE_QUEUES = ENVIRONMENT.queues
STEPLINE_WORKER_SLOTS = ENVIRONMENT.worker_processes
STEPLINE_LEASE_SECONDS = ENVIRONMENT.lease_seconds
STEPLINE_CANCEL_GRACE_SECONDS = ENVIRONMENT.cancel_grace_seconds
STEPLINE_KEPT_DAYS = ENVIRONMENT.kept_days
STEPLINE_DEAD_LETTERS_KEPT_DAYS = ENVIRONMENT.dead_letters_kept_days
STEPLINE_KEEP_ANSWERS = ENVIRONMENT.keep_answers
STEPLINE_CALL_THREADS = ENVIRONMENT.call_threads
STEPLINE_STALL_NO_WORKER_SECONDS = ENVIRONMENT.stall_no_worker_seconds
STEPLINE_STALL_SILENT_SECONDS = ENVIRONMENT.stall_silent_seconds
# The page on which the admin follows a task live.
STEPLINE_TASK_PAGE = "processes:progress"

# The database is the truth and a message only a hint: it is acknowledged when it arrives, bears no result, and its loss
# costs two seconds.
CELERY_BROKER_URL = ENVIRONMENT.broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
# Tasks that want results say so themselves (TrackedTask does); with tracebacks, for staff, as long as trees are kept.
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = timedelta(days=30)
CELERY_TASK_DEFAULT_QUEUE = STEPLINE_QUEUES[0]
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = TIME_ZONE
DJANGO_CELERY_BEAT_TZ_AWARE = True
# Beat only enqueues; the schedules can be changed in the admin.
CELERY_BEAT_SCHEDULE = {
    "stepline: purge expired data nodes and files": {
        "task": "tasks.enqueue_scheduled",
        "schedule": timedelta(hours=1),
        "args": ("processes.purge.2",),
    },
}

# Whoever saves something must not wait for a broker that is down: one more try, then the dispatcher finds the row.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
CELERY_BROKER_TRANSPORT_OPTIONS = {}
if not ENVIRONMENT.broker_url.startswith("amqp"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 0.5,
        "socket_timeout": 1,
        # Kombu looks for unacknowledged messages every 100 s on its own; this is every 5 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    }

# --- logging ---------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "config.redaction.RedactingFormatter",
            "format": "{asctime} {levelname:<7} {name}: {message}",
            "style": "{",
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {
        # Django brings handlers of its own: without this its messages would come twice or not at all.
        "django": {"handlers": [], "level": ENVIRONMENT.log_level, "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # One line for each hint would bury what matters.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # What they tell of each request are its URL and the headers of its answer, which are nobody's business here.
        "httpcore": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}
