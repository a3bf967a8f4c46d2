//! The example with nginx, as its README has it: real instances, real restarts, real checks; with
//! programs alone, and with Ansible.
//!
//! Where nginx or Ansible is missing the test says SKIPPED; it fails instead when
//! `HOLDPOINT_REQUIRE_NGINX` is set.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::{
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use holdpoint_tests::Data;
use serde_json::json;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nginx");

/// How many instances there are.
const INSTANCES: usize = 4;

/// A definition that is watched for as long as a test has time for.
const WATCH: &str = "300ms";

/// Whether the test can be played here; says so where it cannot.
fn is_there(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let mut asking = Command::new(program);
        let asked = asking.arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
        !asked.is_ok_and(|status| status.success())
    });
    let Some(missing) = missing else { return true };
    let required = std::env::var_os("HOLDPOINT_REQUIRE_NGINX").is_some_and(|value| value == "1");
    assert!(!required, "`{missing}` is missing, and HOLDPOINT_REQUIRE_NGINX is set");
    // Past what keeps the output of a test that passes to itself.
    let said = format!("SKIPPED: `{missing}` is not on this machine\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    false
}

/// What the programs of the example are found by: those of the test's own environment.
fn with_path(command: &mut Command) -> &mut Command {
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("LC_ALL", "C.UTF-8")
}

/// A fleet of nginx with release 1, and a data directory with the example in it. It ends with this.
struct Fleet {
    data: Data,
    ports: Vec<u16>,
}

impl Fleet {
    fn set_up(configuration: &str) -> Self {
        let data = Data::new();
        let listeners: Vec<TcpListener> =
            (0..INSTANCES).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> =
            listeners.iter().map(|one| one.local_addr().unwrap().port()).collect();
        drop(listeners);
        let fleet = Self { data, ports };
        let ports = fleet.ports.iter().map(u16::to_string);
        let mut set_up = Command::new("sh");
        set_up.arg(format!("{EXAMPLE}/set-up")).arg(fleet.data.beside()).args(ports);
        let made = set_up.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fleet.data.must(&["init"]);
        let from = Path::new(EXAMPLE).join(configuration);
        std::fs::copy(from, fleet.data.path().join("holdpoint.toml")).unwrap();
        fleet.data.must(&["project", "create", "web", "--as", "ada"]);
        let definition = format!("{EXAMPLE}/rolling-nginx.yaml");
        fleet.data.must(&["definitions", "publish", &definition, "--as", "ada"]);
        fleet
    }

    fn target(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.ports[index])
    }

    /// Rolls a release out; answers with how the run ended, and with what happened in it.
    #[track_caller]
    fn roll_out(&self, version: &str) -> (String, String) {
        let targets: Vec<String> = (0..INSTANCES).map(|index| self.target(index)).collect();
        let input = json!({ "targets": targets, "version": version, "watch": WATCH }).to_string();
        let submit = ["submit", "rolling-nginx", "--input-json", &input, "--as", "ada"];
        let run = self.data.ask(&submit)["number"].to_string();
        let worked = with_path(&mut self.data.command(&["work"])).output().unwrap();
        let said = String::from_utf8_lossy(&worked.stderr).into_owned();
        assert!(worked.status.success(), "{said}");
        let shown = self.data.ask(&["show", &run]);
        (shown["outcome"].as_str().unwrap_or_else(|| panic!("{shown}\n{said}")).to_owned(), said)
    }

    /// What each instance answers.
    fn answers(&self) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = async |port| {
            let answer = holdpoint_tests::get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
            answer.text().await.unwrap().trim().to_owned()
        };
        self.ports.iter().map(|port| runtime.block_on(answer(port))).collect()
    }

    /// Which process each instance is.
    fn processes(&self) -> Vec<String> {
        let file = |port: &u16| -> PathBuf {
            self.data.beside().join(format!("fleet/instances/{port}/nginx.pid"))
        };
        self.ports.iter().map(|port| std::fs::read_to_string(file(port)).unwrap()).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let mut tear_down = Command::new("sh");
        drop(tear_down.arg(format!("{EXAMPLE}/tear-down")).arg(self.data.beside()).status());
    }
}

fn plays(configuration: &str) {
    let fleet = Fleet::set_up(configuration);
    let all = |release: &str| vec![release.to_owned(); INSTANCES];
    assert_eq!(fleet.answers(), all("release 1"));

    let first = fleet.processes();
    let (outcome, said) = fleet.roll_out("2");
    assert_eq!(outcome, "completed", "{said}");
    assert_eq!(fleet.answers(), all("release 2"));
    let second = fleet.processes();
    for (before, after) in first.iter().zip(&second) {
        assert_ne!(before, after, "a binary was not started anew");
    }

    // Release 3 answers 503: it is caught at the first instance, and undone there.
    let (outcome, said) = fleet.roll_out("3");
    assert_eq!(outcome, "rolled-back", "{said}");
    assert!(said.contains("answered 503 instead of 200"), "{said}");
    assert!(said.contains(&format!("{} (wave 1) was restored", fleet.target(0))), "{said}");
    assert_eq!(fleet.answers(), all("release 2"));
    let third = fleet.processes();
    assert_ne!(third[0], second[0]);
    assert_eq!(third[1..], second[1..], "others than the first instance were touched");
    for index in 1..INSTANCES {
        assert!(!said.contains(&fleet.target(index)), "{said}");
    }

    // Release 4 is none that nginx accepts: nothing is changed at all.
    let (outcome, said) = fleet.roll_out("4");
    assert_eq!(outcome, "rolled-back", "{said}");
    assert!(said.contains("pre_check"), "{said}");
    assert_eq!((fleet.answers(), fleet.processes()), (all("release 2"), third));
}

#[test]
fn a_release_is_rolled_out_over_nginx_by_programs() {
    if is_there(&["/usr/sbin/nginx"]) {
        plays("holdpoint.toml");
    }
}

#[test]
fn a_release_is_rolled_out_over_nginx_by_ansible() {
    if is_there(&["/usr/sbin/nginx", "ansible-playbook"]) {
        plays("holdpoint-ansible.toml");
    }
}

#[test]
fn the_definition_of_the_example_keeps_its_promises() {
    let data = Data::new();
    let tested = data.must(&["test", EXAMPLE]);
    assert!(tested.contains("4 scenarios: 4 passed"), "{tested}");
}
