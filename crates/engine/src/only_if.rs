//! Commands that are meant only for a run which is as somebody has seen it.

use std::sync::Arc;

use holdpoint_core::{Command, NewEvent, Refusal, RunAnswer, RunId, RunView};

use crate::{engine::Engine, failure::CommandFailure};

/// What must be so for a command to be meant: it is shown the run before the command, and what the
/// command would make happen. It is asked where the command is decided, so it must be quick and ask
/// nobody itself.
pub type OnlyIf = Arc<dyn Fn(&RunView, &[NewEvent]) -> Result<(), Refusal> + Send + Sync>;

impl Engine {
    /// Sends a command to a run that is meant only if `only_if` takes what would come of it, as the run
    /// is when the command is decided: nothing comes between. Whoever has looked at a run first, and
    /// means just what they saw, says so by this. A command that was answered before is answered again.
    ///
    /// # Errors
    /// See [`CommandFailure`]; the refusal of `only_if`, and then nothing has happened.
    pub async fn command_if(
        &self,
        run: RunId,
        command: Command,
        only_if: OnlyIf,
    ) -> Result<RunAnswer, CommandFailure> {
        self.ask(run, command, Some(only_if)).await
    }
}
