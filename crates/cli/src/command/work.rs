//! `holdpoint work`: does what runs ask for, and shows how far it has come.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    time::Duration,
};

use holdpoint::{
    core::{Event, RunId, RunStatus, Sequence, view::RolloutView},
    directory::READ_MODEL,
    engine::{Effects, Engine, RunDetail, RunFilter, RunRow},
    log::Record,
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    arguments::Work,
    command::{list, show},
    context::Context,
    failure::Failure,
    narrate,
    output::{Answer, line, tell, time},
    relay::caller,
};

/// How many events are read at once.
const READ_LIMIT: usize = 256;

/// How the work ended.
enum End {
    Idle { next_timer: Option<Timestamp> },
    Interrupted,
}

/// Works until there is nothing left to do, or for ever.
pub(crate) async fn work(context: &Context, arguments: &Work) -> Result<(), Failure> {
    let (answer, left) = context
        .with_engine(Effects::Perform, async |engine| {
            let mut watcher = Watcher::start(engine).await?;
            if arguments.follow
                && let Some((broken, _)) = broken(engine).await?
            {
                tell(&format!("warning: {broken}\n"));
            }
            let end = tokio::select! {
                biased;
                why = engine.log_refuses() => return Err(log_refuses(&why)),
                ended = until_idle(engine, arguments.follow) => ended?,
                watched = watcher.watch() => return Err(watched),
                interrupted = interruption() => interrupted.map(|()| End::Interrupted)?,
            };
            watcher.catch_up().await?;
            watcher.finish();
            let left = match &end {
                End::Idle { .. } => left(engine).await?,
                End::Interrupted if arguments.follow => None,
                End::Interrupted => Some(Failure::Interrupted),
            };
            Ok((answer(engine, &watcher, &end, left.is_some()).await?, left))
        })
        .await?;
    answer.print(context.json)?;
    left.map_or(Ok(()), Err)
}

/// Nothing more is decided or done before the log is opened anew.
pub(crate) fn log_refuses(why: &str) -> Failure {
    Failure::storage(
        format!("the log accepts nothing any more, so nothing more is done: {why}"),
        "make room on the disk, or mend what is wrong there; then start it again: what was acknowledged is there, and \
         what was under way is taken up",
    )
}

/// What could not be done here.
async fn left(engine: &Engine) -> Result<Option<Failure>, Failure> {
    let unconfigured = unconfigured(&working(engine).await?);
    Ok(match (unconfigured, broken(engine).await?) {
        (Some(left), Some((broken, help))) => Some(left.but(&format!("{broken}: {help}"))),
        (None, Some((broken, help))) => Some(Failure::broken(broken, help)),
        (unconfigured, None) => unconfigured,
    })
}

/// How many broken runs are named.
const BROKEN_NAMED_MAX: usize = 8;

/// Which runs are passed over, as they are broken, and what to do about it.
async fn broken(engine: &Engine) -> Result<Option<(String, &'static str)>, Failure> {
    let several = engine.projects().len() > 1;
    let status = Some("stuck".to_owned());
    let mut rows = engine.runs(&RunFilter { status, ..RunFilter::default() }).await?;
    rows.retain(|row| row.broken().is_some());
    rows.sort_by_key(|row| (row.project.clone(), row.number));
    let named: Vec<String> =
        rows.iter().take(BROKEN_NAMED_MAX).map(|row| list::named(row, several)).collect();
    let more = match rows.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (runs, are) = if rows.len() == 1 { ("run", "is") } else { ("runs", "are") };
    let told = format!("{runs} {}{more} {are} broken, and left alone", named.join(", "));
    Ok((!rows.is_empty())
        .then_some((told, "`holdpoint list` says why, and `holdpoint verify` what can be done")))
}

/// What is left to do of these runs that nobody here is configured to do.
pub(crate) fn unconfigured(rows: &[RunRow]) -> Option<Failure> {
    let waiting: Vec<&RunRow> = rows.iter().filter(|row| !row.unconfigured.is_empty()).collect();
    if waiting.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> =
        waiting.iter().flat_map(|row| &row.unconfigured).map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Some(Failure::unconfigured(
        format!(
            "{} not configured here, and {} for {}",
            match names.as_slice() {
                [name] => format!("the activity `{name}` is"),
                names => format!("the activities `{}` are", names.join("`, `")),
            },
            match waiting.as_slice() {
                [only] => format!("run {} waits", only.number),
                waiting => format!("{} runs wait", waiting.len()),
            },
            if names.len() == 1 { "it" } else { "them" }
        ),
        "say in the directory's `holdpoint.toml` how it is done, then run `holdpoint work` again",
    ))
}

/// Waits for Ctrl-C, or for being asked to end.
pub(crate) async fn interruption() -> Result<(), Failure> {
    if let Some(caller) = caller::current() {
        caller.interruption().await;
        return Ok(());
    }
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminated.recv() => {}
    }
    Ok(())
}

/// The runs that machines work on, or would if they knew how.
async fn working(engine: &Engine) -> Result<Vec<RunRow>, Failure> {
    let status = Some("working".to_owned());
    Ok(engine.runs(&RunFilter { status, ..RunFilter::default() }).await?)
}

/// Waits until no run is worked on: those that wait only for their next attempt still are.
async fn until_idle(engine: &Engine, follow: bool) -> Result<End, Failure> {
    loop {
        let idle = engine.idle().await?;
        let none_works = working(engine).await?.iter().all(RunRow::waits_for_configuration);
        match idle.next_timer {
            next_timer if none_works && !follow => return Ok(End::Idle { next_timer }),
            None if !follow => return Ok(End::Idle { next_timer: None }),
            // Long sleeps are cut so that a clock that is set forward is noticed.
            next => {
                let left = next
                    .map(|at| at.duration_since(Timestamp::now()).max(jiff::SignedDuration::ZERO))
                    .map_or(Duration::from_secs(1), jiff::SignedDuration::unsigned_abs);
                let turn = left.clamp(Duration::from_millis(20), Duration::from_secs(1));
                tokio::time::sleep(turn).await;
            }
        }
    }
}

async fn answer(
    engine: &Engine,
    watcher: &Watcher<'_>,
    end: &End,
    is_left: bool,
) -> Result<Answer, Failure> {
    let mut details = Vec::new();
    for run in watcher.runs.keys() {
        details.push(engine.run(*run).await?);
    }
    // The ids of runs that others start are in no order.
    details.sort_by_key(|detail| (detail.row.project.clone(), detail.row.number));
    let mut text: String =
        details.iter().map(|detail| format!("{}\n", show::in_a_line(detail))).collect();
    let runs: Vec<RunRow> = details.into_iter().map(|detail| detail.row).collect();
    let (next_timer, interrupted) = match end {
        End::Idle { next_timer } => (*next_timer, false),
        End::Interrupted => (None, true),
    };
    text.push_str(&match end {
        End::Interrupted => {
            "interrupted; `holdpoint work` takes up again what was under way\n".to_owned()
        }
        End::Idle { next_timer: Some(at) } => {
            format!("nothing left to do before {} UTC, when a timer is due\n", time(*at))
        }
        End::Idle { next_timer: None } if is_left => {
            "nothing left that can be done here\n".to_owned()
        }
        End::Idle { next_timer: None } => "nothing left to do\n".to_owned(),
    });
    Answer::new(
        text,
        &json!({ "runs": runs, "next_timer": next_timer, "interrupted": interrupted }),
    )
}

/// Follows the log and shows what happens: bars on a terminal, lines elsewhere.
struct Watcher<'a> {
    engine: &'a Engine,
    after: Sequence,
    numbers: BTreeMap<RunId, u64>,
    /// The runs whose news have not been drawn yet.
    changed: BTreeSet<RunId>,
    /// The runs that something happened to, each with its bar once it has one.
    runs: BTreeMap<RunId, Option<ProgressBar>>,
    bars: Option<MultiProgress>,
    /// Whether it was told that lists go on in memory.
    told_of_memory: bool,
}

impl<'a> Watcher<'a> {
    async fn start(engine: &'a Engine) -> Result<Self, Failure> {
        let after = engine.log().head().await?.sequence;
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Ok(Self {
            engine,
            after,
            numbers: BTreeMap::new(),
            changed: BTreeSet::new(),
            runs: BTreeMap::new(),
            bars,
            told_of_memory: false,
        })
    }

    /// Shows what happens until that fails.
    async fn watch(&mut self) -> Failure {
        let mut news = self.engine.log().subscribe();
        loop {
            if let Err(failure) = self.catch_up().await {
                return failure;
            }
            if news.changed().await.is_err() {
                return Failure::storage("the log was closed", "");
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Failure> {
        loop {
            let records = self.engine.log().read(self.after, READ_LIMIT).await?;
            if records.is_empty() {
                self.tell_of_memory();
                return Ok(());
            }
            let events: Vec<Event> = records.iter().map(Record::event).collect::<Result<_, _>>()?;
            for (n, event) in events.iter().enumerate() {
                if let Some(run) = event.subject {
                    self.changed.insert(run);
                    let words = narrate::before(event, events.get(n.saturating_add(1)));
                    if let (None, Some(words)) = (&self.bars, words) {
                        let told = format!(
                            "{}  run {}  {}\n",
                            time(event.time),
                            self.number(run).await?,
                            line(&words)
                        );
                        // Progress that nobody sees any more must not stop the work.
                        drop(std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()));
                    }
                }
                self.after = event.sequence;
            }
            while let Some(run) = self.changed.first().copied() {
                if self.bars.is_some() {
                    self.draw(run, &self.engine.run(run).await?);
                }
                self.runs.entry(run).or_default();
                self.changed.remove(&run);
            }
        }
    }

    /// Says once that what is derived is not written to its file any more.
    fn tell_of_memory(&mut self) {
        if let (false, Some(why)) = (self.told_of_memory, self.engine.read_model_in_memory()) {
            self.told_of_memory = true;
            tell(&format!(
                "warning: `{READ_MODEL}` cannot be written to ({}): lists go on in memory, and the next start \
                 brings the file up to date; make room if the disk is full\n",
                line(&why)
            ));
        }
    }

    async fn number(&mut self, run: RunId) -> Result<u64, Failure> {
        if let Some(number) = self.numbers.get(&run) {
            return Ok(*number);
        }
        let number = self.engine.row(run).await?.number;
        self.numbers.insert(run, number);
        Ok(number)
    }

    fn draw(&mut self, run: RunId, detail: &RunDetail) {
        let rollouts = detail.view.rollouts();
        let under_way =
            |one: &&&RolloutView| matches!(one.phase, "rolling_out" | "undoing" | "stuck");
        let shown = rollouts.iter().find(under_way).or(rollouts.last());
        let (Some(bars), Some(rollout)) = (&self.bars, shown) else { return };
        let bar = self.runs.entry(run).or_default().get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(rollout.targets.len() as u64));
            let style = "{prefix} {bar:24.cyan/dim} {pos}/{len} {msg}";
            // The template is fixed; a bar of the default style would do as well.
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let undoing = matches!(rollout.phase, "undoing" | "undone");
        let settled = if undoing { "restored" } else { "healthy" };
        let done = rollout.targets.iter().filter(|target| target.state == settled).count();
        bar.set_length(rollout.targets.len() as u64);
        bar.set_prefix(format!("run {}", detail.row.number));
        bar.set_position(done as u64);
        let now: Vec<_> = rollout
            .targets
            .iter()
            .filter(|target| !matches!(target.state, "waiting" | "healthy" | "restored"))
            .map(|target| format!("{} {}", target.target, target.state))
            .collect();
        bar.set_message(format!(
            "{settled}, wave {} of {}{}{}",
            rollout.wave,
            rollout.waves,
            if now.is_empty() { "" } else { ": " },
            now.join(", ")
        ));
        if matches!(detail.view.status, RunStatus::Ended { .. } | RunStatus::Stuck) {
            bar.abandon_with_message(format!("{settled}, {}", list::status(&detail.view.status)));
        }
    }

    fn finish(&self) {
        for bar in self.runs.values().flatten().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
    }
}
