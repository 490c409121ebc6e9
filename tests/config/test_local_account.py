"""The local account of `make run`."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from config.local_account import account_path, read_account

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def local(settings, data_folder):
    """Run with DEBUG and an empty data folder."""
    settings.DEBUG = True
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, data_dir=data_folder)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def path(data_folder):
    return account_path(data_folder)


def test_it_is_made_once_with_a_generated_password(path):
    call_command("local_account")
    account = read_account(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Client().login(username=account.username, password=account.password)
    call_command("local_account")
    assert read_account(path) == account
    assert User.objects.count() == 1


def test_two_installations_have_different_passwords(path):
    call_command("local_account")
    first = read_account(path)
    path.unlink()
    User.objects.all().delete()
    call_command("local_account")
    assert read_account(path).password != first.password


def test_without_debug_there_is_none(path, settings):
    settings.DEBUG = False
    call_command("local_account")
    assert not path.exists()
    assert not User.objects.exists()


def test_where_somebody_administers_already_there_is_none(path):
    User.objects.create_superuser("boss", password="x")
    call_command("local_account")
    assert not path.exists()
    assert User.objects.count() == 1


def test_a_new_database_gets_the_kept_password(path):
    call_command("local_account")
    password = read_account(path).password
    User.objects.all().delete()
    call_command("local_account")
    assert read_account(path).password == password
    assert Client().login(username="admin", password=password)


def test_a_changed_password_is_not_printed_any_more(path):
    call_command("local_account")
    user = User.objects.get()
    user.set_password("my own")
    user.save()
    call_command("local_account")
    assert not path.exists()
    assert Client().login(username="admin", password="my own")


def test_a_password_that_was_only_hashed_anew_stays(path):
    call_command("local_account")
    account = read_account(path)
    user = User.objects.get()
    user.set_password(account.password)
    user.save()
    call_command("local_account")
    assert read_account(path).password == account.password
    assert read_account(path).encoded == user.password


@pytest.mark.parametrize("content", ["", "{", "[]", '{"username": "admin"}'])
def test_a_damaged_file_is_worth_none(path, content):
    path.write_text(content)
    assert read_account(path) is None
