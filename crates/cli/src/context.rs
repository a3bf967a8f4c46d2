//! What every command needs: the directory and its engine, who acts, which project, which run.

use std::{path::PathBuf, sync::Arc, time::Duration};

use holdpoint::{
    DataDirectory,
    core::{Actor, Authentication, CommandId, Project, ProjectId, RunId},
    engine::{Effects, Engine, RunFilter},
};

use crate::{
    GUARD,
    arguments::Acting,
    failure::{Failure, LIST_RUNS},
};

/// The fewest characters of a run's id that may stand for it.
pub(crate) const ID_PART_MIN: usize = 6;

/// What the global options say.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) directory: PathBuf,
    pub(crate) project: Option<ProjectId>,
    /// How long to wait for another process.
    pub(crate) wait: Duration,
    pub(crate) json: bool,
    /// What this process is, for those who find the directory in use.
    pub(crate) user: String,
}

/// Who acts, and the id under which the command is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) actor: Actor,
    pub(crate) auth: Authentication,
    pub(crate) command: CommandId,
}

impl Context {
    /// Reads the data directory's configuration.
    pub(crate) fn open(&self) -> Result<DataDirectory, Failure> {
        // The link is to the running program, also when its file was replaced meanwhile.
        let guard = vec!["/proc/self/exe".into(), GUARD.into()];
        let directory = DataDirectory::open(&self.directory)?.with_patience(self.wait);
        Ok(directory.guarded_by(guard))
    }

    /// Opens the data directory, starts its engine, does `work` with it and shuts it down again,
    /// whatever came of it.
    pub(crate) async fn with_engine<T>(
        &self,
        effects: Effects,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let directory = self.open()?;
        if effects == Effects::Perform {
            directory.configuration().complete()?;
        }
        let engine = directory.engine(&self.user).await?.effects(effects).start().await?;
        let worked = work(&engine).await;
        engine.shutdown().await;
        worked
    }

    /// As [`Context::with_engine`], for what neither does work nor waits for it.
    pub(crate) async fn with_engine_at_rest<T>(
        &self,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_engine(Effects::LeaveAlone, work).await
    }

    /// The project that is meant: the one that was named, or the only one.
    pub(crate) fn project(&self, engine: &Engine) -> Result<Arc<Project>, Failure> {
        let projects = engine.projects();
        let names =
            || projects.iter().map(|one| one.id().to_string()).collect::<Vec<_>>().join(", ");
        match (&self.project, projects.as_slice()) {
            (_, []) => Err(Failure::usage(
                "the directory has no project yet",
                "create one: `holdpoint project create NAME --as MEMBER`",
            )),
            (Some(name), _) => engine.project(name).ok_or_else(|| {
                Failure::usage(
                    format!("there is no project `{name}`"),
                    format!("the projects are: {}", names()),
                )
            }),
            (None, [only]) => Ok(Arc::clone(only)),
            (None, _) => Err(Failure::usage(
                "the directory has several projects, and none was named",
                format!("say `--project` and one of: {}", names()),
            )),
        }
    }

    /// The runs that are named, each once. Where one of them is not there, none is meant: what was
    /// typed is not what was thought of.
    pub(crate) async fn runs(
        &self,
        engine: &Engine,
        names: &[String],
    ) -> Result<Vec<RunId>, Failure> {
        let mut runs = Vec::new();
        for name in names {
            let run = self.run(engine, name).await.map_err(|failure| match names {
                [_] => failure,
                _ => failure.but("nothing was done, not for the other runs either"),
            })?;
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        Ok(runs)
    }

    /// The run that `text` means.
    pub(crate) async fn run(&self, engine: &Engine, text: &str) -> Result<RunId, Failure> {
        let (project, number) = match text.split_once('/') {
            Some((project, number)) => (Some(project.parse::<ProjectId>()?), number),
            None if text.len() < ID_PART_MIN || text.bytes().all(|b| b.is_ascii_digit()) => {
                (self.project.clone(), text)
            }
            None => return by_id(engine, text).await,
        };
        // The part of an id can consist of digits alone.
        let may_be_id = text.len() >= ID_PART_MIN && !text.contains('/');
        let number: u64 = match number.parse() {
            Ok(number) => number,
            Err(_) if may_be_id => return by_id(engine, text).await,
            Err(_) => return Err(not_a_run(text)),
        };
        match (engine.find_run(project.as_ref(), number).await?.as_slice(), project) {
            ([only], _) => Ok(*only),
            ([], _) if may_be_id => by_id(engine, text).await,
            ([], Some(project)) if engine.project(&project).is_none() => {
                let there =
                    engine.projects().iter().map(|one| one.id().to_string()).collect::<Vec<_>>();
                Err(Failure::usage(
                    format!("there is no project `{project}`"),
                    format!("the projects are: {}", there.join(", ")),
                ))
            }
            ([], Some(project)) => Err(Failure::usage(
                format!("there is no run {number} in the project `{project}`"),
                LIST_RUNS,
            )),
            ([], None) => Err(Failure::usage(format!("there is no run {number}"), LIST_RUNS)),
            (several, _) => Err(Failure::usage(
                format!("{} projects have a run {number}", several.len()),
                "say which with `--project`, or as PROJECT/NUMBER",
            )),
        }
    }
}

fn not_a_run(text: &str) -> Failure {
    Failure::usage(
        format!("`{text}` does not name a run"),
        format!(
            "give its number (`3`), PROJECT/NUMBER, its id, or at least {ID_PART_MIN} characters \
             of the beginning or end of its id; {LIST_RUNS}"
        ),
    )
}

async fn by_id(engine: &Engine, text: &str) -> Result<RunId, Failure> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(not_a_run(text));
    }
    let text = text.to_ascii_lowercase();
    let rows = engine.runs(&RunFilter::default()).await?;
    let found: Vec<_> = rows
        .iter()
        .filter(|row| {
            let id = row.id.to_string();
            id.starts_with(&text) || id.ends_with(&text)
        })
        .collect();
    match found.as_slice() {
        [only] => Ok(only.id),
        [] => Err(Failure::usage(format!("there is no run `{text}`"), LIST_RUNS)),
        several => Err(Failure::usage(
            format!("`{text}` stands for {} runs", several.len()),
            several
                .iter()
                .take(5)
                .map(|row| format!("{}/{}  {}  {}", row.project, row.number, row.id, row.title))
                .collect::<Vec<_>>()
                .join("\n"),
        )),
    }
}

impl Acting {
    /// Who acts.
    ///
    /// Whoever may write to a data directory may act in it as any member; what is recorded beside
    /// the member is the operating system's user, which cannot be chosen.
    pub(crate) fn who(&self) -> Result<Who, Failure> {
        let Some(member) = &self.actor else {
            return Err(Failure::usage(
                "nobody was named as the one who acts",
                "say `--as MEMBER`, or set HOLDPOINT_AS",
            ));
        };
        Ok(Who {
            actor: Actor::Member(member.clone()),
            auth: Authentication::new(format!("local:{}", user())),
            command: self.command_id.unwrap_or_else(|| CommandId::from_uuid(uuid::Uuid::now_v7())),
        })
    }
}

/// The operating system's user: the name that `/etc/passwd` has for the process's real user id,
/// or the number itself.
fn user() -> String {
    let id = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or(id)
}
