"""The form of a leave request."""

from django import forms

from examples.leave_requests.models import LeaveRequest


class LeaveRequestForm(forms.ModelForm):
    """Ask for a leave; the model's `clean` holds its days to each other."""

    class Meta:
        model = LeaveRequest
        fields = ("kind", "department", "first_day", "last_day", "note")
        widgets = {
            "first_day": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "last_day": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }
