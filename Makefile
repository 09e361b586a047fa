# Every target does its own set-up: Python 3.13 or uv, make and a network are enough.
# Node comes from a Python package, so the machine needs none.

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check bench bench-delivery bench-quota bench-digests \
  bench-returned bench-suppression suppressions-import suppressions-export fuzz bench-content \
  templates-check templates-push templates-pull guard-report screenshots kills checkov fmt \
  docs probe reread doctor login lock clean peers FORCE
MAKEFLAGS += --no-builtin-rules
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

RUN := .venv/bin/python
AZURITE := local/azurite/node_modules/.installed
NODEMAILER := bench/nodemailer/node_modules/.installed
AXE := tests/browser/node_modules/.installed

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(AZURITE) ## everything the other targets need (they do it themselves)

demo: $(AZURITE) ## start the local stack, send real messages, show what became of them (KEEP=1: stay up)
	@$(RUN) -m local demo $(if $(KEEP),--keep)

run: $(AZURITE) ## keep the local stack up for development, with reload on change
	@$(RUN) -m local run

test: check peers $(AXE) ## check, then every test
	$(RUN) -m pytest $(PYTEST)

check: $(AZURITE) ## ruff, mypy, and whether locks and documents fit the code
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) make/lock.py
	$(RUN) make/docs.py --check

bench: $(AZURITE) $(NODEMAILER) ## benchmarks, each beside the peer that it is compared to
	@$(RUN) -m bench

bench-delivery: $(NODEMAILER) ## handing over, beside nodemailer, aiosmtplib and smtplib (under 3 minutes)
	@$(RUN) -m bench delivery

bench-quota: .venv/.installed ## the quota governor over a simulated hour: 20 mailboxes, 3 instances
	@$(RUN) -m bench quota

bench-digests: $(AZURITE) ## storage transactions of the timer that sends digests (BENCH_RECIPIENTS=…, each with ten items)
	@$(RUN) -m bench digests

bench-returned: .venv/.installed ## reading returned mail, beside flufl.bounce
	@$(RUN) -m bench returned

bench-suppression: $(AZURITE) ## what asking costs with 100 and 100,000 suppressed, and importing them (BENCH_SUPPRESSIONS=…)
	@$(RUN) -m bench suppression

suppressions-import: .venv/.installed ## send FILE=suppressions.csv to the app at MAILROOM_URL
	@$(RUN) -m shared.suppression import $(FILE) $(ARGS)

suppressions-export: .venv/.installed ## write the suppressions of the app at MAILROOM_URL to FILE=suppressions.csv
	@$(RUN) -m shared.suppression export $(FILE) $(ARGS)

probe: .venv/.installed ## test delivery by the app at MAILROOM_URL to TO=… (else its probe mailbox), or tell of MAIL=saved.eml
	@$(RUN) -m shared.delivery_tests $(if $(MAIL),read $(MAIL),send $(TO)) $(ARGS)

fuzz: .venv/.installed ## mutated mails for the reader of returned mail (SECONDS=600)
	@$(RUN) -m tests.returned.fuzz $(SECONDS)

bench-content: .venv/.installed ## rendering mails and making MIME of them, beside the straightforward way
	@$(RUN) -m bench content

templates-check: .venv/.installed ## what is wrong with the templates in templates/ (FOLDER=…)
	@$(RUN) -m shared.templates check $(or $(FOLDER),templates)

templates-push: .venv/.installed ## bring them into the app at MAILROOM_URL, as drafts (ARGS="--dry-run", "--publish")
	@$(RUN) -m shared.templates push $(or $(FOLDER),templates) $(ARGS)

templates-pull: .venv/.installed ## write the app's templates into the folder (ARGS=--dry-run)
	@$(RUN) -m shared.templates pull $(or $(FOLDER),templates) $(ARGS)

guard-report: .venv/.installed ## how much of its labelled set the guard against sensitive data finds
	@$(RUN) -m tests.guard.report

screenshots: peers $(AZURITE) $(AXE) ## take the pictures of docs/screenshots in Chromium
	$(RUN) -m tests.browser.screenshots

kills: $(AZURITE) ## kill hosts: 50 times under a load of 1,000 messages, and amid 2,000 digests, and count
	KILLS=50 MESSAGES=1000 $(RUN) -m pytest tests/end_to_end/test_crash.py -k random -q -s
	DIGEST_RECIPIENTS=2000 $(RUN) -m pytest tests/end_to_end/test_digests.py -q -s

# A Python environment of its own: checkov asks for an old parser of Bicep, and for much else.
checkov: .local/checkov/.installed ## what checkov has against the Bicep in infra/ (fetches it once)
	.local/checkov/bin/checkov --config-file infra/.checkov.yaml

.local/checkov/.installed: infra/.checkov.version .venv/.installed
	rm -rf .local/checkov
	$(RUN) -m venv --without-pip .local/checkov
	$(RUN) -m uv pip install -q --python .local/checkov/bin/python checkov==$$(cat infra/.checkov.version)
	$(RUN) -m uv pip install -q --python .local/checkov/bin/python pycep-parser==0.7.1
	@touch $@

fmt: .venv/.installed ## format, and repair what ruff can repair
	$(RUN) -m ruff check --fix-only .
	$(RUN) -m ruff format .

docs: .venv/.installed ## write what follows from the code into README, docs and example settings
	$(RUN) make/docs.py

reread: .venv/.installed ## read kept returned mail again, as after an upgrade (ARGS=--dry-run: only tell)
	@$(RUN) -m shared.feedback --reread $(ARGS)

doctor: .venv/.installed ## examine settings, identity, Key Vault, token, storage and clock (SETTINGS=local.settings.json, ARGS=--json)
	@$(RUN) -m shared.doctor $(if $(SETTINGS),--settings $(SETTINGS)) $(ARGS)

login: .venv/.installed ## sign in a user for the delegated flow; the token cache goes to Key Vault (ARGS=--replace)
	@$(RUN) -m shared.accounts.login $(ARGS)

lock: .venv/.installed ## compile the locks from pyproject.toml and package.json (UPGRADE=--upgrade: newest)
	$(RUN) -m uv pip compile -q $(UPGRADE) --generate-hashes pyproject.toml -o requirements.txt
	$(RUN) -m uv pip compile -q $(UPGRADE) --generate-hashes pyproject.toml --group dev -o requirements-dev.txt
	sh make/npm.sh local/azurite install --package-lock-only
	sh make/npm.sh bench/nodemailer install --package-lock-only
	sh make/npm.sh tests/browser install --package-lock-only

clean: ## remove everything that make made, the local stack's data included
	rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .hypothesis local/azurite/node_modules bench/nodemailer/node_modules tests/browser/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Postfix, Dovecot and Chromium, where this user may install them; the tests that need them say so
# if not.
peers:
	@sh make/peers.sh

.venv/.made: make/venv.sh
	sh make/venv.sh
	@touch $@

# A Python that was removed or moved since leaves a dangling link: make the environment anew.
ifeq ($(realpath $(RUN)),)
.venv/.made: FORCE
endif

.venv/.installed: requirements-dev.txt make/install.sh .venv/.made
	sh make/install.sh
	@touch $@

$(AZURITE) $(NODEMAILER) $(AXE): %/node_modules/.installed: %/package.json %/package-lock.json make/npm.sh | .venv/.installed
	sh make/npm.sh $* ci
	@touch $@
