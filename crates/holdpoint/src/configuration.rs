//! The operator's configuration, `holdpoint.toml`: the activities that runs may ask for.
//!
//! Only what is configured here can run, and only hosts that are listed here are contacted by health
//! checks: a definition names an activity,
//! and a run's input fills the fields that the operator has put into it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_definition::is_name;
use holdpoint_engine::{ActivityHandler, QueueLimits, Rate};
use jiff::SignedDuration;
use serde::Deserialize;
use toml::Spanned;

use crate::activity::{
    ATTEMPTS, CommandActivity, Guard, HEALTH_CHECK, HTTP_CHECK, HealthCheck, Hosts, HttpActivity,
    HttpRequest, Incomplete, Limited, MetricsServer, Secrets, Trust,
};
use crate::{evidence::EvidenceStore, output::Outputs};

mod digest;
mod http;
mod reading;

use http::Http;
use reading::Reading;

/// What a new data directory's `holdpoint.toml` says.
pub(crate) const TEMPLATE: &str = include_str!("holdpoint.toml");

/// The operator's configuration.
#[derive(Clone, Default)]
pub struct Configuration {
    activities: BTreeMap<String, Arc<dyn ActivityHandler>>,
    queues: BTreeMap<String, QueueLimits>,
    hosts: Hosts,
    servers: BTreeMap<String, MetricsServer>,
    trust: Trust,
    guard: Guard,
    secrets: Secrets,
    missing: Vec<ConfigurationFailure>,
    /// What is said of each activity.
    said: BTreeMap<String, String>,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").field("activities", &self.activities.keys()).finish()
    }
}

/// A configuration file is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}", .path.display())]
pub struct ConfigurationFailure {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The variables of the environment whose values are masked in what programs write.
    #[serde(default)]
    secrets: Vec<Spanned<String>>,
    #[serde(default)]
    activity: BTreeMap<Spanned<String>, Spanned<Entry>>,
    /// How many attempts of these queues are under way at once, and how fast they begin.
    #[serde(default)]
    queues: BTreeMap<String, Spanned<Queue>>,
    #[serde(default)]
    tls: Tls,
    #[serde(default)]
    health: Health,
    #[serde(default)]
    metrics: BTreeMap<String, Spanned<Metrics>>,
}

/// The limits of a queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Queue {
    at_once: Option<u32>,
    rate: Option<String>,
}

/// Whom requests by `https` trust.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    ca: Option<Spanned<Vec<PathBuf>>>,
}

/// What health checks may contact.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    hosts: Option<Spanned<Vec<String>>>,
}

/// A metrics server that health checks may ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    command: Option<Spanned<Vec<String>>>,
    shell: Option<Spanned<Shell>>,
    directory: Option<Spanned<PathBuf>>,
    environment: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
    #[serde(rename = "final")]
    is_final: Option<Spanned<Vec<i32>>>,
    queue: Option<Spanned<String>>,
    at_once_at_target: Option<Spanned<u32>>,
    http: Option<Spanned<Http>>,
}

impl Entry {
    /// Takes the secrets that it names.
    fn read(self, reading: &mut Reading<'_>) -> Result<EntryRead, ConfigurationFailure> {
        let before = reading.missing.len();
        let environment = match &self.environment {
            None => BTreeMap::new(),
            Some(variables) => reading.environment(variables.get_ref())?,
        };
        let http = match &self.http {
            None => None,
            Some(http) => Some(http.get_ref().request(http.span().start, reading)?),
        };
        let missing = reading.missing.get(before).cloned();
        Ok(EntryRead { entry: self, environment, http, missing })
    }
}

/// An activity, with its secrets.
struct EntryRead {
    entry: Entry,
    environment: BTreeMap<String, String>,
    http: Option<HttpRequest>,
    /// The first of its secrets that is not there.
    missing: Option<ConfigurationFailure>,
}

/// Which shell reads a command: one of ours, or that which these words run, before the script.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected true, false, or a list such as [\"/bin/bash\", \"-euc\"]")]
enum Shell {
    Is(bool),
    Words(Vec<String>),
}

/// It stops at what fails, and at a variable that it does not have.
const SHELL: [&str; 3] = ["/bin/sh", "-eu", "-c"];

impl Shell {
    fn words(&self) -> Option<Vec<String>> {
        match self {
            Self::Is(false) => None,
            Self::Is(true) => Some(SHELL.map(str::to_owned).to_vec()),
            Self::Words(words) => Some(words.clone()),
        }
    }
}

/// What is wrong at an offset of the file.
fn failure_at(
    path: &Path,
    text: &str,
    offset: usize,
    message: &str,
    help: &str,
) -> ConfigurationFailure {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    ConfigurationFailure {
        path: path.to_owned(),
        line: before.matches('\n').count().saturating_add(1),
        column: column.saturating_add(1),
        message: message.to_owned(),
        help: help.to_owned(),
    }
}

const HELP_NAME: &str =
    "names are at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit";

const HELP_FORMS: &str = "an activity is one of\n  \
    command = [\"program\", \"argument\", \"${field}\"]\n  \
    http = { method = \"POST\", url = \"http://${target}/path\", hosts = [\"*.example.com\"] }";

/// When each attempt of such a span began is kept in memory.
const RATE_MAX: u32 = 10_000;

const HELP_QUEUE: &str = "give `at_once = 4`, `rate = \"10/min\"` or both; a rate has up to 10,000 \
    attempts per `s`, `min`, `h` or `d`";

const HELP_HOSTS: &str = "list hosts that health checks may contact, such as `db-1:5432`, \
    `*.example.com`, `10.0.0.0/8`, or `*` for all";

const HELP_SECRETS: &str = "list the names of variables, such as `secrets = [\"TOKEN\"]`; their values \
    are masked";

/// Whether an environment can have a variable of this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

impl Configuration {
    /// Reads `text`, the content of the file at `path`. Programs will run in `directory`.
    ///
    /// # Errors
    /// With the first line that is not acceptable, and what to do about it.
    pub fn parse(text: &str, path: &Path, directory: &Path) -> Result<Self, ConfigurationFailure> {
        let failure = |offset: usize, message: &str, help: &str| {
            failure_at(path, text, offset, message, help)
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let line = text.get(offset..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let before = text.get(..offset).and_then(|text| text.lines().last());
            let is_secrets = [before.unwrap_or_default(), line]
                .iter()
                .any(|text| text.trim_start().starts_with("secrets"));
            failure(offset, error.message(), if is_secrets { HELP_SECRETS } else { HELP_FORMS })
        })?;
        if let Some(name) = file.secrets.iter().find(|name| !is_variable(name.get_ref())) {
            let message = format!("`{}` is not the name of a variable", name.get_ref());
            return Err(failure(name.span().start, &message, HELP_SECRETS));
        }
        let mut reading = Reading::new(path, text, directory);
        let mut entries = Vec::new();
        for (name, entry) in file.activity {
            entries.push((name, entry.into_inner().read(&mut reading)?));
        }
        let mut servers = BTreeMap::new();
        for (name, metrics) in file.metrics {
            let at = metrics.span().start;
            let Metrics { url, headers } = metrics.into_inner();
            let before = reading.missing.len();
            let headers = reading.headers(&headers)?;
            let server = MetricsServer::new(&url, &headers).map_err(|message| {
                failure(at, &message, "give the address of a server that speaks Prometheus' HTTP API, such as `url = \"http://prometheus:9090\"`")
            })?;
            if reading.missing.len() == before {
                servers.insert(name, server);
            }
        }
        let secrets = {
            let of_programs = entries.iter().map(|(_, entry)| &entry.environment);
            let listed = file.secrets.iter().map(Spanned::get_ref).flat_map(|name| {
                let own = std::env::var(name).ok();
                own.into_iter().chain(of_programs.clone().filter_map(|all| all.get(name).cloned()))
            });
            Secrets::new(listed.chain(reading.taken()).collect::<Vec<_>>())
        };
        let files = EvidenceStore::within(directory);
        let outputs = Outputs::within(directory);
        let guard = Guard::default();
        let trust = match &file.tls.ca {
            None => Trust::default(),
            Some(files) => {
                let paths = files.get_ref().iter().map(|file| directory.join(file));
                Trust::with(paths).map_err(|message| {
                    let help = "name files with certificates as PEM; a relative path is found from \
                        the data directory";
                    failure(files.span().start, &message, help)
                })?
            }
        };
        let mut queues = BTreeMap::new();
        for (name, queue) in file.queues {
            let limits = queue_limits(queue.get_ref())
                .map_err(|message| failure(queue.span().start, &message, HELP_QUEUE))?;
            queues.insert(name, limits);
        }
        let names = file.secrets.iter().map(|name| name.get_ref().as_str()).collect();
        let said = digest::said(text, &names);
        let mut activities: BTreeMap<String, Arc<dyn ActivityHandler>> = BTreeMap::new();
        for (name, entry) in entries {
            let at = name.span().start;
            let name = name.into_inner();
            if !is_name(&name) {
                let message =
                    format!("`{name}` is not a name for an activity: no definition could name it");
                return Err(failure(at, &message, HELP_NAME));
            }
            if name == HTTP_CHECK || name == HEALTH_CHECK {
                let message = format!("the activity `{name}` is built in");
                return Err(failure(at, &message, "give the activity another name"));
            }
            let EntryRead { entry, environment, http, missing } = entry;
            let Entry {
                command,
                shell,
                http: http_at,
                directory: within,
                environment: environment_at,
                is_final,
                queue,
                at_once_at_target,
            } = entry;
            let alone = within
                .as_ref()
                .map(|one| ("directory", one.span().start))
                .or(environment_at.as_ref().map(|one| ("environment", one.span().start)))
                .or(is_final.as_ref().map(|one| ("final", one.span().start)))
                .or(shell.as_ref().map(|one| ("shell", one.span().start)));
            if let Some((key, at)) = alone.filter(|_| command.is_none()) {
                let message = format!("the activity `{name}` has a `{key}` and no `command`");
                return Err(failure(at, &message, "only programs have one: leave it out"));
            }
            if let Some(variable) = environment.keys().find(|name| !is_variable(name)) {
                let message = format!("`{variable}` is not the name of a variable");
                return Err(failure(at, &message, "give it a name such as `PATH`"));
            }
            if let Some(variable) =
                environment.keys().find(|name| ATTEMPTS.contains(&name.as_str()))
            {
                let message = format!("`{variable}` is what each attempt is given");
                return Err(failure(at, &message, "leave it out, or give it another name"));
            }
            if let Some(codes) = &is_final
                && let Some(code) = codes.get_ref().iter().find(|code| !(1..256).contains(*code))
            {
                let message = format!("`{code}` is not the exit code of a failure");
                let help = "list codes from 1 to 255 after which no other attempt makes sense";
                return Err(failure(codes.span().start, &message, help));
            }
            let (handler, at): (Result<Arc<dyn ActivityHandler>, String>, usize) =
                match (command, http) {
                    (Some(argv), None) => {
                        let at = argv.span().start;
                        let shell = shell.as_ref().and_then(|shell| shell.get_ref().words());
                        let made = match shell {
                            None => CommandActivity::new(argv.get_ref(), directory),
                            Some(shell) => {
                                CommandActivity::by_shell(&shell, argv.get_ref(), directory)
                            }
                        };
                        let made = made.map(|one| {
                            let one = match &within {
                                None => one,
                                Some(within) => one.within(within.get_ref()),
                            };
                            Arc::new(
                                one.environment(environment)
                                    .final_exits(
                                        is_final.map(Spanned::into_inner).unwrap_or_default(),
                                    )
                                    .guarded(guard.clone())
                                    .masking(secrets.clone())
                                    .keeping(files.clone())
                                    .followed(outputs.clone()),
                            )
                        });
                        (made.map(|one| one as Arc<_>), at)
                    }
                    (None, Some(http)) => {
                        let made = HttpActivity::new(&http, &trust);
                        let made = made.map(|one| Arc::new(one.masking(secrets.clone())));
                        let at = http_at.as_ref().map_or(at, |http| http.span().start);
                        (made.map(|one| one as Arc<_>), at)
                    }
                    (Some(_), Some(_)) => {
                        let message =
                            format!("the activity `{name}` has a `command` and an `http`");
                        return Err(failure(at, &message, "keep one of them"));
                    }
                    (None, None) => {
                        let message = format!("the activity `{name}` says nothing to do");
                        return Err(failure(at, &message, HELP_FORMS));
                    }
                };
            let handler = handler.map_err(|message| failure(at, &message, HELP_FORMS))?;
            let handler = match missing {
                None => handler,
                Some(missing) => Arc::new(Incomplete::new(missing.to_string())),
            };
            if let Some(queue) = &queue
                && !queues.contains_key(queue.get_ref())
            {
                let message = format!("there is no queue `{}`", queue.get_ref());
                let help = "say what its limits are: `[queues.NAME]` with `at_once` or `rate`";
                return Err(failure(queue.span().start, &message, help));
            }
            if let Some(most) = &at_once_at_target
                && *most.get_ref() == 0
            {
                let help = "one attempt at a time has each target, unless you allow more";
                return Err(failure(most.span().start, "nothing would ever begin", help));
            }
            let at_target = at_once_at_target.map_or(1, Spanned::into_inner);
            let handler = Limited::new(handler, queue.map(Spanned::into_inner), at_target);
            activities.insert(name, Arc::new(handler));
        }
        let hosts = match &file.health.hosts {
            None => Hosts::default(),
            Some(hosts) => Hosts::new(hosts.get_ref().iter().map(String::as_str))
                .map_err(|message| failure(hosts.span().start, &message, HELP_HOSTS))?,
        };
        let missing = reading.missing;
        Ok(Self { activities, queues, hosts, servers, trust, guard, secrets, missing, said })
    }

    /// Whether every secret is there that activities and metrics servers need. Who has work done asks this first;
    /// an activity that lacks one fails, and does nothing.
    ///
    /// # Errors
    /// With the first that is not there, and its place.
    pub fn complete(&self) -> Result<(), ConfigurationFailure> {
        self.missing.first().cloned().map_or(Ok(()), Err)
    }

    /// The health check, which may contact the listed hosts, and use the configured activities and metrics servers.
    ///
    /// # Errors
    /// In words, when the machine offers no HTTP client.
    pub fn health_check(&self) -> Result<HealthCheck, String> {
        HealthCheck::new(self.hosts.clone(), self.activities.clone(), self.servers.clone())?
            .masking(self.secrets.clone())
            .trusting(self.trust.clone())
    }

    /// The values that are masked in what programs write and workers say.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// How programs are run so that they do not outlive the engine.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The configured queues, by name.
    pub fn queues(&self) -> impl Iterator<Item = (&str, QueueLimits)> {
        self.queues.iter().map(|(name, limits)| (name.as_str(), *limits))
    }

    /// What is said of an activity, of which a digest is made.
    pub(crate) fn said(&self, activity: &str) -> Option<&str> {
        self.said.get(activity).map(String::as_str)
    }

    /// The configured activities, by name.
    pub fn activities(&self) -> impl Iterator<Item = (&str, &Arc<dyn ActivityHandler>)> {
        self.activities.iter().map(|(name, handler)| (name.as_str(), handler))
    }
}

/// The limits of a queue, or what is wrong with them.
fn queue_limits(queue: &Queue) -> Result<QueueLimits, String> {
    let Queue { at_once, rate } = queue;
    if at_once.is_none() && rate.is_none() {
        return Err("the queue has no limit".to_owned());
    }
    if *at_once == Some(0) {
        return Err("`at_once` is 0: nothing would ever begin".to_owned());
    }
    let rate = match rate {
        None => None,
        Some(text) => Some(parse_rate(text).ok_or_else(|| format!("`{text}` is no rate"))?),
    };
    Ok(QueueLimits { at_once: *at_once, rate })
}

/// Reads a rate such as `10/min`.
fn parse_rate(text: &str) -> Option<Rate> {
    let (count, per) = text.split_once('/')?;
    let count = count.trim().parse().ok().filter(|count| (1..=RATE_MAX).contains(count))?;
    let per = match per.trim() {
        "s" => SignedDuration::from_secs(1),
        "min" => SignedDuration::from_mins(1),
        "h" => SignedDuration::from_hours(1),
        "d" => SignedDuration::from_hours(24),
        _ => return None,
    };
    Some(Rate { count, per })
}

#[cfg(test)]
mod tests {
    use holdpoint_core::Outcome;
    use holdpoint_engine::{ItemPlace, Takes};
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Configuration, ConfigurationFailure> {
        Configuration::parse(text, Path::new("holdpoint.toml"), Path::new("/"))
    }

    #[test]
    fn the_file_of_a_new_directory_is_accepted_with_and_without_its_examples() {
        assert_eq!(parse(TEMPLATE).unwrap().activities().count(), 0);
        let examples: String = TEMPLATE
            .lines()
            .filter_map(|line| line.strip_prefix("#| "))
            .map(|line| format!("{line}\n"))
            .collect();
        let parsed = parse(&examples).unwrap();
        assert_eq!(
            parsed.activities().map(|(name, _)| name).collect::<Vec<_>>(),
            ["deploy", "restore"]
        );
    }

    #[tokio::test]
    async fn what_a_program_writes_of_a_secret_is_masked() {
        let text = "
secrets = [\"TOKEN\", \"PATH\", \"NO_SUCH_VARIABLE\"]
[activity.show]
command = [\"sh\", \"-c\", \"pwd; echo $TOKEN $PATH $PLAIN\"]
directory = \"usr\"
environment = { TOKEN = \"s3cret\", PLAIN = \"plain\" }
";
        let parsed = parse(text).unwrap();
        let (_, activity) = parsed.activities().next().unwrap();
        let outcome = activity.attempt(crate::activity::tests::attempt(json!({}))).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        let path = "*".repeat(std::env::var("PATH").unwrap().len());
        assert_eq!(output["stdout"], format!("/usr\n****** {path} plain\n"));
    }

    #[tokio::test]
    async fn a_secret_is_given_to_programs_and_requests_and_masked_where_it_comes_back() {
        use axum::{Router, http::HeaderMap, routing::post};
        let echo = |headers: HeaderMap, body: String| async move {
            format!("{} {body}", headers["authorization"].to_str().unwrap())
        };
        let host = crate::activity::tests::serve(Router::new().route("/", post(echo))).await;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), "s3cret\n").unwrap();
        let path = std::env::var("PATH").unwrap();
        let text = format!(
            "
[activity.ask.http]
url = \"http://{host}/\"
headers = {{ Authorization = \"Bearer ${{file:token}}\" }}
body = {{ form = {{ t = \"${{file:token}}\", target = \"${{target}}\" }} }}
[activity.show]
command = [\"sh\", \"-c\", \"[ $TOKEN = s3cret ]; echo $? $TOKEN $PLAIN $MY_PATH\"]
environment = {{ TOKEN = \"${{file:token}}\", PLAIN = \"$${{x}}\", MY_PATH = \"${{env:PATH}}\" }}
[metrics.main]
url = \"http://h\"
headers = {{ Authorization = \"Bearer ${{file:token}}\" }}
"
        );
        let parsed =
            Configuration::parse(&text, Path::new("holdpoint.toml"), directory.path()).unwrap();
        parsed.complete().unwrap();
        let hidden = "*".repeat(path.len());
        let expected = [
            json!({ "status": 200, "body": "Bearer ****** t=******&target=m1" }),
            json!({ "stdout": format!("0 ****** ${{x}} {hidden}\n"), "stderr": "" }),
        ];
        for ((_, activity), expected) in parsed.activities().zip(expected) {
            let asked = crate::activity::tests::attempt(json!({ "target": "m1" }));
            assert_eq!(activity.attempt(asked).await, Outcome::Completed(expected));
        }
        assert_eq!(parsed.secrets().hide("s3cret"), "******");
        assert!(!format!("{parsed:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn without_its_secret_nothing_is_done_and_the_place_is_told() {
        let text = "
[activity.ask]
http = { url = \"http://127.0.0.1:1\", headers = { A = \"b\", T = \"${file:no/token}\" } }
[activity.show]
command = [\"true\"]
environment = { T = \"${env:HOLDPOINT_NO_SUCH}\" }
[metrics.main]
url = \"http://h\"
headers = { T = \"${env:HOLDPOINT_NO_SUCH}\" }
";
        let parsed = parse(text).unwrap();
        assert_eq!(
            parsed.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "holdpoint.toml:3:63: the file `/no/token` cannot be read: No such file or directory (os error 2)",
                "holdpoint.toml:6:21: the variable `HOLDPOINT_NO_SUCH` is not set",
                "holdpoint.toml:9:17: the variable `HOLDPOINT_NO_SUCH` is not set",
            ]
        );
        assert_eq!(parsed.complete(), Err(parsed.missing[0].clone()));
        assert!(parsed.servers.is_empty());
        for (name, activity) in parsed.activities() {
            let asked = crate::activity::tests::attempt(json!({}));
            match activity.attempt(asked).await {
                Outcome::Failed { error, retryable: false } => {
                    assert!(error.starts_with("a secret is not there: holdpoint.toml:"), "{error}");
                }
                outcome => panic!("{name}: {outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_shell_reads_what_the_operator_says() {
        for (shell, done) in [("true", true), ("false", false), ("[\"/bin/sh\", \"-c\"]", true)] {
            let text = format!(
                "[activity.count]\ncommand = [\"echo $1 | wc -c\", \"${{what}}\"]\nshell = {shell}\n"
            );
            let parsed = parse(&text).unwrap();
            let (_, activity) = parsed.activities().next().unwrap();
            let asked = crate::activity::tests::attempt(json!({ "what": "a b" }));
            match activity.attempt(asked).await {
                Outcome::Completed(output) if done => assert_eq!(output["json"], 4),
                Outcome::Failed { error, .. } if !done => {
                    assert!(error.contains("`echo $1 | wc -c` cannot be run"), "{error}");
                }
                outcome => panic!("{shell}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn an_activity_has_its_queue_and_its_target() {
        let text = "
[queues]
net = { at_once = 4, rate = \"10/min\" }
[activity.deploy]
command = [\"true\"]
queue = \"net\"
[activity.look]
http = { url = \"http://${target}/\", hosts = [\"*\"] }
at_once_at_target = 3
";
        let parsed = parse(text).unwrap();
        let rate = Some(Rate { count: 10, per: SignedDuration::from_mins(1) });
        let limits = QueueLimits { at_once: Some(4), rate };
        assert_eq!(parsed.queues().collect::<Vec<_>>(), [("net", limits)]);
        let takes: Vec<_> = parsed
            .activities()
            .map(|(_, activity)| activity.takes(&json!({ "target": "web-1" })))
            .map(|takes| (takes.queue, takes.item))
            .collect();
        let at = |at_once| Some(ItemPlace { item: "web-1".to_owned(), at_once });
        let net = Some("net".to_owned());
        assert_eq!(takes, [(net, at(1)), (None, at(3))]);
        let (_, look) = parsed.activities().nth(1).unwrap();
        assert_eq!(look.takes(&json!({ "target": 7 })), Takes::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, place, says) in [
            ("[activity.deploy]\ncomand = [\"a\"]\n", (2, 1), "unknown field `comand`"),
            ("[activity.deploy\n", (1, 17), "unclosed table"),
            ("\n[activity.deploy]\n", (2, 11), "says nothing to do"),
            ("[activity.deploy]\ncommand = \"rm -rf\"", (2, 11), "expected a sequence"),
            ("[activity.deploy]\ncommand = []", (2, 11), "needs at least the program"),
            ("[activity.deploy]\ncommand = [\"a\", \"${b\"]", (2, 11), "not closed"),
            ("[activity.a]\nhttp = { url = \"ftp://h\" }", (2, 16), "must begin with `http://`"),
            (
                "[activity.a]\nhttp = { url = \"http://h\", outcome = { at = \"a\", done = [1] } }",
                (2, 8),
                "`a` is not a JSON path",
            ),
            (
                "[activity.a]\nhttp = { url = \"http://h\", redirect_to = [\"http://i\"] }",
                (2, 8),
                "`http://i` is no host",
            ),
            (
                "[activity.a.http]\nmethod = \"GET\"\nurl = \"http://h/${env:A}/\"",
                (3, 7),
                "`${env:A}` is a secret",
            ),
            ("[activity.a]\ncommand = [\"a\", \"${file:b}\"]", (2, 11), "`${file:b}` is a secret"),
            (
                "[activity.a]\ncommand = [\"a\"]\nenvironment = { A = \"${b}\" }",
                (3, 21),
                "the variable `A` has a field",
            ),
            (
                "[activity.a]\ncommand = [\"a\"]\nenvironment = { A = \"${vault:b}\" }",
                (3, 21),
                "`${vault:b}` is no secret",
            ),
            ("[metrics.m]\nurl = \"http://h\"\nheaders = { A = \"${b}\" }", (1, 1), "no input"),
            (
                "[activity.a.http]\nurl = \"http://h\"\nbody = { text = \"a\", json = 1 }",
                (3, 8),
                "more than one way",
            ),
            (
                "[activity.a.http]\nurl = \"http://h\"\nbody = { json = [1979-05-27] }",
                (3, 8),
                "no dates",
            ),
            ("[activity.a.http]\nurl = \"http://h\"\nbody = { type = \"a\" }", (3, 8), "no `text`"),
            (
                "[activity.a.http]\nurl = \"http://h\"\nbody = { form = { a = \"${\" } }",
                (3, 23),
                "closed",
            ),
            ("[tls]\nca = [\"no/such/file\"]", (2, 6), "`/no/such/file`"),
            ("[tls]\nca = [\"etc/passwd\"]", (2, 6), "no certificate"),
            ("[activity.a]\nhttp = { url = \"http://h\", methd = \"GET\" }", (2, 28), "`methd`"),
            ("[activity.\"X y\"]\ncommand = [\"a\"]", (1, 11), "`X y` is not a name"),
            ("[activity.deploy_all]\ncommand = [\"a\"]", (1, 11), "is not a name"),
            ("[activity.http-check]\ncommand = [\"a\"]", (1, 11), "built in"),
            ("[activity.health-check]\ncommand = [\"a\"]", (1, 11), "built in"),
            ("[health]\nhosts = [\"http://h\"]", (2, 9), "`http://h` is no host"),
            ("[health]\nhost = []", (2, 1), "unknown field `host`"),
            ("[metrics.main]\nurl = \"ftp://h\"", (1, 1), "must be `http://HOST/PATH`"),
            ("[metrics.main]\nurl = \"h\"", (1, 1), "is not an address"),
            ("[metrics.main]\n", (1, 1), "missing field `url`"),
            (
                "[activity.a]\nhttp = { url = \"http://h\" }\ndirectory = \"/\"",
                (3, 13),
                "no `command`",
            ),
            (
                "[activity.a]\ncommand = [\"a\"]\nenvironment = { \"\" = \"x\" }",
                (1, 11),
                "is not the name",
            ),
            ("[activity.a]\nhttp = { url = \"http://h\" }\nshell = true", (3, 9), "no `command`"),
            ("[activity.a]\ncommand = [\"a\"]\nshell = \"sh\"", (3, 9), "such as [\"/bin/bash\""),
            ("[activity.a]\ncommand = [\"a\"]\nshell = []", (2, 11), "no shell is named"),
            ("[activity.a]\ncommand = [\"sh\", \"-c\", \"ls ${a}\"]", (2, 11), "has a field"),
            ("[activity.a]\ncommand = [\"a\"]\nfinal = [0]", (3, 9), "not the exit code"),
            ("[activity.a]\nhttp = { url = \"http://h\" }\nfinal = [1]", (3, 9), "no `command`"),
            ("[activity.a]\ncommand = [\"a\"]\nqueue = \"net\"", (3, 9), "no queue `net`"),
            ("[activity.a]\ncommand = [\"a\"]\nat_once_at_target = 0", (3, 21), "would ever"),
            ("[queues.net]\n", (1, 1), "has no limit"),
            ("[queues.net]\nat_once = 0", (1, 1), "would ever"),
            ("[queues.net]\nrate = \"10 a minute\"", (1, 1), "`10 a minute` is no rate"),
            ("[queues.net]\nrate = \"0/s\"", (1, 1), "`0/s` is no rate"),
            ("[queues.net]\nrate = \"10001/s\"", (1, 1), "is no rate"),
            ("[queues.net]\nmost = 1", (2, 1), "unknown field `most`"),
            ("secrets = \"TOKEN\"", (1, 11), "expected a sequence"),
            ("secrets = [\"A\", \"\"]", (1, 17), "`` is not the name"),
            ("secrets = [\"A=B\"]", (1, 12), "`A=B` is not the name"),
            (
                "[activity.a]\ncommand = [\"a\"]\nenvironment = { HOLDPOINT_RUN = \"x\" }",
                (1, 11),
                "each attempt is given",
            ),
            ("[activities]\n", (1, 2), "unknown field `activities`"),
            ("\u{0}", (1, 2), "key with no value"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.message.contains(says), "{text}: {failure}");
            assert_eq!((failure.line, failure.column), place, "{text}: {failure}");
        }
    }
}
