//! The demo's four acts: an approval, a crash in the middle of a rollout, a rollback, the history.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, path::PathBuf, time::Duration};

use serde_json::Value;

use super::{
    directory::Files,
    expectations::Expectations,
    fleet::Fleet,
    machine::{Records, VERSION_FIRST},
    shell::{Shell, finish},
};
use crate::{
    failure::Failure,
    output::{count, print},
};

/// The version that is rolled out well.
const VERSION_GOOD: &str = "2";

/// The version that makes one machine unhealthy.
pub(crate) const VERSION_SICK: &str = "3";

/// How many machines have the new version by the end of the first and the second wave; as the
/// definitions of the demo say it.
const WAVE_ENDS: (usize, usize) = (1, 3);

/// How long the demo waits for something to begin before it says that it did not.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays the demo with these files.
pub(crate) async fn play(
    shell: &Shell,
    fleet: &Fleet,
    files: &Files,
    expect: &mut Expectations,
) -> Result<(), Failure> {
    set_up(shell, fleet, files, expect).await?;
    approve(shell, fleet, &files.evidence, expect).await?;
    roll_out_through_a_crash(shell, fleet, expect).await?;
    roll_back(shell, fleet, expect).await?;
    tell_and_verify(shell, expect).await
}

fn heading(text: &str) -> Result<(), Failure> {
    const HEADING: anstyle::Style = anstyle::Style::new().bold().underline();
    print(format!("\n{HEADING}{text}{HEADING:#}\n\n").as_bytes())
}

async fn expect_versions(
    fleet: &Fleet,
    expect: &mut Expectations,
    version: &str,
    when: &str,
) -> Result<(), Failure> {
    let versions = fleet.versions().await?;
    expect.check(
        format!("all {} machines answer with version {version} {when}", versions.len()),
        versions.iter().all(|seen| seen == version),
        || format!("versions {versions:?}"),
    )
}

async fn set_up(
    shell: &Shell,
    fleet: &Fleet,
    files: &Files,
    expect: &mut Expectations,
) -> Result<(), Failure> {
    heading("A project, its people, and six machines")?;
    print(format!("machines: {}\n\n", fleet.addresses().join("  ")).as_bytes())?;
    expect_versions(fleet, expect, VERSION_FIRST, "at the beginning").await?;
    print(b"\n")?;
    let title = "--title=The core network";
    shell.must(&["project", "create", "core-network", title, "--as", "ada"]).await?;
    for member in ["barbara", "grace", "alan", "linus"] {
        let add = ["project", "member", "add", member, "--role", "engineer", "--as", "ada"];
        shell.must(&add).await?;
    }
    for member in ["barbara", "grace", "alan"] {
        let qualify = ["project", "qualify", member, "network", "--issuer", "CCIE", "--as", "ada"];
        shell.must(&qualify).await?;
    }
    for (what, published) in [("definitions", &files.definitions), ("calendar", &files.calendars)] {
        for file in published {
            let file = file.display().to_string();
            shell.must(&[what, "publish", &file, "--as", "ada"]).await?;
        }
    }
    Ok(())
}

fn targets(fleet: &Fleet) -> String {
    format!("targets={}", serde_json::json!(fleet.addresses()))
}

async fn approve(
    shell: &Shell,
    fleet: &Fleet,
    evidence: &[PathBuf],
    expect: &mut Expectations,
) -> Result<(), Failure> {
    heading("(a) A change that two qualified people must approve")?;
    let targets = targets(fleet);
    let version = format!("version={VERSION_GOOD}");
    let submit = [
        "submit",
        "normal-change",
        "--input",
        "title=Roll out version 2",
        "--input",
        "impact=none",
        "--input",
        "domain=network",
        "--input",
        "items=[\"core-routers\"]",
        "--input",
        "bake=1s",
        "--input",
        &targets,
        "--input",
        &version,
        "--as",
        "barbara",
    ];
    shell.must(&submit).await?;
    for (name, file) in ["back-out-plan", "test-report"].into_iter().zip(evidence) {
        let file = file.display().to_string();
        shell.must(&["attach", "1", name, &file, "--as", "barbara"]).await?;
    }
    let events: usize = shell.lines(&["history"]).await?.lines().count();
    for (member, code, what) in [
        ("barbara", "HP1003", "the requester is refused as an approver"),
        ("linus", "HP1004", "an engineer who is not qualified is refused"),
    ] {
        let ran = shell.run(&["approve", "1", "--as", member]).await?;
        expect.check(
            format!("{what} ({code})"),
            ran.code == Some(1) && ran.errors.contains(code),
            || format!("exit code {:?} and `{}`", ran.code, ran.errors.trim()),
        )?;
        print(b"\n")?;
    }
    let after = shell.lines(&["history"]).await?.lines().count();
    expect.check("a refusal leaves no trace in the history", events == after, || {
        format!("{events} events before and {after} after")
    })?;
    print(b"\n")?;
    shell.must(&["approve", "1", "--as", "grace"]).await?;
    shell.must(&["show", "1"]).await?;
    shell.must(&["approve", "1", "--as", "alan", "--reason", "the plan is sound"]).await?;
    let run: Value = shell.ask(&["show", "1"]).await?;
    expect.check(
        "two qualified people release the change",
        run.pointer("/view/state").and_then(Value::as_str) == Some("schedule"),
        || run.to_string(),
    )
}

async fn roll_out_through_a_crash(
    shell: &Shell,
    fleet: &Fleet,
    expect: &mut Expectations,
) -> Result<(), Failure> {
    heading("(b) Version 2 goes out in waves, and the engine is killed in the middle of one")?;
    let mut work = shell.start(&["work"])?;
    let caught = tokio::select! {
        caught = middle_of_second_wave(fleet) => caught,
        ended = work.wait() => {
            Err(Failure::expectation(format!("the work ended before its second wave: {ended:?}"), ""))
        }
    };
    let killed_machine = caught?;
    work.start_kill().map_err(|error| {
        Failure::expectation(format!("the engine could not be killed: {error}"), "")
    })?;
    let status = finish(work).await?;
    expect.check(
        "the engine's process was killed with SIGKILL in the middle of the second wave",
        status.signal() == Some(9),
        || format!("{status}"),
    )?;
    let before = shell.lines(&["history"]).await?;
    let versions = fleet.versions().await?;
    expect.check(
        "the rollout is half done",
        [VERSION_FIRST, VERSION_GOOD].iter().all(|&one| versions.iter().any(|seen| seen == one)),
        || format!("versions {versions:?}"),
    )?;
    print(b"\n")?;
    shell.must(&["show", "1"]).await?;

    print(b"The engine is started again:\n\n")?;
    let status = finish(shell.start(&["work"])?).await?;
    expect.check("the rollout went on to its end", status.success(), || format!("{status}"))?;
    let run: Value = shell.ask(&["show", "1"]).await?;
    expect.check(
        "the change is done",
        run.get("outcome").and_then(Value::as_str) == Some("completed"),
        || run.to_string(),
    )?;
    let after = shell.lines(&["history"]).await?;
    expect.check(
        "every event from before the crash is still there, byte for byte",
        after.starts_with(&before) && after.len() > before.len(),
        || format!("{} bytes before and {} after", before.len(), after.len()),
    )?;
    expect_all_attempts_answered(&shell.lines(&["history", "1"]).await?, expect)?;
    expect_versions(fleet, expect, VERSION_GOOD, "over HTTP").await?;
    expect_done_once(&fleet.records().await?, killed_machine, expect)
}

/// Waits until a machine of the second wave is in the middle of changing its version.
async fn middle_of_second_wave(fleet: &Fleet) -> Result<usize, Failure> {
    let (first, second) = WAVE_ENDS;
    let until = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < until {
        let records = fleet.records().await?;
        let busy = records.iter().take(second).skip(first).position(|machine| machine.busy);
        if let Some(index) = busy {
            return Ok(first.saturating_add(index));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Failure::expectation("the second wave did not begin", "is the machine very busy?"))
}

/// Of every attempt that the history says was begun it also says how it ended, and the one that
/// the crash cut off was tried again.
fn expect_all_attempts_answered(history: &str, expect: &mut Expectations) -> Result<(), Failure> {
    let (mut begun, mut answered, mut unknown) = (BTreeSet::new(), BTreeSet::new(), 0_u32);
    for line in history.lines() {
        let event: Value = serde_json::from_str(line)?;
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        let of = |member: &str| event.pointer(&format!("/data/{member}")).map(ToString::to_string);
        let attempt = (of("effect"), of("attempt"));
        match kind {
            "holdpoint.activity.started" => {
                begun.insert(attempt);
            }
            "holdpoint.activity.completed" | "holdpoint.activity.failed" => {
                answered.insert(attempt);
            }
            "holdpoint.activity.unknown" => {
                unknown = unknown.saturating_add(1);
                answered.insert(attempt);
            }
            _ => {}
        }
    }
    expect.check(
        format!("no step was lost: all {} attempts that were begun have an end", begun.len()),
        begun == answered && !begun.is_empty(),
        || format!("begun {begun:?}, ended {answered:?}"),
    )?;
    expect.check(
        format!("the crash is in the history: {} of unknown end", count(unknown, "attempt")),
        unknown > 0,
        || "no attempt with an unknown end".to_owned(),
    )
}

fn expect_done_once(
    records: &[Records],
    killed: usize,
    expect: &mut Expectations,
) -> Result<(), Failure> {
    let seen = || format!("{records:?}");
    expect.check(
        "by their own records, each machine was changed once",
        records.iter().all(|machine| machine.changes.len() == 1),
        seen,
    )?;
    let repeats: usize = records.iter().map(|machine| machine.repeats.len()).sum();
    let known = |machine: &Records| {
        let keys: BTreeSet<_> = machine.changes.iter().map(|change| &change.key).collect();
        machine.repeats.iter().all(|key| keys.contains(key))
    };
    expect.check(
        format!(
            "what was sent again ({}) carried the key of the first time, and changed nothing",
            count(repeats as u64, "request")
        ),
        records.iter().all(known)
            && records.get(killed).is_some_and(|machine| !machine.repeats.is_empty()),
        seen,
    )?;
    expect.check(
        "no machine was asked without a key",
        records.iter().all(|machine| machine.without_key == 0),
        seen,
    )
}

async fn roll_back(shell: &Shell, fleet: &Fleet, expect: &mut Expectations) -> Result<(), Failure> {
    heading("(c) Version 3 makes one machine unhealthy, and is undone")?;
    let before = fleet.records().await?;
    let targets = targets(fleet);
    let version = format!("version={VERSION_SICK}");
    let submit = [
        "submit",
        "rolling-rollout",
        "--input",
        "title=Roll out version 3",
        "--input",
        "bake=1s",
        "--input",
        &targets,
        "--input",
        &version,
        "--as",
        "barbara",
    ];
    shell.must(&submit).await?;
    shell.must(&["approve", "2", "--as", "grace"]).await?;
    let status = finish(shell.start(&["work"])?).await?;
    expect.check("the work went to its end", status.success(), || format!("{status}"))?;
    print(b"\n")?;
    shell.must(&["show", "2"]).await?;
    let run: Value = shell.ask(&["show", "2"]).await?;
    expect.check(
        "the rollout stopped at its failure limit and was undone",
        run.pointer("/view/rollout/phase").and_then(Value::as_str) == Some("undone"),
        || run.to_string(),
    )?;
    let after = fleet.records().await?;
    let news: Vec<_> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| after.changes.get(before.changes.len()..).unwrap_or_default())
        .collect();
    let (_, reached) = WAVE_ENDS;
    expect.check(
        format!("only the first {reached} machines ever had version 3"),
        news.iter().enumerate().all(|(index, changes)| {
            let had_it = changes.iter().any(|change| change.to == VERSION_SICK);
            had_it == (index < reached)
        }),
        || format!("{news:?}"),
    )?;
    let mut undone: Vec<_> = news
        .iter()
        .enumerate()
        .filter_map(|(index, changes)| {
            let restored = changes.iter().find(|change| change.from == VERSION_SICK)?;
            Some((restored.at, index))
        })
        .collect();
    undone.sort_unstable();
    let order: Vec<_> = undone.iter().map(|(_, index)| *index).collect();
    expect.check(
        "they were restored in reverse order, the last first",
        order == (0..reached).rev().collect::<Vec<_>>(),
        || format!("the order {order:?}"),
    )?;
    expect_versions(fleet, expect, VERSION_GOOD, "again, over HTTP").await
}

async fn tell_and_verify(shell: &Shell, expect: &mut Expectations) -> Result<(), Failure> {
    heading("(d) The history, as a person reads it, and as it can be checked")?;
    shell.must(&["history"]).await?;
    let verified = shell.must(&["verify"]).await?;
    let events = shell.lines(&["history"]).await?.lines().count();
    expect.check(
        format!("the log of {events} events is whole"),
        verified.output.contains(&format!("{events} events")),
        || verified.output.clone(),
    )
}
