# What people and CI run. Each target sets up what it needs first; see tools/setup.sh.

.PHONY: test test-faults demo bench neon docs release release-check clean

# Many tests wait for others, so one process more than there are processors.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# PYTHONSAFEPATH: the installed package is tested, not the folder of the same name.
test: ## check style and types, run every test
	@tools/setup.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	PYTHONSAFEPATH=1 .venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-faults: ## the long form of the fault suite, about 30 minutes; ARGS="-k clocks" for parts of it
	@tools/setup.sh dev
	EDGE_GUARD_FAULTS=long PYTHONSAFEPATH=1 .venv/bin/pytest tests/faults $(ARGS)

demo: ## play a guarded line on this machine; ARGS="--seconds 60 --json" for scripts
	@tools/setup.sh demo
	.venv/bin/edge-guard demo $(ARGS)

bench: ## measure kernels, peers and bundles on this machine; ARGS="nearest --json" for parts of it
	@tools/setup.sh dev
	.venv/bin/python tools/bench $(ARGS)

neon: ## build the kernels for ARM and run their tests in an emulator
	@tools/setup.sh dev
	PYTHONSAFEPATH=1 .venv/bin/pytest tests/kernels/test_kernel_native.py -k neon

docs: ## write the generated parts of the documentation again, build the site into build/site
	@tools/setup.sh dev
	.venv/bin/python tools/write_docs.py
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

release: ## build wheels, their libraries, SBOM and checksums into dist/; ARGS="-o DIR"
	@tools/setup.sh dev
	.venv/bin/python tools/release $(ARGS)

release-check: ## install and run what 'make release' made, also for ARM and under systemd; ARGS="--long"
	@tools/setup.sh dev
	.venv/bin/python tools/release/check.py $(ARGS)

clean: ## remove everything that the other targets have made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-data
