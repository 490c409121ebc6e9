"""Create the local account on the first start; only where DEBUG is on."""

from dataclasses import replace

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from config.local_account import USER_NAME, LocalAccount, account_path, generate_password, read_account, write_account


class Command(BaseCommand):
    """Keep one local superuser whose password `up` can print."""

    help = "Create the local account that `up` prints, with a generated password; does nothing unless DEBUG is on."

    def handle(self, *args: object, **options: object) -> None:
        """Create the account when there is none, and forget it when its password was changed."""
        if not settings.DEBUG:
            return
        path = account_path(settings.ENVIRONMENT.data_dir)
        account = read_account(path)
        user = User.objects.filter(username=account.username if account else USER_NAME).first()
        if user is None:
            if account is None and User.objects.filter(is_superuser=True).exists():
                return
            self._create(account)
        elif account is not None and user.password != account.encoded:
            if user.check_password(account.password):
                write_account(path, replace(account, encoded=user.password))
            else:
                path.unlink(missing_ok=True)

    def _create(self, account: LocalAccount | None) -> None:
        password = account.password if account else generate_password()
        encoded = make_password(password)
        # The file first: a crash between the two leaves a password that the next start uses, not a user without one.
        write_account(
            account_path(settings.ENVIRONMENT.data_dir),
            LocalAccount(username=USER_NAME, password=password, encoded=encoded),
        )
        User.objects.create(username=USER_NAME, password=encoded, is_staff=True, is_superuser=True)
