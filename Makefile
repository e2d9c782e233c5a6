# Everything here sets up .venv by itself, and again only when pyproject.toml or constraints.txt changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check format bench readback loss loss-real swarm docs schemathesis clean

demo: $(READY)  ## server, three clients, a real call, a verdict
	$(BIN)/labsfu demo

test: $(READY)  ## all that this machine can run, on all its cores; one by one what measures real time
	$(BIN)/python -m pytest -n auto

check: $(READY)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.rfc_index --check docs/rfc.md

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readback: $(READY)  ## docs/readback.md: how well pictures are read back, by size and bitrate
	$(BIN)/python -m tests.bench.readback

bench: $(READY)  ## what forwarding a packet costs, what watching does, how fast the API answers, workers and pipes
	$(BIN)/python -m tests.bench.forwarding
	$(BIN)/python -m tests.bench.samples
	$(BIN)/python -m tests.bench.api_latency
	$(BIN)/python -m tests.bench.pipes

loss: $(READY)  ## docs/loss.md: frames through lossy networks, on invented time
	$(BIN)/python -m tests.bench.loss

loss-real: $(READY)  ## the same with aiortc and Chromium as receivers, in real time
	$(BIN)/python -m tests.bench.loss_real --write docs/loss.md

swarm: $(READY)  ## docs/load.md: the largest crowd, and what a client of each kind costs
	$(BIN)/python -m tests.bench.swarm --write

docs: $(READY)  ## docs/rfc.md, from the markers in the tests
	$(BIN)/python -m tests.support.rfc_index --write docs/rfc.md

schemathesis: $(READY)  ## generated requests against what /openapi.json says
	$(BIN)/python -m tests.api.schemathesis_run

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)
