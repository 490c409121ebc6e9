"""Answer a form that was sent: by the button that was pressed, which the form's definition describes.

What a button does, and where it leads, is never taken from the client. Each claims the revision that the form was made
from, so that of two windows one wins, and the other is told; what was typed is kept whatever becomes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from processes.domain.json_values import JSON
from processes.errors import PermanentError, ProcessError
from processes.models import DataNode
from processes.models.data_node import new_reference
from processes.pages.errors import error_response
from processes.pages.forms import ProcessForm, build_form
from processes.pages.rendering import address_of_form, render_form, render_response
from processes.pages.requests import Executed, kept_query, parameters_of, request_of
from processes.pages.unsaved import unsaved_texts
from processes.services.access import Caller
from processes.services.addresses import address_of
from processes.services.data_nodes import conflict, find_data_node, load_data_node, not_found, promised_node
from processes.services.drafts import keep_draft
from processes.services.entered import Entry, delete_replaced_files, entered_in, keep_entered
from processes.services.errors import ConflictError
from processes.services.foreground import Visit, run_foreground
from processes.services.form_lookup import earlier_form, find_form
from processes.services.forms import ButtonConfig, FormConfig
from processes.services.promises import check_promise
from tasks.errors import TasksError

__all__ = ["answer_form", "sent_node"]

_MAX_REVISION_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """Hold a form that was sent: what it is, the data that it belongs to, and what was entered."""

    request: HttpRequest
    executed: Executed
    caller: Caller
    name: str
    node: DataNode
    parameters: Mapping[str, JSON]
    config: FormConfig
    form: ProcessForm

    @property
    def button(self) -> ButtonConfig:
        """Return the button that was pressed."""
        return self.config.button(self.request.POST.get("button", ""))

    @property
    def entry(self) -> Entry:
        """Return what was typed, to be kept."""
        return Entry(form=self.name, typed=self.form.entered(), query=kept_query(self.request).urlencode())


def answer_form(request: HttpRequest, *, executed: Executed, caller: Caller) -> HttpResponseBase:
    """Do what the pressed button is for, and answer; what goes wrong gives a page that leads back to the form."""
    name, begin = request.POST["form"], address_of(caller)
    try:
        sent = _read(request, executed, caller, name, node=sent_node(request, caller))
        return _answer(sent)
    except ConflictError as error:
        now, unsaved = _compare(request, executed, caller, name, error)
        return error_response(request, error, begin=begin, step_title=now, unsaved=unsaved)
    except (ProcessError, TasksError) as error:
        node = find_data_node(caller=caller, reference=request.POST.get("data", ""))
        back = address_of_form(request, caller=caller, name=name, reference=node.reference) if node is not None else ""
        return error_response(request, error, begin=begin, back=back)


def sent_node(request: HttpRequest, caller: Caller) -> DataNode | None:
    """Return the data node that a request goes on with; for a first step one that isn't stored yet, else None.

    Raises DataNodeNotFoundError where it is none of the caller's, ConflictError where the step was sent before.
    """
    reference = request.POST.get("data", "")
    if not reference:
        return None
    text = request.POST.get("revision", "")
    revision = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_REVISION_DIGITS else None
    node = find_data_node(caller=caller, reference=reference)
    if node is None and revision == 0:
        check_promise(caller=caller, reference=reference, token=request.POST.get("promise", ""))
        return promised_node(caller=caller, reference=reference)
    # Every form of ours bears the revision that it was made from, also one with nothing but buttons: any other was made
    # by somebody else.
    if node is None or revision is None or revision > node.revision:
        raise not_found()
    if revision != node.revision or node.continued_in is not None:
        raise conflict(node)
    return node


def _read(request: HttpRequest, executed: Executed, caller: Caller, name: str, *, node: DataNode | None) -> _Sent:
    # One that bears no reference was not made by a page of ours; it begins with nothing.
    node = node or promised_node(caller=caller, reference=new_reference())
    parameters = {**parameters_of(request.GET), **parameters_of(request.POST)}
    config = find_form(executed.plan, name, parameters=parameters, data=node.data)
    form = build_form(
        config,
        data=node.data,
        entered=entered_in(node, name),
        posted=request.POST,
        files=request.FILES,
        user=request.user,
    )
    return _Sent(
        request=request,
        executed=executed,
        caller=caller,
        name=name,
        node=node,
        parameters=parameters,
        config=config,
        form=form,
    )


def _answer(sent: _Sent) -> HttpResponseBase:
    match sent.button.does:
        case "draft":
            return _keep_draft(sent)
        case "back":
            return _go_back(sent)
        case "leave":
            # Without what was entered: neither as values nor as the parameters in which it came.
            return _run(sent, parameters=parameters_of(sent.request.GET))
    if not sent.form.is_valid():
        return _show_again(sent)
    return _run(sent, parameters=sent.parameters, values=sent.form.cleaned_data, entered=sent.entry)


def _keep_draft(sent: _Sent) -> HttpResponseBase:
    node = keep_draft(caller=sent.caller, node=sent.node, entry=sent.entry).node
    messages.success(sent.request, _("Draft saved."))
    return _lead_to(sent, sent.name, node)


def _go_back(sent: _Sent) -> HttpResponseBase:
    try:
        target = earlier_form(sent.executed.plan, sent.name, action=sent.button.action or "")
    except PermanentError:
        # The definition is wrong: its editor must know, and whoever filled the form in must lose nothing.
        keep_entered(caller=sent.caller, node=sent.node, entry=sent.entry, claims=False)
        raise
    kept = keep_entered(caller=sent.caller, node=sent.node, entry=sent.entry, columns={"step": target})
    _delete_replaced_files(sent, kept.node)
    return _lead_to(sent, target, kept.node)


def _show_again(sent: _Sent) -> HttpResponseBase:
    """Show the form with what is wrong with it; its files are kept, so that nobody has to choose them again."""
    kept = keep_entered(caller=sent.caller, node=sent.node, entry=sent.entry, claims=False)
    _delete_replaced_files(sent, kept.node)
    sent.form.show_kept(entered_in(kept.node, sent.name))
    return render_form(
        sent.request,
        sent.config,
        sent.form,
        template=sent.executed.template,
        caller=sent.caller,
        name=sent.name,
        data=kept.node.data,
        reference=kept.node.reference,
        revision=kept.node.revision,
        status=422,
    )


def _run(
    sent: _Sent,
    *,
    parameters: Mapping[str, JSON],
    values: Mapping[str, object] | None = None,
    entered: Entry | None = None,
) -> HttpResponseBase:
    # Where a button leads is for the definition to say, not for whoever sends the form.
    parameters = {**parameters, "action": sent.button.action, "button": sent.button.name}
    visit = Visit(
        template=sent.executed.template,
        plan=sent.executed.plan,
        request=request_of(sent.request, parameters, node=sent.node),
        caller=sent.caller,
        user=sent.request.user,
        node=sent.node,
        instance=sent.executed.instance,
        claims=True,
        values=values or {},
        entered=entered,
    )
    answer = run_foreground(visit)
    return render_response(
        sent.request, answer.response, template=visit.template, caller=visit.caller, data=answer.data
    )


def _lead_to(sent: _Sent, name: str, node: DataNode) -> HttpResponseBase:
    address = address_of_form(sent.request, caller=sent.caller, name=name, reference=node.reference)
    return HttpResponseRedirect(address, status=303)


def _delete_replaced_files(sent: _Sent, node: DataNode) -> None:
    delete_replaced_files(node=node, candidates=[dict(entered_in(sent.node, sent.name))])


def _compare(
    request: HttpRequest, executed: Executed, caller: Caller, name: str, error: ConflictError
) -> tuple[str, list[tuple[str, str]]]:
    """Return the title of the step at which the data stands, and what of the sent form isn't among the data."""
    try:
        node = load_data_node(caller=caller, reference=error.fields["reference"])
        sent = _read(request, executed, caller, name, node=node)
        known = {**node.data, **entered_in(node, sent.name)}
        unsaved = unsaved_texts(sent.config, typed=sent.form.entered(), known=known)
        shown = find_form(executed.plan, node.step, parameters=sent.parameters, data=node.data) if node.step else None
    except ProcessError:
        # It has gone, or the process has changed: the conflict is still what there is to tell.
        return "", []
    return (shown.title if shown is not None else ""), unsaved
