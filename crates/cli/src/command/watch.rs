//! `holdpoint watch`: does what runs ask for, as `holdpoint work` does, and shows one of them live.

use std::time::Duration;

use holdpoint::{
    core::{Event, RunId, RunStatus, Sequence, view::RolloutView},
    engine::{Effects, Engine, RunDetail},
    log::Record,
    output::{Output, Outputs},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    arguments::Watch,
    command::{show, work},
    context::Context,
    failure::Failure,
    narrate,
    output::{at_its_end, count, line, picture, print, time},
    relay::caller,
};

/// How many events are read at once.
const READ_LIMIT: usize = 256;
/// How often the picture is drawn anew while nothing happens: it shows how much time is left.
const TICK: Duration = Duration::from_secs(1);
/// How many targets of a rollout have a line of their own.
const TARGETS_MAX: usize = 12;
/// How many lines of what an activity has said are shown, its last.
const TAIL_LINES: usize = 6;
/// How many lines of what a program writes that runs.
const RUNNING_LINES: usize = 3;
/// How much of its end is looked at, in bytes.
const RUNNING_BYTES: u64 = 4 * 1024;
/// How wide the bar of a wave is, in characters.
const BAR: usize = 20;

/// Works, and shows the run until it has ended, is stuck or waits for people.
pub(crate) async fn watch(context: &Context, arguments: &Watch) -> Result<(), Failure> {
    let (detail, interrupted) = context
        .with_engine(Effects::Perform, async |engine| {
            let run = context.run(engine, &arguments.run.run).await?;
            let form = match picture().filter(|_| !arguments.plain) {
                _ if context.json => Form::Json,
                None => Form::Lines,
                Some((target, columns)) => Form::Picture(picture_frame(target), columns),
            };
            let after = match context.after {
                Some(after) => after,
                None => engine.log().head().await?.sequence,
            };
            let outputs = Outputs::within(&context.directory);
            let mut watcher = Watcher { engine, outputs, run, after, form };
            let interrupted = tokio::select! {
                rests = rests(engine, run, arguments.follow) => rests.map(|()| false)?,
                watched = watcher.watch() => return Err(watched),
                interrupted = work::interruption() => interrupted.map(|()| true)?,
            };
            watcher.catch_up().await?;
            if let Form::Picture(frame, _) = &watcher.form {
                frame.finish_and_clear();
            }
            Ok((engine.run(run).await?, interrupted))
        })
        .await?;
    if context.json {
        let last = json!({ "run": detail, "interrupted": interrupted });
        print(format!("{last}\n").as_bytes())?;
    } else {
        let mut text = format!("{}\n", show::in_a_line(&detail));
        if interrupted {
            text.push_str("interrupted; what is under way is taken up again\n");
        }
        if !matches!(detail.row.status, RunStatus::Ended { .. }) {
            text.push_str(&show::standing(&detail, Timestamp::now()));
        }
        print(text.as_bytes())?;
    }
    if interrupted {
        return Ok(());
    }
    if let Some(failure) = work::unconfigured(std::slice::from_ref(&detail.row)) {
        return Err(failure);
    }
    expected(&detail, &arguments.expect)
}

/// Whether the run has ended as one of `outcomes`, if any are expected.
fn expected(detail: &RunDetail, outcomes: &[String]) -> Result<(), Failure> {
    let ended = match &detail.row.status {
        RunStatus::Ended { outcome } => Some(outcome),
        _ => None,
    };
    if outcomes.is_empty() || ended.is_some_and(|outcome| outcomes.contains(outcome)) {
        return Ok(());
    }
    Err(Failure::expectation(
        format!("{}; expected was: {}", show::in_a_line(detail), outcomes.join(" or ")),
        format!("`holdpoint show {}` says why", detail.row.number),
    ))
}

/// Waits until nothing happens to the run by itself any more, but for what takes longer.
async fn rests(engine: &Engine, run: RunId, follow: bool) -> Result<(), Failure> {
    loop {
        let idle = engine.idle().await?;
        let detail = engine.run(run).await?;
        let over = matches!(detail.row.status, RunStatus::Ended { .. } | RunStatus::Stuck);
        let goes_on = detail.row.status == RunStatus::Working || show::bakes(&detail.view);
        if over || ((!goes_on || detail.row.waits_for_configuration()) && !follow) {
            return Ok(());
        }
        let left = idle
            .next_timer
            .map(|at| at.duration_since(Timestamp::now()).max(jiff::SignedDuration::ZERO))
            .map_or(TICK, jiff::SignedDuration::unsigned_abs);
        // Long sleeps are cut so that a clock that is set forward is noticed.
        tokio::time::sleep(left.clamp(Duration::from_millis(20), TICK)).await;
    }
}

/// How what happens is shown.
enum Form {
    /// Drawn on the terminal, again and again.
    Picture(ProgressBar, Box<dyn Fn() -> u16>),
    /// A line for each event, and what an activity that failed said.
    Lines,
    /// Each event as it is stored.
    Json,
}

fn picture_frame(target: ProgressDrawTarget) -> ProgressBar {
    let frame = ProgressBar::with_draw_target(None, target);
    // The template is fixed; a bar of the default style would do as well.
    frame.set_style(
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    frame
}

struct Watcher<'a> {
    engine: &'a Engine,
    outputs: Outputs,
    run: RunId,
    after: Sequence,
    form: Form,
}

impl Watcher<'_> {
    /// Shows what happens until that fails. What ends the run is no end of the work: an attempt of
    /// another run that was cut off could not be made again by itself, where it is not repeatable.
    async fn watch(&mut self) -> Failure {
        let mut news = self.engine.log().subscribe();
        loop {
            let detail = match self.looked().await {
                Ok(detail) => detail,
                Err(failure) => return failure,
            };
            if let Form::Picture(frame, columns) = &self.form {
                let columns = columns();
                let running = running(&self.outputs, self.run);
                let lines = pictured(&detail, &running, Timestamp::now());
                let cut = lines.iter().map(|line| console::truncate_str(line, columns.into(), "…"));
                frame.set_message(cut.collect::<Vec<_>>().join("\n"));
                frame.tick();
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() {
                    return Failure::storage("the log was closed", "");
                },
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// The run as it is when what has happened to it was told.
    async fn looked(&mut self) -> Result<RunDetail, Failure> {
        self.catch_up().await?;
        Ok(self.engine.run(self.run).await?)
    }

    /// Tells what has happened to the run since it was looked at.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        loop {
            let records = self.engine.log().read(self.after, READ_LIMIT).await?;
            let Some(last) = records.last() else {
                return caller::current().map_or(Ok(()), |caller| caller.told(self.after));
            };
            self.after = last.sequence;
            let events: Vec<Event> = records.iter().map(Record::event).collect::<Result<_, _>>()?;
            for (n, (record, event)) in records.iter().zip(&events).enumerate() {
                if event.subject != Some(self.run) {
                    continue;
                }
                match self.form {
                    Form::Picture(..) => {}
                    Form::Lines => {
                        if let Some(words) = narrate::before(event, events.get(n.saturating_add(1)))
                        {
                            print(told(event, &words).as_bytes())?;
                        }
                    }
                    Form::Json => {
                        print(&record.bytes)?;
                        print(b"\n")?;
                    }
                }
            }
        }
    }
}

/// An event in words, with the last lines of what an activity said that failed.
fn told(event: &Event, words: &str) -> String {
    let (first, rest) = words.split_once('\n').unwrap_or((words, ""));
    let mut text = format!("{}  {}\n", time(event.time), line(first));
    text.extend(tail(rest, TAIL_LINES).iter().map(|said| format!("{said}\n")));
    text
}

/// The last lines of a text, as they are shown below what they belong to.
fn tail(text: &str, most: usize) -> Vec<String> {
    let all = text.lines().filter(|line| !line.trim().is_empty()).count();
    let left_out = all.saturating_sub(most);
    let mut shown = last(text, most);
    if left_out > 0 {
        shown.insert(0, format!("    | … {} before", count(left_out as u64, "line")));
    }
    shown
}

/// The last lines of a text whose beginning is not there.
fn last(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<&str> = text.split('\n').map(at_its_end).collect();
    let lines: Vec<&&str> = lines.iter().filter(|line| !line.trim().is_empty()).collect();
    let left_out = lines.len().saturating_sub(most);
    lines.iter().skip(left_out).map(|one| format!("    | {}", line(one))).collect()
}

/// A program that runs, and the last that it has written.
struct Running {
    target: Option<String>,
    words: String,
    lines: Vec<String>,
}

/// The programs of a run that are running. What cannot be read is not shown: it is no part of the work.
fn running(outputs: &Outputs, run: RunId) -> Vec<Running> {
    let all = outputs.all().unwrap_or_default();
    let asked = |output: &Output| {
        let about = &output.about;
        if about.run != run || about.ended.is_some() || !output.is_running() {
            return None;
        }
        let end = output.end(RUNNING_BYTES).ok()?;
        let text = String::from_utf8_lossy(&end);
        Some(Running {
            target: about.target.clone(),
            words: format!(
                "`{}` (`{}`) runs since {} UTC",
                about.effect,
                about.activity,
                time(about.began)
            ),
            lines: last(&console::strip_ansi_codes(&text), RUNNING_LINES),
        })
    };
    all.iter().filter_map(asked).collect()
}

/// A run at one moment, line by line.
fn pictured(detail: &RunDetail, running: &[Running], now: Timestamp) -> Vec<String> {
    let mut lines = vec![show::in_a_line(detail)];
    if let Some(deadline) = &detail.view.deadline {
        lines.push(format!(
            "ends by {} UTC, in {}, as {}",
            time(deadline.at),
            show::span(deadline.at.duration_since(now)),
            line(&deadline.outcome)
        ));
    }
    let rollouts = detail.view.rollouts();
    for rollout in &rollouts {
        lines.extend(rollout_lines(rollout, running, now));
    }
    let is_of_a_rollout = |one: &&Running| {
        let all = rollouts.iter().flat_map(|rollout| &rollout.targets);
        one.target
            .as_ref()
            .is_some_and(|target| all.map(|one| &one.target).any(|one| one == target))
    };
    for one in running.iter().filter(|one| !is_of_a_rollout(one)).take(TARGETS_MAX) {
        lines.push(format!("  {}", line(&one.words)));
        lines.extend(one.lines.iter().cloned());
    }
    lines
}

fn rollout_lines(rollout: &RolloutView, running: &[Running], now: Timestamp) -> Vec<String> {
    let whole = show::rollout_as_a_whole(rollout, now);
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let back = matches!(rollout.phase, "undoing" | "undone" | "stuck");
    let settled = if back { "restored" } else { "healthy" };
    for wave in 1..=rollout.waves {
        let targets = || rollout.targets.iter().filter(move |target| target.wave == wave);
        let (all, done) =
            (targets().count(), targets().filter(|target| target.state == settled).count());
        let full = BAR.saturating_mul(done).checked_div(all).unwrap_or_default();
        lines.push(format!(
            "  wave {wave}  {}{}  {done} of {all} {settled}",
            "█".repeat(full),
            "░".repeat(BAR.saturating_sub(full)),
        ));
    }
    let busy = |state: &str| !matches!(state, "waiting" | "healthy" | "restored");
    // What has gone wrong comes first: it is what people look for.
    let mut shown: Vec<_> =
        rollout.targets.iter().filter(|one| busy(one.state) || one.error.is_some()).collect();
    shown.sort_by_key(|one| one.error.is_none());
    let more = shown.len().saturating_sub(TARGETS_MAX);
    for target in shown.into_iter().take(TARGETS_MAX) {
        let error = show::went_wrong(target);
        let (first, rest) = error.split_once('\n').unwrap_or((&error, ""));
        let words = format!("  {}  {}  {first}", target.target, target.state.replace('_', " "));
        lines.push(line(words.trim_end()));
        lines.extend(tail(rest, 3));
        let of_it = running.iter().filter(|one| one.target.as_ref() == Some(&target.target));
        lines.extend(of_it.flat_map(|one| one.lines.iter().cloned()));
    }
    if more > 0 {
        lines.push(format!("  and {}", count(more as u64, "more target")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use holdpoint::core::view::TargetView;
    use insta::assert_snapshot;

    use super::*;

    fn target(wave: u32, state: &'static str, error: Option<&str>) -> TargetView {
        let target = format!("web-{wave}-{state}");
        TargetView { target, wave, state, error: error.map(str::to_owned) }
    }

    fn rollout(phase: &'static str, targets: Vec<TargetView>) -> RolloutView {
        RolloutView {
            phase,
            wave: 2,
            waves: 3,
            failed: 1,
            failed_max: 2,
            skipped: 0,
            paused: None,
            between: None,
            targets,
        }
    }

    #[test]
    fn a_rollout_is_drawn_with_its_waves_and_with_what_failed_first() {
        let said =
            "`sh` ended with exit status: 1: first\nsecond\n\nthird\n\u{1b}[31mfourth\nfifth\n";
        let mut targets = vec![
            target(1, "healthy", None),
            target(1, "healthy", None),
            target(2, "healthy", None),
            target(2, "deploying", None),
            target(2, "failed", Some(said)),
            target(3, "waiting", None),
        ];
        let running = [Running {
            target: Some("web-2-deploying".to_owned()),
            words: "`go#1/web-2-deploying/deploy`".to_owned(),
            lines: last("of a line\n\n10%\r20%\r\nunpacking", 2),
        }];
        let shown = |rollout: &RolloutView| {
            rollout_lines(rollout, &running, Timestamp::UNIX_EPOCH).join("\n")
        };
        assert_snapshot!(shown(&rollout("rolling_out", targets.clone())), @r"
        rollout: rolling out, wave 2 of 3, 1 of 6 targets failed (undone at 2)
          wave 1  ████████████████████  2 of 2 healthy
          wave 2  ██████░░░░░░░░░░░░░░  1 of 3 healthy
          wave 3  ░░░░░░░░░░░░░░░░░░░░  0 of 1 healthy
          web-2-failed  failed  `sh` ended with exit status: 1: first
            | … 1 line before
            | third
            | \u{1b}[31mfourth
            | fifth
          web-2-deploying  deploying
            | 20%
            | unpacking
        ");
        targets.iter_mut().for_each(|one| one.wave = 1);
        targets.extend((0..20).map(|_| target(1, "restoring", Some("was slow"))));
        assert_snapshot!(shown(&rollout("undoing", targets)), @r"
        rollout: undoing, wave 2 of 3, 1 of 26 targets failed
          wave 1  ░░░░░░░░░░░░░░░░░░░░  0 of 26 restored
          wave 2  ░░░░░░░░░░░░░░░░░░░░  0 of 0 restored
          wave 3  ░░░░░░░░░░░░░░░░░░░░  0 of 0 restored
          web-2-failed  failed  `sh` ended with exit status: 1: first
            | … 1 line before
            | third
            | \u{1b}[31mfourth
            | fifth
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          and 10 more targets
        ");
    }

    #[test]
    fn of_what_was_said_the_last_lines_are_shown() {
        assert_eq!(tail("", 2), [""; 0]);
        assert_eq!(tail("a\n\nb\n", 2), ["    | a", "    | b"]);
        assert_eq!(tail("a\nb\nc\nd", 2), ["    | … 2 lines before", "    | c", "    | d"]);
    }
}
