"""Define what should happen: definitions, plans, runs and the scripts that fulfil their actions."""
