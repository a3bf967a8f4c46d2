//! Baselines: what is published and started is judged by the one that is in force at that moment.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use std::sync::{Arc, Mutex, mpsc};

use common::{Expense, Office, new_id, who};
use holdpoint_core::{
    BaselineReader, Judged, LoadFailure, Loader, ProjectAction, ProjectCommand, ReadBaseline,
    Refusal, RefusalCode, Shortfall, workflow::LoadedDefinition,
};
use holdpoint_engine::{CommandFailure, Engine, Submission};
use tokio::sync::Notify;

/// A baseline is `strict`, which no definition keeps to, or `mild`, which all do.
struct Reader;

impl BaselineReader for Reader {
    fn read(&self, source: &str) -> Result<ReadBaseline, LoadFailure> {
        if !["strict", "mild"].contains(&source) {
            return Err(LoadFailure { reason: "it is no baseline".to_owned() });
        }
        let (baseline, title) = (source.parse().unwrap(), "What is demanded".to_owned());
        Ok(ReadBaseline { baseline, title, requirements: vec![] })
    }

    fn shortfalls(&self, baseline: &str, _: &Judged<'_>) -> Result<Vec<Shortfall>, LoadFailure> {
        self.read(baseline)?;
        let (requirement, message) = ("asked".to_owned(), "nobody is asked".to_owned());
        let shortfall = Shortfall { requirement, line: 1, column: 1, message, help: None };
        Ok(if baseline == "strict" { vec![shortfall] } else { vec![] })
    }
}

async fn open(office: &Office) -> Engine {
    let engine = office.builder().baselines(Arc::new(Reader)).start().await.unwrap();
    office.set_up(&engine).await;
    engine
}

fn change(action: ProjectAction) -> ProjectCommand {
    let (actor, auth) = who("ada");
    ProjectCommand { id: new_id(), actor, auth, trace: None, action }
}

fn baseline(name: &str, title: &str, source: &str) -> ProjectCommand {
    change(ProjectAction::PublishBaseline {
        baseline: name.parse().unwrap(),
        title: title.to_owned(),
        source: source.to_owned(),
        reason: "the auditors ask for it".to_owned(),
    })
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, CommandFailure>) -> Refusal {
    match answer {
        Err(CommandFailure::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_baseline_or_calls_itself_otherwise_is_not_published() {
    let office = Office::new();
    let engine = open(&office).await;
    for (command, said) in [
        (baseline("strict", "What is demanded", "anything"), "it is no baseline"),
        (baseline("strict", "What is demanded", "mild"), "`mild`"),
        (baseline("mild", "Nothing", "mild"), "What is demanded"),
    ] {
        let refused = refusal(engine.change_project(&office.project, command).await);
        assert_eq!(refused.code, RefusalCode::InvalidInput);
        assert!(refused.message.contains(said), "{}", refused.message);
    }
    assert!(engine.project(&office.project).unwrap().baseline().is_none());
    office.submit(&engine, 1).await;

    // An engine that cannot read baselines could not hold anything to one.
    engine.shutdown().await;
    let engine = office.builder().start().await.unwrap();
    let mild = baseline("mild", "What is demanded", "mild");
    let refused = refusal(engine.change_project(&office.project, mild).await);
    assert_eq!(refused.code, RefusalCode::InvalidInput);
}

#[tokio::test]
async fn a_definition_that_waits_behind_a_baseline_is_judged_by_it() {
    let office = Office::new();
    let name = "claim".parse().unwrap();
    let source = holdpoint_engine::rust_source(&name, 1);
    let engine = office
        .builder()
        .workflow(name, 1, "A claim", Arc::new(Expense))
        .baselines(Arc::new(Reader))
        .start()
        .await
        .unwrap();
    office.set_up(&engine).await;
    let strict = baseline("strict", "What is demanded", "strict");
    let publication = change(engine.publication("rust", &source, None).unwrap());
    // Both are sent before the first is decided.
    let (strict, published) = tokio::join!(
        engine.change_project(&office.project, strict),
        engine.change_project(&office.project, publication.clone()),
    );
    strict.unwrap();
    assert_eq!(refusal(published).code, RefusalCode::BelowBaseline);

    let mild = baseline("mild", "What is demanded", "mild");
    engine.change_project(&office.project, mild).await.unwrap();
    let published = engine.change_project(&office.project, publication.clone()).await.unwrap();
    // What was accepted stays accepted.
    let strict = baseline("strict", "What is demanded", "strict");
    engine.change_project(&office.project, strict).await.unwrap();
    let again = engine.change_project(&office.project, publication).await.unwrap();
    assert_eq!(published, again);
}

/// Says when it is about to load a definition for a run, and waits until it may.
struct Slow {
    reached: Arc<Notify>,
    may: Mutex<mpsc::Receiver<()>>,
}

impl Slow {
    fn loaded() -> LoadedDefinition {
        LoadedDefinition {
            name: "slow".parse().unwrap(),
            version: 1,
            title: "Slow".to_owned(),
            workflow: Arc::new(Expense),
        }
    }
}

impl Loader for Slow {
    fn language(&self) -> &'static str {
        "slow"
    }

    fn load(&self, _: &str) -> Result<LoadedDefinition, LoadFailure> {
        self.reached.notify_one();
        self.may.lock().unwrap().recv().unwrap();
        Ok(Self::loaded())
    }

    fn accept(&self, _: &str) -> Result<LoadedDefinition, LoadFailure> {
        Ok(Self::loaded())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_begins_by_the_baseline_that_is_in_force_where_it_is_decided() {
    let office = Office::new();
    let (go, may) = mpsc::channel();
    let reached = Arc::<Notify>::default();
    let slow = Slow { reached: reached.clone(), may: Mutex::new(may) };
    let engine =
        office.builder().loader(Arc::new(slow)).baselines(Arc::new(Reader)).start().await.unwrap();
    office.set_up(&engine).await;
    let publication = change(engine.publication("slow", "source", None).unwrap());
    engine.change_project(&office.project, publication).await.unwrap();

    let submission =
        Submission { definition: "slow".parse().unwrap(), ..office.submission(new_id(), 1) };
    let (submitting, project) = (engine.clone(), office.project.clone());
    let asked = submission.clone();
    let submitted = tokio::spawn(async move { submitting.submit(&project, asked).await });
    reached.notified().await;
    let strict = baseline("strict", "What is demanded", "strict");
    engine.change_project(&office.project, strict).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(refusal(submitted.await.unwrap()).code, RefusalCode::BelowBaseline);

    let mild = baseline("mild", "What is demanded", "mild");
    engine.change_project(&office.project, mild).await.unwrap();
    let begun = engine.submit(&office.project, submission.clone()).await.unwrap();
    // What was accepted stays accepted.
    let strict = baseline("strict", "What is demanded", "strict");
    engine.change_project(&office.project, strict).await.unwrap();
    assert_eq!(engine.submit(&office.project, submission).await.unwrap(), begun);
    let fresh = office.submission(new_id(), 1);
    let refused = refusal(engine.submit(&office.project, fresh).await);
    assert_eq!(refused.code, RefusalCode::BelowBaseline);
}
