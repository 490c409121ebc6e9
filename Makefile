# Stepline's commands. They need Python 3.11 or newer and make; everything else comes from the lock files.

HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=

# Any Python that is new enough; a name on the PATH may also be a shim without a Python behind it.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$name; break; fi; done)

VENV := .venv/bin
LOCK := $(VENV)/uv pip compile -q --universal --python-version 3.11 --no-python-downloads --generate-hashes \
	--no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help run demo test check bench lock build clean messages environment dev-environment

help:
	@echo "make run     start everything at http://$(HOST):$(PORT) (HOST=, PORT= to change)"
	@echo "make demo    import 3,376 airports through the running stack, without a browser"
	@echo "make test    check, then all tests (ARGS= goes to pytest)"
	@echo "make check   lint, types, layers, migrations, system checks"
	@echo "make bench   measure, one JSON object a line"
	@echo "make messages bring the catalogues of translations up to date"
	@echo "make lock    pin the dependencies anew"
	@echo "make build   build the wheel and the source distribution"
	@echo "make clean   remove caches and builds; data (var/) and .venv stay"

environment dev-environment:
	@if [ -z "$(PYTHON)" ]; then echo "stepline: no Python 3.11 or newer found: install one, or name it with PYTHON=/path/to/python3" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "stepline: PYTHON=$(PYTHON) isn't a Python 3.11 or newer: name one, or leave it out" >&2; exit 1; }
	@$(PYTHON) requirements/sync.py $(if $(filter dev-environment,$@),dev,runtime)

run: environment
	@exec env DEBUG=1 $(VENV)/python manage.py up --host "$(HOST)" --port "$(PORT)"

demo: dev-environment
	@exec $(VENV)/python -m examples.csv_import.demo

# The checks look at a data folder of their own, so that they neither see nor touch the data of `make run`.
check: export STEPLINE_DATA_DIR := $(CURDIR)/var/check
check: dev-environment
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports --no-cache
	$(VENV)/python manage.py makemigrations --check --dry-run
	$(VENV)/python manage.py check --fail-level WARNING
	@echo "manage.py check --deploy, with a production's environment"
	@env -u DEBUG -u STEPLINE_HTTPS -u STEPLINE_HSTS_SECONDS -u BROKER_URL -u CHANNEL_LAYER_URL \
		SECRET_KEY="$$($(VENV)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		STEPLINE_ENCRYPTION_KEYS="$$($(VENV)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')" \
		ALLOWED_HOSTS=stepline.example CSRF_TRUSTED_ORIGINS=https://stepline.example \
		DATABASE_URL=postgres://stepline:secret@db.example/stepline REDIS_URL=redis://broker.example/0 \
		$(VENV)/python manage.py check --deploy --fail-level WARNING

test: check
	@exec $(VENV)/python -m tests $(ARGS)

bench: dev-environment
	@exec $(VENV)/python -m benchmarks

messages: dev-environment
	@exec $(VENV)/python -m tests.catalogues

lock: dev-environment
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) requirements/peers.in -o requirements/peers.txt

build: dev-environment
	$(VENV)/python -m build --no-isolation

clean:
	rm -rf build dist test-results .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache var/check var/peers var/peers.lock
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
