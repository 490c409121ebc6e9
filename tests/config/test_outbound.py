"""What the environment says of other systems: keys, hosts, mail."""

import stat
import sys

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks

from config.checks import check_encryption_keys
from config.environment import EnvironmentProblem, load_environment

KEYS = [f"{letter * 42}A=" for letter in "kq"]


def load(folder, **variables: str):
    return load_environment({"STEPLINE_DATA_DIR": str(folder), **variables})


def test_a_key_is_generated_once_and_kept_for_its_owner_only(data_folder):
    first = load(data_folder)
    assert load(data_folder).encryption_keys == first.encryption_keys
    Fernet(first.encryption_keys[0])
    file = data_folder / "encryption-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not first.encryption_keys_given
    assert first.encryption_keys[0] not in repr(first)


def test_given_keys_are_used_in_their_order_and_none_is_generated(data_folder):
    environment = load(data_folder, STEPLINE_ENCRYPTION_KEYS=f" {KEYS[0]} , {KEYS[1]}")
    assert environment.encryption_keys == tuple(KEYS)
    assert not (data_folder / "encryption-key").exists()


@pytest.mark.parametrize("keys", ["secret", f"{KEYS[0]},nonsense", KEYS[0][:-4], KEYS[0][:-1]])
def test_a_bad_key_stops_everything_with_a_cure_and_is_not_shown(data_folder, keys):
    with pytest.raises(EnvironmentProblem) as caught:
        load(data_folder, STEPLINE_ENCRYPTION_KEYS=keys)
    message = str(caught.value)
    assert message.startswith("STEPLINE_ENCRYPTION_KEYS:")
    assert "Fernet.generate_key()" in message
    assert not any(key in message for key in keys.split(","))
    assert "\n" not in message


def test_a_damaged_key_file_is_told(data_folder):
    (data_folder / "encryption-key").write_text("rubbish")
    with pytest.raises(EnvironmentProblem, match="encryption-key holds no key"):
        load(data_folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STEPLINE_OUTBOUND_HOSTS", "https://api.example.com"),
        ("STEPLINE_OUTBOUND_HOSTS", "api.example.com,*."),
        ("STEPLINE_OUTBOUND_HOSTS", "api.example.com:http"),
        ("STEPLINE_OUTBOUND_HOSTS", "api.example.com/v1"),
        ("STEPLINE_OUTBOUND_HOSTS", "a*.example.com"),
        ("STEPLINE_OUTBOUND_PRIVATE", "*"),
        ("STEPLINE_OUTBOUND_PRIVATE", "0.0.0.0/0"),
        ("STEPLINE_OUTBOUND_PRIVATE", "10.0.0.1/8"),
        ("STEPLINE_OUTBOUND_PRIVATE", "::/0"),
        ("STEPLINE_CALLER_HOSTS", "a b"),
        ("EMAIL_URL", "mail.example.com"),
        ("EMAIL_URL", "smtps://mail.example.com"),
        ("EMAIL_URL", "smtp://"),
        ("DEFAULT_FROM_EMAIL", "nobody"),
    ],
)
def test_what_would_open_too_much_or_nothing_is_refused_with_the_variable(data_folder, name, value):
    with pytest.raises(EnvironmentProblem, match=f"^{name}") as caught:
        load(data_folder, **{name: value})
    assert "write" in str(caught.value)


def test_hosts_and_networks_are_read(data_folder):
    environment = load(
        data_folder,
        STEPLINE_OUTBOUND_HOSTS="api.example.com, *.example.org,127.0.0.1:8080,[::1]:80,*",
        STEPLINE_OUTBOUND_PRIVATE="intranet.example,10.0.0.0/8,::1,fd00::/8",
    )
    assert environment.outbound_hosts == ("api.example.com", "*.example.org", "127.0.0.1:8080", "[::1]:80", "*")
    assert environment.outbound_private == ("intranet.example", "10.0.0.0/8", "::1", "fd00::/8")


def test_a_mail_server_is_read_from_its_url_and_its_password_not_shown(data_folder):
    environment = load(data_folder, EMAIL_URL="smtp+tls://shop:p%40ss-77@mail.example.com:587")
    assert environment.mail["EMAIL_HOST_PASSWORD"] == "p@ss-77"
    assert environment.mail["EMAIL_USE_TLS"] is True
    assert "p@ss-77" not in repr(environment)


def test_a_deployment_with_a_database_server_is_reminded_of_its_keys(settings, data_folder):
    server = "postgres://stepline:secret@db.example/stepline"
    settings.ENVIRONMENT = load(data_folder, DATABASE_URL=server)
    assert [message.id for message in check_encryption_keys(None)] == ["stepline.W001"]
    settings.ENVIRONMENT = load(data_folder, DATABASE_URL=server, STEPLINE_ENCRYPTION_KEYS=KEYS[0])
    assert not check_encryption_keys(None)
    settings.ENVIRONMENT = load(data_folder)
    assert not check_encryption_keys(None)
    settings.ENVIRONMENT = load(data_folder, DATABASE_URL=server)
    assert "stepline.W001" in [message.id for message in run_checks(include_deployment_checks=True)]


def test_a_bad_key_stops_manage_py_with_one_line(start):
    program = start([sys.executable, "manage.py", "check"], STEPLINE_ENCRYPTION_KEYS="nonsense")
    assert program.wait() == 1
    assert len(program.lines) == 1
    assert program.lines[0].startswith("stepline: STEPLINE_ENCRYPTION_KEYS: the key isn't 32 bytes")
