//! `holdpoint demo`: the main job, end to end, on six real machines, in one go.
//!
//! Every step runs this program as a user would and prints what a user would see; what is claimed
//! is checked, where it can be by asking the machines themselves.

mod directory;
mod expectations;
mod fleet;
pub(crate) mod machine;
mod script;
mod shell;

use std::path::Path;

use expectations::Expectations;
use fleet::Fleet;
use shell::Shell;

use crate::{arguments::Demo, failure::Failure, output::print};

/// How many machines there are.
const MACHINES: usize = 6;

/// The machine, from 0, that is not healthy with [`script::VERSION_SICK`].
const SICK: usize = 2;

/// Runs the demo in `directory`.
pub(crate) async fn demo(directory: &Path, arguments: &Demo) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    // The machines and the running step are ended when this is dropped by an interruption.
    let played = tokio::select! {
        played = play(directory, arguments) => played,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            Err(Failure::expectation("the demo was interrupted", "run it again; it begins anew"))
        }
    };
    let checked = played?;
    print(
        format!("\n{checked} expectations checked in {:.1} s\n", began.elapsed().as_secs_f64())
            .as_bytes(),
    )
}

async fn play(path: &Path, arguments: &Demo) -> Result<usize, Failure> {
    let files = directory::prepare(path).await?;
    let fleet = Fleet::start(MACHINES, SICK, script::VERSION_SICK).await?;
    let shell = Shell::new(path)?;
    let mut expectations = Expectations::default();
    script::play(&shell, &fleet, &files, &mut expectations).await?;
    let next = format!(
        "\nThe directory is yours to explore:\n\
         \n  alias holdpoint={}\n  \
           export HOLDPOINT_DIR={}\n  \
           holdpoint list\n  \
           holdpoint show 1\n  \
           holdpoint show 1 --at 3\n  \
           holdpoint history 2\n  \
           holdpoint history --json | head -3\n",
        std::env::current_exe()?.display(),
        path.display()
    );
    print(next.as_bytes())?;
    if arguments.keep {
        let addresses = fleet.addresses().join(" ");
        print(format!("\nThe machines run until Ctrl-C: {addresses}\n").as_bytes())?;
        tokio::signal::ctrl_c().await?;
    }
    Ok(expectations.met())
}
