"""Clients of people who work in the admin."""

from django.contrib.auth.models import Permission, User
from django.test import Client


def client_with(*verbs: str, name: str = "", staff: bool = True) -> Client:
    """Sign somebody in who may do this (`view`, `add`, `change`, `delete`) with process templates."""
    user = User.objects.create_user(name or "-".join(verbs) or "nobody", is_staff=staff)
    names = [f"{verb}_processtemplate" for verb in verbs]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client
