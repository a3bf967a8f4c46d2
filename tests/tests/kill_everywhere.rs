//! The engine is killed with SIGKILL at every boundary between events of all that ships and gives machines
//! work: before each append, when work was done that the log does not know of, and behind each, when
//! the log knows of what nobody has acted on. Each time it is started again and goes on, and the end is
//! the one that the run would have had, with the real machines as the log says.
//!
//! The machines are directories that real programs write to, with a real server for each; the clock is
//! fast, so that minutes pass in moments.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod fast_clock;
mod shipped;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use fast_clock::FastClock;
use holdpoint::{
    DataDirectory,
    core::{Actor, Authentication, CommandId, RunView, Sequence, StreamId, Version, Vote},
    engine::{Engine, RunFilter, Submission},
};
use holdpoint_log::{Append, AppendFailure, EventLog, Head, ReadFailure, Record, verify};
use holdpoint_log_sled::SledLog;
use holdpoint_tests::{Data, program};
use jiff::Timestamp;
use serde_json::{Value, json};
use shipped::{
    all_that_ships_is_among, command, declare, input, make_office, people, serve_metrics,
};
use tokio::sync::watch;
use uuid::Uuid;

const DIRECTORY: &str = "HOLDPOINT_TEST_SWEEP_DIRECTORY";
/// What is submitted, and with which input.
const DEFINITION: &str = "HOLDPOINT_TEST_SWEEP_DEFINITION";
const INPUT: &str = "HOLDPOINT_TEST_SWEEP_INPUT";
/// At which append the process is killed, and whether before it.
const KILLED_AT: &str = "HOLDPOINT_TEST_SWEEP_KILLED_AT";
const KILLED_BEFORE: &str = "HOLDPOINT_TEST_SWEEP_KILLED_BEFORE";
/// When the fast clock began to run.
const BEGAN: &str = "HOLDPOINT_TEST_SWEEP_BEGAN";
const GUARD: &str = "HOLDPOINT_TEST_SWEEP_GUARD";
/// One of so many moments is tried; before and behind an append take turns where it is odd.
const STEP: &str = "HOLDPOINT_TEST_KILLS_STEP";
/// How many times faster than time the clock runs.
const FAST: i32 = 200;
/// How many engines are under way at once: they wait for the disk and for each other's programs.
const WORKERS: usize = 6;

/// What ships, and how it ends.
#[derive(Clone, Copy)]
struct Play {
    name: &'static str,
    /// What takes no new version.
    bad: Option<Bad>,
    ends: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    Machine,
    Service,
}

/// The cutover has `cutover-rehearsal` done before, well; by itself it goes wrong.
const PLAYS: [Play; 11] = [
    Play { name: "rolling-rollout", bad: None, ends: "completed" },
    Play { name: "rolling-rollout", bad: Some(Bad::Machine), ends: "rolled-back" },
    Play { name: "canary-rollout", bad: None, ends: "completed" },
    Play { name: "blue-green-rollout", bad: None, ends: "completed" },
    Play { name: "blue-green-rollout", bad: Some(Bad::Service), ends: "rolled-back" },
    Play { name: "standard-change", bad: None, ends: "completed" },
    Play { name: "normal-change", bad: None, ends: "completed" },
    Play { name: "emergency-change", bad: Some(Bad::Machine), ends: "failed" },
    Play { name: "cutover", bad: None, ends: "completed" },
    Play { name: "cutover-rehearsal", bad: Some(Bad::Service), ends: "passed" },
    Play { name: "definition-release", bad: None, ends: "released" },
];

impl Play {
    fn what(&self) -> String {
        format!("{} {}", self.name, self.ends)
    }
}

const CONFIGURATION: &str = r#"
[activity.is-ready]
command = ["true"]
[activity.drain]
command = ["/bin/sh", "-c", "touch $0/out", "machines/${target}"]
[activity.deploy]
command = ["/bin/sh", "-c", "echo torn > $0/version; [ ! -e $0/bad ] && echo $1 > $0/version", "machines/${target}", "${version}"]
[activity.smoke-test]
command = ["true"]
[activity.undrain]
command = ["/bin/sh", "-c", "rm -f $0/out", "machines/${target}"]
[activity.restore]
command = ["/bin/sh", "-c", "echo torn > $0/version; echo 1 > $0/version", "machines/${target}"]
[activity.transfer]
command = ["/bin/sh", "-c", "echo both > $0/version", "machines/${service}"]
[activity.switch]
command = ["/bin/sh", "-c", "[ $(cat $0/version) != 1 ] && echo 2 > $0/version", "machines/${service}"]
[activity.revert]
command = ["/bin/sh", "-c", "echo 1 > $0/version", "machines/${service}"]
[activity.deployed]
command = ["/bin/sh", "-c", "case $(cat $0/version) in 2) echo '{ \"settled\": \"done\" }' ;; *) echo '{ \"settled\": \"not_done\" }' ;; esac", "machines/${target}"]
[activity.route]
command = ["/bin/sh", "-c", "echo torn > $0/route; [ $1 = blue -o ! -e $0/bad ] && echo $1 > $0/route", "machines/${service}", "${to}"]
[activity.rehearse-transfer]
command = ["/bin/sh", "-c", "echo both > $0/copy; [ ! -e $0/bad ]", "machines/${service}"]
[activity.rehearse-switch]
command = ["/bin/sh", "-c", "[ $(cat $0/copy) != 1 ] && echo 2 > $0/copy", "machines/${service}"]
[activity.rehearse-revert]
command = ["/bin/sh", "-c", "echo 1 > $0/copy", "machines/${service}"]
[activity.publish-definition]
command = ["/bin/sh", "-c", "echo torn > $0/version; echo $1 > $0/version", "machines/${definition}", "${version}"]
[health]
hosts = ["127.0.0.1"]
"#;

/// Kills the process at an append.
struct Deadly {
    log: SledLog,
    appends: AtomicUsize,
    killed_at: Option<usize>,
    before: bool,
}

fn die() -> ! {
    let own = rustix::process::getpid();
    rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
    loop {
        thread::park();
    }
}

#[async_trait]
impl EventLog for Deadly {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        let dies = self.killed_at == Some(self.appends.fetch_add(1, Ordering::SeqCst));
        if dies && self.before {
            die();
        }
        let appended = self.log.append(appends).await;
        if dies {
            die();
        }
        appended
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        self.log.read_stream(stream, after, limit).await
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        self.log.read(after, limit).await
    }

    async fn head(&self) -> Result<Head, ReadFailure> {
        self.log.head().await
    }

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.log.subscribe()
    }
}

/// The process that is killed.
#[test]
fn engine() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(live(&path));
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

async fn live(path: &Path) {
    let guard = vec![env::var_os(GUARD).unwrap(), "guard-program".into()];
    let directory = DataDirectory::open(path).unwrap().guarded_by(guard);
    let log = Arc::new(Deadly {
        log: SledLog::open(path.join("log"), "test").await.unwrap(),
        appends: AtomicUsize::new(0),
        killed_at: number(KILLED_AT),
        before: env::var_os(KILLED_BEFORE).is_some(),
    });
    let began = Timestamp::from_millisecond(number(BEGAN).unwrap()).unwrap();
    let builder =
        directory.engine_on(log.clone()).unwrap().clock(Arc::new(FastClock { began, times: FAST }));
    let engine = builder.start().await.unwrap();
    let mut news = engine.log().subscribe();
    loop {
        let runs = engine.runs(&RunFilter::default()).await.unwrap();
        let Some(first) = runs.last() else {
            submit(&engine).await;
            continue;
        };
        if first.status.is_ended() {
            break;
        }
        for run in runs.iter().filter(|run| !run.status.is_ended()) {
            let view = engine.run(run.id).await.unwrap().view;
            for (who, action) in people(&view, Vote::Approve) {
                // They may have done so before.
                let _ = engine.command(run.id, command(&who, action)).await;
            }
        }
        // What comes by itself comes with news.
        let _ = tokio::time::timeout(Duration::from_millis(20), news.changed()).await;
    }
    engine.shutdown().await;
    verify(&*log).await.unwrap();
    let view = serde_json::to_string(&told(&directory, log.clone()).await).unwrap();
    println!("\nappends {}\nview {view}", log.appends.load(Ordering::SeqCst));
}

async fn submit(engine: &Engine) {
    let submission = Submission {
        command: CommandId::from_uuid(Uuid::now_v7()),
        actor: Actor::Member("pam".parse().unwrap()),
        auth: Authentication::new("test"),
        trace: None,
        definition: number(DEFINITION).unwrap(),
        version: None,
        input: number(INPUT).unwrap(),
    };
    engine.submit(&"lab".parse().unwrap(), submission).await.unwrap();
}

/// What the log tells of the run to an engine that knows nothing else.
async fn told(directory: &DataDirectory, log: Arc<Deadly>) -> RunView {
    let engine = directory.engine_on(log).unwrap().start().await.unwrap();
    let first = engine.runs(&RunFilter::default()).await.unwrap().pop().unwrap();
    let view = engine.run(first.id).await.unwrap().view;
    engine.shutdown().await;
    view
}

/// The machines of one run at a time: servers that answer by what is in a directory.
struct Fleet {
    targets: Vec<String>,
    /// What they serve, which has no server of its own.
    service: String,
    machines: Arc<Mutex<PathBuf>>,
}

impl Fleet {
    fn start(number: usize) -> Self {
        let machines = Arc::new(Mutex::new(PathBuf::new()));
        let start = |_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let target = listener.local_addr().unwrap().to_string();
            let (name, machines) = (target.clone(), Arc::clone(&machines));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    // Who is killed does not ask to the end.
                    let _ = stream.read(&mut [0; 4096]);
                    let machine = machines.lock().unwrap().join(&name);
                    let version = fs::read_to_string(machine.join("version")).unwrap_or_default();
                    let is_good = version == "1\n" || version == "2\n";
                    let status = if is_good { "200 OK" } else { "500 Torn" };
                    let headers = "content-length: 0\r\nconnection: close";
                    let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}\r\n\r\n");
                }
            });
            target
        };
        let targets = (0..2).map(start).collect();
        Self { targets, service: format!("service-{number}"), machines }
    }

    /// Makes them anew in a directory, with version 1.
    fn make(&self, play: &Play, machines: PathBuf) {
        for name in self.targets.iter().chain([&self.service]) {
            fs::create_dir_all(machines.join(name)).unwrap();
            fs::write(machines.join(name).join("version"), "1\n").unwrap();
        }
        for (file, content) in [("route", "blue\n"), ("copy", "1\n")] {
            fs::write(machines.join(&self.service).join(file), content).unwrap();
        }
        let bad = play.bad.map(|bad| match bad {
            Bad::Machine => &self.targets[1],
            Bad::Service => &self.service,
        });
        if let Some(bad) = bad {
            fs::write(machines.join(bad).join("bad"), "").unwrap();
        }
        *self.machines.lock().unwrap() = machines;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// How an engine has left a run that has ended.
struct Left {
    /// How many appends there were.
    appends: usize,
    view: Value,
}

/// A moment at which an engine is killed: an append, and whether before it.
type Moment = (usize, bool);

/// Lets an engine work; answers with what it has left, unless it was killed.
fn work(
    path: &Path,
    play: &Play,
    fleet: &Fleet,
    began: Timestamp,
    killed: Option<Moment>,
) -> Option<Left> {
    let mut input = input(play.name, &fleet.targets, &fleet.service);
    if play.name == "cutover" {
        input["rehearsed"] = json!(false);
    }
    let mut process = Process::new(env::current_exe().unwrap());
    process
        .args(["engine", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, path)
        .env(DEFINITION, play.name)
        .env(INPUT, input.to_string())
        .env(GUARD, program())
        .env(BEGAN, began.as_millisecond().to_string())
        .stdin(Stdio::null());
    if let Some((at, before)) = killed {
        process.env(KILLED_AT, at.to_string());
        if before {
            process.env(KILLED_BEFORE, "yes");
        }
    }
    let ran = process.output().unwrap();
    let output = String::from_utf8_lossy(&ran.stdout);
    let after = |what| output.lines().find_map(|line| line.strip_prefix(what));
    let (appends, view) = (after("appends "), after("view "));
    assert!(
        appends.is_some() || ran.status.code().is_none(),
        "{output}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let (appends, view) = (appends?.parse().unwrap(), serde_json::from_str(view?).unwrap());
    Some(Left { appends, view })
}

/// Whether the run has ended as it should, and the machines are as it says.
fn look(path: &Path, play: &Play, fleet: &Fleet, view: &Value, what: &str) {
    let ended = json!(["ended", play.ends]);
    assert_eq!(json!([view["status"], view["outcome"]]), ended, "{what}: {}", view["next_steps"]);
    let machines = path.join("machines");
    let says = |name: &str, file| {
        let said = fs::read_to_string(machines.join(name).join(file)).unwrap();
        said.trim().to_owned()
    };
    let targets = view["rollout"]["targets"].as_array().map_or(&[][..], Vec::as_slice);
    for target in targets {
        let (name, state) = (target["target"].as_str().unwrap(), target["state"].as_str().unwrap());
        let is_new = match state {
            "healthy" => true,
            "restored" | "waiting" => false,
            other => panic!("{what}: {name} is {other} at the end"),
        };
        if name == "switch" {
            let route = if is_new { "green" } else { "blue" };
            assert_eq!(says(&fleet.service, "route"), route, "{what}: it is {state}");
        } else {
            let version = if is_new { "2" } else { "1" };
            assert_eq!(says(name, "version"), version, "{what}: {name} is {state}");
            assert!(!machines.join(name).join("out").exists(), "{what}: {name} is {state}");
        }
    }
    let service = match play.name {
        "cutover" | "definition-release" => "2",
        _ => "1",
    };
    let has_targets = !matches!(play.name, "cutover" | "cutover-rehearsal" | "definition-release");
    assert_eq!(!targets.is_empty(), has_targets, "{what}: {view}");
    assert_eq!(says(&fleet.service, "version"), service, "{what}");
    assert_eq!(says(&fleet.service, "copy"), "1", "{what}");
}

/// Plays one from its beginning, with a kill or without; answers with how many appends there were, or none where the
/// engine was killed.
fn play(play: &Play, fleet: &Fleet, office: &Data, killed: Option<Moment>) -> Option<usize> {
    let what = match killed {
        None => format!("{}, without a kill", play.what()),
        Some((at, true)) => format!("{}, killed before append {at}", play.what()),
        Some((at, false)) => format!("{}, killed behind append {at}", play.what()),
    };
    let data = Data::new();
    copy(&office.path(), &data.path());
    fleet.make(play, data.path().join("machines"));
    let began = Timestamp::now();
    let left = work(&data.path(), play, fleet, began, killed);
    let appends = left.as_ref().map(|left| left.appends);
    let left = left.or_else(|| work(&data.path(), play, fleet, began, None));
    let left = left.unwrap_or_else(|| panic!("{what}: it does not go on"));
    look(&data.path(), play, fleet, &left.view, &what);
    appends
}

/// Does all of them, as many at once as there are fleets.
fn side_by_side<T: Sync>(all: &[T], fleets: &[Fleet], does: impl Fn(&T, &Fleet) + Sync) {
    let (next, does) = (AtomicUsize::new(0), &does);
    thread::scope(|scope| {
        for fleet in fleets {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    does(one, fleet);
                }
            });
        }
    });
}

#[test]
fn all_that_ships_and_gives_machines_work_is_played() {
    all_that_ships_is_among(PLAYS.iter().map(|play| play.name).collect::<BTreeSet<_>>());
}

#[test]
fn whatever_is_killed_anywhere_comes_to_its_end() {
    let fleets: Vec<Fleet> = (0..WORKERS).map(Fleet::start).collect();
    let office = Data::new();
    make_office(&office, CONFIGURATION, serve_metrics(|_| Some("0")), &[]);
    declare(&office, fleets.iter().map(|fleet| (fleet.service.as_str(), &fleet.targets)));
    let began = Instant::now();

    // Without a kill, to know how many appends there are.
    let appends = Mutex::new(BTreeMap::new());
    side_by_side(&PLAYS, &fleets, |one, fleet| {
        let counted = play(one, fleet, &office, None).unwrap();
        appends.lock().unwrap().insert(one.what(), counted);
    });
    let appends = appends.into_inner().unwrap();
    let moments = PLAYS.iter().flat_map(|play| {
        // How they fall together is not always the same: there may be some more.
        let all = 0..appends[&play.what()] + 3;
        all.flat_map(move |at| [(play, (at, true)), (play, (at, false))])
    });
    let moments: Vec<(&Play, Moment)> = moments.step_by(number(STEP).unwrap_or(5)).collect();

    let kills = Mutex::new(BTreeMap::<String, usize>::new());
    side_by_side(&moments, &fleets, |(one, moment), fleet| {
        if play(one, fleet, &office, Some(*moment)).is_none() {
            *kills.lock().unwrap().entry(one.what()).or_default() += 1;
        }
    });
    let kills = kills.into_inner().unwrap();
    println!("kills in {:.1?}: {kills:?} at {appends:?} appends", began.elapsed());
    // A run whose events fall together in other ways has fewer appends, and not so many fewer.
    let killed: usize = kills.values().sum();
    assert!(killed * 2 > moments.len(), "{killed} kills at {} moments", moments.len());
}
