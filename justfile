# The commands of CONTRIBUTING.md, for `just`: `just`, `just test solvers`.

# What there is.
default:
    @just --list

# Types and lints, with every feature.
check:
    cargo clippy --locked --all-targets --all-features -- -D warnings
    cargo fmt --all --check

# Every test; with a word, those of that name.
test *words:
    cargo test --locked --all-features -- {{words}}

# The tests of one binary, vocabulary, engine or collection, without optimizing the library: for a quick look.
quick binary *words:
    cargo test -p thalweg-tests --all-features --config profile.dev.package.thalweg.opt-level=1 \
        --test {{binary}} -- {{words}}

# The pages of the documentation.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked -p thalweg --no-deps --all-features

# Everything that is checked before a merge.
ci:
    .ci/run

# Writes docs/public-api.txt anew.
api:
    cargo run --manifest-path tests/public-api/Cargo.toml -- --update

# The ratios of docs/figures.md.
figures *sections:
    cargo bench --bench figures --features rayon,linalg -- {{sections}}

# Licences and sources of all dependencies, by `cargo install cargo-deny`.
deny:
    cargo deny --workspace --all-features --locked check bans licenses sources

# Mutants of `rules`, `engine` or `line_search`, so many drawn by a seed, by `cargo install cargo-mutants`.
mutants room="line_search" count="30" seed="1":
    tests/mutants/run --seed {{seed}} {{room}} {{count}}

# The programs of the guide that step tensors of candle and burn, whose crates nothing else builds.
bridges:
    cargo run --locked --manifest-path examples/bridges/Cargo.toml
    cargo run --locked --manifest-path examples/bridges/burn/Cargo.toml
