//! The activity that runs a program.
//!
//! The program and its arguments are the operator's, never a shell's: a run's input fills fields
//! in single arguments and can neither add an argument nor begin an option.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{failed, mask::Secrets, template::Template};

/// How much of what a program writes to each of its two outputs is kept, in bytes.
pub const OUTPUT_KEPT_MAX: usize = 4_096;

/// With these the operator says on whose behalf the commands of a shell act. A program that a run
/// starts must not vote as the operator because it happens to call `holdpoint`.
const OPERATORS: [&str; 3] = ["HOLDPOINT_AS", "HOLDPOINT_DIR", "HOLDPOINT_PROJECT"];

/// Runs a program: an attempt is done when it exits with 0.
///
/// The program gets the activity's input as JSON on its standard input, and in its environment
/// `HOLDPOINT_IDEMPOTENCY_KEY` (the same for every attempt at the same work), `HOLDPOINT_RUN`,
/// `HOLDPOINT_ACTIVITY`, `HOLDPOINT_ATTEMPT` and, where the input has one, `HOLDPOINT_TARGET`.
/// What it prints is the output, as `stdout` and `stderr`; where its standard output is one JSON
/// value, that is in `json` besides.
/// When the attempt is given up, the program and all it started (its process group) are killed.
#[derive(Clone, Debug)]
pub struct CommandActivity {
    program: String,
    arguments: Vec<Template>,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    secrets: Secrets,
}

impl CommandActivity {
    /// The program `argv[0]`, with the further arguments in which `${field}` is filled from the
    /// activity's input; run in `directory`.
    ///
    /// # Errors
    /// In words, when `argv` is empty, its program has fields, or an argument is no template.
    pub fn new(argv: &[String], directory: impl Into<PathBuf>) -> Result<Self, String> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err("a command needs at least the program to run".to_owned());
        };
        if program.is_empty() || !Template::parse(program)?.is_literal() {
            return Err(format!(
                "the program to run is `{program}`: it must be named, and not by the input"
            ));
        }
        let arguments =
            arguments.iter().map(|one| Template::parse(one)).collect::<Result<_, _>>()?;
        Ok(Self {
            program: program.clone(),
            arguments,
            directory: directory.into(),
            environment: BTreeMap::new(),
            secrets: Secrets::default(),
        })
    }

    /// Runs the program in another directory; one that is relative is found from that before.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        self.directory.push(directory);
        self
    }

    /// Gives the program these variables besides.
    #[must_use]
    pub fn environment(mut self, environment: BTreeMap<String, String>) -> Self {
        self.environment = environment;
        self
    }

    /// Masks these in what the program writes, before anything is recorded of it.
    #[must_use]
    pub fn masking(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    fn command(&self, attempt: &Attempt) -> Result<Command, String> {
        let mut command = Command::new(&self.program);
        for argument in &self.arguments {
            command.arg(argument.fill(&attempt.input, acceptable_in_argument)?);
        }
        command
            .current_dir(&self.directory)
            .envs(&self.environment)
            .env("HOLDPOINT_IDEMPOTENCY_KEY", &attempt.idempotency_key)
            .env("HOLDPOINT_RUN", attempt.run.to_string())
            .env("HOLDPOINT_ACTIVITY", &attempt.activity)
            .env("HOLDPOINT_ATTEMPT", attempt.attempt.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for variable in OPERATORS {
            if !self.environment.contains_key(variable) {
                command.env_remove(variable);
            }
        }
        if let Some(Value::String(target)) = attempt.input.get("target") {
            command.env("HOLDPOINT_TARGET", target);
        }
        Ok(command)
    }
}

fn acceptable_in_argument(before: &str, value: &str) -> Result<String, String> {
    if before.is_empty() && value.starts_with('-') {
        return Err("it would be taken for an option".to_owned());
    }
    if value.contains('\0') {
        return Err("an argument cannot contain a null character".to_owned());
    }
    Ok(value.to_owned())
}

/// Kills a program's whole group when it is dropped before the program has ended.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let killed = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            if let Err(error) = killed {
                tracing::debug!(%error, "a program that was given up had ended already");
            }
        }
    }
}

#[async_trait]
impl ActivityHandler for CommandActivity {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let mut command = match self.command(&attempt) {
            Ok(command) => command,
            Err(reason) => return failed(reason, false),
        };
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return failed(format!("`{}` cannot be run: {error}", self.program), false);
            }
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let mut group = Group(pid.and_then(rustix::process::Pid::from_raw));
        let input = attempt.input.to_string();
        let outcome = match conversation(&mut child, input, &self.secrets).await {
            Ok((status, output, errors)) if status.success() => {
                let (stdout, stderr) = (output.text(), errors.text());
                Outcome::Completed(match output.json() {
                    Some(value) => json!({ "stdout": stdout, "stderr": stderr, "json": value }),
                    None => json!({ "stdout": stdout, "stderr": stderr }),
                })
            }
            Ok((status, _, errors)) => {
                let errors = errors.text();
                let said = errors.trim();
                let said = if said.is_empty() { "it said nothing" } else { said };
                failed(format!("`{}` ended with {status}: {said}", self.program), true)
            }
            Err(error) => {
                failed(format!("`{}` could not be followed: {error}", self.program), true)
            }
        };
        group.0 = None;
        outcome
    }
}

async fn conversation(
    child: &mut Child,
    input: String,
    secrets: &Secrets,
) -> std::io::Result<(std::process::ExitStatus, Kept, Kept)> {
    let stdin = child.stdin.take();
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A program may end, or close its input, without reading it.
            if let Err(error) = stdin.write_all(input.as_bytes()).await {
                tracing::debug!(%error, "a program did not read its input");
            }
        }
    };
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let ((), output, errors, status) =
        tokio::join!(write, kept(output, secrets), kept(errors, secrets), child.wait());
    Ok((status?, output?, errors?))
}

/// The beginning of what a program wrote.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Kept {
    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n[{} more bytes were not kept]", self.dropped));
        }
        text
    }

    /// The one JSON value that it is. The beginning of a long output can be one by chance.
    fn json(&self) -> Option<Value> {
        (self.dropped == 0).then(|| serde_json::from_slice(&self.bytes).ok()).flatten()
    }
}

/// Reads to the end and keeps the beginning, at most [`OUTPUT_KEPT_MAX`] bytes of it.
async fn kept(pipe: Option<impl AsyncRead + Unpin>, secrets: &Secrets) -> std::io::Result<Kept> {
    let Some(mut pipe) = pipe else { return Ok(Kept::default()) };
    let mut bytes = Vec::new();
    // A secret that begins in what is kept may end behind it.
    let looked_at = OUTPUT_KEPT_MAX.saturating_add(secrets.longest());
    (&mut pipe).take(looked_at as u64).read_to_end(&mut bytes).await?;
    let rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    secrets.mask(&mut bytes);
    let cut = bytes.len().saturating_sub(OUTPUT_KEPT_MAX);
    bytes.truncate(OUTPUT_KEPT_MAX);
    Ok(Kept { bytes, dropped: rest.saturating_add(cut as u64) })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::attempt, *};

    fn argv(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|&one| one.to_owned()).collect()
    }

    async fn run(parts: &[&str], input: Value) -> Outcome {
        CommandActivity::new(&argv(parts), "/").unwrap().attempt(attempt(input)).await
    }

    #[tokio::test]
    async fn a_program_gets_input_arguments_and_the_key() {
        let script = "cat; echo; echo \"$1 $HOLDPOINT_IDEMPOTENCY_KEY $HOLDPOINT_TARGET\"; pwd";
        let outcome =
            run(&["sh", "-c", script, "sh", "<${target}>"], json!({ "target": "m1; ls" })).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["stdout"], "{\"target\":\"m1; ls\"}\n<m1; ls> run/effect m1; ls\n/\n");
    }

    #[tokio::test]
    async fn what_is_printed_as_one_json_value_can_be_used_as_such() {
        for (script, expected) in [
            ("echo '{\"artifact\": \"a.tgz\"}'", Some(json!({ "artifact": "a.tgz" }))),
            ("printf 7", Some(json!(7))),
            ("echo built; echo '{}'", None),
            ("echo '{} {}'", None),
            ("printf '\"\\377\"'", None),
            ("true", None),
            // The 4,096 bytes that are kept are JSON, and the whole is not.
            ("printf 1; head -c 4095 /dev/zero | tr '\\0' ' '; echo 2", None),
        ] {
            let Outcome::Completed(output) = run(&["sh", "-c", script], json!({})).await else {
                panic!("{script}")
            };
            assert_eq!(output.get("json"), expected.as_ref(), "{script}");
            assert!(output["stdout"].is_string() && output["stderr"].is_string(), "{script}");
        }
    }

    #[test]
    fn a_program_does_not_act_as_the_operator() {
        let activity = CommandActivity::new(&argv(&["true"]), "/").unwrap();
        let command = activity.command(&attempt(json!({}))).unwrap();
        let removed: Vec<_> = command
            .as_std()
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_str().unwrap())
            .collect();
        assert_eq!(removed, ["HOLDPOINT_AS", "HOLDPOINT_DIR", "HOLDPOINT_PROJECT"]);
    }

    #[tokio::test]
    async fn a_program_that_fails_is_quoted() {
        let outcome = run(&["sh", "-c", "echo no space >&2; exit 3"], json!({})).await;
        let Outcome::Failed { error, retryable } = outcome else { panic!("{outcome:?}") };
        assert_eq!(error, "`sh` ended with exit status: 3: no space");
        assert!(retryable);
    }

    #[tokio::test]
    async fn what_can_never_run_is_not_retried() {
        for (parts, input) in [
            (&["/no/such/program"][..], json!({})),
            (&["true", "${target}"], json!({})),
            (&["true", "${target}"], json!({ "target": "--force" })),
            (&["true", "${target}"], json!({ "target": "a\0b" })),
        ] {
            let outcome = run(parts, input).await;
            assert!(matches!(outcome, Outcome::Failed { retryable: false, .. }), "{outcome:?}");
        }
        assert!(CommandActivity::new(&[], "/").is_err());
        assert!(CommandActivity::new(&argv(&["${program}"]), "/").is_err());
    }

    #[tokio::test]
    async fn long_output_is_cut_and_still_read_to_its_end() {
        let outcome = run(&["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x"], json!({})).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        let text = output["stdout"].as_str().unwrap();
        assert!(text.ends_with("x\n[195904 more bytes were not kept]"), "{text}");
    }

    #[tokio::test]
    async fn a_program_runs_where_and_with_what_the_operator_says() {
        let variables = [("TOKEN", "s3cret"), ("HOLDPOINT_AS", "robot")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let script = "pwd; echo \"$HOLDPOINT_AS $${HOLDPOINT_DIR-none} $TOKEN\"";
        let activity = CommandActivity::new(&argv(&["sh", "-c", script]), "/usr")
            .unwrap()
            .within(Path::new("bin"))
            .environment(variables.into());
        let outcome = activity.attempt(attempt(json!({}))).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["stdout"], "/usr/bin\nrobot none s3cret\n");
    }

    #[tokio::test]
    async fn secrets_are_recorded_nowhere() {
        // The second script writes one across the end of what is kept.
        for script in [
            "echo s3cret; echo s3cret >&2; exit $code",
            "head -c 4093 /dev/zero | tr '\\0' x; echo s3cret; echo s3cret >&2; exit $code",
            "printf '{\"token\": \"s3cret\"}'; exit $code",
        ] {
            for code in ["0", "1"] {
                let activity = CommandActivity::new(&argv(&["sh", "-c", script]), "/")
                    .unwrap()
                    .environment([("code".to_owned(), code.to_owned())].into())
                    .masking(Secrets::new(["s3cret".to_owned()]));
                let recorded = format!("{:?}", activity.attempt(attempt(json!({}))).await);
                assert!(!recorded.contains("s3c"), "{recorded}");
            }
        }
    }

    #[tokio::test]
    async fn a_program_that_is_given_up_is_killed_with_all_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let ready = directory.path().join("pid");
        // The program's own child would outlive it if only the program were killed.
        let script =
            format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", ready.display());
        let activity = CommandActivity::new(&argv(&["sh", "-c", &script]), "/").unwrap();
        let given_up = tokio::spawn(async move { activity.attempt(attempt(json!({}))).await });
        let pid = loop {
            match std::fs::read_to_string(&ready) {
                Ok(pid) => break pid.trim().to_owned(),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        // A killed process is gone, or a zombie until somebody waits for it.
        let state = std::path::PathBuf::from(format!("/proc/{pid}/stat"));
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
