# Everything a developer of Blog does, one word each: `make` alone lists the words.
# Kept to what GNU make 3.81 (macOS) and a POSIX shell understand, and to folders with spaces in their names.

ARGS =

.PHONY: help environment serve test format lint types imports unit coverage integration lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'PYTHON=python3.12 chooses the interpreter of .venv;'
	@echo 'ARGS="…" is passed on by serve, unit, integration and lock.'

# .venv holds exactly what requirements.lock names, and this project. `.venv/ready` is written last and says where .venv
# was made and of what; where that is missing or another place, or the Python in .venv does not run, it is made anew.
define make_environment
set -eu
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0

made_of=$(pwd -P; cksum requirements.lock; cksum pyproject.toml Makefile)
version() { "$1" -I -c 'import sys; print(sys.version_info[:3])' </dev/null 2>/dev/null; }
works() {
    [ "$(head -n 1 .venv/ready 2>/dev/null)" = "$(pwd -P)" ] && found=$(version .venv/bin/python) &&
        { [ -z "${PYTHON-}" ] || [ "$(version "$PYTHON")" = "$found" ]; }
}
ready() { works && [ "$(cat .venv/ready)" = "$made_of" ]; }
if ready; then exit 0; fi

fail() { printf '%s\n' "$*" >&2; exit 1; }

# Prints the interpreter behind a name, if it is new enough and really runs: pyenv has shims that do not.
interpreter() {
    "$1" -I -c 'import sys; assert sys.version_info >= (3, 11); print(sys._base_executable)' </dev/null 2>/dev/null
}
can_make_environments() { "$1" -I -c 'import ensurepip, venv' 2>/dev/null; }
each_candidate() {
    set -f; IFS=:
    for name in python3.13 python3.12 python3.11 python3; do
        for folder in $PATH; do printf '%s\n' "$folder/$name"; done
    done
}
python= without_venv=
if [ -n "${PYTHON-}" ]; then
    python=$(interpreter "$PYTHON") || fail "PYTHON=$PYTHON is not a Python 3.11 or later that runs."
    can_make_environments "$python" || without_venv=$python
else
    while [ -z "$python" ] && read -r candidate; do
        [ -f "$candidate" ] && [ -x "$candidate" ] && candidate=$(interpreter "$candidate") || continue
        if can_make_environments "$candidate"; then python=$candidate; else without_venv=$candidate; fi
    done <<candidates
$(each_candidate)
candidates
    python=${python:-$without_venv}
fi
uv=
if uv --version >/dev/null 2>&1; then uv=uv; fi
if [ -z "$uv" ] && [ -z "$python" ]; then
    fail 'Blog needs Python 3.11 or later and the PATH has none: install one, or name it with PYTHON=/path/to/python3.'
elif [ -z "$uv" ] && [ "$python" = "$without_venv" ]; then
    fail "$python cannot make environments: install that part with \`apt install python3-venv\`, then run make again."
fi

# Only one make at a time works on .venv; the lock is on this file and ends with the shell that holds it.
trap 'exit 130' INT; trap 'exit 143' TERM HUP
exec 9<Makefile
hold() { "${python:-false}" -I -c "import fcntl; fcntl.flock(9, fcntl.LOCK_EX | $1)" 2>/dev/null; }
if [ -n "$python" ] && ! hold fcntl.LOCK_NB; then
    echo 'Waiting for another make, which is at work on .venv …'
    hold 0 || :
    if ready; then exit 0; fi
fi

if [ -e .venv ] && ! [ -w .venv ]; then fail 'Another user made .venv: remove it as that user, then run make again.'; fi

log=$(mktemp "${TMPDIR:-/tmp}/blog.XXXXXX") ticker=
begin() {
    printf '%s ...' "$1"
    ( while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do printf .; done ) 9<&- &
    ticker=$!
}
end() { [ -z "$ticker" ] || { kill "$ticker" 2>/dev/null || :; ticker=; printf '%s\n' "$1"; }; }
trap 'end ""; rm -f "$log"' EXIT

from_uv() { uv pip install --quiet --python .venv/bin/python "$@"; }
from_pip() { .venv/bin/python -I -m pip install --quiet "$@"; }
project() { "$1" --no-deps --no-build-isolation --editable .; }
everything() { "$1" --require-hashes -r requirements.lock && project "$1"; }
made=
if works && [ "$(sed -n 2p .venv/ready)" = "$(cksum requirements.lock)" ]; then
    begin 'Bringing the environment in .venv up to date'
    rm -f .venv/ready
    if project "from_${uv:-pip}" >>"$log" 2>&1; then made=yes; else end ''; fi
fi
if [ -z "$made" ]; then
    begin 'Making the environment in .venv (about a minute, once)'
    for tool in $uv pip; do
        rm -rf .venv
        case $tool in
        uv) uv venv --quiet --python "${python:->=3.11}" .venv && everything from_uv ;;
        # An index that only pip is set up for is no reason to give up.
        pip) [ -n "$python" ] && "$python" -I -m venv .venv && everything from_pip ;;
        esac >>"$log" 2>&1 && made=yes && break
    done
fi
if [ -z "$made" ]; then
    end ''
    rm -rf .venv
    if grep -qiE 'retrying|failed to fetch|connection|timed out' "$log" && ! grep -qi 'hash' "$log"; then
        fail 'The packages could not be fetched: run make again when the network, or the package index, is back.'
    fi
    tail -n 12 "$log" >&2
    fail 'The environment could not be made; above is why. Run make again when that is mended.'
fi
printf '%s\n' "$made_of" >.venv/ready
end ' done'
endef

environment: export script := $(value make_environment)
environment: ## make .venv, or bring it up to date (at once when it is)
	@eval "$$script"

serve: environment ## run the service (ARGS="--port 8080")
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

unit: environment ## run the tests that need no database (ARGS="-k slug")
	@.venv/bin/pytest tests/unit $(ARGS)

coverage: environment ## run the same and demand every line of the domain and the application
	@.venv/bin/pytest tests/unit --cov=blog.domain --cov=blog.application \
	    --cov-report=term-missing:skip-covered --cov-fail-under=100

integration: environment ## run the tests on a real PostgreSQL, which they start (ARGS="-k search")
	@.venv/bin/pytest -n 2 tests/integration $(ARGS)

# hatchling asks for `editables` only at the moment it installs a project editable, so no resolution finds it.
lock: ## work out requirements.lock anew, with uv (ARGS="--upgrade" for newer versions)
	@PATH="$$PATH:$$PWD/.venv/bin"; \
	uv --version >/dev/null 2>&1 || { echo 'make lock needs uv: install it with `pipx install uv`.' >&2; exit 1; }; \
	echo editables | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --extra all --group dev --custom-compile-command 'make lock' pyproject.toml - -o requirements.lock $(ARGS)

clean: ## remove .venv and everything else that was made
	@rm -rf .venv .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	@find src tests examples migrations -name __pycache__ -type d -prune -exec rm -rf {} +
