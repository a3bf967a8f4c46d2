//! Engines killed with SIGKILL at random moments, again and again, under real work: nothing that
//! was acknowledged is lost, and the work always goes on to its end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::{collections::BTreeSet, thread, time::Duration};

use holdpoint_tests::{Data, Machine};
use serde_json::{Value, json};

/// How many processes are killed, at least.
const KILLS_MIN: usize = 30;

/// How many rounds are played at most; far more than it takes.
const ROUNDS_MAX: u64 = 200;

/// A process lives no longer than this before it is killed, the first time.
const LIFE_MS_MAX: u64 = 400;
/// How much longer it may live each time it came to no end: a busy machine needs long for anything.
const LIFE_MS_MORE: u64 = 50;

const CONFIGURATION: &str = r#"
[activity.deploy]
http = { method = "POST", url = "http://${target}/deploy", hosts = ["127.0.0.1"] }
[activity.restore]
http = { method = "POST", url = "http://${target}/restore", hosts = ["127.0.0.1"] }
[health]
hosts = ["127.0.0.1"]
"#;

const DEFINITION: &str =
    include_str!("../../crates/definition/tests/samples/valid/approved-change.yaml");

/// A check that takes longer than a process lives would never come to its end.
const BAKE: &str = "for: \"${input.bake}\"";
const BAKE_QUICKLY: &str = "for: \"${input.bake}\"\n          every: 20ms";

/// The state of the test: what was acknowledged so far.
struct Trial {
    data: Data,
    random: fastrand::Rng,
    /// The whole history as it was last seen.
    history: Vec<String>,
    kills: usize,
}

impl Trial {
    fn set_up(seed: u64) -> Self {
        let data = Data::new();
        data.must(&["init"]);
        std::fs::write(data.path().join("holdpoint.toml"), CONFIGURATION).unwrap();
        let file = data.beside().join("approved-change.yaml");
        assert!(DEFINITION.contains(BAKE));
        std::fs::write(&file, DEFINITION.replace(BAKE, BAKE_QUICKLY)).unwrap();
        data.must(&["project", "create", "lab", "--as", "ada"]);
        for member in ["bob", "cy"] {
            data.must(&["project", "member", "add", member, "--role", "engineer", "--as", "ada"]);
            let issuer = ["--issuer", "the school", "--as", "ada"];
            data.must(&[&["project", "qualify", member, "network"], &issuer[..]].concat());
        }
        data.must(&["definitions", "publish", file.to_str().unwrap(), "--as", "ada"]);
        let history = data.history();
        Self { data, random: fastrand::Rng::with_seed(seed), history, kills: 0 }
    }

    /// Runs a command and kills it at a random moment; answers with its output when it came to
    /// its end before.
    fn run_and_kill(&mut self, arguments: &[&str], round: u64) -> Option<String> {
        let mut child = self.data.start(arguments);
        // The moment of the kill is what is random here; nothing is waited for.
        let life = self.random.u64(0..LIFE_MS_MAX + round * LIFE_MS_MORE);
        thread::sleep(Duration::from_millis(life));
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            child.kill().unwrap();
            self.kills += 1;
        }
        let output = child.wait_with_output().unwrap();
        if !ended && !output.status.success() {
            return None;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "holdpoint {arguments:?}: {errors}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// Sends a command until it is acknowledged, with the same id each time.
    fn insist(&mut self, arguments: &[&str]) -> Value {
        let id = uuid_from(&mut self.random);
        let arguments = [arguments, &["--command-id", &id, "--json"]].concat();
        for round in 0..ROUNDS_MAX {
            let answer = self.run_and_kill(&arguments, round);
            self.look();
            if let Some(answer) = answer {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                let sequence = usize::try_from(answer["sequence"].as_u64().unwrap()).unwrap();
                let last: Value = serde_json::from_str(&self.history[sequence - 1]).unwrap();
                assert_eq!(last["cause"], *id, "the answer names the command's last event");
                return answer;
            }
        }
        panic!("{arguments:?} was never acknowledged");
    }

    /// What was there before is there still, byte for byte, at the same place.
    fn look(&mut self) {
        let history = self.data.history();
        assert!(history.starts_with(&self.history), "the history was changed or is shorter");
        self.history = history;
    }

    fn run(&self, number: &Value) -> Value {
        self.data.ask(&["show", &number.to_string()])
    }
}

fn uuid_from(random: &mut fastrand::Rng) -> String {
    let hex = format!("{:032x}", random.u128(..));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap();
    format!("{}-{}-7{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

/// Every change that a machine has made was announced in the log before, and none was made twice.
async fn compare(machines: &[Machine], history: &[String]) {
    let mut announced = BTreeSet::new();
    for event in history {
        let event: Value = serde_json::from_str(event).unwrap();
        if event["type"] == "holdpoint.activity.started" {
            let (run, effect) = (&event["subject"], &event["data"]["effect"]);
            announced.insert(format!("{}/{}", run.as_str().unwrap(), effect.as_str().unwrap()));
        }
    }
    for machine in machines {
        let records = machine.records().await;
        assert_eq!(records["without_key"], 0);
        let keys: Vec<&str> = records["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["key"].as_str().unwrap())
            .collect();
        let distinct: BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "a change was made twice: {records}");
        for key in keys {
            assert!(announced.contains(key), "`{key}` is not in the history");
        }
    }
}

#[tokio::test]
async fn what_is_killed_at_any_moment_goes_on_where_it_was() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut trial = Trial::set_up(seed);
    let machines: Vec<Machine> =
        (0..6).map(|n| Machine::start(30, (n == 2).then_some("3"))).collect();
    let targets: Vec<&str> = machines.iter().map(|machine| machine.address.as_str()).collect();
    let mut version = 1;
    let mut good = String::new();
    while trial.kills < KILLS_MIN || version < 3 {
        version += 1;
        let input = json!({
            "title": format!("Version {version}"),
            "risk": "medium",
            "domain": "network",
            "items": ["core"],
            "targets": targets,
            "version": version.to_string(),
            "bake": "10ms",
        });
        let submit =
            ["submit", "approved-change", "--input-json", &input.to_string(), "--as", "ada"];
        let number = trial.insist(&submit)["number"].clone();
        for member in ["bob", "cy"] {
            trial.insist(&["approve", &number.to_string(), "--as", member]);
        }
        let mut rounds = 0;
        let run = loop {
            trial.run_and_kill(&["work"], rounds);
            trial.look();
            compare(&machines, &trial.history).await;
            let run = trial.run(&number);
            if run["status"] == "ended" {
                break run;
            }
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "the run does not come to its end: {run}");
        };
        let outcome = if version == 3 { "rolled-back" } else { "completed" };
        assert_eq!(run["outcome"], outcome, "{run}");
        if version != 3 {
            good = version.to_string();
        }
        for machine in &machines {
            assert_eq!(machine.records().await["version"], *good);
        }
        trial.data.must(&["verify"]);
    }
    println!("{} kills, {} events", trial.kills, trial.history.len());
}
