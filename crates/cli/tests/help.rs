//! The help: what a newcomer reads first.

use insta::assert_snapshot;

use crate::common::{Place, words};

#[test]
fn the_top_level() {
    let place = Place::empty();
    assert_snapshot!(place.must("--help"), @"
    Change approvals and rollouts that stop where they must, go on by themselves where they may, survive
    any crash, and leave a history that can be checked

    Usage: holdpoint [OPTIONS] <COMMAND>

    Commands:
      init         Make a data directory
      project      Create and change projects: members, roles, qualifications, substitutes
      items        Keep the configuration items of a project: labels, groups, dependencies
      conflicts    List the runs that touch the same or related items at overlapping times; or accept
                   that
      locks        List the locks on items, who holds them and who waits; or break one
      definitions  Publish and read workflow definitions
      calendar     Publish, read and check calendars: windows, freezes, working time
      baseline     Keep what every definition of a project must demand, and read it
      lockdown     Hold back all that would start in a scope, preview that, and release it
      check        Check definitions and scenarios: everything that is wrong, with its place and a
                   remedy
      test         Play scenarios against their definitions, in virtual time
      simulate     Step through a definition: choose who does what, and move the clock
      explain      Say in plain sentences what a definition does
      diff         Say what differs in meaning between two definitions, or two baselines
      graph        Draw a definition
      fmt          Give definitions and scenarios the same look
      schema       Print the JSON Schema of definitions, for editors
      plan         Show what a run would do at which target, in which order, with which arguments
      submit       Start a run of a published definition
      approve      Approve what runs are held for
      reject       Reject what runs are held for
      veto         Stop the release of runs until you lift the veto, or are overruled
      withdraw     Take your approval back, lift your veto, or end an override of the baseline
      overrule     Set a veto of another member aside
      object       Object to what goes on by itself unless somebody does
      override     Let a run go on in spite of a closed window or a requirement of its baseline
      recount      Count the votes on a hold with the project's members as they are now
      recheck      Have a check of a hold made again
      discharge    Say that a duty has been done
      done         Confirm that a task of a hold was done
      reopen       Say that a task must be done anew: nobody's confirmation stands
      waive        Let a run pass a hold that is not met, in an emergency, and owe what is due
                   afterwards
      comment      Say something about a run that decides nothing
      settle       Say what became of an attempt whose end nobody knows
      cancel       Stop runs for good
      signal       Tell a run that something happened outside
      pause        Pause rollouts: what is under way ends, nothing new begins, clocks stop
      resume       Let paused rollouts go on
      abort        Let rollouts go no further: what they did is undone, where it can be
      rollback     Undo rollouts, also those that were done, while their runs are held after them
      promote      Let rollouts go on past what they wait for: a bake, a hold, a check that told nothing
      retry        Try targets again that failed, could not be restored, or whose check told nothing
      skip         Leave a target as it is, and let rollouts go on without it
      take-over    Take care of targets by hand: rollouts leave them alone
      amend        Replace the input of a run that is held, or members of it
      migrate      Have runs go on by another version of their definition, or say what that would make
                   of them
      attach       Attach evidence to a run: a file, or a reference to what is kept elsewhere
      evidence     List the evidence that a run was shown, and get it back
      work         Do what runs ask for: activities, health checks, timers
      watch        Do what runs ask for, and show one of them live, until it has ended or waits for
                   people
      logs         Print what programs of runs write, while they run and after, also while another
                   process works
      output       Print what a program wrote that was too long to be recorded
      list         List runs
      show         Show a run: where it stands, what holds it, who could release it
      history      Print the history of a project or of one run
      verify       Check the whole log and print its root; or check a proof, without a log
      checkpoint   Sign the state of the log
      prove        Write a proof that the log has an event, or that it has only grown
      backup       Bring a backup up to date, or make one
      restore      Make a data directory of a backup, and check it
      export       Write all events as lines of JSON, byte for byte as they are stored
      import       Make a data directory of exported events
      salvage      Save what can still be read of a damaged data directory, and list the rest
      completions  Print a script that completes this command line in a shell
      manpage      Write manual pages, one a command
      bench        Measure what the log and the engine do on this machine, beside what its disk can do
      demo         See it work: approvals, a crash in the middle of a rollout, a rollback
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --dir <DIR>          The data directory [default: ./holdpoint-data; for the demo:
                               ./holdpoint-demo] [env: HOLDPOINT_DIR=]
          --project <PROJECT>  The project; needed only when the directory has several [env:
                               HOLDPOINT_PROJECT=]
          --wait <SECONDS>     How many seconds to wait when another process works on the directory, or
                               does not answer [default: 5] [env: HOLDPOINT_WAIT=]
          --json               Print one JSON document instead of text

    Exit codes: 0 done, 1 refused, 2 wrong usage or input, 3 damaged or failing storage, 4 in use by
    another process, 5 `work` left what is not configured here, or broken, 130 interrupted.
    Try it: holdpoint demo
    ");
    let bare = place.run::<&str>(&[]);
    assert_eq!(bare.code, Some(2));
    assert_eq!(bare.errors, place.must("--help"), "whoever types nothing is helped");
}

#[test]
fn every_command_has_help() {
    let place = Place::empty();
    for line in [
        "init",
        "project",
        "project create",
        "project list",
        "project show",
        "project member",
        "project member add",
        "project member remove",
        "project role grant",
        "project role revoke",
        "project qualify",
        "project disqualify",
        "project evidence",
        "locks",
        "locks break",
        "conflicts",
        "migrate",
        "items",
        "items list",
        "items show",
        "items set",
        "items import",
        "items remove",
        "definitions",
        "definitions publish",
        "definitions list",
        "definitions show",
        "definitions check",
        "check",
        "test",
        "simulate",
        "explain",
        "diff",
        "graph",
        "fmt",
        "schema",
        "plan",
        "submit",
        "approve",
        "reject",
        "veto",
        "withdraw",
        "overrule",
        "object",
        "recount",
        "recheck",
        "discharge",
        "comment",
        "settle",
        "amend",
        "cancel",
        "signal",
        "pause",
        "resume",
        "abort",
        "rollback",
        "promote",
        "retry",
        "skip",
        "take-over",
        "work",
        "output",
        "list",
        "show",
        "history",
        "verify",
        "backup",
        "restore",
        "export",
        "import",
        "salvage",
        "completions",
        "manpage",
        "bench",
        "demo",
    ] {
        let help = place.must(&format!("{line} --help"));
        assert!(help.contains("Usage: "), "{line}: {help}");
        assert!(help.contains("Global options:"), "{line}: {help}");
        assert!(
            !help.contains("demo-machine") && !help.contains("bench-part"),
            "{line}: what is for the program's own use is not shown"
        );
        assert!(help.lines().all(|text| text.chars().count() <= 100), "{line}: {help}");
    }
    assert!(words("a 'b c' ''").len() == 3);
}

#[test]
fn the_version() {
    assert_eq!(
        Place::empty().must("--version"),
        format!("holdpoint {}\n", env!("CARGO_PKG_VERSION"))
    );
}
