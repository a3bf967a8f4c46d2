//! Faults at every place of what ships and works on machines: every step fails once at every target, for good and so
//! that it is tried again, every check is bad and tells nothing once, and every program is run twice under the same
//! key. The end is always done, undone, or what a person decided where the run said what could be done; and
//! the real machines are as the log says.
//!
//! The machines are directories that real programs write to, behind a real server that answers by what is in them.
//! All runs are under way at once, in one engine on a real log.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod fast_clock;
mod shipped;

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
        Action, Actor, Authentication, CommandId, Outcome, Ruling, RunId, RunStatus, RunView,
        Steering, Vote,
    },
    engine::{ActivityHandler, Attempt, Engine, Submission, Takes},
};
use holdpoint_log::verify;
use holdpoint_log_sled::SledLog;
use holdpoint_tests::Data;
use jiff::Timestamp;
use serde_json::{Value, json};
use shipped::{
    all_that_ships_is_among, checks, command, declare, input, make_office, people, serve_metrics,
    steer,
};
use uuid::Uuid;

/// How many times faster than time the clock runs.
const FAST: i32 = 10;
/// How often all runs are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Nobody waits longer for all of them.
const PATIENCE: Duration = Duration::from_secs(600);

/// What ships and works at one machine after the other. The last says whether each step of a target is undone at once.
const ROLLOUTS: [(&str, bool); 5] = [
    ("rolling-rollout", false),
    ("canary-rollout", true),
    ("standard-change", false),
    ("normal-change", false),
    ("emergency-change", false),
];
/// The number of the service, after those of two machines.
const SERVICE: usize = 2;
/// What goes wrong where the metrics of a service are asked for; and its file in the service's directory.
const METRICS: &str = "metrics";

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
[activity.deployed]
command = ["/bin/sh", "-c", "case $(cat $0/version) in 2) echo '{ \"settled\": \"done\" }' ;; *) echo '{ \"settled\": \"not_done\" }' ;; esac", "machines/${target}"]
[activity.route]
command = ["/bin/sh", "-c", "cd $0; echo torn > route; [ ! -e fail ] || exit $(cat fail); echo $1 > route", "machines/${service}", "${to}"]
final = [2]
[activity.rehearse-transfer]
command = ["/bin/sh", "-c", "cd $0; echo both > version; [ ! -e fail ] || exit $(cat fail)", "machines/${service}"]
final = [2]
[activity.rehearse-switch]
command = ["/bin/sh", "-c", "cd $0; [ ! -e fail ] || exit $(cat fail); echo 2 > version", "machines/${service}"]
final = [2]
[activity.rehearse-revert]
command = ["/bin/sh", "-c", "cd $0; echo torn > version; [ ! -e fail ] || exit $(cat fail); echo 1 > version", "machines/${service}"]
final = [2]
[activity.publish-definition]
command = ["/bin/sh", "-c", "cd $0; echo torn > version; [ ! -e fail ] || exit $(cat fail); echo $1 > version", "machines/${definition}", "${version}"]
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
    /// Half-way, and nobody learns how far it came.
    Lost,
    /// The machine answers that it is not well.
    Bad,
    /// The machine does not answer, or a check does not know.
    Silent,
}

impl How {
    /// What `fail` says.
    const fn word(self) -> &'static str {
        match self {
            Self::Again | Self::Lost => "1",
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
        let is_settling = attempt.activity == "deployed";
        let step = if is_settling { "deployed".to_owned() } else { step };
        let fault = self.faults.lock().unwrap().remove(&(machine.clone(), step));
        if is_settling && fault.is_some() {
            return Outcome::Completed(json!({ "settled": "unknown" }));
        }
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
        if fault == Some(How::Lost) {
            return Outcome::Unknown { reason: "the connection was cut".to_owned() };
        }
        outcome
    }
}

/// The machine and the step of `implement#1/web-1/check-2`; or the service, and the step of the switch or the state of
/// `switch#1`.
fn place(attempt: &Attempt) -> (String, String) {
    let effect = attempt.effect.as_str();
    let service = || {
        let named = attempt.input.get("service").or(attempt.input.get("definition"));
        named.and_then(Value::as_str).unwrap().to_owned()
    };
    let Some((_, rest)) = effect.split_once('/') else {
        return (service(), effect.split('#').next().unwrap().to_owned());
    };
    let (machine, step) = rest.rsplit_once('/').unwrap();
    let machine = if machine == "switch" { service() } else { machine.to_owned() };
    (machine, step.split_once('-').map_or(step, |(step, _)| step).to_owned())
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
    /// By the number of the machine, or of the service, and the step.
    faults: Vec<(usize, &'static str, How)>,
    person: Person,
    machines: Vec<String>,
    service: String,
    run: Option<RunId>,
    was_stuck: bool,
}

impl Case {
    fn what(&self) -> String {
        format!("{} {:?} {:?}", self.name, self.faults, self.person)
    }
}

#[test]
fn all_that_ships_and_gives_machines_work_is_played() {
    all_that_ships_is_among(cases().iter().map(|case| case.name).collect::<BTreeSet<_>>());
}

/// All that goes wrong once.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, undoes_at_once, faults: &[(usize, &'static str, How)], person| {
        cases.push(Case {
            name,
            undoes_at_once,
            faults: faults.to_vec(),
            person,
            machines: Vec::new(),
            service: String::new(),
            run: None,
            was_stuck: false,
        });
    };
    for (name, at_once) in ROLLOUTS {
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
                for how in [How::Again, How::ForGood, How::Lost] {
                    add(name, at_once, &[(machine, *step, how)], Person::TriesAgain);
                }
            }
            // Where time presses nothing looks whether the machines are well.
            if name != "emergency-change" {
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
                for (how, people) in [
                    (How::Again, &PEOPLE[..1]),
                    (How::Lost, &PEOPLE[..1]),
                    (How::ForGood, &PEOPLE[..3]),
                ] {
                    for person in people {
                        let faults = [(fails, fault, goes_wrong), (machine, *step, how)];
                        add(name, at_once, &faults, *person);
                    }
                }
            }
        }
    }
    for how in [How::Bad, How::Silent] {
        add("canary-rollout", true, &[(SERVICE, METRICS, how)], Person::TriesAgain);
    }
    let name = "blue-green-rollout";
    add(name, false, &[], Person::TriesAgain);
    for place in [0, 1, SERVICE] {
        for how in [How::Again, How::ForGood, How::Lost] {
            add(name, false, &[(place, "deploy", how)], Person::TriesAgain);
        }
    }
    for machine in [0, 1] {
        add(name, false, &[(machine, "check", How::Bad)], Person::TriesAgain);
        for person in PEOPLE {
            add(name, false, &[(machine, "check", How::Silent)], person);
        }
        for person in [Person::TriesAgain, Person::TakesOver, Person::Aborts] {
            let faults = [(machine, "deploy", How::Lost), (machine, "deployed", How::Silent)];
            add(name, false, &faults, person);
        }
    }
    for (how, people) in
        [(How::Again, &PEOPLE[..1]), (How::Lost, &PEOPLE[..1]), (How::ForGood, &PEOPLE[..3])]
    {
        for person in people {
            let faults = [(SERVICE, "deploy", How::ForGood), (SERVICE, "restore", how)];
            add(name, false, &faults, *person);
        }
    }
    for (name, steps, back) in [
        ("cutover", &["transfer", "switch"][..], Some("revert")),
        ("cutover-rehearsal", &["transfer", "switch", "revert"], None),
        ("definition-release", &["publish"], None),
    ] {
        add(name, false, &[], Person::TriesAgain);
        for how in [How::Again, How::ForGood, How::Lost] {
            for step in steps {
                add(name, false, &[(SERVICE, step, how)], Person::TriesAgain);
            }
            if let Some(back) = back {
                let faults = [(SERVICE, "transfer", How::ForGood), (SERVICE, back, how)];
                add(name, false, &faults, Person::TriesAgain);
            }
        }
    }
    cases
}

/// Makes the machines of a case, and says what is to go wrong at them.
fn make(case: &mut Case, number: usize, port: u16, machines: &Path, faults: &Faults) {
    let octets = (number / 100 + 1, number % 100 + 1);
    let name = |n| format!("127.{}.{}.{n}:{port}", octets.0, octets.1);
    case.machines = (1..=2).map(name).collect();
    case.service = format!("service-{number}");
    for machine in case.machines.iter().chain([&case.service]) {
        fs::create_dir_all(machines.join(machine)).unwrap();
        fs::write(machines.join(machine).join("version"), "1\n").unwrap();
    }
    fs::write(machines.join(&case.service).join("route"), "blue\n").unwrap();
    let mut all = faults.lock().unwrap();
    for (place, step, how) in &case.faults {
        let machine = case.machines.get(*place).unwrap_or(&case.service);
        if *step == METRICS {
            fs::write(machines.join(machine).join(METRICS), how.word()).unwrap();
            continue;
        }
        all.insert((machine.clone(), (*step).to_owned()), *how);
    }
}

/// What people do where the run of a case stands so: whatever a hold waits for, and where it is stuck what the case
/// says, or else another try.
fn people_do(case: &Case, view: &RunView, machines: &Path) -> Vec<(String, Action)> {
    // Where a check is still asked about it, people wait.
    if let Some(one) = view.unknown.iter().find(|one| one.asks.is_none()) {
        let effect = one.effect.clone();
        let ruling = match case.person {
            Person::TriesAgain | Person::Skips => Ruling::Again,
            Person::TakesOver => {
                let machine = machines.join(effect.as_str().split('/').nth(1).unwrap());
                fs::write(machine.join("version"), "2\n").unwrap();
                Ruling::Done { output: Value::Null }
            }
            Person::Aborts => Ruling::Failed,
        };
        let reason = "I looked".to_owned();
        return vec![("ada".to_owned(), Action::Settle { effect: Some(effect), ruling, reason })];
    }
    if view.status == RunStatus::Stuck {
        let targets = view.rollout.iter().flat_map(|rollout| &rollout.targets);
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
    // A rehearsal is judged by what went wrong in it.
    let is_bad =
        case.name == "cutover-rehearsal" && case.faults.iter().any(|(_, _, how)| *how != How::Lost);
    people(view, if is_bad { Vote::Reject } else { Vote::Approve })
}

/// Whether the machines are as the run says that has ended.
fn agrees(case: &Case, view: &RunView, machines: &Path, outcome: &str) {
    let is = |machine: &str| {
        let machine = machines.join(machine);
        assert!(!machine.join("fail").exists(), "{}: it fails for ever", case.what());
        assert!(!machine.join(METRICS).exists(), "{}: nobody asked", case.what());
        let version = fs::read_to_string(machine.join("version")).unwrap();
        (version.trim().to_owned(), machine.join("out").exists())
    };
    for target in view.rollout.iter().flat_map(|rollout| &rollout.targets) {
        if target.target == "switch" {
            let route = fs::read_to_string(machines.join(&case.service).join("route")).unwrap();
            let told = match target.state {
                "healthy" => route.trim() == "green",
                "waiting" | "restored" => route.trim() == "blue",
                // A person said so, and knows.
                "skipped" | "taken_over" => true,
                _ => false,
            };
            assert!(told, "{}: {target:?}, but it leads to {route}", case.what());
            continue;
        }
        let (version, is_out) = is(&target.target);
        let told = match target.state {
            "healthy" => version == "2" && !is_out,
            // What has nothing to undo it stays.
            "unchecked" => case.name == "blue-green-rollout" && version == "2",
            "waiting" | "restored" => version == "1" && !is_out,
            "failed" if case.undoes_at_once => version == "1" && !is_out,
            "failed" => version != "1",
            "skipped" | "taken_over" => true,
            _ => false,
        };
        assert!(told, "{}: {target:?}, but it has {version}, out {is_out}", case.what());
    }
    let (version, _) = is(&case.service);
    let fails = |step| case.faults.iter().any(|one| one.1 == step && one.2 != How::Lost);
    let told = match (case.name, outcome) {
        ("cutover", "completed") | ("definition-release", "released") => version == "2",
        ("cutover", "reverted") => version == "1",
        ("cutover", "recovered-by-hand") => true,
        ("cutover-rehearsal", "passed") => version == "1",
        ("cutover-rehearsal", "failed") => (version == "1") != fails("revert"),
        ("cutover" | "cutover-rehearsal" | "definition-release", _) => false,
        _ => version == "1",
    };
    assert!(told, "{}: {outcome}, but it has {version}", case.what());
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
            input: input(case.name, &case.machines, &case.service),
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
            case.was_stuck |= checks(&view).next().is_some();
            for (who, action) in people_do(&case, &view, machines) {
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
    let data = Data::new();
    let machines = data.path().join("machines");
    let services = machines.clone();
    let metrics = serve_metrics(move |service| {
        let file = services.join(service).join(METRICS);
        let Ok(goes_wrong) = fs::read_to_string(&file) else { return Some("0") };
        fs::remove_file(file).unwrap();
        (goes_wrong == How::Bad.word()).then_some("1")
    });
    // A check that tells nothing says so soon.
    make_office(&data, CONFIGURATION, metrics, &["inconclusive_limit: 1"]);
    let port = serve(machines.clone());
    let faults = Faults::default();
    let mut cases = cases();
    for (number, case) in cases.iter_mut().enumerate() {
        make(case, number, port, &machines, &faults);
    }
    declare(&data, cases.iter().map(|case| (case.service.as_str(), &case.machines)));

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
        ("blue-green-rollout", &["completed", "rolled-back", "failed"]),
        ("cutover", &["completed", "reverted", "recovered-by-hand"]),
        ("cutover-rehearsal", &["passed", "failed"]),
        ("definition-release", &["released"]),
    ] {
        for outcome in outcomes {
            let key = (name, (*outcome).to_owned());
            assert!(ends.contains_key(&key), "{key:?} is none of {ends:?}");
        }
    }
}
