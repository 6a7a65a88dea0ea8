# Each target makes the environment it needs; it is made anew only when the
# project's metadata have changed since.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo notebooks test coverage lint clean
.NOTPARALLEL:

demo: $(VENV)/.demo
	$(BIN)/tinyconv train

notebooks: $(VENV)/.notebooks
	$(BIN)/python -m examples.notebooks

# Two processes share the files of tests, in their order (few tests of a file may take longest);
# `python -m pytest` alone runs the same in one.
test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Kernels that lie compiled on the disk would hide the code that compiles them.
coverage: $(VENV)/.test
	$(BIN)/coverage erase && rm -rf build/coverage
	NUMBA_CACHE_DIR=build/coverage $(BIN)/coverage run -m pytest
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info

# The test environment holds everything that the demo needs, so the demo takes it if it is there.
$(VENV)/.demo: setup.cfg pyproject.toml
	@if test -e $(VENV)/.test; then $(MAKE) --no-print-directory $(VENV)/.test; \
	else $(call install,cli,a minute); fi
	@touch $@

$(VENV)/.notebooks: setup.cfg pyproject.toml
	@if test -e $(VENV)/.test; then $(MAKE) --no-print-directory $(VENV)/.test; \
	else $(call install,notebooks,a minute); fi
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml
	@$(call install,test,a few minutes: TensorFlow is among it)
	@touch $@

define install
echo "Installing into $(VENV) (once, $(2))" && \
$(PYTHON) -m venv $(VENV) && \
$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[$(1)]'
endef
