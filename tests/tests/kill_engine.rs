//! An engine under load is killed with SIGKILL at random moments, again and again: while it opens
//! its log, while tails are sealed and segments merged, while runs are decided and worked on. Every
//! acknowledged command is in the history afterwards, in its place, once; nothing that was there
//! before has changed; and the engine goes on to the end of every run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use holdpoint::{
    DataDirectory,
    core::{
        Action, Actor, Authentication, Command, CommandId, Event, Outcome, ProjectAction,
        ProjectCommand, ProjectId, RunId, Sequence, Vote,
    },
    definition::LANGUAGE,
    engine::{ActivityHandler, Attempt, Engine, RunFilter, Submission},
};
use holdpoint_log::{EventLog, merkle::MerkleTree, verify};
use holdpoint_log_sled::{Options, SledLog};
use serde_json::json;
use uuid::Uuid;

/// How many kills there are.
const KILLS: &str = "HOLDPOINT_TEST_ENGINE_KILLS";
const KILLS_DEFAULT: usize = 20;
/// After so many a new log is begun: a longer one only makes the checks longer.
const KILLS_OF_A_LOG: usize = 20;
const DIRECTORY: &str = "HOLDPOINT_TEST_ENGINE_DIRECTORY";
/// Set where the engine is to bring every run to its end and to stop then.
const FINISH: &str = "HOLDPOINT_TEST_ENGINE_FINISH";
/// How long a process may take to do anything at all.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many submit and approve at once.
const PEOPLE: usize = 32;
/// So little that tails are sealed and segments merged all the time.
const OPTIONS: Options = Options { tail_bytes_max: 60_000, segment_bytes: 600_000 };

const DEFINITION: &str = "
workflow: change
version: 1
title: A change
input: { type: object }
start: agree
states:
  agree:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
        not: [requester]
    on: { released: work, rejected: refused }
  work:
    do:
      activity: { run: work, retry: { attempts: 1000, delay: 1ms } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

/// Does nothing, after a moment.
struct Work;

#[async_trait]
impl ActivityHandler for Work {
    async fn attempt(&self, _: Attempt) -> Outcome {
        tokio::task::yield_now().await;
        Outcome::Completed(json!({ "done": true }))
    }
}

fn member(name: &str) -> Actor {
    Actor::Member(name.parse().unwrap())
}

fn auth() -> Authentication {
    Authentication::new("test")
}

fn new_id() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

fn say_acknowledged(id: CommandId, at: Sequence) {
    say(&format!("acknowledged {id} {at}"));
}

/// The process that is killed.
#[test]
fn engine() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(live(&path));
}

async fn live(path: &Path) {
    let directory = DataDirectory::open(path).unwrap();
    let log = SledLog::open_with(path.join("log"), "test", OPTIONS).await.unwrap();
    let builder = directory.engine_on(Arc::new(log)).unwrap();
    let engine = builder.activity("work", Arc::new(Work)).start().await.unwrap();
    let project: ProjectId = "lab".parse().unwrap();
    if engine.project(&project).is_none_or(|project| project.definitions().next().is_none()) {
        set_up(&engine, &project).await;
    }
    say("opened");
    if env::var_os(FINISH).is_some() {
        finish(&engine).await;
        return;
    }
    let mut people = tokio::task::JoinSet::new();
    for _ in 0..PEOPLE {
        let (engine, project) = (engine.clone(), project.clone());
        people.spawn(async move {
            loop {
                submit_and_approve(&engine, &project).await;
            }
        });
    }
    people.join_all().await;
}

async fn set_up(engine: &Engine, project: &ProjectId) {
    let add = ProjectAction::AddMember {
        member: "bob".parse().unwrap(),
        name: None,
        roles: vec!["engineer".parse().unwrap()],
    };
    for action in [ProjectAction::Create { title: "A lab".to_owned() }, add] {
        let (id, actor) = (new_id(), member("ada"));
        let command = ProjectCommand { id, actor, auth: auth(), trace: None, action };
        // An earlier process may have come as far as this.
        let _ = engine.change_project(project, command).await;
    }
    engine.publish(project, new_id(), member("ada"), auth(), LANGUAGE, DEFINITION).await.unwrap();
}

async fn approve(engine: &Engine, run: RunId) {
    let id = new_id();
    let action = Action::vote(Vote::Approve, None);
    let command = Command { id, actor: member("bob"), auth: auth(), trace: None, action };
    say_acknowledged(id, engine.command(run, command).await.unwrap().sequence);
}

async fn submit_and_approve(engine: &Engine, project: &ProjectId) {
    let command = new_id();
    let submission = Submission {
        command,
        actor: member("ada"),
        auth: auth(),
        trace: None,
        definition: "change".parse().unwrap(),
        version: None,
        input: json!({}),
    };
    let submitted = engine.submit(project, submission).await.unwrap();
    say_acknowledged(command, submitted.answer.sequence);
    approve(engine, submitted.run).await;
}

/// Approves what nobody approved before the engine was killed, and waits for the work.
async fn finish(engine: &Engine) {
    let held = RunFilter { status: Some("held".to_owned()), ..RunFilter::default() };
    for row in engine.runs(&held).await.unwrap() {
        approve(engine, row.id).await;
    }
    let mut news = engine.log().subscribe();
    let open = RunFilter { status: Some("working".to_owned()), ..RunFilter::default() };
    while !engine.runs(&open).await.unwrap().is_empty() {
        // The log tells of its last event before the engine's lists have it.
        let _ = tokio::time::timeout(Duration::from_millis(20), news.changed()).await;
    }
    engine.shutdown().await;
}

/// A running engine.
struct Running {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(path: &Path, finish: bool) -> Self {
        let mut process = Process::new(env::current_exe().unwrap());
        process
            .args(["engine", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, path)
            .stdout(Stdio::piped());
        if finish {
            process.env(FINISH, "yes");
        }
        let mut process = process.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            // The test may have failed meanwhile.
            output.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok())
        });
        Self { process, lines }
    }

    /// Waits until it has said so many things, and notes them.
    fn wait_for(&self, count: usize, acknowledged: &mut Acknowledged) {
        let mut said = 0;
        while said < count {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            said += usize::from(acknowledged.note(&line) || line == "opened");
        }
    }

    /// What it says until it is gone.
    fn drain(mut self, acknowledged: &mut Acknowledged) -> bool {
        for line in &self.lines {
            acknowledged.note(&line);
        }
        self.process.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is gone already, unless a test fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Commands that were acknowledged, and where their last events stand.
#[derive(Default)]
struct Acknowledged(BTreeMap<String, usize>);

impl Acknowledged {
    fn note(&mut self, line: &str) -> bool {
        let Some(acknowledged) = line.strip_prefix("acknowledged ") else { return false };
        let (id, sequence) = acknowledged.split_once(' ').unwrap();
        self.0.insert(id.to_owned(), sequence.parse().unwrap());
        true
    }
}

/// What a log was when it was last looked at.
#[derive(Default)]
struct Seen {
    size: u64,
    root: Option<[u8; 32]>,
}

/// Looks through the log that is left.
async fn look(path: &Path, acknowledged: &Acknowledged, seen: &mut Seen) -> Vec<Event> {
    let log = SledLog::open_with(path.join("log"), "test", OPTIONS).await.unwrap();
    let verified = verify(&log).await.unwrap();
    let mut tree = MerkleTree::new();
    let mut events = Vec::new();
    for record in log.read(Sequence::ZERO, usize::MAX).await.unwrap() {
        tree.push(&record.bytes);
        events.push(record.event().unwrap());
        if tree.size() == seen.size {
            assert_eq!(Some(tree.root()), seen.root, "the history was changed");
        }
    }
    assert!(tree.size() >= seen.size, "the history is shorter than it was");
    *seen = Seen { size: tree.size(), root: Some(verified.root) };
    let mut places = BTreeMap::<String, Vec<usize>>::new();
    for (place, event) in (1..).zip(&events) {
        places.entry(event.cause.to_string()).or_default().push(place);
    }
    for (id, last) in &acknowledged.0 {
        let places = places.get(id).unwrap_or_else(|| panic!("command {id} is lost"));
        let first = last + 1 - places.len();
        assert!((first..=*last).eq(places.iter().copied()), "{id}: {places:?}, not {last}");
    }
    events
}

#[tokio::test]
async fn what_an_engine_acknowledged_survives_its_death() {
    let started = Instant::now();
    let kills = env::var(KILLS).map_or(KILLS_DEFAULT, |kills| kills.parse().unwrap());
    let mut random = fastrand::Rng::new();
    let (mut commands, mut runs) = (0, 0);
    let groups = kills.div_ceil(KILLS_OF_A_LOG);
    for group in 0..groups {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("data");
        DataDirectory::init(&path).await.unwrap();
        let (mut acknowledged, mut seen) = (Acknowledged::default(), Seen::default());
        for kill in 0..KILLS_OF_A_LOG.min(kills - group * KILLS_OF_A_LOG) {
            let mut engine = Running::start(&path, false);
            let moment = Duration::from_micros(random.u64(0..200_000));
            // The moments of the kills are what is random here; nothing is waited for.
            match kill % 4 {
                0 => thread::sleep(moment / 2),
                1 => engine.wait_for(1, &mut acknowledged),
                2 => {
                    engine.wait_for(1, &mut acknowledged);
                    thread::sleep(moment);
                }
                _ => engine.wait_for(1 + random.usize(0..300), &mut acknowledged),
            }
            engine.process.kill().unwrap();
            engine.drain(&mut acknowledged);
            look(&path, &acknowledged, &mut seen).await;
        }
        assert!(Running::start(&path, true).drain(&mut acknowledged), "it does not go on");
        let events = look(&path, &acknowledged, &mut seen).await;
        let count = |kind: &str| events.iter().filter(|event| event.kind.as_str() == kind).count();
        let started = count("holdpoint.run.started");
        assert_eq!(count("holdpoint.activity.completed"), started, "each run's work is done once");
        assert_eq!(count("holdpoint.approval.granted"), started);
        commands += acknowledged.0.len();
        runs += started;
    }
    println!(
        "{kills} kills in {:.1?}: {commands} commands acknowledged, {runs} runs, nothing lost",
        started.elapsed()
    );
    assert!(commands > 0 || kills < 4);
}
