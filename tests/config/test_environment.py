"""The environment: defaults, scaling out, and refusals of one line."""

from pathlib import Path

import pytest

from config.environment import EnvironmentProblem, load_environment


def load(folder: Path, **variables: str):
    return load_environment({"STEPLINE_DATA_DIR": str(folder), **variables})


def test_without_variables_everything_lies_in_the_data_folder(data_folder):
    environment = load(data_folder)
    assert environment.database == {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(data_folder / "db.sqlite3"),
    }
    assert environment.uses_sqlite
    assert environment.embedded_broker_socket is not None
    assert environment.broker_url == f"redis+socket://{environment.embedded_broker_socket}"
    assert environment.channel_layer_url == f"unix://{environment.embedded_broker_socket}"
    assert environment.media_root == data_folder / "media"
    assert environment.queues == ("default",)


def test_without_variables_it_is_safe(data_folder):
    environment = load(data_folder)
    assert not environment.debug
    assert environment.https
    assert environment.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")


def test_the_default_data_folder_is_beside_manage_py():
    environment = load_environment({"SECRET_KEY": "x" * 50})
    assert environment.data_dir.name == "var"
    assert (environment.data_dir.parent / "manage.py").is_file()


def test_debug_turns_off_what_plain_http_cannot_serve(data_folder):
    assert not load(data_folder, DEBUG="1").https
    assert load(data_folder, DEBUG="1", STEPLINE_HTTPS="1").https


def test_a_given_secret_key_is_used_and_nothing_is_written(tmp_path):
    environment = load(tmp_path / "none", SECRET_KEY="k" * 50, STEPLINE_ENCRYPTION_KEYS=f"{'k' * 43}=")
    assert environment.secret_key == "k" * 50
    assert not (tmp_path / "none").exists()


def test_scaled_out_by_urls(data_folder):
    environment = load(
        data_folder,
        DATABASE_URL="postgres://stepline:p%40ss@db.example:5433/engine?sslmode=require",
        REDIS_URL="redis://broker.example:6379/2",
        ALLOWED_HOSTS="a.example, b.example",
        CSRF_TRUSTED_ORIGINS="https://a.example",
        STEPLINE_QUEUES="default,slow",
        STEPLINE_WORKERS="7",
    )
    assert environment.database["ENGINE"] == "django.db.backends.postgresql"
    assert environment.database["PASSWORD"] == "p@ss"
    assert environment.database["OPTIONS"] == {"sslmode": "require"}
    assert environment.embedded_broker_socket is None
    assert environment.allowed_hosts == ("a.example", "b.example")
    assert environment.queues == ("default", "slow")
    assert environment.worker_processes == 7


@pytest.mark.parametrize(
    ("variables", "broker", "layer"),
    [
        ({"REDIS_URL": "redis://h/1"}, "redis://h/1", "redis://h/1"),
        ({"REDIS_URL": "valkey://h/1"}, "redis://h/1", "redis://h/1"),
        ({"REDIS_URL": "valkeys://h/1"}, "rediss://h/1", "rediss://h/1"),
        (
            {"REDIS_URL": "unix:///run/v.sock?db=3"},
            "redis+socket:///run/v.sock?virtual_host=3",
            "unix:///run/v.sock?db=3",
        ),
        ({"BROKER_URL": "redis://b/0"}, "redis://b/0", "redis://b/0"),
        ({"BROKER_URL": "redis://b/0", "REDIS_URL": "redis://r/0"}, "redis://b/0", "redis://r/0"),
        ({"BROKER_URL": "amqp://b//", "REDIS_URL": "redis://r/0"}, "amqp://b//", "redis://r/0"),
        ({"BROKER_URL": "amqp://b//", "CHANNEL_LAYER_URL": "redis://c/0"}, "amqp://b//", "redis://c/0"),
        ({"BROKER_URL": "amqp://b//", "CHANNEL_LAYER_URL": "postgres://c/n"}, "amqp://b//", "postgres://c/n"),
        ({"BROKER_URL": "redis://b/0", "CHANNEL_LAYER_URL": "postgresql://c/n"}, "redis://b/0", "postgresql://c/n"),
        ({"BROKER_URL": "amqp://b//", "DATABASE_URL": "postgres://d/n"}, "amqp://b//", "database:"),
        (
            {"BROKER_URL": "amqp://b//", "DATABASE_URL": "postgres://d/n", "REDIS_URL": "redis://r/0"},
            "amqp://b//",
            "redis://r/0",
        ),
    ],
)
def test_broker_and_channel_layer(data_folder, variables, broker, layer):
    environment = load(data_folder, **variables)
    assert (environment.broker_url, environment.channel_layer_url) == (broker, layer)
    assert environment.embedded_broker_socket is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DEBUG": "maybe"}, "DEBUG='maybe' is neither yes nor no: write 1 or 0"),
        ({"STEPLINE_WORKERS": "many"}, "STEPLINE_WORKERS='many' isn't a whole number"),
        ({"STEPLINE_WORKERS": "0"}, "STEPLINE_WORKERS=0 is too small: write 1 or more"),
        ({"STEPLINE_QUEUES": ","}, "STEPLINE_QUEUES names no queue"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short: give 50 random characters"),
        ({"CSRF_TRUSTED_ORIGINS": "a.example"}, "write it like https://a.example"),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE='Mars/Olympus' is not a known time zone"),
        ({"TIME_ZONE": "../etc"}, "TIME_ZONE='../etc' is not a known time zone"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL='LOUD' is unknown: write one of DEBUG, INFO"),
        ({"DATABASE_URL": "mysql://u@h/n"}, "DATABASE_URL must be a PostgreSQL or SQLite URL"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must be a PostgreSQL or SQLite URL"),
        ({"DATABASE_URL": "postgres://u:p@h:port/n"}, "DATABASE_URL can't be read"),
        ({"DATABASE_URL": "postgres://u:p@h:5432/"}, "DATABASE_URL names no database"),
        ({"REDIS_URL": "http://h"}, "REDIS_URL isn't a URL that can be used here: start it with one of redis://"),
        ({"REDIS_URL": "redis://h:99999/0"}, "REDIS_URL isn't a URL that can be used here"),
        ({"REDIS_URL": "redis://"}, "REDIS_URL isn't a URL that can be used here"),
        ({"BROKER_URL": "amqp://h//"}, "set CHANNEL_LAYER_URL to a redis:// or postgres:// URL too"),
        ({"CHANNEL_LAYER_URL": "redis://h/0"}, "set BROKER_URL too"),
    ],
)
def test_a_bad_value_is_one_line_with_the_cure(data_folder, variables, expected):
    with pytest.raises(EnvironmentProblem) as caught:
        load(data_folder, **variables)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_secret_in_a_refusal_or_a_dump(data_folder):
    with pytest.raises(EnvironmentProblem) as caught:
        load(data_folder, REDIS_URL="http://user:hunter2@h/0")
    assert "hunter2" not in str(caught.value)
    environment = load(data_folder, DATABASE_URL="postgres://u:hunter2@h/n", REDIS_URL="redis://:hunter2@h/0")
    assert "hunter2" not in repr(environment)
    assert environment.secret_key not in repr(environment)


def test_an_empty_variable_is_an_unset_one(data_folder):
    environment = load(data_folder, DEBUG="", DATABASE_URL=" ", REDIS_URL="", ALLOWED_HOSTS="")
    assert environment.uses_sqlite
    assert environment.embedded_broker_socket is not None
