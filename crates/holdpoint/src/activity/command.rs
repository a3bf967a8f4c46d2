//! The activity that runs a program.
//!
//! The program and its arguments are the operator's, and a shell's only where the operator says so: a run's
//! input fills fields in single arguments and can neither add an argument nor begin an option, nor is it ever a part
//! of what a shell reads.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
};

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt, Life};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    failed,
    guard::{self, Guard},
    mask::{Masking, Secrets},
    shell,
    template::Template,
};
use crate::{
    evidence::EvidenceStore,
    output::{Outputs, Writing},
};

/// How much of what a program writes to each of its two outputs is recorded, in bytes.
pub const OUTPUT_KEPT_MAX: usize = 4_096;

/// How much of each is kept in a file beside the log, in bytes, where it is more than is recorded.
/// As much of it is in memory meanwhile.
pub const OUTPUT_FILED_MAX: usize = 1024 * 1024;

/// With these the operator says on whose behalf the commands of a shell act. A program that a run
/// starts must not vote as the operator because it happens to call `holdpoint`.
const OPERATORS: [&str; 3] = ["HOLDPOINT_AS", "HOLDPOINT_DIR", "HOLDPOINT_PROJECT"];

/// What each attempt tells its program.
pub(crate) const ATTEMPTS: [&str; 5] = [
    "HOLDPOINT_IDEMPOTENCY_KEY",
    "HOLDPOINT_RUN",
    "HOLDPOINT_ACTIVITY",
    "HOLDPOINT_ATTEMPT",
    "HOLDPOINT_TARGET",
];

/// Runs a program: an attempt is done when it exits with 0.
///
/// The program gets the activity's input as JSON on its standard input, and in its environment
/// `HOLDPOINT_IDEMPOTENCY_KEY` (the same for every attempt at the same work), `HOLDPOINT_RUN`,
/// `HOLDPOINT_ACTIVITY`, `HOLDPOINT_ATTEMPT` and, where the input has one, `HOLDPOINT_TARGET`.
/// What it prints is the output, as `stdout` and `stderr`; where its standard output is one JSON
/// value, that is in `json` besides.
/// When the attempt is given up, the program and all it started (its process group) are killed; with a
/// [`Guard`], also when the engine is.
#[derive(Clone, Debug)]
pub struct CommandActivity {
    program: String,
    /// What a shell is told before its positional parameters.
    script: Vec<String>,
    arguments: Vec<Template>,
    directory: PathBuf,
    environment: Environment,
    secrets: Secrets,
    files: Option<EvidenceStore>,
    outputs: Option<Outputs>,
    is_final: Vec<i32>,
    guard: Guard,
}

/// The variables of a program. Who prints them sees their names.
#[derive(Clone, Default)]
struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl CommandActivity {
    /// The program `argv[0]`, with the further arguments in which `${field}` is filled from the
    /// activity's input; run in `directory`.
    ///
    /// # Errors
    /// In words, when `argv` is empty, its program has fields, an argument is no template, or one with fields is
    /// what a shell would read.
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
            arguments.iter().map(|one| Template::parse(one)).collect::<Result<Vec<_>, _>>()?;
        if let Some(script) = shell::script(argv)
            && !Template::parse(script)?.is_literal()
        {
            return Err(format!(
                "`{script}` is read by a shell, and has a field: whoever fills it could run anything; write \
                 `\"$1\"` there instead, and the field as a further argument (after `shell = true` the first \
                 is `$1`, after `sh -c` the second)"
            ));
        }
        Ok(Self {
            program: program.clone(),
            script: Vec::new(),
            arguments,
            directory: directory.into(),
            environment: Environment::default(),
            secrets: Secrets::default(),
            files: None,
            outputs: None,
            is_final: Vec::new(),
            guard: Guard::default(),
        })
    }

    /// As [`CommandActivity::new`], with a script that a shell reads in the place of the program. The further arguments
    /// are its positional parameters, and its `$0` is the activity's name. Nothing in the script is filled.
    ///
    /// # Errors
    /// In words, when one of both is empty, the shell is not named or takes the script for something else, the
    /// script is only the name of a shell, or an argument is no template.
    pub fn by_shell(
        shell: &[String],
        script: &[String],
        directory: impl Into<PathBuf>,
    ) -> Result<Self, String> {
        let Some((script, arguments)) = script.split_first().filter(|(one, _)| !one.is_empty())
        else {
            return Err("a command with a shell needs at least the script".to_owned());
        };
        let Some((program, options)) = shell.split_first() else {
            return Err("no shell is named".to_owned());
        };
        if shell::is_one(script) {
            return Err(format!(
                "`{script}` would be the whole script: with `shell` the first element of `command` is what the \
                 shell reads, and `{script}` then runs without anything to do; write the script there, or leave \
                 `shell` out, as `{script}` is a shell itself"
            ));
        }
        if !options.last().is_some_and(|last| shell::takes_a_script(last)) {
            return Err(format!(
                "`{}` does not read the script that comes after it: the last word of `shell` is an option \
                 with `c`, as in `[\"/bin/bash\", \"-eu\", \"-c\"]`",
                shell.join(" ")
            ));
        }
        let mut activity = Self::new(std::slice::from_ref(program), directory)?;
        activity.script = options.iter().chain([script]).cloned().collect();
        activity.arguments =
            arguments.iter().map(|one| Template::parse(one)).collect::<Result<_, _>>()?;
        Ok(activity)
    }

    /// Has the program killed when the engine is gone, once it is known how.
    #[must_use]
    pub fn guarded(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Takes these exit codes for failures that no other attempt mends.
    #[must_use]
    pub fn final_exits(mut self, codes: Vec<i32>) -> Self {
        self.is_final = codes;
        self
    }

    /// Keeps there what the program writes and is too long to be recorded.
    #[must_use]
    pub fn keeping(mut self, files: EvidenceStore) -> Self {
        self.files = Some(files);
        self
    }

    /// Lets others follow there what the program writes while it runs.
    #[must_use]
    pub fn followed(mut self, outputs: Outputs) -> Self {
        self.outputs = Some(outputs);
        self
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
        self.environment = Environment(environment);
        self
    }

    /// Masks these in what the program writes, before anything is recorded of it.
    #[must_use]
    pub fn masking(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    fn command(&self, attempt: &Attempt) -> Result<Command, String> {
        let mut command = match self.guard.command() {
            None => Command::new(&self.program),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.program);
                command
            }
        };
        if !self.script.is_empty() {
            command.args(&self.script).arg(&attempt.activity);
        }
        for argument in &self.arguments {
            command.arg(argument.fill(&attempt.input, acceptable_in_argument)?);
        }
        command
            .current_dir(&self.directory)
            .envs(&self.environment.0)
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
            if !self.environment.0.contains_key(variable) {
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
        // The system's own message for it would be that the program is not there.
        if !self.directory.is_dir() {
            let directory = self.directory.display();
            return failed(format!("its directory `{directory}` is not there"), false);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                return failed(format!("`{}` cannot be run: {error}", self.program), false);
            }
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let mut group = Group(pid.and_then(rustix::process::Pid::from_raw));
        let writing = match &self.outputs {
            Some(outputs) => outputs.begin(&attempt, Timestamp::now()).await,
            None => None,
        };
        let input = attempt.input.to_string();
        let ended = self.conversation(&mut child, input, &attempt.life, writing.as_ref()).await;
        if let Some(writing) = writing {
            let how = match &ended {
                Ok((status, ..)) => status.to_string(),
                Err(error) => error.to_string(),
            };
            writing.end(Timestamp::now(), how).await;
        }
        let outcome = match ended {
            Ok((status, output, errors)) if status.success() => {
                let stdout = output.text(self.files.as_ref()).await;
                let stderr = errors.text(self.files.as_ref()).await;
                Outcome::Completed(match output.json() {
                    Some(value) => json!({ "stdout": stdout, "stderr": stderr, "json": value }),
                    None => json!({ "stdout": stdout, "stderr": stderr }),
                })
            }
            Ok((status, _, errors)) if self.could_not_run(status, &errors) => {
                let error = errors.beginning().split_off(guard::CANNOT_RUN.1.len());
                failed(format!("`{}` cannot be run: {error}", self.program), false)
            }
            Ok((status, output, errors)) => {
                let whole = whole(&output, &errors, self.files.as_ref()).await;
                // Many programs say on their standard output what went wrong.
                let told = [errors, output].into_iter().map(|one| one.beginning());
                let told = told.map(|text| text.trim().to_owned()).find(|text| !text.is_empty());
                let said = told.as_deref().unwrap_or("it said nothing");
                let is_final = status.code().is_some_and(|code| self.is_final.contains(&code));
                failed(format!("`{}` ended with {status}{whole}: {said}", self.program), !is_final)
            }
            Err(error) => {
                failed(format!("`{}` could not be followed: {error}", self.program), true)
            }
        };
        group.0 = None;
        outcome
    }
}

impl CommandActivity {
    /// Whether it was the guard that failed, and not the program.
    fn could_not_run(&self, status: std::process::ExitStatus, errors: &Written) -> bool {
        let (code, says) = guard::CANNOT_RUN;
        self.guard.command().is_some()
            && status.code() == Some(code.into())
            && errors.bytes.starts_with(says.as_bytes())
    }

    async fn conversation(
        &self,
        child: &mut Child,
        input: String,
        life: &Life,
        writing: Option<&Writing>,
    ) -> std::io::Result<(std::process::ExitStatus, Written, Written)> {
        let stdin = child.stdin.take();
        let guarded = self.guard.command().is_some();
        let input = if guarded { guard::heading(&input) + &input } else { input };
        let write = async move {
            let mut stdin = stdin?;
            // A program may end, or close its input, without reading it.
            if let Err(error) = stdin.write_all(input.as_bytes()).await {
                tracing::debug!(%error, "a program did not read its input");
            }
            // Its guard kills it when this is closed.
            guarded.then_some(stdin)
        };
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (_open, output, errors, status) = tokio::join!(
            write,
            self.written(output, life, writing),
            self.written(errors, life, writing),
            child.wait()
        );
        Ok((status?, output?, errors?))
    }

    /// Reads to the end and keeps the beginning, as much as can be filed or else recorded.
    /// Whatever comes is a sign of life.
    async fn written(
        &self,
        pipe: Option<impl AsyncRead + Unpin>,
        life: &Life,
        writing: Option<&Writing>,
    ) -> std::io::Result<Written> {
        let Some(mut pipe) = pipe else { return Ok(Written::default()) };
        let most = if self.files.is_some() { OUTPUT_FILED_MAX } else { OUTPUT_KEPT_MAX };
        let mut masking = Masking::new(&self.secrets);
        let mut written = Written::default();
        let mut chunk = vec![0; 8192];
        loop {
            let read = pipe.read(&mut chunk).await?;
            let Some(new) = chunk.get(..read).filter(|new| !new.is_empty()) else { break };
            life.beat();
            let told = masking.take(new);
            written.keep(&told, most);
            if let Some(writing) = writing {
                writing.write(told).await;
            }
        }
        let told = masking.end();
        written.keep(&told, most);
        if let Some(writing) = writing {
            writing.write(told).await;
        }
        Ok(written)
    }
}

/// The beginning of what a program wrote.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Written {
    /// Keeps what comes next, unless there is as much already as `most`.
    fn keep(&mut self, told: &[u8], most: usize) {
        let room = most.saturating_sub(self.bytes.len());
        let (kept, dropped) = told.split_at_checked(room).unwrap_or((told, &[]));
        self.bytes.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(dropped.len() as u64);
    }

    /// How many bytes there are besides those that are recorded.
    fn more(&self) -> u64 {
        (self.bytes.len().saturating_sub(OUTPUT_KEPT_MAX) as u64).saturating_add(self.dropped)
    }

    /// What is recorded of it.
    fn beginning(&self) -> String {
        let recorded = self.bytes.get(..OUTPUT_KEPT_MAX).unwrap_or(&self.bytes);
        let mut text = String::from_utf8_lossy(recorded).into_owned();
        if self.more() > 0 {
            text.push_str(&format!("\n[{} more bytes]", self.more()));
        }
        text
    }

    /// What is recorded of it, and where the rest is.
    async fn text(&self, files: Option<&EvidenceStore>) -> String {
        let text = self.beginning();
        match files.filter(|_| self.more() > 0) {
            Some(files) => format!("{text}\n[{}]", filed(files, self.bytes.clone()).await),
            None => text,
        }
    }

    /// The one JSON value that it is. The beginning of a long output can be one by chance.
    fn json(&self) -> Option<Value> {
        (self.more() == 0).then(|| serde_json::from_slice(&self.bytes).ok()).flatten()
    }
}

/// Where all is that a program wrote that failed, unless it is no more than what is quoted of it.
async fn whole(output: &Written, errors: &Written, files: Option<&EvidenceStore>) -> String {
    let one_is_empty = output.bytes.is_empty() || errors.bytes.is_empty();
    let is_quoted = one_is_empty && output.more() == 0 && errors.more() == 0;
    let Some(files) = files.filter(|_| !is_quoted) else { return String::new() };
    let mut all = Vec::new();
    for (name, one) in [("standard output", output), ("standard error", errors)] {
        all.extend_from_slice(format!("== {name} ==\n").as_bytes());
        all.extend_from_slice(&one.bytes);
        if one.dropped > 0 {
            all.extend_from_slice(format!("\n[{} more bytes]", one.dropped).as_bytes());
        }
        if !all.ends_with(b"\n") {
            all.push(b'\n');
        }
    }
    format!(" ({})", filed(files, all).await)
}

/// Keeps `bytes` in a file, and says how to see it. Work that was done is not undone because that
/// is not possible.
async fn filed(files: &EvidenceStore, bytes: Vec<u8>) -> String {
    let files = files.clone();
    let put = tokio::task::spawn_blocking(move || files.put(&mut bytes.as_slice())).await;
    match put {
        Ok(Ok(stored)) => format!("see `holdpoint output {}`", stored.digest),
        Ok(Err(failure)) => format!("what it wrote could not be kept: {failure}"),
        Err(failure) => format!("what it wrote could not be kept: {failure}"),
    }
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
    async fn an_exit_code_can_say_that_no_other_attempt_makes_sense() {
        for (code, expected) in [("3", false), ("4", true)] {
            let activity =
                CommandActivity::new(&argv(&["sh", "-c", "exit $1", "sh", "${code}"]), "/")
                    .unwrap()
                    .final_exits(vec![2, 3]);
            let outcome = activity.attempt(attempt(json!({ "code": code }))).await;
            let Outcome::Failed { retryable, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(retryable, expected, "{code}");
        }
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
        assert!(text.ends_with("x\n[195904 more bytes]"), "{text}");
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
                    .environment(
                        [("code", code), ("token", "hidden")]
                            .map(|(name, value)| (name.to_owned(), value.to_owned()))
                            .into(),
                    )
                    .masking(Secrets::new(["s3cret".to_owned()]));
                assert!(!format!("{activity:?}").contains("hidden"));
                let recorded = format!("{:?}", activity.attempt(attempt(json!({}))).await);
                assert!(!recorded.contains("s3c"), "{recorded}");
            }
        }
    }

    #[tokio::test]
    async fn what_a_program_writes_can_be_followed_while_it_runs() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::within(directory.path());
        let go_on = directory.path().join("go-on");
        // A secret comes in two pieces.
        let script = format!(
            "echo first; printf 'tell s3' >&2; until [ -e {} ]; do sleep 0.01; done; echo cret >&2; exit 3",
            go_on.display()
        );
        let activity = CommandActivity::new(&argv(&["sh", "-c", &script]), "/")
            .unwrap()
            .masking(Secrets::new(["s3cret".to_owned()]))
            .followed(outputs.clone());
        let works = tokio::spawn(async move { activity.attempt(attempt(json!({}))).await });
        let mut seen = Vec::new();
        let mut reader = None;
        // The two outputs come in either order.
        while seen != b"first\ntell " && seen != b"tell first\n" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            if reader.is_none() {
                reader = outputs.all().unwrap().first().map(crate::output::Output::read);
            }
            if let Some(reader) = &mut reader {
                seen.extend(reader.more().unwrap().bytes);
            }
        }
        std::fs::write(&go_on, "").unwrap();
        works.await.unwrap();
        let output = outputs.all().unwrap().remove(0);
        assert_eq!(output.about.ended.as_ref().unwrap().how, "exit status: 3");
        assert_eq!(output.end(7).unwrap(), b"******\n");
    }

    #[tokio::test]
    async fn a_shell_gets_what_a_run_says_as_parameters() {
        let shell = argv(&["/bin/sh", "-eu", "-c"]);
        let script = argv(&["echo \"$0 $1\" | tr a-z A-Z; [ ${#1} = 11 ]", "${target}"]);
        let activity = CommandActivity::by_shell(&shell, &script, "/").unwrap();
        let outcome = activity.attempt(attempt(json!({ "target": "$(exit 3);`" }))).await;
        let Outcome::Completed(output) = outcome else { panic!("{outcome:?}") };
        assert_eq!(output["stdout"], "WORK $(EXIT 3);`\n");
        // What would be a field elsewhere is a variable of the shell's, and one that it does not have.
        let script = argv(&["echo rm -rf \"/${target}\""]);
        let activity = CommandActivity::by_shell(&shell, &script, "/").unwrap();
        let outcome = activity.attempt(attempt(json!({ "target": "m1" }))).await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        for (shell, script) in
            [(&[][..], &["true"][..]), (&["sh", "-c"], &[]), (&["sh", "-c"], &[""])]
        {
            assert!(CommandActivity::by_shell(&argv(shell), &argv(script), "/").is_err());
        }
        for (script, is_a_script) in [
            (&["/bin/sh", "-c", "make \"$1\""][..], false),
            (&["bash"], false),
            (&[" /usr/bin/zsh\n", "-c", "true"], false),
            (&["sh -c 'make \"$1\"' sh \"$1\"", "${target}"], true),
            (&["./deploy.sh", "-c", "true"], true),
            (&["exec bash deploy.sh", "${target}"], true),
        ] {
            let made = CommandActivity::by_shell(&argv(&["sh", "-c"]), &argv(script), "/");
            assert_eq!(made.is_ok(), is_a_script, "{script:?}");
            if let Err(why) = made {
                assert!(why.contains("write the script there, or leave `shell` out"), "{why}");
            }
        }
        for (shell, works) in [
            (&["bash"][..], false),
            (&["bash", "-e"], false),
            (&["bash", "-c", "true"], false),
            (&["bash", "-o", "pipefail"], false),
            (&["bash", "--norc"], false),
            (&["bash", "-euo", "pipefail", "-c"], true),
            (&["bash", "-ec"], true),
            (&["fish", "--command"], true),
            (&["pwsh", "-Command"], true),
            (&["/usr/bin/env", "bash", "-c"], true),
        ] {
            let made = CommandActivity::by_shell(&argv(shell), &argv(&["true"]), "/");
            assert_eq!(made.is_ok(), works, "{shell:?}");
            if let Err(why) = made {
                assert!(why.contains("the last word of `shell` is an option with `c`"), "{why}");
            }
        }
    }

    /// What stands in the one file that `text` names.
    fn file(files: &EvidenceStore, text: &str) -> String {
        let (_, from) = text.split_once("`holdpoint output ").unwrap();
        let digest = from.split('`').next().unwrap().parse().unwrap();
        let mut bytes = Vec::new();
        files.copy_to(&digest, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_named() {
        let activity = CommandActivity::new(&argv(&["true"]), "/").unwrap();
        let outcome = activity.within(Path::new("no/such")).attempt(attempt(json!({}))).await;
        let recorded = format!("{outcome:?}");
        assert!(recorded.contains("its directory `/no/such` is not there"), "{recorded}");
    }

    #[tokio::test]
    async fn what_is_too_long_to_be_recorded_is_kept_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let files = EvidenceStore::within(directory.path());
        let run = async |script: &str| {
            let activity = CommandActivity::new(&argv(&["sh", "-c", script]), "/").unwrap();
            let activity =
                activity.keeping(files.clone()).masking(Secrets::new(["s3cret".to_owned()]));
            activity.attempt(attempt(json!({}))).await
        };
        let long = "head -c 200000 /dev/zero | tr '\\0' x; echo s3cret";
        let Outcome::Completed(output) = run(long).await else { panic!() };
        let text = output["stdout"].as_str().unwrap();
        assert!(text.starts_with("xxx") && text.contains("\n[195911 more bytes]\n[see"), "{text}");
        assert_eq!(file(&files, text), format!("{}******\n", "x".repeat(200_000)));

        let Outcome::Failed { error, .. } = run("echo all; echo no space >&2; exit 3").await else {
            panic!()
        };
        assert!(error.ends_with("`): no space"), "{error}");
        assert_eq!(
            file(&files, &error),
            "== standard output ==\nall\n== standard error ==\nno space\n"
        );

        // What is quoted whole needs no file, and there is an end to what is kept.
        let Outcome::Failed { error, .. } = run("echo s3cret is wrong; exit 1").await else {
            panic!()
        };
        assert_eq!(error, "`sh` ended with exit status: 1: ****** is wrong");
        let Outcome::Failed { error, .. } = run("head -c 1048580 /dev/zero; exit 1").await else {
            panic!()
        };
        let kept = file(&files, &error);
        assert!(kept.contains("\0\n[4 more bytes]\n== standard error ==\n"));
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
