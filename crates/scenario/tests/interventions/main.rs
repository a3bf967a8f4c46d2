//! People step in, at every moment of what ships and gives machines work: between any two events of a run a person
//! pauses and resumes it, aborts it, rolls it back, cancels it or waives a hold. The end is always told, and the
//! machines are as it says.
//!
//! Nothing but the functions that the engine asks is played, in virtual time. A run that is played is copied at each
//! moment, so that one play has all of its moments.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod stage;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    sync::Mutex,
    thread,
};

use stage::{
    Deed::{self, Abort, Cancel, GoOn, Pause, Resume, RollBack, Wait, Waive},
    Fault,
    How::{Again, ForGood, Lost, Silent},
    SERVICE, SWITCH, Stage, TURNS_MAX,
};

/// One of so many moments is tried: all take too long for every test.
const STEP: &str = "HOLDPOINT_TEST_INTERVENTIONS_STEP";
/// What goes wrong in plays of rollouts without steps of their own, and of all with them.
const AT_MACHINES: &[&[Fault]] = &[
    &[],
    &[("b", "deploy", Again)],
    &[("b", "deploy", ForGood)],
    &[("b", "deploy", Lost)],
    &[("b", "check", Silent)],
    &[("b", "deploy", ForGood), ("a", "restore", ForGood)],
];

/// What ships, and what goes wrong in it.
const PLAYED: [(&str, &[&[Fault]]); 9] = [
    ("rolling-rollout", AT_MACHINES),
    ("canary-rollout", AT_MACHINES),
    (
        "blue-green-rollout",
        &[
            &[],
            &[("b", "deploy", Lost)],
            &[("b", "check", Silent)],
            &[(SWITCH, "deploy", ForGood)],
            &[(SWITCH, "deploy", ForGood), (SWITCH, "restore", ForGood)],
        ],
    ),
    ("standard-change", AT_MACHINES),
    ("normal-change", AT_MACHINES),
    ("emergency-change", &[&[], &[("b", "deploy", ForGood)], &[("b", "deploy", Lost)]]),
    ("cutover-rehearsal", &[&[], &[(SERVICE, "transfer", ForGood)]]),
    (
        "cutover",
        &[
            &[],
            &[(SERVICE, "transfer", Again)],
            &[(SERVICE, "transfer", ForGood), (SERVICE, "revert", ForGood)],
        ],
    ),
    ("definition-release", &[&[], &[(SERVICE, "publish", ForGood)]]),
];

/// What people do, one after the other. The first decides whether it is possible.
const INTERVENTIONS: [&[Deed]; 13] = [
    &[Pause, Resume],
    &[Pause, Wait, Resume],
    &[Pause, GoOn, Resume],
    &[Pause, Wait, Abort],
    &[Pause, Wait, RollBack],
    &[Pause, Cancel],
    &[Abort],
    &[Abort, Pause, Wait, Resume],
    &[Abort, GoOn, Cancel],
    &[RollBack],
    &[Cancel],
    &[Cancel, GoOn, Pause, Wait, Resume],
    &[Waive],
];

/// Plays one to its end, and at each of its moments all that people may do; counts what they did.
fn sweep(
    name: &'static str,
    faults: &[Fault],
    step: usize,
    done: &Mutex<BTreeMap<(&'static str, &'static [Deed]), usize>>,
) {
    let mut stages = vec![Stage::new(name, faults)];
    while let Some(last) = stages.last().cloned() {
        let mut next = last;
        if !next.step() {
            break;
        }
        assert!(stages.len() < TURNS_MAX, "{}: it comes to no end", next.what);
        stages.push(next);
    }
    let as_ever = stages.last_mut().unwrap().ended();
    let moments = stages.iter().flat_map(|stage| INTERVENTIONS.map(|deeds| (stage, deeds)));
    for (number, (stage, deeds)) in moments.enumerate() {
        // There are few moments to waive a hold at.
        if number % step != 0 && deeds != [Waive] {
            continue;
        }
        let mut stage = stage.clone();
        if !stage.intervene(deeds) {
            continue;
        }
        let ended = stage.ended();
        let expected: &[&str] = match (stage.cancelled, stage.turned) {
            (true, _) => &["cancelled"],
            (_, true) => &["rolled-back", "failed"],
            _ => &[&as_ever],
        };
        assert!(expected.contains(&ended.as_str()), "{}: {ended}", stage.what);
        *done.lock().unwrap().entry((name, deeds)).or_default() += 1;
    }
}

#[test]
fn whenever_people_step_in_the_end_is_told_and_the_machines_are_as_it_says() {
    let step = env::var(STEP).ok().and_then(|step| step.parse().ok()).unwrap_or(5);
    let (all, done) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    for (name, faults) in PLAYED {
        all.lock().unwrap().extend(faults.iter().map(|faults| (name, *faults)));
    }
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let one = all.lock().unwrap().pop();
                    let Some((name, faults)) = one else { return };
                    sweep(name, faults, step, &done);
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    println!("{} interventions: {done:?}", done.values().sum::<usize>());
    for deeds in INTERVENTIONS {
        let names = PLAYED.map(|(name, _)| name);
        let mut could = names.into_iter().filter(|name| match deeds {
            [Cancel, ..] => true,
            [Waive] => *name == "emergency-change",
            _ => !matches!(*name, "cutover" | "cutover-rehearsal" | "definition-release"),
        });
        assert!(could.all(|name| done.contains_key(&(name, deeds))), "{deeds:?}: {done:?}");
    }
}

#[test]
fn all_that_ships_and_gives_machines_work_is_played() {
    let workflows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let files = fs::read_dir(workflows).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| !name.ends_with(".scenarios.yaml"));
    let shipped: BTreeSet<String> =
        names.map(|name| name.trim_end_matches(".yaml").to_owned()).collect();
    // People do all of an access request.
    let played = PLAYED.iter().map(|(name, _)| *name).chain(["access-request"]);
    assert_eq!(played.map(str::to_owned).collect::<BTreeSet<_>>(), shipped);
}
