"""An example of a team's own app: the process expense-claim, with the rules that it asks its claims by."""
