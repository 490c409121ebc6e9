"""Every text that people see has a translation, and the compiled catalogues are those of the texts."""

import re

import pytest
from babel.messages.catalog import Message
from django.contrib import admin
from django.template import engines
from django.utils import translation
from django.utils.functional import Promise

from tests.catalogues import LANGUAGES, PARTS, Part, collect, compiled, is_translated, read

EVERY = [
    pytest.param(part, language, id=f"{part.package}-{part.domain}-{language}")
    for part in PARTS
    for language in LANGUAGES
]
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sd]|\{\w*\}")


def messages(part: Part, language: str | None = None) -> dict[tuple[object, str | None], Message]:
    catalog = collect(part) if language is None else read(part, language)
    return {(message.id, message.context): message for message in catalog if message.id}


@pytest.mark.parametrize(("part", "language"), EVERY)
def test_a_catalogue_holds_the_texts_of_the_code_and_no_others(part: Part, language: str) -> None:
    # `make messages` brings it up to date.
    assert set(messages(part, language)) == set(messages(part))


@pytest.mark.parametrize(("part", "language"), EVERY)
def test_every_text_is_translated(part: Part, language: str) -> None:
    assert [message.id for message in messages(part, language).values() if not is_translated(message)] == []


def test_what_the_admin_lists_has_names_in_the_reader_s_language() -> None:
    packages = tuple(part.package.replace("/", ".") for part in PARTS)
    ours = [model._meta for model in admin.site._registry if model.__module__.startswith(packages)]
    names = [
        name for meta in ours for name in (meta.verbose_name, meta.verbose_name_plural, meta.app_config.verbose_name)
    ]
    assert [str(name) for name in names if not isinstance(name, Promise)] == []


@pytest.mark.parametrize(("part", "language"), EVERY)
def test_a_translation_has_the_placeholders_of_its_text(part: Part, language: str) -> None:
    for message in messages(part, language).values():
        wanted = texts_of(message.id)
        for string in texts_of(message.string):
            # The singular may leave the number out.
            assert placeholders(string) <= placeholders(wanted[-1]), message.id
        assert placeholders(texts_of(message.string)[-1]) == placeholders(wanted[-1]), message.id


@pytest.mark.parametrize(("part", "language"), EVERY)
def test_what_django_reads_was_made_from_the_catalogue(part: Part, language: str) -> None:
    assert part.file(language, "mo").read_bytes() == compiled(read(part, language))


def test_texts_are_collected_from_templates_and_from_code() -> None:
    texts = {message.id for message in collect(PARTS[0])}
    assert "Sign in" in texts  # templates/processes/base.html
    assert "Choose a file." in texts  # processes/pages


def test_a_page_speaks_the_language_that_is_active() -> None:
    template = engines["django"].from_string('{% load i18n %}{% translate "Sign in" %}')
    with translation.override("de"):
        assert template.render() == "Anmelden"


def texts_of(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, tuple | list) else [str(value)]


def placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))
