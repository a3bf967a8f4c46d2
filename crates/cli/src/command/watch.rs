//! `holdpoint watch`: does what runs ask for, as `holdpoint work` does, and shows one of them live.

use std::{collections::BTreeMap, time::Duration};

use holdpoint::{
    core::{
        Event, RunId, RunStatus, Sequence,
        view::{RolloutView, TargetView},
    },
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
    output::{AskSize, at_its_end, count, line, picture, print, time},
    relay::caller,
};

/// How many events are read at once.
const READ_LIMIT: usize = 256;
/// How often the picture is drawn anew while nothing happens: it shows how much time is left.
const TICK: Duration = Duration::from_secs(1);
/// How many programs that are no rollout's are shown.
const PROGRAMS_MAX: usize = 12;
/// How many waves have a line of their own, where there are more.
const WAVES_MAX: u32 = 6;
/// How many lines the reason has for which a target failed.
const REASON_LINES: usize = 4;
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
    let (detail, left, interrupted) = context
        .with_engine(Effects::Perform, async |engine| {
            let run = context.run(engine, &arguments.run.run).await?;
            let form = match picture().filter(|_| !arguments.plain) {
                _ if context.json => Form::Json,
                None => Form::Lines,
                Some((target, size)) => Form::Picture(picture_frame(target), size),
            };
            let after = match context.after {
                Some(after) => after,
                None => engine.log().head().await?.sequence,
            };
            let outputs = Outputs::within(&context.directory);
            let mut watcher = Watcher { engine, outputs, run, after, form };
            let interrupted = tokio::select! {
                biased;
                why = engine.log_refuses() => return Err(work::log_refuses(&why)),
                rests = rests(engine, run, arguments.follow) => rests.map(|()| false)?,
                watched = watcher.watch() => return Err(watched),
                interrupted = work::interruption() => interrupted.map(|()| true)?,
            };
            watcher.catch_up().await?;
            let detail = engine.run(run).await?;
            let mut left = String::new();
            if let Form::Picture(frame, _) = &watcher.form {
                frame.finish_and_clear();
                left = what_is_left(&detail, Timestamp::now());
            }
            Ok((detail, left, interrupted))
        })
        .await?;
    if context.json {
        let last = json!({ "run": detail, "interrupted": interrupted });
        print(format!("{last}\n").as_bytes())?;
    } else {
        let mut text = format!("{}\n", show::in_a_line(&detail));
        if interrupted {
            text.push_str(if caller::current().is_some() {
                "interrupted; the work goes on, in the process that has the directory\n"
            } else {
                "interrupted; `holdpoint work` takes up again what was under way\n"
            });
        }
        if !matches!(detail.row.status, RunStatus::Ended { .. }) {
            text.push_str(&show::standing(&detail, Timestamp::now()));
        } else {
            text.push_str(&left);
        }
        print(text.as_bytes())?;
    }
    if interrupted {
        let is_its_end = arguments.follow && arguments.expect.is_empty();
        return if is_its_end { Ok(()) } else { Err(Failure::Interrupted) };
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
    Picture(ProgressBar, AskSize),
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
            if let Form::Picture(frame, size) = &self.form {
                let (rows, columns) = size();
                let size = Size { rows: rows.into(), columns: columns.into() };
                let running = running(&self.outputs, self.run);
                let lines = pictured(&detail, &running, Timestamp::now(), size);
                let cut = lines.iter().map(|line| console::truncate_str(line, size.columns, "…"));
                let drawn = cut.collect::<Vec<_>>().join("\n");
                // What has not changed is not drawn again: it would only flicker.
                if drawn != frame.message() {
                    frame.set_message(drawn);
                }
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

/// How large the terminal is.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    columns: usize,
}

/// A run at one moment, in as many lines as the terminal has.
fn pictured(detail: &RunDetail, running: &[Running], now: Timestamp, size: Size) -> Vec<String> {
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
    for (n, rollout) in rollouts.iter().enumerate() {
        // The cursor stands below.
        let left = size.rows.saturating_sub(lines.len().saturating_add(1));
        let rows = left.checked_div(rollouts.len().saturating_sub(n)).unwrap_or(left);
        lines.extend(rollout_lines(rollout, running, now, Size { rows, ..size }));
    }
    let is_of_a_rollout = |one: &&Running| {
        let all = rollouts.iter().flat_map(|rollout| &rollout.targets);
        one.target
            .as_ref()
            .is_some_and(|target| all.map(|one| &one.target).any(|one| one == target))
    };
    for one in running.iter().filter(|one| !is_of_a_rollout(one)).take(PROGRAMS_MAX) {
        lines.push(format!("  {}", line(&one.words)));
        lines.extend(one.lines.iter().cloned());
    }
    lines
}

/// What stays on the terminal of a run that has ended: how its rollouts ended, and what failed.
fn what_is_left(detail: &RunDetail, now: Timestamp) -> String {
    let mut text = String::new();
    for rollout in detail.view.rollouts() {
        let failed: Vec<&TargetView> =
            rollout.targets.iter().filter(|one| one.error.is_some()).collect();
        if failed.is_empty() {
            continue;
        }
        text.push_str(&show::rollout_as_a_whole(rollout, now));
        let more = failed.len().saturating_sub(PROGRAMS_MAX);
        for target in failed.into_iter().take(PROGRAMS_MAX) {
            let (first, rest) = reason(target);
            text.push_str(&format!("{}\n", line(&format!("{}  {first}", in_words(target)))));
            text.extend(tail(&rest, 3).iter().map(|said| format!("{said}\n")));
        }
        if more > 0 {
            let more = count(more as u64, "more target");
            text.push_str(&format!("  and {more}: `holdpoint show {}`\n", detail.row.number));
        }
    }
    text
}

fn in_words(target: &TargetView) -> String {
    format!("  {}  {}", target.target, target.state.replace('_', " "))
}

/// What went wrong at a target, without where else it can be read: its first line, and the others.
fn reason(target: &TargetView) -> (String, String) {
    let error = show::went_wrong(target);
    let (first, rest) = error.split_once('\n').unwrap_or((&error, ""));
    let place = first.split_once(" (see `holdpoint output ");
    let without = place.and_then(|(before, after)| Some((before, after.split_once("`)")?.1)));
    let first =
        without.map_or_else(|| first.to_owned(), |(before, after)| before.to_owned() + after);
    (first, rest.to_owned())
}

/// A text in lines that are no wider than so many columns, and no more than so many lines.
fn wrapped(text: &str, columns: usize, most: usize) -> Vec<String> {
    let width = columns.saturating_sub("    | ".len()).max(16);
    let mut lines = vec![String::new()];
    for word in line(text).split_whitespace() {
        let Some(last) = lines.last_mut() else { continue };
        let wide =
            console::measure_text_width(last).saturating_add(console::measure_text_width(word));
        if last.is_empty() {
            last.push_str(word);
        } else if wide < width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        lines.iter_mut().last().into_iter().for_each(|last| last.push_str(" …"));
    }
    lines.iter().filter(|line| !line.is_empty()).map(|line| format!("    | {line}")).collect()
}

/// How many targets are in which state, in words.
fn by_state<'a>(targets: impl Iterator<Item = &'a TargetView>) -> String {
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for target in targets {
        let of_it = states.entry(target.state).or_default();
        *of_it = of_it.saturating_add(1);
    }
    let words = states.iter().map(|(state, many)| format!("{many} {}", state.replace('_', " ")));
    words.collect::<Vec<_>>().join(", ")
}

fn wave_lines(rollout: &RolloutView, settled: &str) -> Vec<String> {
    let all = rollout.waves;
    let first = if all > WAVES_MAX {
        rollout.wave.saturating_sub(2).min(all.saturating_sub(WAVES_MAX)).saturating_add(1)
    } else {
        1
    };
    let last = all.min(first.saturating_add(WAVES_MAX).saturating_sub(1));
    let others = |number: u32, which: &str| {
        (number > 0).then(|| format!("  … {} {which}", count(number, "wave")))
    };
    let mut lines: Vec<String> = others(first.saturating_sub(1), "before").into_iter().collect();
    for wave in first..=last {
        let targets = || rollout.targets.iter().filter(move |target| target.wave == wave);
        let (all, done) =
            (targets().count(), targets().filter(|target| target.state == settled).count());
        let full = BAR.saturating_mul(done).checked_div(all).unwrap_or_default();
        let others =
            by_state(targets().filter(|one| one.state != settled && one.state != "waiting"));
        let others = if others.is_empty() { others } else { format!(", {others}") };
        lines.push(format!(
            "  wave {wave}  {}{}  {done} of {all} {settled}{others}",
            "█".repeat(full),
            "░".repeat(BAR.saturating_sub(full)),
        ));
    }
    lines.extend(others(all.saturating_sub(last), "to come"));
    lines
}

fn rollout_lines(
    rollout: &RolloutView,
    running: &[Running],
    now: Timestamp,
    size: Size,
) -> Vec<String> {
    let whole = show::rollout_as_a_whole(rollout, now);
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let back = matches!(rollout.phase, "undoing" | "undone" | "stuck");
    lines.extend(wave_lines(rollout, if back { "restored" } else { "healthy" }));
    let busy = |state: &str| !matches!(state, "waiting" | "healthy" | "restored");
    // What has gone wrong comes first: it is what people look for.
    let mut shown: Vec<&TargetView> =
        rollout.targets.iter().filter(|one| busy(one.state) || one.error.is_some()).collect();
    shown.sort_by_key(|one| one.error.is_none());
    let blocks: Vec<Vec<String>> =
        shown.iter().map(|target| target_lines(target, running, size.columns)).collect();
    let room = size.rows.saturating_sub(lines.len());
    // Where there is no room for all, half of it is for what went wrong.
    let failed = blocks.iter().zip(&shown).filter(|(_, target)| target.error.is_some());
    let reasons: usize = failed.map(|(block, _)| block.len().saturating_sub(1)).sum();
    let half = room.checked_div(2).unwrap_or_default();
    let mut spare = room.saturating_sub(blocks.len()).max(reasons.min(half));
    let mut left = room;
    for (n, (block, target)) in blocks.iter().zip(&shown).enumerate() {
        let others = shown.len().saturating_sub(n);
        if left <= 1 && others > 1 {
            let more = by_state(shown.iter().skip(n).copied());
            lines.push(format!("  and {}: {more}", count(others as u64, "more target")));
            break;
        }
        // The line about those that are left out has its place.
        let most = left.saturating_sub(usize::from(others > 1)).max(1);
        let details = block.len().saturating_sub(1).min(spare).min(most.saturating_sub(1));
        spare = spare.saturating_sub(details);
        left = left.saturating_sub(details.saturating_add(1));
        // Of what failed the beginning says why, of what runs the end how far it is.
        let (head, rest) = block.split_at_checked(1).unwrap_or_default();
        let skipped = rest.len().saturating_sub(details);
        lines.extend(head.iter().cloned());
        if target.error.is_some() {
            lines.extend(rest.iter().take(details).cloned());
        } else {
            lines.extend(rest.iter().skip(skipped).cloned());
        }
    }
    lines
}

/// A target, and below it why it failed or what its program writes.
fn target_lines(target: &TargetView, running: &[Running], columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (first, rest) = reason(target);
    let words = line(&in_words(target));
    let whole = line(&format!("{words}  {first}"));
    if console::measure_text_width(&whole) <= columns {
        lines.push(whole.trim_end().to_owned());
    } else {
        lines.push(words);
        lines.extend(wrapped(&first, columns, REASON_LINES));
    }
    lines.extend(tail(&rest, 3));
    let of_it = running.iter().filter(|one| one.target.as_ref() == Some(&target.target));
    lines.extend(of_it.flat_map(|one| one.lines.iter().cloned()));
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
            state: "roll".to_owned(),
            visit: 1,
            steerable: Vec::new(),
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
        let shown = |rollout: &RolloutView, rows, columns| {
            let size = Size { rows, columns };
            let lines = rollout_lines(rollout, &running, Timestamp::UNIX_EPOCH, size);
            assert!(lines.len() <= rows, "{} lines in {rows} rows", lines.len());
            lines.join("\n")
        };
        assert_snapshot!(shown(&rollout("rolling_out", targets.clone()), 24, 80), @r"
        rollout: rolling out, wave 2 of 3, 1 of 6 targets failed (undone at 2)
          wave 1  ████████████████████  2 of 2 healthy
          wave 2  ██████░░░░░░░░░░░░░░  1 of 3 healthy, 1 deploying, 1 failed
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
        assert_snapshot!(shown(&rollout("undoing", targets), 12, 80), @r"
        rollout: undoing, wave 2 of 3, 1 of 26 targets failed
          wave 1  ░░░░░░░░░░░░░░░░░░░░  0 of 26 restored, 1 deploying, 1 failed, 3 healthy, 20 restoring
          wave 2  ░░░░░░░░░░░░░░░░░░░░  0 of 0 restored
          wave 3  ░░░░░░░░░░░░░░░░░░░░  0 of 0 restored
          web-2-failed  failed  `sh` ended with exit status: 1: first
            | … 1 line before
            | third
            | \u{1b}[31mfourth
            | fifth
          web-1-restoring  restoring  before: was slow
          web-1-restoring  restoring  before: was slow
          and 19 more targets: 1 deploying, 18 restoring
        ");
    }

    #[test]
    fn why_a_target_failed_is_to_be_read_on_a_narrow_terminal_among_many() {
        let said = "`/bin/sh` ended with exit status: 1 (see `holdpoint output sha256:0e1f`): nginx: [emerg] \
                    unknown directive upstrem in /etc/nginx/conf.d/default.conf:17";
        let mut targets: Vec<TargetView> = (0..300).map(|_| target(2, "deploying", None)).collect();
        targets.push(target(2, "failed", Some(said)));
        let mut rollout = rollout("rolling_out", targets);
        rollout.waves = 40;
        rollout.wave = 20;
        let size = Size { rows: 16, columns: 60 };
        let lines = rollout_lines(&rollout, &[], Timestamp::UNIX_EPOCH, size);
        assert!(lines.iter().skip(1).all(|line| console::measure_text_width(line) <= 60));
        assert_snapshot!(lines.join("\n"), @r"
        rollout: rolling out, wave 20 of 40, 1 of 301 targets failed (undone at 2)
          … 18 waves before
          wave 19  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 20  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 21  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 22  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 23  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 24  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          … 16 waves to come
          web-2-failed  failed
            | `/bin/sh` ended with exit status: 1: nginx: [emerg]
            | unknown directive upstrem in
            | /etc/nginx/conf.d/default.conf:17
          web-2-deploying  deploying
          web-2-deploying  deploying
          and 298 more targets: 298 deploying
        ");
        let wide = Size { rows: 14, columns: 200 };
        let lines = rollout_lines(&rollout, &[], Timestamp::UNIX_EPOCH, wide);
        assert_snapshot!(lines.join("\n"), @r"
        rollout: rolling out, wave 20 of 40, 1 of 301 targets failed (undone at 2)
          … 18 waves before
          wave 19  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 20  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 21  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 22  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 23  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          wave 24  ░░░░░░░░░░░░░░░░░░░░  0 of 0 healthy
          … 16 waves to come
          web-2-failed  failed  `/bin/sh` ended with exit status: 1: nginx: [emerg] unknown directive upstrem in /etc/nginx/conf.d/default.conf:17
          web-2-deploying  deploying
          web-2-deploying  deploying
          web-2-deploying  deploying
          and 297 more targets: 297 deploying
        ");
    }

    #[test]
    fn of_what_was_said_the_last_lines_are_shown() {
        assert_eq!(tail("", 2), [""; 0]);
        assert_eq!(tail("a\n\nb\n", 2), ["    | a", "    | b"]);
        assert_eq!(tail("a\nb\nc\nd", 2), ["    | … 2 lines before", "    | c", "    | d"]);
    }
}
