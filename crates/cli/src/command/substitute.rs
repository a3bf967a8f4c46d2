//! `holdpoint project substitute`: who votes in whose place.

use holdpoint::core::{NewSubstitution, ProjectAction, ProjectCommand, RoleName, Substitution};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    arguments::substitute::SubstituteCommand,
    command::project,
    context::Context,
    failure::Failure,
    output::{Answer, table, time},
};

/// Does what `command` says.
pub(crate) async fn substitute(
    context: &Context,
    command: SubstituteCommand,
) -> Result<Answer, Failure> {
    match command {
        SubstituteCommand::List => list(context).await,
        SubstituteCommand::Remove { substitution, reason, acting } => {
            let who = acting.who()?;
            let action = ProjectAction::WithdrawSubstitute { substitution, reason };
            let done = format!("withdrew the substitution {substitution}");
            context
                .with_engine_at_rest(async |engine| {
                    let project = context.project(engine)?;
                    project::change(engine, project.id(), action, who, &done).await
                })
                .await
        }
        SubstituteCommand::Add { member, substitute, until, from, roles, reason, acting } => {
            if until <= Timestamp::now() {
                return Err(Failure::usage(
                    format!(
                        "the substitution would be over already: it would end at {} UTC",
                        time(until)
                    ),
                    "say with `--until` from when on it no longer holds",
                ));
            }
            let roles = roles.into_iter().collect();
            let asked = NewSubstitution { member, substitute, from, until, roles, reason };
            add(context, asked, acting.who()?).await
        }
    }
}

async fn add(
    context: &Context,
    asked: NewSubstitution,
    who: crate::context::Who,
) -> Result<Answer, Failure> {
    let action = ProjectAction::NameSubstitute(asked.clone());
    let (id, actor, auth) = (who.command, who.actor, who.auth);
    let command = ProjectCommand { id, actor, auth, trace: None, action };
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let answer = engine.change_project(project.id(), command).await?;
            let now = context.project(engine)?;
            // A command that is answered again need not be the last.
            let is_asked = |one: &&Substitution| {
                (&one.member, &one.substitute) == (&asked.member, &asked.substitute)
                    && (one.until, &one.roles) == (asked.until, &asked.roles)
            };
            let one = now.substitutions().iter().filter(is_asked).last();
            let said = one.map(substitution_in_words).unwrap_or_default();
            let number = one.map(|one| one.number);
            let json = json!({
                "project": project.id(),
                "substitution": number,
                "version": answer.version,
                "sequence": answer.sequence,
            });
            let number =
                number.map(|number| format!("substitution {number}: ")).unwrap_or_default();
            Answer::new(format!("{number}{said}\n"), &json)
        })
        .await
}

/// Who votes in whose place, and until when.
pub(crate) fn substitution_in_words(one: &Substitution) -> String {
    let Substitution { member, substitute, from, until, roles, .. } = one;
    let from = from.map(|from| format!(" from {} UTC", time(from))).unwrap_or_default();
    let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
    let only = if roles.is_empty() {
        String::new()
    } else {
        format!(", where {} is asked", roles.join(" or "))
    };
    format!("{substitute} votes for {member}{from} until {} UTC{only}", time(*until))
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let now = Timestamp::now();
    let all: Vec<&Substitution> = project.substitutions().iter().collect();
    let holds = |one: &Substitution| {
        if one.is_valid(now) {
            "now"
        } else if one.until <= now {
            "over"
        } else {
            "later"
        }
    };
    let text = if all.is_empty() {
        format!("nobody votes in the place of another in the project `{}`\n", project.id())
    } else {
        table(
            &[
                "NUMBER",
                "SUBSTITUTE",
                "FOR",
                "FROM (UTC)",
                "UNTIL (UTC)",
                "HOLDS",
                "ROLES",
                "REASON",
            ],
            all.iter().map(|one| {
                let roles: Vec<&str> = one.roles.iter().map(RoleName::as_str).collect();
                vec![
                    one.number.to_string(),
                    one.substitute.to_string(),
                    one.member.to_string(),
                    one.from.map(time).unwrap_or_default(),
                    time(one.until),
                    holds(one).to_owned(),
                    if roles.is_empty() { "all".to_owned() } else { roles.join(", ") },
                    one.reason.clone().unwrap_or_default(),
                ]
            }),
        )
    };
    let json: Vec<_> = all
        .iter()
        .map(|one| {
            serde_json::to_value(one).map(|mut value| {
                if let Some(members) = value.as_object_mut() {
                    members.insert("holds".to_owned(), json!(holds(one)));
                }
                value
            })
        })
        .collect::<Result<_, _>>()?;
    Answer::new(text, &json!({ "project": project.id(), "substitutions": json }))
}
