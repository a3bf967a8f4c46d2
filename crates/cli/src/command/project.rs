//! `holdpoint project`: projects, their members, roles and qualifications.

use std::collections::BTreeMap;

use holdpoint::{
    core::{Project, ProjectAction, ProjectId, RoleName, project::Qualification},
    engine::Engine,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    arguments::{Acting, MemberCommand, ProjectCommand, RoleCommand},
    command::substitute::{substitute, substitution_in_words},
    context::{Context, Who},
    failure::Failure,
    output::{Answer, count, table, time},
};

/// Does what `command` says.
pub(crate) async fn project(context: &Context, command: ProjectCommand) -> Result<Answer, Failure> {
    let (action, acting, done) = match command {
        ProjectCommand::List => return list(context).await,
        ProjectCommand::Show => return show(context).await,
        ProjectCommand::Role(RoleCommand::List) => return roles(context).await,
        ProjectCommand::Substitute(command) => return substitute(context, command).await,
        ProjectCommand::Create { name, title, acting } => {
            return create(context, &name, title, &acting).await;
        }
        ProjectCommand::Member(MemberCommand::Add { member, name, roles, acting }) => {
            let done = match roles.as_slice() {
                [] => format!("`{member}` is a member"),
                roles => {
                    let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
                    format!("`{member}` is a member: {}", roles.join(", "))
                }
            };
            (ProjectAction::AddMember { member, name, roles }, acting, done)
        }
        ProjectCommand::Member(MemberCommand::Remove { member, acting }) => {
            let done = format!("`{member}` is no longer a member");
            (ProjectAction::RemoveMember { member }, acting, done)
        }
        ProjectCommand::Role(RoleCommand::Grant { member, role, acting }) => {
            let done = format!("`{member}` holds the role `{role}`");
            (ProjectAction::GrantRole { member, role }, acting, done)
        }
        ProjectCommand::Role(RoleCommand::Revoke { member, role, acting }) => {
            let done = format!("`{member}` no longer holds the role `{role}`");
            (ProjectAction::RevokeRole { member, role }, acting, done)
        }
        ProjectCommand::Qualify { member, domain, issuer, from, until, acting } => {
            let qualification = Qualification { domain, issuer, from, until };
            let now = Timestamp::now();
            let lapsed = if qualification.is_valid(now) { "" } else { ", which is not valid now" };
            let done = format!("`{member}` is qualified {}{lapsed}", in_words(&qualification));
            (ProjectAction::Qualify { member, qualification }, acting, done)
        }
        ProjectCommand::Disqualify { member, domain, acting } => {
            let done = format!("`{member}` is no longer qualified in {domain}");
            (ProjectAction::Disqualify { member, domain }, acting, done)
        }
    };
    let who = acting.who()?;
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            change(engine, project.id(), action, who, &done).await
        })
        .await
}

async fn create(
    context: &Context,
    name: &ProjectId,
    title: Option<String>,
    acting: &Acting,
) -> Result<Answer, Failure> {
    let title = title.unwrap_or_else(|| name.to_string());
    let action = ProjectAction::Create { title };
    let who = acting.who()?;
    context
        .with_engine_at_rest(async |engine| {
            change(engine, name, action, who, &format!("created the project `{name}`")).await
        })
        .await
}

/// Sends a change of a project.
pub(crate) async fn change(
    engine: &Engine,
    project: &ProjectId,
    action: ProjectAction,
    who: Who,
    done: &str,
) -> Result<Answer, Failure> {
    let command = holdpoint::core::ProjectCommand {
        id: who.command,
        actor: who.actor,
        auth: who.auth,
        trace: None,
        action,
    };
    let answer = engine.change_project(project, command).await?;
    Answer::new(
        format!("{done}\n"),
        &json!({ "project": project, "version": answer.version, "sequence": answer.sequence }),
    )
}

fn in_words(qualification: &Qualification) -> String {
    let from = qualification.from.map(|from| format!(" from {}", time(from))).unwrap_or_default();
    let until =
        qualification.until.map(|until| format!(" until {}", time(until))).unwrap_or_default();
    format!("in {}{from}{until} ({})", qualification.domain, qualification.issuer)
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let projects = context.with_engine_at_rest(async |engine| Ok(engine.projects())).await?;
    let text = if projects.is_empty() {
        "no projects\n".to_owned()
    } else {
        table(
            &["PROJECT", "TITLE", "MEMBERS", "CREATED (UTC)"],
            projects.iter().map(|project| {
                vec![
                    project.id().to_string(),
                    project.title().to_owned(),
                    project.members().len().to_string(),
                    time(project.created()),
                ]
            }),
        )
    };
    let json: Vec<_> = projects.iter().map(|project| as_json(project)).collect();
    Answer::new(text, &json!({ "projects": json }))
}

fn as_json(project: &Project) -> Value {
    json!({
        "project": project.id(),
        "title": project.title(),
        "created": project.created(),
        "updated": project.updated(),
        "version": project.at().version,
        "members": project.members(),
        "definitions": project.definitions().collect::<Vec<_>>(),
        "substitutions": project.substitutions().iter().collect::<Vec<_>>(),
    })
}

async fn show(context: &Context) -> Result<Answer, Failure> {
    let project = context.with_engine_at_rest(async |engine| context.project(engine)).await?;
    let now = Timestamp::now();
    let mut text = format!(
        "{}: {}\ncreated {} UTC, {}, {}\n\n",
        project.id(),
        project.title(),
        time(project.created()),
        count(project.members().len() as u64, "member"),
        count(project.definitions().count() as u64, "published definition"),
    );
    text.push_str(&table(
        &["MEMBER", "NAME", "ROLES", "QUALIFICATIONS"],
        project.members().iter().map(|(id, member)| {
            let roles: Vec<_> = member.roles.iter().map(ToString::to_string).collect();
            let qualifications: Vec<_> = member
                .qualifications
                .iter()
                .map(|one| {
                    let lapsed = if one.is_valid(now) { "" } else { ", not valid now" };
                    format!("{}{lapsed}", in_words(one))
                })
                .collect();
            vec![id.to_string(), member.name.clone(), roles.join(", "), qualifications.join("; ")]
        }),
    ));
    let valid: Vec<_> = project.substitutions().valid(now).collect();
    if !valid.is_empty() {
        text.push('\n');
        text.extend(valid.iter().map(|one| format!("{}\n", substitution_in_words(one))));
    }
    Answer::new(text, &as_json(&project))
}

/// The roles, each with those who hold it.
async fn roles(context: &Context) -> Result<Answer, Failure> {
    let project = context.with_engine_at_rest(async |engine| context.project(engine)).await?;
    let mut roles: BTreeMap<&RoleName, Vec<&str>> = BTreeMap::new();
    for (id, member) in project.members() {
        for role in &member.roles {
            roles.entry(role).or_default().push(id.as_str());
        }
    }
    let rows = roles.iter().map(|(role, held)| vec![role.to_string(), held.join(", ")]);
    let text = table(&["ROLE", "MEMBERS"], rows);
    Answer::new(text, &json!({ "project": project.id(), "roles": roles }))
}
