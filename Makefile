# The commands of this repository. `make help` lists them; each is a script below scripts/.
.DEFAULT_GOAL := help

.PHONY: help
help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## sets up, builds and shows a fleet: this server and twelve simulated ones (DEMO=once checks it and ends)
	@scripts/demo.sh

.PHONY: test
test: ## runs all tests: unit, integration, repository rules, units, documentation, Ansible collection
	@scripts/setup.sh build test
	@scripts/test.sh

.PHONY: lint
lint: ## checks formatting, clippy, scripts, licences and banned crates, the Ansible collection
	@scripts/setup.sh build lint
	@scripts/lint.sh

.PHONY: scenarios
scenarios: ## prints which tests play which scenario; fails when a claimed one has none
	@cargo run --locked --quiet -p h8lio-tests --bin scenarios

.PHONY: sim
sim: ## plays the fleet simulator: seeds until a million steps, or SEED=n with its trace (docs/simulator.md)
	@cargo run --locked --quiet --profile sim -p h8lio-fleetsim -- $(if $(SEED),--seed $(SEED)) $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(SIM)

.PHONY: bench
bench: ## measures h8lio beside etcd and node_exporter, into target/bench/report.json (BENCH=planner: a part of it)
	@scripts/bench.sh $(foreach part,$(BENCH),--only $(part))

.PHONY: packages
packages: ## builds the Debian packages into target/packages and looks into them
	@scripts/setup.sh build packages
	@scripts/packages.sh $(PACKAGES)

.PHONY: lab-up
lab-up: ## boots three real servers, emulated, and leaves them to be used (docs/lab.md)
	@scripts/lab.sh up $(LAB)

.PHONY: lab-down
lab-down: ## stops the lab, also what a killed run left of it
	@scripts/lab.sh down

.PHONY: lab-test
lab-test: ## checks on real servers: STAGE=name, or the core of every stage
	@scripts/lab.sh test $(if $(STAGE),--stage $(STAGE)) $(LAB)

.PHONY: man
man: ## writes the man pages into target/man
	@scripts/man.sh

.PHONY: mutants
mutants: ## removes the guards of identity, session and audit one by one (hours; not in CI)
	@scripts/mutants.sh $(MUTANTS)

.PHONY: clean-demo
clean-demo: ## stops a demo that was left running and removes .demo
	@scripts/demo.sh clean
