# The tasks of the project. `just` lists them; each is also a plain shell command, so `just` itself is not needed.

# Lists the tasks
default:
    @just --list --unsorted

# Compiles everything, dev build
build:
    cargo build --workspace --all-targets --locked

# Starts a master and two secondaries, dev build; takes flags of `acklog up`
try *FLAGS:
    cargo try up {{ FLAGS }}

# Runs the tests without real processes: units, transcripts, random schedules, pages
quick:
    cargo test --locked -p acklog-types -p acklog-protocol -p acklog-log --lib
    cargo test --locked --test golden --test props --test tidy --test docs

# Runs all tests; takes a filter as `just test a_hung`
test *ARGS:
    cargo test --locked {{ ARGS }}

# Checks format and lints
lint:
    cargo fmt --check
    cargo clippy --locked --workspace --all-targets -- -D warnings

# Runs all checks of a change
gate:
    .ci/run

# Writes the golden transcripts again; look at the difference
golden:
    UPDATE_GOLDENFILES=1 cargo test --locked --test golden

# Runs random schedules in the simulator, as `just sim 0..1000`
sim SEEDS="0..10000":
    cargo run --locked --release -p acklog-sim -- --seeds {{ SEEDS }}

# Runs demos, as `just demo crash partition`
demo *NAMES="all":
    scripts/demo {{ NAMES }}

# Plays a scenario, as `just scenario scenarios/crash.txt --simulate`
scenario FILE *FLAGS:
    cargo try scenario run {{ FILE }} {{ FLAGS }}

# Kills nodes at random moments under load
crash-run ROUNDS="100":
    scripts/crash-run {{ ROUNDS }}

# Tests the clients in Python and JavaScript, with the interpreters that are there
clients *PARTS:
    scripts/test-clients {{ PARTS }}

# Tests the page in a headless browser, or makes its pictures for the docs, as `just page pictures`
page *PARTS:
    scripts/test-page {{ PARTS }}

# Tests the responses of a cluster against docs/openapi.json; needs Python 3 with pip
schemathesis:
    scripts/schemathesis

# Tests the rules, the board and the alerts of deploy/ with Prometheus; fetches it where it is not installed
monitoring:
    scripts/check-monitoring

# Measures appends beside a bare HTTP server, release build
bench:
    scripts/bench

# Writes the documentation of the code, in target/doc
doc:
    cargo doc --workspace --no-deps --locked

# Runs a fuzz target for some seconds, as `just fuzz frame 600`; needs cargo-fuzz
fuzz TARGET SECONDS="60":
    mkdir -p target/fuzz/{{ TARGET }}
    cargo fuzz run --sanitizer none --features libfuzzer {{ TARGET }} target/fuzz/{{ TARGET }} fuzz/corpus/{{ TARGET }} \
        -- -max_total_time={{ SECONDS }} -rss_limit_mb=2048 \
        -max_len={{ if TARGET == "master" { "600" } else if TARGET == "secondary" { "600" } else { "4096" } }}

# Checks licences and advisories of the dependencies; needs cargo-deny
audit:
    scripts/audit
