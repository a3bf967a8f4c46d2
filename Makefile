# What developers and CI run. `make ci` is all that CI does.

.PHONY: ci all fmt clippy doc test fuzz speed power cuts kills example demo deny

ci: all deny

# Kills and power cuts wait for the disk most of the time, so the rest is built and run meanwhile.
all: fmt clippy doc
	$(SHORTLY) $(MAKE) test
	$(MAKE) --jobs=4 --output-sync=target cuts kills example demo

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The README's command for the tests.
test:
	cargo test --workspace

# Texts that nobody would write, for the reader of definitions: FUZZ_CASES of each of five kinds, none
# of which may take two seconds; docs/performance.md.
FUZZ_CASES = 200000
fuzz:
	HOLDPOINT_FUZZ_CASES=$(FUZZ_CASES) HOLDPOINT_FUZZ_SECONDS=2 \
	cargo test --release -p holdpoint-definition --test definition fuzz:: -- --nocapture

# How long a definition of 2,000 lines takes to be checked, and what a rollout costs a target;
# docs/performance.md.
speed:
	cargo test --release -p holdpoint-definition --test definition -- large:: scale:: --nocapture
	cargo test --release -p holdpoint-tests --test scale -- --nocapture

# What survives kills, errors and failures of power; docs/durability.md. Where the power cannot be
# cut, that part says SKIPPED, or fails when HOLDPOINT_REQUIRE_POWER_CUT is set.
# `make power CRASH_ROUNDS=200` looks longer. With the whole workspace named, nothing is built again
# with fewer features.
POWER_CUTS = 200
CRASH_ROUNDS = 60
ENGINE_KILLS = 200
power: cuts kills

cuts:
	HOLDPOINT_TEST_POWER_CUTS=$(POWER_CUTS) HOLDPOINT_TEST_CRASH_ROUNDS=$(CRASH_ROUNDS) \
	HOLDPOINT_TEST_FAULTS_STEP=1 HOLDPOINT_TEST_INTERVENTIONS_STEP=1 \
	cargo test --workspace --test crash --test faults --test power_cut --test interventions -- --nocapture

kills:
	HOLDPOINT_TEST_ENGINE_KILLS=$(ENGINE_KILLS) HOLDPOINT_TEST_KILLS_STEP=1 \
	cargo test --workspace --test kill_engine --test kill_everywhere -- --nocapture

# What CI has `power` do, it has `test` only begin.
SHORTLY = HOLDPOINT_TEST_POWER_CUTS=5 HOLDPOINT_TEST_ENGINE_KILLS=4 HOLDPOINT_TEST_FAULTS_STEP=31 \
	HOLDPOINT_TEST_KILLS_STEP=31

# A workflow in Rust beside a declarative one.
example:
	cargo run --quiet -p holdpoint --example rust_workflow

# The README's command for the main job, in a directory of its own.
demo:
	directory=$$(mktemp -d) && cargo run --release -- demo --dir $$directory/demo; \
	status=$$?; rm -rf "$$directory"; exit $$status

# Licences, sources and duplicates of what we depend on; https://embarkstudios.github.io/cargo-deny
deny:
	cargo deny --locked check bans licenses sources
