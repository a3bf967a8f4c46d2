//! Scenarios: the unit tests of a workflow, in virtual time and without an engine.
//!
//! A file of scenarios names a definition, who its people are, and what is expected to happen:
//! given, when, then. `docs/testing-definitions.md` is its guide and reference. [`Suite::parse`]
//! reads one and reports every finding with its place and a remedy; [`Scenario::play`] drives any
//! workflow through the same functions as the engine; [`Coverage`] says what of a definition no
//! scenario reaches. Beneath are [`Play`], a run with a clock that moves only when it is told
//! to, and [`Crew`], the workers who answer it.
//!
//! This crate is pure: it never sees a log, a clock, a file or a network.
//!
//! ```
//! use std::sync::Arc;
//! use holdpoint_core::{DefinitionRef, Digest};
//! use holdpoint_definition::Definition;
//! use holdpoint_scenario::Suite;
//!
//! let source = "
//! workflow: two-eyes
//! version: 1
//! title: Somebody else agrees
//! start: agree
//! states:
//!   agree:
//!     hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] } }
//!     on: { released: done, rejected: refused }
//!   done: { end: done }
//!   refused: { end: refused }
//! ";
//! let definition = Definition::parse("two-eyes.yaml", source)?.definition;
//! let suite = Suite::parse("two-eyes.scenarios.yaml", "
//! definition: two-eyes.yaml
//! members: { ada: role:engineer, grace: role:engineer }
//! scenarios:
//!   nobody approves their own:
//!     given: { by: ada }
//!     when:
//!       - { approve: ada, refused: HP1003 }
//!       - approve: grace
//!     then: { ended: done }
//! ")?;
//! assert!(suite.check(&definition).is_empty());
//! let reference = DefinitionRef {
//!     name: definition.name().clone(),
//!     version: definition.version(),
//!     digest: Digest::of(source.as_bytes()),
//! };
//! let workflow: Arc<dyn holdpoint_core::workflow::DynWorkflow> = Arc::new(definition);
//! for scenario in suite.scenarios() {
//!     assert_eq!(scenario.play(&workflow, &reference).failure, None);
//! }
//! # Ok::<(), holdpoint_definition::Diagnostics>(())
//! ```

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

mod baselines;
mod calendars;
mod check;
mod conflicts;
mod coverage;
mod crew;
mod expect;
mod inventory;
mod lockdowns;
mod play;
mod requirements;
mod runner;
mod session;
mod suite;
mod syntax;
mod syntax_act;
mod syntax_step;

pub use baselines::KeptBaseline;
pub use calendars::{Calendars, Published};
pub use coverage::{Coverage, Item, Use};
pub use crew::{Answer, Asked, Crew, Reply, Stopped, Which};
pub use expect::Difference;
pub use lockdowns::LockdownStep;
pub use play::{Defect, Members, Play, Sheet, StandsFor};
pub use requirements::Stood;
pub use runner::{Failure, Played};
pub use session::{Beginning, NoStep, Session, members, put_over};
pub use suite::{Scenario, Suite};
