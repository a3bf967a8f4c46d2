//! `holdpoint plan`: what a run would do at which target, in which order, with which arguments.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint::{
    core::{
        Actor, Digest, MemberId, Moment, PlanApproval, Planned, Project, RunId, Started,
        plan::{Plan, PlannedStep, PlannedWave},
        workflow::DynWorkflow,
    },
    definition::{Definition, LANGUAGE},
    engine::Engine,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    arguments::input,
    command::submit,
    context::Context,
    failure::Failure,
    output::{Answer, count, line},
};

/// Shows the plans of a run, or of one that is not submitted yet.
pub(crate) async fn plan(context: &Context, arguments: input::Plan) -> Result<Answer, Failure> {
    context
        .with_engine_to_read(async |engine| {
            let plans = match &arguments.run {
                Some(run) => {
                    if !arguments.given.is_empty() {
                        return Err(Failure::usage(
                            "a run that was submitted has its input",
                            "say `--definition` for one that was not, or `holdpoint amend` it",
                        ));
                    }
                    let run = context.run(engine, run).await?;
                    engine.plans(run).await?
                }
                None => before_submission(context, engine, &arguments)?,
            };
            let activities = activities(engine, &plans);
            let mut text = if plans.is_empty() {
                "no state of the definition rolls anything out, so there is no plan\n".to_owned()
            } else {
                plans.iter().map(told).collect::<Vec<_>>().join("\n")
            };
            for (name, digest) in &activities {
                text.push_str(&format!("`{}` is configured here as {digest}\n", line(name)));
            }
            Answer::new(text, &json!({ "plans": plans, "activities": activities }))
        })
        .await
}

/// What the names of the activities mean here with which the plans are carried out, where that is said.
fn activities(engine: &Engine, plans: &[Planned]) -> BTreeMap<String, Digest> {
    let waves = plans.iter().filter_map(|one| one.plan.as_ref()).flat_map(|plan| &plan.waves);
    let steps =
        waves.flat_map(|wave| &wave.targets).flat_map(|one| one.steps.iter().chain(&one.undo));
    let names: BTreeSet<&String> = steps.map(|step| &step.activity).collect();
    let digest = |name: &String| Some((name.clone(), engine.configured(name)?));
    names.into_iter().filter_map(digest).collect()
}

/// The plans of a run that would be submitted so.
fn before_submission(
    context: &Context,
    engine: &Engine,
    arguments: &input::Plan,
) -> Result<Vec<Planned>, Failure> {
    let project = context.project(engine)?;
    let name = arguments.definition.as_ref().ok_or_else(|| {
        Failure::usage("no run is named", "name a run, or a definition: `--definition NAME`")
    })?;
    let published = project.definition(name, arguments.version)?;
    if published.language != LANGUAGE {
        return Err(Failure::usage(
            format!("`{name}` is written in another language, which makes no plans"),
            "submit a run of it, and ask for the plan of that",
        ));
    }
    let parsed = Definition::parse(name.as_str(), &published.source).map_err(Failure::Findings)?;
    let given = submit::document(&arguments.given)?.unwrap_or_default();
    let schema = submit::schema(published);
    let given = submit::pairs(given, &arguments.given.input, &schema).map(Value::Object)?;
    let requester = requester(&project, arguments.actor.clone())?;
    let now = Timestamp::now();
    let workflow: &dyn DynWorkflow = &parsed.definition;
    let input = workflow.complete_input(given);
    let started = Started {
        run: RunId::from_uuid(uuid::Uuid::nil()),
        project: project.id(),
        requester: &requester,
        at: now,
        input: &input,
        baseline: project.baseline().map(|one| &one.reference),
    };
    let state = workflow.start(&started)?;
    Ok(workflow.plans(&state, &Moment { now, project: &project }))
}

fn requester(project: &Project, named: Option<MemberId>) -> Result<Actor, Failure> {
    let named = named.ok_or_else(|| {
        Failure::usage(
            "nobody is named who would submit the run, and what it does may depend on that",
            "say who would: `--as MEMBER`, or set HOLDPOINT_AS; nothing is done in their name",
        )
    })?;
    project.member(&named)?;
    Ok(Actor::Member(named))
}

fn told(planned: &Planned) -> String {
    let state = &planned.state;
    let mut text = match (&planned.plan, &planned.problem) {
        (Some(plan), _) => format!("`{state}`: {}\n{}", plan.digest, waves(plan)),
        (None, problem) => format!(
            "`{state}`: there is no plan as things are now: {}\n",
            line(problem.as_deref().unwrap_or_default())
        ),
    };
    let now = planned.plan.as_ref().map(|plan| plan.digest);
    let other = |before: Digest| now != Some(before);
    match (planned.began_with, &planned.approval) {
        (Some(began), _) if other(began) => {
            text.push_str(&format!("it has begun with another plan, {began}: what is above would follow if it began now\n"));
        }
        (Some(_), _) => text.push_str("it has begun with this plan\n"),
        (None, Some(PlanApproval { hold, released: false, digest })) => {
            text.push_str(&match digest {
                Some(asked) if other(*asked) => format!(
                    "the inventory has changed it since `{hold}` was asked about another, {asked}\n"
                ),
                Some(_) => format!("this is the plan that `{hold}` is asked about\n"),
                None => format!("`{hold}` was asked before there was a plan\n"),
            });
        }
        (None, Some(PlanApproval { hold, digest: Some(released), .. })) => {
            text.push_str(&if other(*released) {
                format!(
                    "it does not begin so: `{hold}` was released with another plan, {released}\n"
                )
            } else {
                format!("`{hold}` was released with this plan\n")
            });
        }
        (None, _) => {}
    }
    if let Some(drift) = &planned.drift {
        text.push_str(&format!("since then: {}\n", line(&drift.in_words())));
    }
    text
}

fn waves(plan: &Plan) -> String {
    let waves = plan.waves.iter().filter(|wave| !wave.switch).count();
    let most = |what: &str, most: Option<u32>| {
        most.map(|most| format!(", at most {most} {what}")).unwrap_or_default()
    };
    let mut text = format!(
        "{} in {}{}{}; turned round when {} failed{}\n",
        count(plan.targets, "target"),
        count(waves as u64, "wave"),
        most("at once", plan.max_parallel),
        most("out of service", plan.max_unavailable),
        if plan.max_failed == 1 { "1 has".to_owned() } else { format!("{} have", plan.max_failed) },
        plan.selector
            .as_ref()
            .map(|one| format!("; selected by {}", line(one)))
            .unwrap_or_default(),
    );
    plan.waves.iter().for_each(|one| text.push_str(&wave(one)));
    text
}

fn wave(wave: &PlannedWave) -> String {
    let mut text =
        if wave.switch { "the switch\n".to_owned() } else { format!("wave {}\n", wave.wave) };
    for target in &wave.targets {
        if !wave.switch {
            text.push_str(&format!("  {}. {}\n", target.number, line(&target.target)));
        }
        target.steps.iter().for_each(|one| text.push_str(&step(one, "")));
        target.undo.iter().for_each(|one| text.push_str(&step(one, "undone by ")));
    }
    if let Some(bake) = wave.bake_ms {
        let bake = SignedDuration::from_millis(i64::try_from(bake).unwrap_or(i64::MAX));
        text.push_str(&format!("  then it bakes for {bake:#}\n"));
    }
    for hold in &wave.holds {
        text.push_str(&format!(
            "  then {} of {} must promote it\n",
            hold.need,
            line(&hold.from.join(", "))
        ));
    }
    text
}

fn step(step: &PlannedStep, how: &str) -> String {
    let name = match step.step.strip_prefix("undo_") {
        Some(undone) if !how.is_empty() => undone,
        _ => &step.step,
    };
    format!("     {how}{name}: `{}` {}\n", line(&step.activity), line(&step.input.to_string()))
}
