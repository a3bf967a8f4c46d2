# What developers and CI run. `make ci` is all that CI does.

.PHONY: ci fmt clippy doc test example demo deny

ci: fmt clippy doc test demo deny

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The README's command for the tests.
test:
	cargo test --workspace

# The README's command for the main job, in a directory of its own.
demo:
	directory=$$(mktemp -d) && cargo run --release -- demo --dir $$directory/demo; \
	status=$$?; rm -rf "$$directory"; exit $$status

# Licences, sources and duplicates of what we depend on; https://embarkstudios.github.io/cargo-deny
deny:
	cargo deny --locked check bans licenses sources
