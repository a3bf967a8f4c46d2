//! One command to several runs: which are meant, what would come of it for each, and what came. Each run
//! decides by itself and answers for itself; what one refuses the others do not notice.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use holdpoint::{
    core::{Action, Command, CommandId, MemberId, NewEvent, Refusal, RefusalCode, RunId, RunView},
    engine::{CommandFailure, Engine, OnlyIf, RunFilter, RunRow},
};
use serde_json::Value;

use crate::{
    arguments::{Acting, which::Which},
    command::{
        about::{About, Found},
        names::Projects,
        run,
        several::{self, Outcome, Told},
    },
    context::{Context, Who},
    failure::{Failure, unloadable},
    output::Answer,
    strict_json, text_file,
};

/// What is wanted of runs.
pub(crate) trait Errand {
    /// The command, as it is typed.
    fn name(&self) -> &'static str;

    /// How it is said that it was done: to the one run that was named, and to one of several.
    fn done(&self) -> (&'static str, &'static str);

    /// What is said where it fits no run.
    fn none(&self) -> &'static str;

    /// What is sent.
    fn action(&self, to: &Meant) -> Action;

    /// Refuses names that are not there. `rows` are runs of the projects that are meant.
    fn check(&self, projects: &Projects, rows: &[RunRow]) -> Result<(), Refusal>;

    /// Whether it may be for a run, of all that are not over.
    fn takes(&self, row: &RunRow) -> bool;

    /// What it fits of a run that nobody has named: nothing, the run, or parts of it.
    fn fits(&self, view: &RunView) -> Vec<Part>;

    /// What is meant of a run that is named, where that is more than one thing.
    fn named(&self, _view: &RunView) -> Option<Vec<Part>> {
        None
    }

    /// Whether a run that is named has to be looked at to know that.
    fn looks_at_named(&self) -> bool {
        false
    }

    /// What it would be about, of the run as it is before, and what would happen.
    fn look(&self) -> Look;

    /// What a preview has found.
    fn read(&self, seen: Value) -> serde_json::Result<About>;

    /// The part of a run that a preview has found.
    fn part(&self, _about: &About) -> Part {
        Part::default()
    }

    /// Who else must be a member.
    fn in_place_of(&self) -> Option<&MemberId> {
        None
    }

    /// The targets of which each must be in some rollout.
    fn targets(&self) -> &[String] {
        &[]
    }

    /// Whether a run that was found and not named is left alone where it refuses: there may be many that
    /// are for others.
    fn leaves_to_others(&self) -> bool {
        false
    }
}

/// Which part of a run is meant; the run itself when nothing is said.
#[derive(Clone, Default)]
pub(crate) struct Part {
    /// The state whose rollout.
    pub(crate) rollout: Option<String>,
    /// Which of its targets.
    pub(crate) target: Option<String>,
}

impl Part {
    /// What tells it from the other parts of the run.
    fn key(&self) -> Option<String> {
        match (&self.rollout, &self.target) {
            (None, None) => None,
            (rollout, target) => {
                let target = target.iter().map(|target| format!("/{target}"));
                Some(rollout.iter().cloned().chain(target).collect())
            }
        }
    }
}

/// Says what a command is about.
pub(crate) type Look = Arc<dyn Fn(&RunView, &[NewEvent]) -> Option<Found> + Send + Sync>;

/// A run that is meant, and how it has come to that.
pub(crate) struct Meant {
    run: RunId,
    pub(crate) part: Part,
    pub(crate) how: How,
}

pub(crate) enum How {
    Named,
    Found,
    /// A preview has found it so.
    Seen(About),
}

enum Came {
    One(Answer),
    /// What came of it for each, as far as it came.
    Many(Vec<Told>, Option<Failure>),
}

/// Does it to each run that is meant, or says what would come of it.
pub(crate) async fn each(
    context: &Context,
    which: Which,
    acting: &Acting,
    errand: &impl Errand,
) -> Result<(), Failure> {
    let who = acting.who()?;
    let dry_run = which.dry_run;
    let seen = which.seen.as_deref().map(|file| preview(file, errand)).transpose()?;
    let came = context
        .with_engine_unless_dry(dry_run, async |engine| {
            let mut told = Vec::new();
            let meant = match &seen {
                Some(seen) => as_seen(context, engine, seen, errand).await?,
                None if which.runs.is_empty() => {
                    found(context, engine, errand, &who, &mut told).await?
                }
                None => named(context, engine, errand, &which.runs).await?,
            };
            if let ([one @ Meant { how: How::Named, .. }], false) = (meant.as_slice(), dry_run) {
                let sent = command(&who, who.command, errand.action(one));
                return run::send(engine, one.run, sent, errand.done().0).await.map(Came::One);
            }
            for one in &meant {
                let id = who.command.to_one_of_several(one.run, one.part.key().as_deref());
                let command = command(&who, id, errand.action(one));
                let one = if dry_run {
                    would(engine, errand, one, &command).await
                } else {
                    send(engine, errand, one, command).await
                };
                match one {
                    Ok(one) => told.push(one),
                    Err(failure) => return Ok(Came::Many(told, Some(failure))),
                }
            }
            Ok(Came::Many(told, None))
        })
        .await?;
    match came {
        Came::One(answer) => answer.print(context.json),
        Came::Many(told, failure) => {
            let printed = several::print(context, errand, &told);
            failure.map_or(printed, Err)
        }
    }
}

fn command(who: &Who, id: CommandId, action: Action) -> Command {
    Command { id, actor: who.actor.clone(), auth: who.auth.clone(), trace: None, action }
}

/// The runs that are named, each once.
async fn named(
    context: &Context,
    engine: &Engine,
    errand: &impl Errand,
    names: &[String],
) -> Result<Vec<Meant>, Failure> {
    let mut meant = Vec::new();
    for run in context.runs(engine, names).await? {
        let mut parts = vec![Part::default()];
        // What cannot be looked at says so when it is told.
        if errand.looks_at_named()
            && let Ok(detail) = engine.run(run).await
        {
            parts = errand.named(&detail.view).unwrap_or(parts);
        }
        meant.extend(parts.into_iter().map(|part| Meant { run, part, how: How::Named }));
    }
    Ok(meant)
}

/// The largest preview that is read, in bytes.
const PREVIEW_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A run as a preview has found it.
struct Seen {
    run: String,
    about: About,
}

/// What a preview has found that can be done.
fn preview(file: &Path, errand: &impl Errand) -> Result<Vec<Seen>, Failure> {
    let name = errand.name();
    let wrong = |why: String| {
        Failure::usage(
            format!("`{}` is no preview of `{name}`: {why}", file.display()),
            format!("make one: `holdpoint {name} … --dry-run --json > FILE`"),
        )
    };
    let text = text_file::read(file, PREVIEW_BYTES_MAX).map_err(&wrong)?;
    let read = strict_json::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let runs = read.get("runs").and_then(Value::as_array);
    let runs = runs.ok_or_else(|| wrong("it has no `runs`".to_owned()))?;
    match read.get("command").and_then(Value::as_str) {
        None => return Err(wrong("it does not say of which `command` it is".to_owned())),
        Some(other) if other != name => return Err(wrong(format!("it is one of `{other}`"))),
        Some(_) => {}
    }
    let mut seen = Vec::new();
    for run in runs.iter().filter(|run| run.get("result").is_some_and(|one| one == "would")) {
        let about = errand.read(run.clone()).map_err(|error| wrong(error.to_string()))?;
        let run = run.get("run").and_then(Value::as_str);
        let run = run.ok_or_else(|| wrong("one of its runs has no `run`".to_owned()))?;
        seen.push(Seen { run: run.to_owned(), about });
    }
    Ok(seen)
}

/// The runs of a preview.
async fn as_seen(
    context: &Context,
    engine: &Engine,
    seen: &[Seen],
    errand: &impl Errand,
) -> Result<Vec<Meant>, Failure> {
    let mut runs = Vec::new();
    for Seen { run, about } in seen {
        let run = context.run(engine, run).await;
        let run =
            run.map_err(|failure| failure.but("nothing was done for any run of the preview"))?;
        runs.push(Meant { run, part: errand.part(about), how: How::Seen(about.clone()) });
    }
    Ok(runs)
}

/// The runs that are not over and that it fits, the oldest first. What is named beside them must be
/// there, and so must who acts. Those that cannot be looked at are told.
async fn found(
    context: &Context,
    engine: &Engine,
    errand: &impl Errand,
    who: &Who,
    told: &mut Vec<Told>,
) -> Result<Vec<Meant>, Failure> {
    let projects = Projects::meant(context, engine)?;
    let mut people = who.actor.member().into_iter().chain(errand.in_place_of());
    people.try_for_each(|person| projects.member(person))?;
    let filter = RunFilter { project: context.project.clone(), ..RunFilter::default() };
    let mut rows = engine.runs(&filter).await?;
    errand.check(&projects, &rows)?;
    rows.retain(|row| !row.status.is_ended() && errand.takes(row));
    rows.reverse();
    let mut runs = Vec::new();
    let mut not_there: Vec<&String> = errand.targets().iter().collect();
    for row in rows {
        let run = row.id;
        let view = match engine.run(run).await {
            Ok(detail) => detail.view,
            Err(failure) if failure.is_of_the_run() => {
                told.push(Told::unloadable(row, Outcome::Left(unloadable(&failure))));
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        not_there.retain(|target| !is_target(&view, target));
        let parts = errand.fits(&view);
        runs.extend(parts.into_iter().map(|part| Meant { run, part, how: How::Found }));
    }
    if let Some(target) = not_there.first() {
        return Err(Refusal::new(
            RefusalCode::NotFound,
            format!("no run that this could be for has a rollout with a target `{target}`"),
        )
        .needs("`holdpoint show RUN` lists the targets of a rollout")
        .into());
    }
    Ok(runs)
}

fn is_target(view: &RunView, name: &str) -> bool {
    view.rollouts().into_iter().any(|one| one.targets.iter().any(|target| target.target == name))
}

/// What would come of it.
async fn would(
    engine: &Engine,
    errand: &impl Errand,
    meant: &Meant,
    command: &Command,
) -> Result<Told, Failure> {
    let would = match engine.would(meant.run, command).await {
        Err(CommandFailure::Query(failure)) if failure.is_of_the_run() => {
            let outcome = Outcome::Refused(unloadable(&failure));
            return Ok(Told::unloadable(engine.row(meant.run).await?, outcome));
        }
        would => refusal_of(would)?,
    };
    let detail = engine.run(meant.run).await?;
    let (found, outcome) = match would {
        Ok(events) => ((errand.look())(&detail.view, &events), Outcome::Would),
        Err(refusal) => (None, refused(errand, meant, refusal)),
    };
    Ok(Told::of(&detail, outcome).about(meant.part.clone(), found))
}

/// Does it, where it is still about what was seen.
async fn send(
    engine: &Engine,
    errand: &impl Errand,
    meant: &Meant,
    command: Command,
) -> Result<Told, Failure> {
    let noted = Arc::new(Mutex::new(None));
    let only_if = only_as_seen(errand.look(), &meant.how, Arc::clone(&noted));
    let sent = match engine.command_if(meant.run, command, only_if).await {
        Err(CommandFailure::Query(failure)) if failure.is_of_the_run() => {
            let outcome = Outcome::Refused(unloadable(&failure));
            return Ok(Told::unloadable(engine.row(meant.run).await?, outcome));
        }
        sent => refusal_of(sent)?,
    };
    let (done, outcome) = match sent {
        Ok(answer) => (Some(answer), Outcome::Done),
        Err(refusal) => (None, refused(errand, meant, refusal)),
    };
    let detail = several::shown(engine.run(meant.run).await, done)?;
    let found = noted.lock().unwrap_or_else(PoisonError::into_inner).take();
    let found = found.filter(|_| done.is_some());
    Ok(Told::of(&detail, outcome).about(meant.part.clone(), found))
}

/// Lets only happen what was seen, where something was, and notes what that is.
fn only_as_seen(look: Look, how: &How, noted: Arc<Mutex<Option<Found>>>) -> OnlyIf {
    let seen = match how {
        How::Seen(about) => Some(about.clone()),
        How::Named | How::Found => None,
    };
    Arc::new(move |view, events| {
        let found = look(view, events);
        let about = found.as_ref().map(|one| &one.about);
        if let Some(seen) = &seen
            && about != Some(seen)
        {
            let now = about.map_or_else(|| "it has gone on".to_owned(), About::as_it_is);
            let message = format!("it is not as it was seen: {now}");
            return Err(Refusal::new(RefusalCode::NotAsSeen, message));
        }
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    })
}

fn refused(errand: &impl Errand, meant: &Meant, refusal: Refusal) -> Outcome {
    match meant.how {
        How::Found if errand.leaves_to_others() => Outcome::Left(refusal),
        How::Named | How::Found | How::Seen(_) => Outcome::Refused(refusal),
    }
}

/// What was refused is told of the run; anything else ends the command.
fn refusal_of<T>(answer: Result<T, CommandFailure>) -> Result<Result<T, Refusal>, Failure> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(failure) => match Failure::from(failure) {
            Failure::Refused(refusal) => Ok(Err(refusal)),
            other => Err(other),
        },
    }
}
