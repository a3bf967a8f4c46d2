# What developers and CI run. `make ci` is all that CI does.

.PHONY: ci fmt clippy doc test power example demo deny

ci: fmt clippy doc test power demo deny

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The README's command for the tests.
test:
	cargo test --workspace

# What survives kills, errors and failures of power, at length; docs/durability.md. Where the power
# cannot be cut, that part says SKIPPED, or fails when HOLDPOINT_REQUIRE_POWER_CUT is set.
power:
	HOLDPOINT_TEST_POWER_CUTS=200 HOLDPOINT_TEST_CRASH_ROUNDS=200 HOLDPOINT_TEST_FAULTS_STEP=1 \
	cargo test -p holdpoint-log-sled --test crash --test faults --test power_cut -- --nocapture

# The README's command for the main job, in a directory of its own.
demo:
	directory=$$(mktemp -d) && cargo run --release -- demo --dir $$directory/demo; \
	status=$$?; rm -rf "$$directory"; exit $$status

# Licences, sources and duplicates of what we depend on; https://embarkstudios.github.io/cargo-deny
deny:
	cargo deny --locked check bans licenses sources
