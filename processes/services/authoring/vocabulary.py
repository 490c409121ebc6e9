"""Tell an editor what may be written: the format, scripts and their configs, what is inherited or can be called."""

import re
from collections.abc import Sequence

from processes.domain.authoring.definition_schema import definition_schema, target_schema
from processes.domain.definition import JUMPABLE, LIFECYCLE
from processes.domain.json_values import JSON, copy_json
from processes.domain.merge import Merged, merge
from processes.domain.scripts import ScriptSpec, config_schema
from processes.models import ProcessTemplate
from processes.services.authoring.reading import read_layers
from processes.services.catalogue import catalogue, queryset_names
from processes.services.library import Source, read_library

__all__ = ["describe_script", "describe_vocabulary"]

#: A sentence about states names them in backticks: "Set the state `show` if …, else `none`."
_STATE_SENTENCE = re.compile(r"[^.]*\bstates?\b[^.]*", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!`)`([A-Za-z][A-Za-z0-9_-]*)`(?!`)")


def describe_vocabulary(*, extends: Sequence[str] = ()) -> dict[str, JSON]:
    """Return what an editor of a template that extends these slugs, in order, may write.

    `{"definition": schema, "target": schema, "lifecycle": {"all": [name], "jumpable": [name]}, "scripts": [{name,
    aliases, summary, documentation, effect, durable, states, requires, errors, config: schema or null}],
    "inherited": {"actions": [{name, script, comment, config, next, source}], "bindings": [{reference, target,
    source}]}, "processes": [{slug, title}]}`. Bases that can't be read are left out: checking the draft reports them.
    """
    library = read_library()
    *bases, _ = read_layers(library, Source(slug="", definition="[]", extends=tuple(extends), bindings={}))
    merged = merge(bases)
    return {
        "definition": definition_schema(),
        "target": target_schema(querysets=queryset_names()),
        "lifecycle": {"all": list(LIFECYCLE), "jumpable": sorted(JUMPABLE)},
        "scripts": _scripts(),
        "inherited": _inherited(merged),
        "processes": [
            {"slug": slug, "title": title}
            for slug, title in ProcessTemplate.objects.order_by("slug").values_list("slug", "title")
            if slug in library.plan_hashes
        ],
    }


def _scripts() -> list[JSON]:
    known = catalogue()
    specs = {spec.name: spec for name in known.names() if (spec := known.find(name)) is not None}
    return [describe_script(specs[name]) for name in sorted(specs)]


def describe_script(spec: ScriptSpec) -> dict[str, JSON]:
    """Return what an editor tells of a script, as `describe_vocabulary` lists it."""
    documentation = spec.documentation
    quoted = [name for sentence in _STATE_SENTENCE.findall(documentation) for name in _QUOTED.findall(sentence)]
    # Such a sentence may name keys of the config too.
    keys = set() if spec.config is None else set(spec.config.model_fields)
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "summary": documentation.partition("\n")[0],
        "documentation": documentation,
        "effect": spec.effect,
        "durable": spec.durable,
        "states": [name for name in dict.fromkeys(quoted) if name not in keys],
        "requires": dict(spec.requires),
        "errors": dict(spec.errors),
        "config": None if spec.config is None else config_schema(spec.config),
    }


def _inherited(merged: Merged) -> dict[str, JSON]:
    return {
        "actions": [
            {
                "name": item.action.name,
                "script": item.action.reference,
                "comment": item.action.comment,
                "config": copy_json(item.action.config),
                "next": item.action.next.to_json(),
                "source": item.layer.name,
            }
            for item in merged.actions
        ],
        "bindings": [
            {"reference": reference, "target": bound.binding.to_json(), "source": bound.layer.name}
            for reference, bound in merged.bindings.items()
        ],
    }
