//! Invitations that an admin withdraws.

use quorate_testkit::cluster::until;

use super::accounts::is_well;
use super::start;

#[test]
fn a_withdrawn_invitation_fails_and_a_new_one_works() {
    let system = start(&["ada", "ben"]);
    let url = system.invite("dan");
    let listed = || system.run("ada", "account list").succeeds().stdout;
    assert!(listed().contains("dan: may join until"), "{}", listed());
    let line = "account withdraw-invitation dan";
    until("ben's node to know of the invitation, and that it is not his to withdraw", || {
        (system.run("ben", line).exit == 6).then_some(())
    });
    let told = system.run("ada", line).succeeds().stdout;
    assert!(told.contains("the invitation of dan is withdrawn"), "{told}");
    assert!(!listed().contains("dan"), "{}", listed());
    let shown = system.run("ada", "log show").succeeds().stdout;
    assert!(shown.contains("withdraws the invitation of dan"), "{shown}");
    system
        .run_with("dan", "join -", url.as_bytes())
        .fails(6, &["it was withdrawn or replaced", "quorate invite"]);
    assert!(!system.path("dan").exists());
    system.run("ada", line).fails(1, &["no invitation of dan is open", "quorate account list"]);

    let url = system.invite("dan");
    system.run_with("dan", "join -", url.as_bytes()).succeeds();
    system.start_process("dan");
    is_well(&system, "dan");
    system.run("ada", line).fails(1, &["dan is on the roster", "quorate account suspend dan"]);
}

#[test]
fn keys_stay_valid_when_their_replacement_is_withdrawn() {
    let system = start(&["ada", "ben"]);
    let url = system.run("ada", "account replace-keys ben --yes").succeeds().stdout;
    let withdrawn = system.run("ada", "account withdraw-invitation ben --json").succeeds().json();
    assert_eq!(withdrawn["schema"], "quorate.withdrawal/v1");
    assert_eq!(withdrawn["replaces_keys"], true, "{withdrawn}");
    system.run_with("ben2", "join -", url.as_bytes()).fails(6, &["it was withdrawn or replaced"]);
    is_well(&system, "ben");
}
