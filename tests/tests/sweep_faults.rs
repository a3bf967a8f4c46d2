//! Faults at every place of what ships and works on machines: every step fails once at every target, for good and so
//! that it is tried again, every check is bad and tells nothing once, and every program is run twice under the same
//! key. The end is always done, undone, or what a person decided where the run said what could be done; and
//! the real machines are as the log says.
//!
//! The machines are directories that real programs write to, behind a real server that answers by what is in them.
//! All runs are under way at once, in one engine on a real log.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod fast_clock;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use fast_clock::FastClock;
use holdpoint::{
    DataDirectory,
    core::{
        Action, Actor, Authentication, Command, CommandId, Digest, Outcome, RunId, RunStatus,
        RunView, Steering, Vote, evidence::NewEvidence, view::ConditionView,
    },
    engine::{ActivityHandler, Attempt, Engine, Submission, Takes},
};
use holdpoint_log::verify;
use holdpoint_log_sled::SledLog;
use holdpoint_tests::{Data, shipped_with_machines};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// How many times faster than time the clock runs.
const FAST: i32 = 10;
/// How often all runs are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Nobody waits longer for all of them.
const PATIENCE: Duration = Duration::from_secs(600);

/// What ships and has work done at machines. The last says whether each step of a target is undone at once.
const ROLLOUTS: [(&str, &str, bool); 5] = [
    ("rolling-rollout", include_str!("../../workflows/rolling-rollout.yaml"), false),
    ("canary-rollout", include_str!("../../workflows/canary-rollout.yaml"), true),
    ("standard-change", include_str!("../../workflows/standard-change.yaml"), false),
    ("normal-change", include_str!("../../workflows/normal-change.yaml"), false),
    ("emergency-change", include_str!("../../workflows/emergency-change.yaml"), false),
];
const CUTOVER: &str = include_str!("../../workflows/cutover.yaml");

/// `fail` in a machine's directory makes the next program there stop half-way, with the exit code in it.
const CONFIGURATION: &str = r#"
[activity.is-ready]
command = ["/bin/sh", "-c", "cd $0; [ ! -e fail ] || exit $(cat fail)", "machines/${target}"]
final = [2]
[activity.drain]
command = ["/bin/sh", "-c", "cd $0; touch out; [ ! -e fail ] || exit $(cat fail)", "machines/${target}"]
final = [2]
[activity.deploy]
command = ["/bin/sh", "-c", "cd $0; echo torn > version; [ ! -e fail ] || exit $(cat fail); echo $1 > version", "machines/${target}", "${version}"]
final = [2]
[activity.smoke-test]
command = ["/bin/sh", "-c", "cd $0; [ ! -e fail ] || exit $(cat fail)", "machines/${target}"]
final = [2]
[activity.undrain]
command = ["/bin/sh", "-c", "cd $0; [ ! -e fail ] || exit $(cat fail); rm -f out", "machines/${target}"]
final = [2]
[activity.restore]
command = ["/bin/sh", "-c", "cd $0; echo torn > version; [ ! -e fail ] || exit $(cat fail); echo 1 > version", "machines/${target}"]
final = [2]
[activity.transfer]
command = ["/bin/sh", "-c", "cd $0; echo both > version; [ ! -e fail ] || exit $(cat fail)", "machines/${service}"]
final = [2]
[activity.switch]
command = ["/bin/sh", "-c", "cd $0; [ ! -e fail ] || exit $(cat fail); echo 2 > version", "machines/${service}"]
final = [2]
[activity.revert]
command = ["/bin/sh", "-c", "cd $0; echo torn > version; [ ! -e fail ] || exit $(cat fail); echo 1 > version", "machines/${service}"]
final = [2]
[health]
hosts = ["127.0.0.0/8"]
"#;

/// How a step goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// So that another attempt makes sense.
    Again,
    /// For good.
    ForGood,
    /// The machine answers that it is not well.
    Bad,
    /// The machine does not answer.
    Silent,
}

impl How {
    /// What `fail` says.
    const fn word(self) -> &'static str {
        match self {
            Self::Again => "1",
            Self::ForGood => "2",
            Self::Bad => "bad",
            Self::Silent => "silent",
        }
    }
}

/// What is to go wrong: by the machine and the step.
type Faults = Arc<Mutex<BTreeMap<(String, String), How>>>;

/// Has every program run twice: of the first time nobody learns how it ended.
struct Twice {
    inner: Arc<dyn ActivityHandler>,
    machines: PathBuf,
    faults: Faults,
    /// A check is asked again and again in any case.
    times: usize,
}

#[async_trait]
impl ActivityHandler for Twice {
    fn takes(&self, input: &Value) -> Takes {
        self.inner.takes(input)
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let (machine, step) = place(&attempt);
        let fault = self.faults.lock().unwrap().remove(&(machine.clone(), step));
        let file = self.machines.join(machine).join("fail");
        if let Some(how) = fault {
            fs::write(&file, how.word()).unwrap();
        }
        for _ in 1..self.times {
            self.inner.attempt(attempt.clone()).await;
        }
        let outcome = self.inner.attempt(attempt).await;
        if fault.is_some() {
            fs::remove_file(file).unwrap();
        }
        outcome
    }
}

/// The machine and the step of `implement#1/web-1/check-2`, or the service and the state of `switch#1`.
fn place(attempt: &Attempt) -> (String, String) {
    let effect = attempt.effect.as_str();
    let Some((_, rest)) = effect.split_once('/') else {
        let service = attempt.input["service"].as_str().unwrap();
        return (service.to_owned(), effect.split('#').next().unwrap().to_owned());
    };
    let (machine, step) = rest.rsplit_once('/').unwrap();
    (machine.to_owned(), step.split_once('-').map_or(step, |(step, _)| step).to_owned())
}

/// Answers for every machine, each of which has an address of its own; gives the port.
fn serve(machines: PathBuf) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let machine = machines.join(stream.local_addr().unwrap().to_string());
            thread::spawn(move || {
                // Who gives up does not ask to the end.
                let _ = stream.read(&mut [0; 4096]);
                let fails = fs::read_to_string(machine.join("fail")).unwrap_or_default();
                if fails == How::Silent.word() {
                    return;
                }
                let version = fs::read_to_string(machine.join("version")).unwrap_or_default();
                let is_good = matches!(version.trim(), "1" | "2") && fails != How::Bad.word();
                let status = if is_good { "200 OK" } else { "500 Torn" };
                let headers = "content-length: 0\r\nconnection: close";
                let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}\r\n\r\n");
            });
        }
    });
    port
}

/// What a person does where a rollout does not know how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Person {
    TriesAgain,
    TakesOver,
    Skips,
    Aborts,
}

const PEOPLE: [Person; 4] = [Person::TriesAgain, Person::TakesOver, Person::Skips, Person::Aborts];

/// A run with what goes wrong in it.
struct Case {
    name: &'static str,
    undoes_at_once: bool,
    /// By the number of the machine and the step.
    faults: Vec<(usize, &'static str, How)>,
    person: Person,
    machines: Vec<String>,
    run: Option<RunId>,
    was_stuck: bool,
}

impl Case {
    fn what(&self) -> String {
        format!("{} {:?} {:?}", self.name, self.faults, self.person)
    }
}

/// What ships, has machines work and is not played here yet.
const NOT_PLAYED: [&str; 2] = ["blue-green-rollout", "cutover-rehearsal"];

#[test]
fn what_ships_and_has_machines_work_is_played_or_named() {
    let mut told: BTreeSet<String> = cases().iter().map(|case| case.name.to_owned()).collect();
    assert!(NOT_PLAYED.iter().all(|name| told.insert((*name).to_owned())), "it is played");
    assert_eq!(told, shipped_with_machines());
}

/// All that goes wrong once.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, undoes_at_once, faults: &[(usize, &'static str, How)], person| {
        let (machines, run) = (Vec::new(), None);
        let faults = faults.to_vec();
        cases.push(Case { name, undoes_at_once, faults, person, machines, run, was_stuck: false });
    };
    for (name, source, at_once) in ROLLOUTS {
        add(name, at_once, &[], Person::TriesAgain);
        let forward: &[&str] = if at_once {
            &["pre_check", "drain", "deploy", "verify", "undrain"]
        } else {
            &["deploy"]
        };
        let back: &[&str] =
            if at_once { &["undo_drain", "restore", "undo_undrain"] } else { &["restore"] };
        for machine in [0, 1] {
            for step in forward {
                for how in [How::Again, How::ForGood] {
                    add(name, at_once, &[(machine, *step, how)], Person::TriesAgain);
                }
            }
            if source.contains("healthy:") {
                add(name, at_once, &[(machine, "check", How::Bad)], Person::TriesAgain);
                for person in PEOPLE {
                    add(name, at_once, &[(machine, "check", How::Silent)], person);
                }
            }
            for step in back {
                // With steps the machine that failed is undone at once, else all are, from the last.
                let fails = if at_once { machine } else { 1 };
                // Only one that serves again is drained on its way back.
                let (fault, goes_wrong) = match *step {
                    "undo_drain" => ("check", How::Bad),
                    _ => ("deploy", How::ForGood),
                };
                for (how, people) in [(How::Again, &PEOPLE[..1]), (How::ForGood, &PEOPLE[..3])] {
                    for person in people {
                        let faults = [(fails, fault, goes_wrong), (machine, *step, how)];
                        add(name, at_once, &faults, *person);
                    }
                }
            }
        }
    }
    for faults in [
        &[][..],
        &[(0, "transfer", How::ForGood)],
        &[(0, "switch", How::ForGood)],
        &[(0, "transfer", How::ForGood), (0, "revert", How::ForGood)],
    ] {
        add("cutover", false, faults, Person::TriesAgain);
    }
    cases
}

/// The definition, with checks that take moments and that give up soon.
fn quickly(source: &str) -> String {
    let checks = "for: 20ms\n          every: 10ms\n          inconclusive_limit: 1";
    let inline = "for: 20ms, every: 10ms, inconclusive_limit: 1 }";
    let source = source.replace("for: \"${input.bake}\"", checks);
    let source = source.replace("/health\", for: 1m }", &format!("/health\", {inline}"));
    source.replace("          for: 1m\n", &format!("          {checks}\n"))
}

/// What is submitted.
fn input(case: &Case) -> Value {
    let mut input = json!({ "title": "t" });
    let more = match case.name {
        "cutover" => {
            json!({
                "domain": "storage", "service": case.machines[0], "rehearsed": true, "support": "1m",
            })
        }
        "canary-rollout" => json!({ "bake": "10s", "observe": "10s" }),
        "standard-change" => json!({ "procedure": "patch" }),
        "normal-change" => json!({ "risk": "low", "domain": "storage", "items": ["hall"] }),
        "emergency-change" => json!({ "incident": "INC-1" }),
        _ => json!({}),
    };
    if case.name != "cutover" {
        input["targets"] = json!(case.machines);
        input["version"] = json!("2");
    }
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

/// A data directory with all that the runs need.
fn office() -> Data {
    let data = Data::new();
    data.must(&["init"]);
    data.must(&["project", "create", "lab", "--as", "ada"]);
    for (member, roles) in [
        ("bob", &["engineer", "board"][..]),
        ("eve", &["engineer", "board"]),
        ("pam", &["project-manager"]),
        ("sue", &["service-owner"]),
        ("olli", &["operations", "tester"]),
        ("carl", &["change-authority", "emergency-authority"]),
        ("max", &["change-manager"]),
        ("tom", &["technical-authority"]),
        ("sam", &["sponsor", "incident-commander"]),
    ] {
        let roles = roles.iter().flat_map(|role| ["--role", role]);
        let words = ["project", "member", "add", member].into_iter().chain(roles);
        data.must(&words.chain(["--as", "ada"]).collect::<Vec<_>>());
    }
    for member in ["tom", "bob", "eve"] {
        let words = ["project", "qualify", member, "storage", "--issuer", "the school"];
        data.must(&words.into_iter().chain(["--as", "ada"]).collect::<Vec<_>>());
    }
    // They are open for as long as the fast clock runs.
    let open = "windows: [{ starts: 2020-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]";
    for (name, text) in [
        ("cutover", open),
        ("maintenance", open),
        ("freeze", "freezes: [{ from: 2020-01-01, to: 2020-01-02 }]"),
    ] {
        let file = data.beside().join(format!("{name}.yaml"));
        fs::write(&file, format!("calendar: {name}\nzone: UTC\n{text}\n")).unwrap();
        data.must(&["calendar", "publish", file.to_str().unwrap(), "--as", "ada"]);
    }
    let sources = ROLLOUTS.iter().map(|(_, source, _)| *source).chain([CUTOVER]);
    for source in sources {
        let file = data.beside().join("definition.yaml");
        fs::write(&file, quickly(source)).unwrap();
        data.must(&["definitions", "publish", file.to_str().unwrap(), "--as", "ada"]);
    }
    fs::write(data.path().join("holdpoint.toml"), CONFIGURATION).unwrap();
    data
}

/// Makes the machines of a case, and says what is to go wrong at them.
fn make(case: &mut Case, number: usize, port: u16, machines: &Path, faults: &Faults) {
    let octets = (number / 100, number % 100 + 1);
    let name = |n| match case.name {
        "cutover" => format!("hall-{number}"),
        _ => format!("127.{}.{}.{}:{port}", octets.0 + 1, octets.1, n + 1),
    };
    case.machines = (0..2).map(name).collect();
    for machine in &case.machines {
        fs::create_dir_all(machines.join(machine)).unwrap();
        fs::write(machines.join(machine).join("version"), "1\n").unwrap();
    }
    let mut all = faults.lock().unwrap();
    for (machine, step, how) in &case.faults {
        all.insert((case.machines[*machine].clone(), (*step).to_owned()), *how);
    }
}

fn command(who: &str, action: Action) -> Command {
    Command {
        id: CommandId::from_uuid(Uuid::now_v7()),
        actor: Actor::Member(who.parse().unwrap()),
        auth: Authentication::new("test"),
        trace: None,
        action,
    }
}

fn steer(steering: Steering, target: Option<String>) -> Action {
    let (reason, over) = (Some("so".to_owned()), Default::default());
    Action::Steer { steering, target, reason, state: None, over }
}

/// What people do where the run stands so: whatever a hold waits for, and where it is stuck what the case
/// says, or else another try.
fn people(case: &Case, view: &RunView) -> Vec<(String, Action)> {
    let rollout = view.rollout.as_ref();
    if view.status == RunStatus::Stuck {
        let targets = rollout.iter().flat_map(|rollout| &rollout.targets);
        let mut unclear = targets.filter(|one| matches!(one.state, "stuck" | "unchecked"));
        let mut skipped = || unclear.next().map(|one| one.target.clone());
        let wanted = match case.person {
            Person::TriesAgain => steer(Steering::Retry, None),
            Person::TakesOver => steer(Steering::TakeOver, None),
            Person::Skips => steer(Steering::Skip, skipped()),
            Person::Aborts => steer(Steering::Abort, None),
        };
        // What is not possible here is refused, and then it is tried again.
        let again = steer(Steering::Retry, None);
        return vec![("ada".to_owned(), wanted), ("ada".to_owned(), again)];
    }
    if rollout.is_some_and(|rollout| rollout.phase == "held") {
        return vec![("bob".to_owned(), steer(Steering::Promote, None))];
    }
    let does = |condition: &ConditionView| {
        let name = condition.name.clone();
        let action = match condition.kind {
            "approval" => Action::vote(Vote::Approve, None),
            "task" => Action::Done { hold: None, task: Some(name), note: Some("so".to_owned()) },
            "evidence" => {
                let digest = Digest::of(name.as_bytes());
                let reference = Some("https://files.example.com/1".to_owned());
                let media_type = Some("application/pdf".to_owned());
                let evidence =
                    NewEvidence { digest, size: None, file: None, media_type, reference };
                Action::Attach { name, evidence, note: None }
            }
            _ => return None,
        };
        let who = match condition.candidates.iter().find(|one| one.lacks.is_none()) {
            Some(who) => who.member.to_string(),
            // Everyone may attach what is demanded of nobody.
            None if condition.kind == "evidence" => "pam".to_owned(),
            None => return None,
        };
        Some((who, action))
    };
    let conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
    conditions.filter(|condition| !condition.met).filter_map(does).collect()
}

/// Whether the machines are as the run says that has ended.
fn agrees(case: &Case, view: &RunView, machines: &Path, outcome: &str) {
    let is = |machine: &str| {
        let machine = machines.join(machine);
        assert!(!machine.join("fail").exists(), "{}: it fails for ever", case.what());
        let version = fs::read_to_string(machine.join("version")).unwrap();
        (version.trim().to_owned(), machine.join("out").exists())
    };
    for target in view.rollout.iter().flat_map(|rollout| &rollout.targets) {
        let (version, is_out) = is(&target.target);
        let told = match target.state {
            "healthy" => version == "2" && !is_out,
            "waiting" | "restored" => version == "1" && !is_out,
            "failed" if case.undoes_at_once => version == "1" && !is_out,
            "failed" => version != "1",
            // A person said so, and knows.
            "skipped" | "taken_over" => true,
            _ => false,
        };
        assert!(told, "{}: {target:?}, but it has {version}, out {is_out}", case.what());
    }
    if case.name == "cutover" {
        let version = is(&case.machines[0]).0;
        let told = match outcome {
            "completed" => version == "2",
            "reverted" => version == "1",
            "recovered-by-hand" => true,
            _ => false,
        };
        assert!(told, "{}: {outcome}, but it has {version}", case.what());
    }
}

/// Plays all cases at once; answers with how they ended.
async fn play(
    engine: &Engine,
    cases: &mut Vec<Case>,
    machines: &Path,
) -> BTreeMap<(&'static str, String), usize> {
    for case in cases.iter_mut() {
        let submission = Submission {
            command: CommandId::from_uuid(Uuid::now_v7()),
            actor: Actor::Member("pam".parse().unwrap()),
            auth: Authentication::new("test"),
            trace: None,
            definition: case.name.parse().unwrap(),
            version: None,
            input: input(case),
        };
        let submitted = engine.submit(&"lab".parse().unwrap(), submission).await;
        case.run = Some(submitted.unwrap_or_else(|no| panic!("{}: {no:?}", case.what())).run);
    }
    let began = Instant::now();
    let mut ends = BTreeMap::new();
    while !cases.is_empty() {
        let mut open = Vec::new();
        for mut case in std::mem::take(cases) {
            let run = case.run.unwrap();
            let view = engine.run(run).await.unwrap().view;
            if let RunStatus::Ended { outcome } = &view.status {
                agrees(&case, &view, machines, outcome);
                let asks = case.faults.iter().any(|(_, _, how)| *how == How::Silent);
                assert!(case.was_stuck || !asks, "{}: nobody was asked", case.what());
                *ends.entry((case.name, outcome.clone())).or_default() += 1;
                continue;
            }
            assert!(began.elapsed() < PATIENCE, "{}: it comes to no end: {view:?}", case.what());
            if view.status == RunStatus::Stuck {
                case.was_stuck = true;
                assert!(!view.next_steps.is_empty(), "{}: nobody can help: {view:?}", case.what());
            }
            for (who, action) in people(&case, &view) {
                // It may stand elsewhere by now, and what comes first suffices.
                if engine.command(run, command(&who, action)).await.is_ok()
                    && view.status == RunStatus::Stuck
                {
                    break;
                }
            }
            open.push(case);
        }
        *cases = open;
        tokio::time::sleep(TICK).await;
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_once_the_end_is_told_and_the_machines_are_as_it_says() {
    let data = office();
    let machines = data.path().join("machines");
    let port = serve(machines.clone());
    let faults = Faults::default();
    let mut cases = cases();
    for (number, case) in cases.iter_mut().enumerate() {
        make(case, number, port, &machines, &faults);
    }

    let directory = DataDirectory::open(data.path()).unwrap();
    let log = directory.log("test").await.unwrap();
    let clock = FastClock { began: Timestamp::now(), times: FAST };
    let check = directory.configuration().health_check().unwrap();
    let handlers = directory.configuration().activities();
    let programs = handlers.map(|(name, handler)| (name, Arc::clone(handler), 2));
    let mut builder = directory.engine_on(Arc::clone(&log) as Arc<_>).unwrap();
    for (name, inner, times) in programs.chain([("http-check", Arc::new(check) as Arc<_>, 1)]) {
        let (machines, faults) = (machines.clone(), Arc::clone(&faults));
        builder = builder.activity(name, Arc::new(Twice { inner, machines, faults, times }));
    }
    let engine = builder.clock(Arc::new(clock)).start().await.unwrap();
    let (count, began) = (cases.len(), Instant::now());
    let ends = play(&engine, &mut cases, &machines).await;
    println!("{count} runs in {:.1?}: {ends:?}", began.elapsed());
    engine.shutdown().await;
    assert_eq!(*faults.lock().unwrap(), BTreeMap::new(), "what did not go wrong");
    verify(&*log as &SledLog).await.unwrap();
    // Each came to each of its ends.
    for (name, outcomes) in [
        ("rolling-rollout", &["completed", "rolled-back", "failed"][..]),
        ("canary-rollout", &["completed", "rolled-back"]),
        ("standard-change", &["completed", "failed"]),
        ("normal-change", &["completed", "rolled-back", "failed"]),
        ("emergency-change", &["completed"]),
        ("cutover", &["completed", "reverted", "recovered-by-hand"]),
    ] {
        for outcome in outcomes {
            let key = (name, (*outcome).to_owned());
            assert!(ends.contains_key(&key), "{key:?} is none of {ends:?}");
        }
    }
}
