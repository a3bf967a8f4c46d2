//! A directory with runs that this program cannot load: each is broken, alone.

use std::sync::Arc;

use holdpoint::{
    DataDirectory,
    core::{
        Actor, Authentication, CommandId, LoadFailure, Loader, RunId, RunStatus,
        workflow::LoadedDefinition,
    },
    definition::Language,
    engine::{Engine, RunFilter, Submission},
};
use serde_json::{Value, json};

use crate::common::{DATA, Place, SUBMIT};

const CHANGE: &str = "
workflow: change
version: 1
title: A change
start: take
states:
  take:
    hold: { lock: [db-1, web-1] }
    on: { released: agree }
  agree:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
    on: { released: done, rejected: done }
  done: { end: done }
";

/// The declarative language under a name that the program has no loader for.
struct Foreign(Language);

impl Loader for Foreign {
    fn language(&self) -> &str {
        "acme"
    }

    fn load(&self, source: &str) -> Result<LoadedDefinition, LoadFailure> {
        self.0.load(source)
    }
}

/// Does something with an engine that has the language.
fn embedded<T>(place: &Place, work: impl AsyncFnOnce(&Engine) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = DataDirectory::open(place.path(DATA)).unwrap();
        let builder = directory.engine("test").await.unwrap();
        let engine = builder.loader(Arc::new(Foreign(Language))).start().await.unwrap();
        let done = work(&engine).await;
        engine.idle().await.unwrap();
        engine.shutdown().await;
        done
    })
}

/// Run 1 can be loaded by anybody; run 2 holds locks, and can be loaded by [`embedded`] alone; run 3
/// waits for one of them.
fn place() -> (Place, RunId) {
    let place = Place::lab();
    place.must(SUBMIT);
    let foreign = embedded(&place, async |engine| {
        let (lab, ada) = ("lab".parse().unwrap(), Actor::Member("ada".parse().unwrap()));
        let (id, auth) =
            (|| CommandId::from_uuid(uuid::Uuid::now_v7()), Authentication::new("test"));
        engine.publish(&lab, id(), ada.clone(), auth.clone(), "acme", CHANGE).await.unwrap();
        let submission = Submission {
            command: id(),
            actor: ada,
            auth,
            trace: None,
            definition: "change".parse().unwrap(),
            version: None,
            input: json!({}),
        };
        engine.submit(&lab, submission).await.unwrap().run
    });
    place.write(
        "two.yaml",
        CHANGE.replace("workflow: change", "workflow: two").replace("[db-1, web-1]", "[db-1]"),
    );
    place.must("definitions publish two.yaml --as ada");
    place.must("submit two --as ada");
    (place, foreign)
}

/// Has the work done, of which the run that is listed as broken is no part.
fn work_but_for_the_run(place: &Place) {
    let ran = place.sh("work");
    assert_eq!(ran.code, Some(5), "{ran}");
    assert!(ran.errors.contains("run 2 is broken, and left alone"), "{ran}");
}

fn locks(place: &Place) -> Vec<String> {
    let answer: Value = place.ask("locks");
    let rows = answer["locks"].as_array().unwrap().iter();
    rows.map(|row| {
        let waits = if row["held"] == true { "" } else { "?" };
        format!("{}:{}{waits}", row["item"].as_str().unwrap(), row["number"])
    })
    .collect()
}

#[test]
fn what_concerns_many_runs_is_done_for_those_that_can_be_loaded() {
    let (place, _) = place();
    let why = "the definition cannot be loaded: this engine has no loader for the language `acme`";

    let told = place.ask("list --overdue");
    assert_eq!(told["runs"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(told["unloadable"][0]["number"], 2, "{told}");
    assert!(told["unloadable"][0]["why"].as_str().unwrap().starts_with(why), "{told}");
    let told = place.must("list --overdue");
    assert!(told.contains(&format!("run 2 cannot be looked at: {why}")), "{told}");

    let told = place.ask("pause --all --reason incident --as ada");
    assert_eq!(told["runs"][0]["number"], 2, "{told}");
    assert_eq!(told["runs"][0]["result"], "left", "{told}");
    assert_eq!(told["runs"][0]["refused"]["code"], "HP1032", "{told}");

    let told = place.must("approve --all --as bob");
    assert!(told.contains("left alone: run 2 (change): the definition cannot be loaded"), "{told}");
    assert!(told.contains("approved: run 1 "), "{told}");

    // Of those that are named, one that cannot be had does not keep the others from being decided.
    place.must(SUBMIT);
    let ran = place.sh("approve 2 4 --as eve");
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.errors.contains("error[HP1032]: 1 of 2 runs refused it"), "{ran}");
    assert!(ran.output.contains("approved: run 4 "), "{ran}");

    let ran = place.sh("show 2");
    ran.fails_well(3, &"show 2");
    assert!(ran.errors.contains("`holdpoint history RUN` has what happened to it"), "{ran}");
    assert!(place.must("history 2").contains("it holds the locks on db-1, web-1"));
}

#[test]
fn a_read_model_can_be_built_again_without_the_definition_of_a_run() {
    let (place, foreign) = place();
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(place.path(&format!("{DATA}/read-model.sqlite{suffix}"))));
    }
    let listed = place.ask("list");
    let row = &listed["runs"][1];
    assert_eq!(row["number"], 2, "{listed}");
    assert_eq!(row["status"], "stuck", "{listed}");
    assert_eq!(row["requester"], "member:ada", "{listed}");
    let state = row["state"].as_str().unwrap();
    assert!(state.starts_with("broken: the definition cannot be loaded: "), "{listed}");
    work_but_for_the_run(&place);
    assert_eq!(locks(&place), ["db-1:2", "db-1:3?", "web-1:2"]);
    // Who has the definition finds the run as it was, also where nothing has happened since.
    let row = embedded(&place, async |engine| {
        let rows = engine.runs(&RunFilter::default()).await.unwrap();
        rows.into_iter().find(|row| row.id == foreign).unwrap()
    });
    assert_eq!((row.state.as_str(), row.status), ("agree", RunStatus::Held));
}

#[test]
fn locks_can_be_taken_from_a_run_that_cannot_be_loaded() {
    let (place, foreign) = place();
    place.must("work");
    assert_eq!(locks(&place), ["db-1:2", "db-1:3?", "web-1:2"]);
    // It is listed as broken once somebody has looked at it.
    place.must("list --overdue");
    let shown = place.must("locks");
    assert!(shown.contains("run 2 is broken and gives nothing back by itself: "), "{shown}");
    assert!(shown.contains("holdpoint locks break ITEM --reason TEXT"), "{shown}");

    place.refuses("locks break db-1 --reason 'it hangs' --as bob", "HP1002");
    let id = "--command-id 0198a1b2-0000-7000-8000-000000000001";
    let told = place.must(&format!("locks break db-1 --reason 'it hangs' --as ada {id}"));
    assert!(told.starts_with("broke the lock on `db-1` of run 2: broken: "), "{told}");
    work_but_for_the_run(&place);
    assert_eq!(locks(&place), ["db-1:3", "web-1:2"]);
    assert!(place.must("history 2").contains("broke the lock on db-1 (role owner): it hangs"));
    // The definition replays it.
    let view = embedded(&place, async |engine| engine.run(foreign).await.unwrap().view);
    assert_eq!((view.state.as_str(), view.locks), ("agree", vec!["web-1".to_owned()]));
}
