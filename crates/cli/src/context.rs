//! What every command needs: the directory and its engine, who acts, which project, which run.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use holdpoint::{
    DataDirectory, DirectoryFailure,
    core::{Actor, Authentication, CommandId, Project, ProjectId, RunId},
    directory::SOCKET,
    engine::{Effects, Engine, QueryFailure, RunFilter, StartFailure},
    log_sled::{OpenFailure, SledLog},
};

use crate::{
    GUARD,
    arguments::{Acting, Arguments},
    failure::{Failure, LIST_RUNS},
    output::{line, tell},
    relay::{
        Told,
        asking::{self, Unreached},
        command_id,
        serving::{Live, Serving},
    },
};

/// The fewest characters of a run's id that may stand for it.
pub(crate) const ID_PART_MIN: usize = 6;

/// What the global options say.
pub(crate) struct Context {
    pub(crate) directory: PathBuf,
    pub(crate) project: Option<ProjectId>,
    /// How long to wait for another process.
    pub(crate) wait: Duration,
    pub(crate) json: bool,
    /// What this process is, for those who find the directory in use.
    pub(crate) user: String,
    /// Whether the process that has the directory may do the command.
    pub(crate) relayed: bool,
    /// What is open in this process already, where the command is done for another one.
    pub(crate) live: Option<Live>,
    /// Up to where an earlier process has told what happens.
    pub(crate) after: Told,
}

/// Who acts, and the id under which the command is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) actor: Actor,
    pub(crate) auth: Authentication,
    pub(crate) command: CommandId,
}

impl Context {
    /// The data directory, for who has no work done: nothing then depends on the operator's configuration.
    pub(crate) fn open(&self) -> Result<DataDirectory, Failure> {
        Ok(DataDirectory::open_without_work(&self.directory)?)
    }

    /// The data directory with its configuration, which must be complete.
    fn open_to_work(&self) -> Result<DataDirectory, Failure> {
        // The link is to the running program, also when its file was replaced meanwhile.
        let guard = vec!["/proc/self/exe".into(), GUARD.into()];
        Ok(DataDirectory::open(&self.directory)?.guarded_by(guard))
    }

    /// The log: the one that is open, or else opened. Where another process has it that takes commands of
    /// others, the failure is the way there; what was done up to here is done there again.
    pub(crate) async fn log(&self, directory: &DataDirectory) -> Result<Arc<SledLog>, Failure> {
        self.opened(async || directory.log(&self.user).await).await
    }

    /// As [`Context::log`], for what only reads: it works also where the directory cannot be written to.
    pub(crate) async fn log_to_read(
        &self,
        directory: &DataDirectory,
    ) -> Result<Arc<SledLog>, Failure> {
        self.opened(async || directory.log_to_read(&self.user).await).await
    }

    async fn opened(
        &self,
        open: impl AsyncFn() -> Result<Arc<SledLog>, DirectoryFailure>,
    ) -> Result<Arc<SledLog>, Failure> {
        if let Some(live) = &self.live {
            return Ok(Arc::clone(&live.log));
        }
        let began = Instant::now();
        loop {
            let failure = match open().await {
                Err(DirectoryFailure::Log(failure @ OpenFailure::InUse { .. })) => failure,
                opened => return Ok(opened?),
            };
            if self.relayed
                && let Ok(way) = asking::reach(&self.directory, self.wait).await
            {
                return Err(Failure::Served(way));
            }
            if began.elapsed() >= self.wait {
                let reached = asking::reach(&self.directory, self.wait).await;
                return Err(in_use(&failure, reached.err()));
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Opens the data directory, starts its engine, does `work` with it and shuts it down again,
    /// whatever came of it.
    pub(crate) async fn with_engine<T>(
        &self,
        effects: Effects,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(live) = &self.live {
            return work(&live.engine).await;
        }
        let directory = match effects {
            Effects::Perform => self.open_to_work()?,
            Effects::LeaveAlone => self.open()?,
        };
        let log = self.log(&directory).await?;
        match effects {
            Effects::Perform => directory.configuration().complete()?,
            Effects::LeaveAlone => self.tell_mistake(&directory),
        }
        let builder = directory.engine_on(Arc::clone(&log) as _)?;
        let engine = builder.effects(effects).start().await?;
        let serving = match effects {
            Effects::Perform => self.serve(Live { engine: engine.clone(), log }),
            Effects::LeaveAlone => None,
        };
        let worked = work(&engine).await;
        if let Some(serving) = serving {
            serving.close().await;
        }
        engine.shutdown().await;
        worked
    }

    /// Says what is wrong with the configuration, which nothing but work needs: what is told now says nothing of it.
    fn tell_mistake(&self, directory: &DataDirectory) {
        if let (false, Some(DirectoryFailure::Configuration(mistake))) =
            (self.json, directory.unconfigured())
        {
            tell(&format!(
                "note: {}; no work is done before that is mended\n",
                line(&mistake.to_string())
            ));
        }
    }

    /// Takes commands of other processes, if the file system lets it.
    fn serve(&self, live: Live) -> Option<Serving> {
        let serving = Serving::start(&self.directory, live);
        serving
            .map_err(|error| {
                tell(&format!(
                    "no command from another terminal reaches this one: `{}` cannot be used: \
                     {error}\n",
                    self.directory.join(SOCKET).display()
                ));
            })
            .ok()
    }

    /// The same, for a command that asks the process that has the directory for something, and is not
    /// done there itself.
    pub(crate) fn reaching(&self) -> Self {
        Self {
            directory: self.directory.clone(),
            project: self.project.clone(),
            wait: self.wait,
            json: self.json,
            user: self.user.clone(),
            relayed: true,
            live: self.live.clone(),
            after: None,
        }
    }

    /// What a command needs that is done for another process.
    pub(crate) fn of_caller(
        arguments: &Arguments,
        directory: PathBuf,
        live: Live,
        after: Told,
    ) -> Self {
        Self {
            directory,
            project: arguments.project.clone(),
            wait: Duration::ZERO,
            json: arguments.json,
            user: format!("holdpoint {}", arguments.command.name()),
            relayed: false,
            live: Some(live),
            after,
        }
    }

    /// As [`Context::with_engine`], for what neither does work nor waits for it.
    pub(crate) async fn with_engine_at_rest<T>(
        &self,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.with_engine(Effects::LeaveAlone, work).await
    }

    /// As [`Context::with_engine_at_rest`], for what only reads: it works also where the directory cannot be
    /// written to.
    pub(crate) async fn with_engine_to_read<T>(
        &self,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(live) = &self.live {
            return work(&live.engine).await;
        }
        let directory = self.open()?;
        self.tell_mistake(&directory);
        let start = async |log| {
            let builder = directory.engine_to_read_on(log)?;
            Ok::<_, Failure>(builder.effects(Effects::LeaveAlone).start().await)
        };
        let engine = match start(self.log_to_read(&directory).await?).await? {
            // The log could be opened, but what is derived from it not be brought up to date.
            Err(StartFailure::Query(QueryFailure::ReadModel(_))) => {
                let log = self.opened(async || directory.log_from_copies().await).await?;
                start(log).await??
            }
            started => started?,
        };
        let worked = work(&engine).await;
        engine.shutdown().await;
        worked
    }

    /// As [`Context::with_engine_at_rest`], or only to read where nothing is to be changed, as `dry` says.
    pub(crate) async fn with_engine_unless_dry<T>(
        &self,
        dry: bool,
        work: impl AsyncFnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if dry {
            self.with_engine_to_read(work).await
        } else {
            self.with_engine_at_rest(work).await
        }
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

/// How often a log that is in use is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Another process has the directory, and takes no commands, or not this one.
fn in_use(failure: &OpenFailure, unreached: Option<Unreached>) -> Failure {
    let works = |user: &str| ["holdpoint work", "holdpoint watch"].contains(&user);
    let works = matches!(failure, OpenFailure::InUse { user: Some(user), .. } if works(user));
    let help = match unreached {
        None => "it does what runs ask for: `holdpoint watch RUN` shows one of them from here"
            .to_owned(),
        Some(Unreached::OtherUser(user)) => format!(
            "it is of the user {user}, and does commands of that user alone: run the command as that user, or wait \
             for it, longer with `--wait SECONDS`"
        ),
        Some(Unreached::Nobody) if works => format!(
            "nothing reaches it: it is just starting or ending, or its `{SOCKET}` was removed or could not be made. \
             Wait for it, longer with `--wait SECONDS`, or start it anew"
        ),
        Some(Unreached::Nobody) => {
            "it takes no commands of others: wait for it, longer with `--wait SECONDS`, or stop it"
                .to_owned()
        }
    };
    Failure::busy(failure.to_string(), help)
}

/// Whether a text can name a run, whether or not there is one: see [`Context::run`].
pub(crate) fn names_a_run(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('/') {
        Some((project, number)) => project.parse::<ProjectId>().is_ok() && is_number(number),
        None => is_number(text) || (text.len() >= ID_PART_MIN && is_part_of_id(text)),
    }
}

fn is_part_of_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
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
    if !is_part_of_id(text) {
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
            command: self.command_id.unwrap_or_else(command_id),
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

#[cfg(test)]
mod tests {
    use super::names_a_run;

    #[test]
    fn the_name_of_a_run_is_told_from_that_of_a_target() {
        for run in
            ["3", "1234567", "lab/3", "0190ab", "ABCDEF-01", "01900000-0000-7000-8000-000000000001"]
        {
            assert!(names_a_run(run), "{run}");
        }
        for target in
            ["web-7", "cafe", "db/primary", "rack/web-7", "/3", "lab/", "", "10.0.0.7", "switch"]
        {
            assert!(!names_a_run(target), "{target}");
        }
    }
}
