"""The settings as a deployment would see them."""

import importlib.util
import sys

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

PRODUCTION = {
    "DATABASE_URL": "postgres://stepline:secret@db.example/stepline",
    "REDIS_URL": "redis://broker.example/0",
    "SECRET_KEY": "k8" * 30,
    "ALLOWED_HOSTS": "stepline.example",
}


@pytest.fixture
def settings_for(monkeypatch, data_folder):
    """Return the settings module as it is with these variables."""

    def load(**variables: str):
        monkeypatch.setenv("STEPLINE_DATA_DIR", str(data_folder))
        monkeypatch.delenv("STEPLINE_HTTPS", raising=False)
        monkeypatch.delenv("DATABASE_URL", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        specification = importlib.util.find_spec("config.settings")
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load


def test_the_embedded_database_is_set_up_for_several_writers(settings_for):
    options = settings_for().DATABASES["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20
    assert "journal_mode=WAL" in options["init_command"]
    assert "synchronous=NORMAL" in options["init_command"]


def test_production_is_locked_down(settings_for):
    module = settings_for(**PRODUCTION)
    assert not module.DEBUG
    assert module.SECURE_SSL_REDIRECT
    assert module.SESSION_COOKIE_SECURE
    assert module.CSRF_COOKIE_SECURE
    assert module.SECURE_HSTS_SECONDS > 0


def test_a_database_server_that_does_not_answer_is_given_up_soon(settings_for):
    assert settings_for(**PRODUCTION).DATABASES["default"]["OPTIONS"]["connect_timeout"] == 5
    url = f"{PRODUCTION['DATABASE_URL']}?connect_timeout=30&sslmode=require"
    options = settings_for(**{**PRODUCTION, "DATABASE_URL": url}).DATABASES["default"]["OPTIONS"]
    assert options == {"connect_timeout": 30, "sslmode": "require", "prepare_threshold": 1}


def test_statements_are_prepared_unless_a_pooler_cannot_have_it(settings_for):
    assert settings_for(**PRODUCTION).DATABASES["default"]["OPTIONS"]["prepare_threshold"] == 1
    url = f"{PRODUCTION['DATABASE_URL']}?prepare_threshold=None"
    options = settings_for(**{**PRODUCTION, "DATABASE_URL": url}).DATABASES["default"]["OPTIONS"]
    assert options["prepare_threshold"] is None


def test_a_proxy_may_tell_the_scheme(settings_for):
    module = settings_for(**PRODUCTION, STEPLINE_PROXY_SCHEME_HEADER="X-Forwarded-Proto")
    assert module.SECURE_PROXY_SSL_HEADER == ("HTTP_X_FORWARDED_PROTO", "https")
    assert not hasattr(settings_for(**PRODUCTION, STEPLINE_PROXY_SCHEME_HEADER=""), "SECURE_PROXY_SSL_HEADER")


def test_the_channel_layer_has_room_for_many_clients_that_leave_together():
    host = settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0]
    assert host["max_connections"] >= 1000


def test_rabbitmq_gets_no_options_of_redis(settings_for):
    module = settings_for(BROKER_URL="amqp://b//", CHANNEL_LAYER_URL="redis://c/0")
    assert module.CELERY_BROKER_TRANSPORT_OPTIONS == {}


@pytest.mark.django_db
def test_the_test_database_is_the_chosen_one():
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            modes = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert modes == ["wal", 1]
    else:
        assert connection.vendor == "postgresql"


@pytest.mark.django_db
def test_the_admin_lets_a_local_administrator_in():
    User.objects.create_superuser("root", password="a long password")
    client = Client()
    assert client.get("/admin/").status_code == 302
    assert client.login(username="root", password="a long password")
    response = client.get("/admin/")
    assert response.status_code == 200
    assert "script-src 'self';" in response.headers["Content-Security-Policy"]


def test_a_bad_variable_stops_manage_py_with_one_line(start):
    program = start([sys.executable, "manage.py", "check"], DEBUG="maybe")
    assert program.wait() == 1
    assert program.lines == ["stepline: DEBUG='maybe' is neither yes nor no: write 1 or 0"]
