# Everything a developer of Blog does, one word each: `make` alone lists the words.
# Kept to what GNU make 3.81 (macOS) and a POSIX shell understand, and to folders with spaces in their names.

ARGS =
# Plugins that only other tests use take a second to load.
QUICK = -p no:faker -p no:schemathesis

.PHONY: help runtime environment serve test format lint types imports unit coverage integration mutants bench bench-large probe fuzz lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter of .venv;'
	@echo 'ARGS="…" is passed on by serve, unit, integration, bench, probe, fuzz and lock.'

runtime: ## make .venv with what the service needs, or bring it up to date (nothing to do when it is)
	@sh scripts/environment runtime

environment: ## the same, with what tests and checks need
	@sh scripts/environment

serve: runtime ## run the service (ARGS="--port 8080")
	@exec .venv/bin/blog serve $(ARGS)

test: lint types imports coverage integration ## run every check and every test, as CI does

format: environment ## rewrite the code in the layout that lint asks for
	@.venv/bin/ruff check --quiet --fix-only
	@.venv/bin/ruff format

lint: environment ## check layout and style
	@.venv/bin/ruff format --check
	@.venv/bin/ruff check

types: environment ## check the types
	@.venv/bin/mypy --strict

imports: environment ## check that the layers only know the layers further in
	@.venv/bin/lint-imports --no-logo

unit: environment ## run the tests of the rules, in seconds (ARGS="-k draft")
	@.venv/bin/pytest $(QUICK) -m "not http" tests/unit $(ARGS)

coverage: environment ## run all that need no database, and demand every line of domain and application
	@.venv/bin/pytest $(QUICK) -n 2 tests/unit --cov=blog.domain --cov=blog.application \
	    --cov-report=term-missing:skip-covered --cov-fail-under=100

integration: environment ## run the tests on a real PostgreSQL, which they start (ARGS="-k migration")
	@.venv/bin/pytest -n 2 tests/integration $(ARGS)

mutants: environment ## change the rules in small ways and see whether a test notices (minutes)
	@rm -rf mutants
	@.venv/bin/mutmut run && .venv/bin/mutmut results

bench: environment ## measure how fast it is (minutes; ARGS="--only article", or "--help" for all there is)
	@.venv/bin/python -m bench $(ARGS)

bench-large: environment ## the same with a million articles, which takes half an hour the first time
	@.venv/bin/python -m bench --large $(ARGS)

probe: environment ## attack a service of its own and print figures (minutes; ARGS="slow_readers" for one of probes/)
	@.venv/bin/python -m probes $(ARGS)

fuzz: environment ## send made-up requests to a service of its own for ten minutes (ARGS="--help" for all there is)
	@.venv/bin/python -m fuzz $(ARGS)

lock: ## work out requirements.lock and requirements-dev.lock anew, with uv (ARGS="--upgrade" for newer versions)
	@sh scripts/lock $(ARGS)

clean: ## remove .venv and everything else that was made
	@rm -rf .venv .venv.old .pdm-build .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist mutants
	@find src tests examples migrations bench fuzz probes -name __pycache__ -type d -prune -exec rm -rf {} +
