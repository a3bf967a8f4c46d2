//! The command line of Holdpoint.

mod arguments;
mod command;
mod context;
mod demo;
mod failure;
mod narrate;
mod new_file;
mod output;
mod relay;
mod strict_json;
mod text_file;
mod usage;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use arguments::{Arguments, Command};
use clap::Parser;
use context::Context;
use failure::Failure;
use relay::{
    Told,
    asking::{Handed, hand_over},
};
use tokio::runtime::Runtime;

/// The data directory, when none is named.
const DIRECTORY_DEFAULT: &str = "./holdpoint-data";

/// The demo's directory, when none is named.
const DEMO_DEFAULT: &str = "./holdpoint-demo";

/// Where is measured, when no directory is named.
const BENCH_DEFAULT: &str = ".";

/// The word by which the program runs another and guards it; nobody types it.
const GUARD: &str = "guard-program";

/// How often a command is handed over again that was not begun, and after which pause.
const NOT_BEGUN_MAX: u32 = 50;
const NOT_BEGUN_PAUSE: Duration = Duration::from_millis(20);

/// No process that has begun to end has the directory for longer.
const ENDING_SECONDS_MAX: u16 = 20;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == GUARD) {
        return holdpoint::activity::guard(words);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::answer(&error),
    };
    // Of what sled complains about, the failure says in our words what it means.
    let filter = std::env::var("HOLDPOINT_LOG").unwrap_or_else(|_| "error,sled=off".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .init();
    std::panic::set_hook(Box::new(|defect| tracing::error!("BUG: {defect}")));
    let json = arguments.json;
    let ended = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::storage(format!("the program cannot start: {error}"), ""))?;
        let ended = run(&runtime, arguments);
        // What is still done for another process, or waits for standard input, is waited for by nobody.
        runtime.shutdown_background();
        ended
    });
    match ended.unwrap_or_else(|_| Err(Failure::defect())) {
        Ok(code) => code,
        Err(failure) => {
            failure.tell(json);
            ExitCode::from(failure.code())
        }
    }
}

/// Does the command, here or in the process that has the directory.
fn run(runtime: &Runtime, mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let (mut after, mut not_begun) = (None, 0_u32);
    loop {
        let watches = matches!(arguments.command, Command::Watch(_));
        match runtime.block_on(here(arguments, after)) {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            Err(Failure::Served(way)) => match hand_over(runtime.handle(), way, watches, after)? {
                Handed::Ended(code) => return Ok(ExitCode::from(code)),
                Handed::NotBegun if not_begun >= NOT_BEGUN_MAX => {
                    return Err(Failure::busy(
                        "the process that has the directory takes the command and does not begin it",
                        "see what it reports, or end it and run the command again",
                    ));
                }
                Handed::NotBegun => not_begun = not_begun.saturating_add(1),
                Handed::GoOn(sequence) => after = Some(sequence),
            },
            Err(failure) => return Err(failure),
        }
        // The other process is ending: who has the directory now is looked at again, and it may take its
        // time over the commands of others.
        std::thread::sleep(NOT_BEGUN_PAUSE);
        arguments = Arguments::parse();
        arguments.wait = arguments.wait.max(ENDING_SECONDS_MAX);
    }
}

async fn here(arguments: Arguments, after: Told) -> Result<(), Failure> {
    let Arguments { dir, project, wait, json, command } = arguments;
    let default = match command {
        Command::Demo(_) => DEMO_DEFAULT,
        Command::Bench(_) => BENCH_DEFAULT,
        _ => DIRECTORY_DEFAULT,
    };
    let directory = dir.unwrap_or_else(|| PathBuf::from(default));
    let user = format!("holdpoint {}", command.name());
    let wait = Duration::from_secs(wait.into());
    let relayed = command.is_relayed();
    let context = Context { directory, project, wait, json, user, relayed, live: None, after };
    dispatch(context, command).await
}

/// Does a command: of this process, or of another whose words were parsed here.
async fn dispatch(context: Context, command: Command) -> Result<(), Failure> {
    let json = context.json;
    let answer = match command {
        Command::Init(arguments) => command::init::init(&context, arguments).await,
        Command::Project(command) => command::project::project(&context, command).await,
        Command::Baseline(command) => command::baseline::baseline(&context, command).await,
        Command::Calendar(command) => command::calendar::calendar(&context, command).await,
        Command::Lockdown(command) => command::lockdown::lockdown(&context, command).await,
        Command::Locks(arguments) => command::locks::locks(&context, arguments).await,
        Command::Conflicts(asked) => command::conflicts::conflicts(&context, asked).await,
        Command::Items(command) => command::items::items(&context, command).await,
        Command::Check(arguments) => {
            return command::check::check(&context, &arguments).await;
        }
        Command::Definitions(command) => {
            return command::definitions::definitions(&context, command).await;
        }
        Command::Test(arguments) => return command::test::test(&context, &arguments).await,
        Command::Simulate(arguments) => {
            return command::simulate::simulate(&context, &arguments).await;
        }
        Command::Explain { file, by } => command::author::explain(&context, &file, &by).await,
        Command::Diff { before, after, by } => {
            command::author::diff(&context, &before, &after, &by).await
        }
        Command::Graph(arguments) => command::author::graph(&context, &arguments).await,
        Command::Fmt(arguments) => command::author::fmt(&context, &arguments),
        Command::Logs(arguments) => return command::logs::logs(&context, &arguments).await,
        Command::Output { digest } => command::program_output::output(&context, digest),
        Command::Schema => command::author::schema(),
        Command::Plan(arguments) => command::plan::plan(&context, arguments).await,
        Command::Submit(arguments) => command::submit::submit(&context, arguments).await,
        Command::Tell(tell) => return command::run::tell(&context, tell).await,
        Command::Steer(steer) => return command::steer::steer(&context, steer).await,
        Command::Amend(arguments) => command::submit::amend(&context, arguments).await,
        Command::Migrate(arguments) => {
            return command::migrate::migrate(&context, arguments).await;
        }
        Command::Attach(arguments) => command::evidence::attach(&context, arguments).await,
        Command::Evidence(command) => command::evidence::evidence(&context, command).await,
        Command::Work(arguments) => return command::work::work(&context, &arguments).await,
        Command::Watch(arguments) => return command::watch::watch(&context, &arguments).await,
        Command::List(arguments) => command::list::list(&context, &arguments).await,
        Command::Show(arguments) => command::show::show(&context, &arguments).await,
        Command::Verify(arguments) => command::verify::verify(&context, &arguments).await,
        Command::Checkpoint(arguments) => {
            command::checkpoint::checkpoint(&context, &arguments).await
        }
        Command::Prove(arguments) => command::prove::prove(&context, &arguments).await,
        Command::Backup { to } => command::backup::backup(&context, &to).await,
        Command::Restore { from } => command::backup::restore(&context, &from).await,
        Command::Salvage { to } => command::salvage::salvage(&context, &to),
        Command::Import(arguments) => command::export::import(&context, &arguments),
        Command::Export { file } => {
            return command::export::export(&context, file.as_deref()).await;
        }
        Command::Completions { shell } => command::completions::completions(shell),
        Command::Manpage { into } => command::completions::manpage(&into),
        Command::History(arguments) => {
            return command::history::history(&context, &arguments).await;
        }
        Command::Bench(arguments) => return command::bench::bench(&context, &arguments).await,
        Command::BenchPart(arguments) => return command::bench::part(&arguments).await,
        Command::Demo(arguments) => return demo::demo(&context.directory, &arguments).await,
        Command::DemoMachine(arguments) => return demo::machine::serve(&arguments).await,
    };
    answer?.print(json)
}
