//! `holdpoint project`: projects, their members, roles and qualifications.

use std::{collections::BTreeMap, path::Path};

use holdpoint::{
    core::{
        MemberId, NewEvidence, Project, ProjectAction, ProjectId, QualificationName, RoleName,
        project::Qualification,
    },
    engine::Engine,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    arguments::{
        Acting,
        evidence::ShownBy,
        project::{MemberCommand, ProjectCommand, RoleCommand},
    },
    command::{
        evidence,
        substitute::{substitute, substitution_in_words},
    },
    context::{Context, Who},
    failure::Failure,
    output::{Answer, count, cut, line, table, time},
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
        ProjectCommand::Qualify { member, domain, issuer, from, until, shown, acting } => {
            let qualification = Qualification { domain, issuer, from, until, evidence: None };
            return qualify(context, member, qualification, shown, &acting).await;
        }
        ProjectCommand::Evidence { member, domain, out } => {
            return evidence_of(context, &member, &domain, &out).await;
        }
        ProjectCommand::Disqualify { member, domain, reason, acting } => {
            let done = format!("`{member}` is no longer qualified in {domain}");
            (ProjectAction::Disqualify { member, domain, reason: Some(reason) }, acting, done)
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

/// Records a qualification, with the file that shows it, if one is given.
async fn qualify(
    context: &Context,
    member: MemberId,
    qualification: Qualification,
    shown: ShownBy,
    acting: &Acting,
) -> Result<Answer, Failure> {
    let who = acting.who()?;
    let ShownBy { evidence: file, reference, sha256, media_type } = shown;
    file.as_deref().map_or(Ok(()), evidence::regular)?;
    let store = context.open()?.evidence();
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let (evidence, stored) = match (&file, reference.zip(sha256)) {
                (Some(path), _) => {
                    let (evidence, stored) = evidence::keep(&store, path, media_type)?;
                    (Some(evidence), Some(stored))
                }
                (None, Some((reference, digest))) => {
                    let reference = Some(reference);
                    let elsewhere =
                        NewEvidence { digest, size: None, file: None, media_type, reference };
                    (Some(elsewhere), None)
                }
                (None, None) => (None, None),
            };
            let qualification = Qualification { evidence, ..qualification };
            let valid = qualification.is_valid(Timestamp::now());
            let lapsed = if valid { "" } else { ", which is not valid now" };
            let done = format!("`{member}` is qualified {}{lapsed}", in_words(&qualification));
            let action = ProjectAction::Qualify { member, qualification };
            let changed = change(engine, project.id(), action, who, &done).await;
            evidence::discard_refused(&store, &changed, stored.as_ref())?;
            changed
        })
        .await
}

/// Writes what shows a qualification into a file.
async fn evidence_of(
    context: &Context,
    member: &MemberId,
    domain: &QualificationName,
    out: &Path,
) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let held = project.member(member)?.qualifications.iter().rev();
    let shown = held.filter(|one| one.domain == *domain).find_map(|one| one.evidence.as_ref());
    let Some(shown) = shown else {
        return Err(Failure::usage(
            format!("no qualification of `{member}` in {domain} has evidence"),
            "`holdpoint project show` has the qualifications; `project qualify --evidence FILE` records evidence",
        ));
    };
    let what = format!("qualification of {member} in {domain}");
    if let Some(reference) = &shown.reference {
        return Err(evidence::not_kept(&what, reference, &shown.digest));
    }
    let store = context.open()?.evidence();
    evidence::write(&store, &what, &shown.digest, shown.media_type.as_deref(), out)
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

/// What shows a qualification: the name of the file, or where it is kept.
pub(crate) fn evidence_in_words(evidence: &NewEvidence) -> String {
    let what = evidence.reference.as_ref().or(evidence.file.as_ref());
    format!(", shown by {}", line(what.map_or("a file", String::as_str)))
}

fn in_words(qualification: &Qualification) -> String {
    let from = qualification.from.map(|from| format!(" from {}", time(from))).unwrap_or_default();
    let until =
        qualification.until.map(|until| format!(" until {}", time(until))).unwrap_or_default();
    let shown = qualification.evidence.as_ref().map(evidence_in_words).unwrap_or_default();
    format!("in {}{from}{until} ({}{shown})", qualification.domain, qualification.issuer)
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let projects = context.with_engine_to_read(async |engine| Ok(engine.projects())).await?;
    let text = if projects.is_empty() {
        "no projects\n".to_owned()
    } else {
        table(
            &["PROJECT", "TITLE", "MEMBERS", "CREATED (UTC)"],
            projects.iter().map(|project| {
                vec![
                    project.id().to_string(),
                    cut(project.title()),
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
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
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
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
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
