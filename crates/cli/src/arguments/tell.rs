//! What people tell a run, as it is typed.

use clap::{Args, Subcommand, ValueEnum};
use holdpoint::core::{Action, EffectId, MemberId, NewDuty, Ruling, Vote};

use serde_json::Value;

use super::{
    Acting, RunArgument,
    votes::Votes,
    which::{InState, Which},
    words,
};
use crate::{failure::Failure, strict_json};

/// What people tell a run.
#[derive(Debug, Subcommand)]
pub(crate) enum Tell {
    /// Approve what runs are held for
    Approve {
        #[command(flatten)]
        on: Votes,
        /// The member in whose place you vote, who has named you
        #[arg(long = "for", value_name = "MEMBER")]
        place: Option<MemberId>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
        /// A condition: what must be done before the run ends; may be given several times
        #[arg(long = "duty", value_name = "TEXT", value_parser = words)]
        duties: Vec<String>,
        /// A condition: what must be done before the run enters a state; may be given several times
        #[arg(long, num_args = 2, value_names = ["STATE", "TEXT"], value_parser = words)]
        duty_before: Vec<String>,
    },
    /// Reject what runs are held for
    Reject {
        #[command(flatten)]
        on: Votes,
        /// The member in whose place you vote, who has named you
        #[arg(long = "for", value_name = "MEMBER")]
        place: Option<MemberId>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Stop the release of runs until you lift the veto, or are overruled
    Veto {
        #[command(flatten)]
        on: Votes,
        /// The member in whose place you vote, who has named you
        #[arg(long = "for", value_name = "MEMBER")]
        place: Option<MemberId>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Take your approval back, lift your veto, or end an override of the baseline
    Withdraw {
        #[command(flatten)]
        to: To,
        /// The requirement of the baseline that is to be demanded of the run again
        #[arg(long, value_name = "NAME", conflicts_with_all = ["hold", "place"])]
        requirement: Option<String>,
        /// The member in whose place you gave the vote
        #[arg(long = "for", value_name = "MEMBER")]
        place: Option<MemberId>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
    /// Set a veto of another member aside
    Overrule {
        #[command(flatten)]
        to: To,
        /// Whose veto
        member: MemberId,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Object to what goes on by itself unless somebody does
    Object {
        #[command(flatten)]
        to: To,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Let a run go on in spite of a closed window or a requirement of its baseline
    Override {
        #[command(flatten)]
        to: To,
        /// The requirement of the baseline that is not to be demanded of this run
        #[arg(long, value_name = "NAME", conflicts_with = "hold")]
        requirement: Option<String>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Count the votes on a hold with the project's members as they are now
    Recount {
        #[command(flatten)]
        to: To,
    },
    /// Have a check of a hold made again
    Recheck {
        #[command(flatten)]
        to: To,
        /// The check; needed only when several have not passed
        check: Option<String>,
    },
    /// Say that a duty has been done
    Discharge {
        #[command(flatten)]
        run: RunArgument,
        /// The duty's number, as `holdpoint show` shows it
        duty: u32,
        /// What was done, or how it was seen to
        #[arg(long, value_parser = words)]
        note: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Confirm that a task of a hold was done
    Done {
        #[command(flatten)]
        to: To,
        /// The task; needed only when several are open
        task: Option<String>,
        /// What was done, or how it was seen to
        #[arg(long, value_parser = words)]
        note: Option<String>,
    },
    /// Say that a task must be done anew: nobody's confirmation stands
    Reopen {
        #[command(flatten)]
        to: To,
        /// The task; needed only when several are done
        task: Option<String>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Let a run pass a hold that is not met, in an emergency, and owe what is due afterwards
    Waive {
        #[command(flatten)]
        to: To,
        /// Why it cannot wait
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Say something about a run that decides nothing
    Comment {
        #[command(flatten)]
        run: RunArgument,
        /// What
        #[arg(value_parser = words)]
        text: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Say what became of an attempt whose end nobody knows
    Settle {
        #[command(flatten)]
        run: RunArgument,
        /// What became of it
        became: Became,
        /// Which effect is meant, as `holdpoint show` shows it; needed only when there are several
        #[arg(long)]
        effect: Option<String>,
        /// With `done`: what it would have answered
        #[arg(long, value_name = "JSON")]
        output: Option<String>,
        /// How you know, or why it does not matter
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Stop runs for good
    Cancel {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        of: InState,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Tell a run that something happened outside
    Signal {
        #[command(flatten)]
        run: RunArgument,
        /// The signal's name
        name: String,
        /// What comes with it
        #[arg(long, value_name = "JSON", default_value = "null")]
        data: String,
        #[command(flatten)]
        acting: Acting,
    },
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Became {
    /// It was done
    Done,
    /// It failed, and is not tried again
    Failed,
    /// It is to be done again, whatever became of it
    Again,
}

/// Which hold of a run is meant, and who acts.
#[derive(Debug, Args)]
pub(crate) struct To {
    #[command(flatten)]
    run: RunArgument,
    /// The hold that is meant; needed only when several are open
    #[arg(long)]
    hold: Option<String>,
    #[command(flatten)]
    acting: Acting,
}

/// What is told to which run by whom, and how that is said when it is done.
pub(crate) struct Told {
    pub(crate) on: On,
    pub(crate) action: Action,
    pub(crate) done: &'static str,
}

/// Which runs are told something, and by whom.
pub(crate) enum On {
    Run(RunArgument, Acting),
    Votes(Votes),
    Cancelled(Which, InState, Acting),
}

impl Tell {
    /// The command's name, as it is typed.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Veto { .. } => "veto",
            Self::Withdraw { .. } => "withdraw",
            Self::Overrule { .. } => "overrule",
            Self::Object { .. } => "object",
            Self::Override { .. } => "override",
            Self::Recount { .. } => "recount",
            Self::Recheck { .. } => "recheck",
            Self::Discharge { .. } => "discharge",
            Self::Done { .. } => "done",
            Self::Reopen { .. } => "reopen",
            Self::Waive { .. } => "waive",
            Self::Comment { .. } => "comment",
            Self::Settle { .. } => "settle",
            Self::Cancel { .. } => "cancel",
            Self::Signal { .. } => "signal",
        }
    }

    /// What is told.
    pub(crate) fn told(self) -> Result<Told, Failure> {
        let told = |run, acting, action, done| Told { on: On::Run(run, acting), action, done };
        let about = |To { run, hold, acting }: To, done, action: &dyn Fn(_) -> Action| {
            told(run, acting, action(hold), done)
        };
        let vote = |on: Votes, vote, reason, duties, in_place_of, done| {
            let (hold, plans) = (on.hold.clone(), on.plans.iter().copied().collect());
            let action = Action::Vote { hold, vote, reason, duties, in_place_of, plans };
            Told { on: On::Votes(on), action, done }
        };
        Ok(match self {
            Self::Approve { on, place, reason, duties, duty_before } => {
                let duties = conditions(duties, &duty_before);
                vote(on, Vote::Approve, reason, duties, place, "approved")
            }
            Self::Reject { on, place, reason } => {
                vote(on, Vote::Reject, Some(reason), Vec::new(), place, "rejected")
            }
            Self::Veto { on, place, reason } => {
                vote(on, Vote::Veto, Some(reason), Vec::new(), place, "vetoed")
            }
            Self::Withdraw { to, requirement: Some(requirement), reason, .. } => {
                about(to, "withdrew an override of", &|_| Action::WithdrawOverride {
                    requirement: requirement.clone(),
                    reason: reason.clone(),
                })
            }
            Self::Withdraw { to, place, reason, .. } => {
                about(to, "withdrew your vote on", &|hold| Action::Withdraw {
                    hold,
                    in_place_of: place.clone(),
                    reason: reason.clone(),
                })
            }
            Self::Overrule { to, member, reason } => about(to, "overruled a veto on", &|hold| {
                let (member, reason) = (member.clone(), reason.clone());
                Action::Overrule { hold, member, reason }
            }),
            Self::Object { to, reason } => {
                about(to, "objected to", &|hold| Action::Object { hold, reason: reason.clone() })
            }
            Self::Override { to, requirement: Some(requirement), reason } => {
                about(to, "overrode a requirement of", &|_| Action::OverrideRequirement {
                    requirement: requirement.clone(),
                    reason: reason.clone(),
                })
            }
            Self::Override { to, reason, .. } => about(to, "overrode the window of", &|hold| {
                Action::Override { hold, reason: reason.clone() }
            }),
            Self::Recount { to } => {
                about(to, "counted the votes on", &|hold| Action::Recount { hold })
            }
            Self::Recheck { to, check } => about(to, "had a check made again in", &|hold| {
                Action::Recheck { hold, check: check.clone() }
            }),
            Self::Discharge { run, duty, note, acting } => {
                told(run, acting, Action::Discharge { duty, note }, "discharged a duty of")
            }
            Self::Done { to, task, note } => about(to, "confirmed a task of", &|hold| {
                let (task, note) = (task.clone(), note.clone());
                Action::Done { hold, task, note }
            }),
            Self::Reopen { to, task, reason } => about(to, "reopened a task of", &|hold| {
                let (task, reason) = (task.clone(), reason.clone());
                Action::Reopen { hold, task, reason }
            }),
            Self::Waive { to, reason } => about(to, "waived a hold of", &|hold| Action::Waive {
                hold,
                reason: reason.clone(),
            }),
            Self::Comment { run, text, acting } => {
                told(run, acting, Action::Comment { text }, "commented on")
            }
            Self::Cancel { which, of, reason, acting } => Told {
                on: On::Cancelled(which, of, acting),
                action: Action::Cancel { reason },
                done: "cancelled",
            },
            Self::Settle { run, became, effect, output, reason, acting } => {
                let ruling = match (became, output) {
                    (Became::Done, output) => {
                        let output = output.as_deref().unwrap_or("null");
                        Ruling::Done { output: json(output, "--output")? }
                    }
                    (_, Some(_)) => {
                        return Err(Failure::usage(
                            "only what was done has an output",
                            "leave `--output` out, or say `done`",
                        ));
                    }
                    (Became::Failed, None) => Ruling::Failed,
                    (Became::Again, None) => Ruling::Again,
                };
                let effect = effect.map(EffectId::new);
                told(run, acting, Action::Settle { effect, ruling, reason }, "settled")
            }
            Self::Signal { run, name, data, acting } => {
                let data = json(&data, "--data")?;
                told(run, acting, Action::Signal { name, data }, "signalled")
            }
        })
    }
}

fn json(text: &str, option: &str) -> Result<Value, Failure> {
    strict_json::parse(text).map_err(|error| {
        Failure::usage(
            format!("`{option}` cannot be read as JSON: {error}"),
            format!("a text needs its quotes: `{option} '\"done\"'`"),
        )
    })
}

/// The conditions of an approval; `before` has a state and a text by turns.
fn conditions(duties: Vec<String>, before: &[String]) -> Vec<NewDuty> {
    let before = before.chunks(2).filter_map(|pair| match pair {
        [state, text] => Some(NewDuty { text: text.clone(), before: Some(state.clone()) }),
        _ => None,
    });
    duties.into_iter().map(|text| NewDuty { text, before: None }).chain(before).collect()
}
