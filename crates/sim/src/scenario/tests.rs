//! Files that cannot be used, and expectations that do not hold.

use super::*;

/// Plays a scenario in the simulation. Returns its story.
fn play(text: &str) -> Result<String, Broken> {
    let script = Script::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
    let (mut cluster, mut story) = (Simulated::new(0), String::new());
    let mut player = Player::new(&mut cluster);
    player.play(&script, Recorded::Compare, |line| story.push_str(line))?;
    Ok(story)
}

/// Lines that are no steps, and a part of the error of each.
type BadLines = &'static [(&'static str, &'static str)];

fn are_refused(lines: BadLines) {
    for (bad, reason) in lines {
        let error = Script::parse(&format!("# a comment\n\n{bad}\n")).expect_err(bad);
        assert_eq!(error.line, 3, "{bad}");
        assert!(error.reason.contains(reason), "{bad}: {error}");
    }
}

#[test]
fn a_line_that_is_no_action_is_named_with_what_is_wrong() {
    are_refused(&[
        ("explode bonnie", "no step named"),
        ("w=3", "begins with a step's name"),
        ("story", "a text is missing"),
        ("step", "a text is missing"),
        ("moral", "a text is missing"),
        ("cluster speed=3", "no setting"),
        ("cluster cluster-size=many", "cluster-size"),
        ("cluster quorum=most", "quorum"),
        ("cluster send-delay=2s..1s", "send-delay"),
        ("cluster cluster-size=0", "1 to"),
        ("cluster quorum=4 cluster-size=3", "quorum"),
        ("cluster heartbeat-interval=0s", "must not be zero"),
        ("cluster max-waiting=0", "must not be zero"),
        ("start", "a node's name is missing"),
        ("start a/b", "a node's name"),
        ("start bonnie as=..", "as"),
        ("join", "a node's name is missing"),
        ("kill", "a node's name is missing"),
        ("terminate", "a node's name is missing"),
        ("disconnect", "a node's name is missing"),
        ("partition master", "not the master's"),
        ("heal master", "not the master's"),
        ("wipe master", "not the master's"),
        ("pause bonnie clyde", "more than this step takes"),
        ("resume", "a node's name is missing"),
        ("faults bonnie error=2", "from 0 to 1"),
        ("faults bonnie speed=1", "no fault"),
        ("drop-connections", "a node's name is missing"),
        ("new-master now", "more than this step takes"),
        ("restart-master now", "more than this step takes"),
        ("copy-master now", "more than this step takes"),
        ("put-back now", "more than this step takes"),
        ("accept-loss now", "more than this step takes"),
        ("forget", "a node's name is missing"),
        ("stop now", "more than this step takes"),
        ("give-up now", "more than this step takes"),
        ("break-disk", "a node's name is missing"),
        ("slow very", "no time"),
        ("lose bonnie", "the kind of frame is missing"),
        ("lose bonnie Letter", "no kind of frame"),
        ("double bonnie Added twice", "how many frames"),
        ("delay bonnie Added", "a time"),
        ("damage bonnie Msg1 Message", "the same length"),
        ("tear bonnie", "how many bytes is missing"),
        ("half-write", "a node's name is missing"),
        ("log bonnie", "a subcommand"),
        ("log bonnie verify status=bad", "status"),
    ]);
}

#[test]
fn a_line_that_is_no_step_of_a_client_and_no_expectation_is_named_with_what_is_wrong() {
    are_refused(&[
        ("append", "a text is missing"),
        ("append Msg1 w=some", "w"),
        ("append Msg1 timeout=long", "no time"),
        ("append Msg1 key=\"two words\"", "key"),
        ("append Msg1 colour=red", "nothing that this step takes"),
        ("wait first", "a message's id"),
        ("follow ada", "a node's name is missing"),
        ("follow ada bonnie from=first", "from"),
        ("follow ada bonnie r=most", "r"),
        ("fill 3", "bytes="),
        ("hang-up", "is missing"),
        ("run", "a time"),
        ("run soon", "no time"),
        ("run 999999999s", "no time"),
        ("fill 3 bytes=9000000", "at most"),
        ("load 2000 3", "at most"),
        ("load 3", "how many each is missing"),
        ("load 0 3", "at least one"),
        ("watch", "a node's name is missing"),
        ("logs bonnie", "more than this step takes"),
        ("health bonnie", "more than this step takes"),
        ("wait-until bonnie", "what must it tell"),
        ("wait-until bonnie mode=read-only", "tells no \"mode\""),
        ("wait-until master bonnie.end=3", "of a secondary"),
        ("wait-until bonnie end=some..", "end"),
        ("expect", "what is expected"),
        ("expect joy", "nobody can expect"),
        ("expect answered", "is missing"),
        ("expect answered Msg1 id=first", "id"),
        ("expect answered Msg1 took=fast", "took"),
        ("expect waiting Msg1 for=long", "no time"),
        ("expect messages", "a node's name is missing"),
        ("expect messages bonnie r=most", "r"),
        ("expect messages bonnie within=soon", "no time"),
        ("expect followed", "the name of a reader is missing"),
        ("expect followed ada for=long", "no time"),
        ("expect once Msg1", "on="),
        ("expect once Msg1 on=..", "on"),
        ("expect same", "a node's name is missing"),
        ("expect prefix", "a node's name is missing"),
        ("expect kept", "a node's name is missing"),
        ("expect load answered=most", "answered"),
        ("expect no-start", "a node's name is missing"),
        ("expect aside bonnie", "a text is missing"),
    ]);
}

#[test]
fn an_expectation_that_does_not_hold_is_named_with_what_was_seen() {
    let begin = "cluster cluster-size=3 quorum=1\njoin bonnie clyde\nappend Msg1 w=3\nrun 1s\n";
    for (steps, seen) in [
        ("expect answered Msg1 id=7", "answered id=0 w=3 acked=master"),
        ("expect answered Msg1 w=2", "w=3"),
        ("expect answered Msg1 acked=master", "acked=master,bonnie,clyde"),
        ("expect answered Msg1 took=5s..6s", "after 2 ms"),
        ("expect answered Msg1 says=so", "answered id=0"),
        ("expect answered nobody within=1s", "nothing was sent"),
        ("expect timed-out Msg1", "answered id=0"),
        ("expect refused Msg1", "answered id=0"),
        ("expect lost Msg1", "answered id=0"),
        ("expect unfinished Msg1", "answered id=0"),
        ("append Msg2 w=4\nexpect answered Msg2", "refused after 0 ms"),
        ("append Msg2 w=4\nexpect refused Msg2 says=weather", "can never be reached"),
        ("kill bonnie\nappend Msg2 w=3\nexpect answered Msg2 within=2s", "has no answer"),
        ("kill bonnie\nappend Msg2 w=3 timeout=1s\nexpect waiting Msg2 for=2s", "timed out id=1"),
        ("kill master\nappend Msg2\nexpect answered Msg2", "no answer"),
        ("kill master\nexpect messages master", "master is down"),
        ("expect waiting Msg1", "answered id=0"),
        ("expect health bonnie end=3", "end is 1"),
        ("expect health bonnie end=3.. for=1s", "end is 1"),
        ("wait-until master bonnie.status=unhealthy within=1s", "healthy"),
        ("wait-until master dora.status=healthy within=1s", "not known"),
        ("kill clyde\nexpect ready bonnie clyde within=1s", "does not count on clyde"),
        ("kill clyde\nexpect ready clyde within=0s", "clyde is down"),
        ("expect messages bonnie Msg1 Msg2", "bonnie: [0 Msg1]"),
        ("expect messages bonnie r=4 Msg1", "ask the master for what 4 nodes hold"),
        ("expect followed ada within=1s", "no reader is named \"ada\""),
        ("follow ada bonnie\nexpect followed ada Msg2 within=1s", "ada received [0 Msg1]"),
        ("follow ada bonnie from=1\nexpect followed ada Msg1 within=1s", "ada received []"),
        ("kill bonnie\nfollow ada bonnie\nexpect followed ada Msg1 within=1s", "bonnie is down"),
        ("follow ada bonnie r=4\nexpect followed ada Msg1 within=1s", "ask the master for what 4"),
        ("follow ada bonnie\nfollow ada clyde from=1", "ada follows already"),
        ("follow ada bonnie\ncluster\nexpect followed ada Msg1 within=1s", "no reader is named"),
        ("append Msg2 w=1\nexpect messages master Msg1 Msg2 r=2", "master: [0 Msg1]"),
        ("partition clyde\nappend Msg2 w=2\nrun 1s\nexpect same master bonnie clyde", "[0 Msg1]"),
        ("new-master\nexpect prefix bonnie", "the master []"),
        ("expect once Msg2 on=master", "0 times"),
        ("append Msg1\nrun 1s\nexpect once Msg1 on=bonnie", "2 times"),
        ("new-master\nexpect kept master", "acked \"Msg1\" as message 0, and shows \"nothing\""),
        ("expect load", "there is no load"),
        ("load 2 3\nexpect load answered=7 within=2s", "6 messages of the load are answered"),
        ("watch bonnie\nnew-master\nrun 1s", "bonnie showed"),
        ("start master", "runs already"),
        ("kill bonnie\nfaults bonnie error=1", "bonnie is down"),
        ("kill bonnie\nterminate clyde bonnie", "bonnie is down"),
    ] {
        let text = format!("{begin}{steps}\n");
        let broken = play(&text).expect_err(steps);
        assert_eq!(broken.line, text.lines().count(), "{steps}: {broken}");
        assert_eq!(Some(broken.text.as_str()), text.lines().last());
        assert!(broken.trouble.to_string().contains(seen), "{steps}: {broken}");
    }
}

#[test]
fn a_secondary_answers_for_the_numbers_that_a_majority_and_all_are() {
    let begin = "cluster cluster-size=5 quorum=1\njoin bonnie clyde\nappend Msg1 w=3\nrun 2s\n";
    play(&format!("{begin}expect messages bonnie Msg1 r=3\nexpect messages bonnie r=5\n")).unwrap();
    for nodes in [2, 4, 6] {
        let step = format!("expect messages bonnie Msg1 r={nodes}");
        let broken = play(&format!("{begin}{step}\n")).expect_err(&step);
        let seen = format!("ask the master for what {nodes} nodes hold");
        assert!(broken.trouble.to_string().contains(&seen), "{broken}");
    }
}

#[test]
fn a_trace_that_differs_from_the_recorded_one_is_told() {
    let recorded = "join bonnie\nrun 10ms\n---\nok\n";
    play(recorded).unwrap();
    let broken = play("join bonnie\ncrash bonnie\n---\nok\n").unwrap_err();
    let seen = broken.trouble.to_string();
    assert!(seen.contains("recorded: ok\n"), "{seen}");
    assert!(seen.contains("bonnie crashes"), "{seen}");
    assert_eq!(broken.line, 2);
}

#[test]
fn what_the_simulation_lacks_is_named_before_anything_is_played() {
    for lacking in
        ["tear bonnie 3", "half-write bonnie", "log bonnie verify", "expect no-start bonnie"]
    {
        let script = Script::parse(&format!("join bonnie\n{lacking}\n")).unwrap();
        let mut cluster = Simulated::new(0);
        let lacks = Player::new(&mut cluster).check(&script).unwrap_err();
        assert_eq!((lacks.line, lacks.text.as_str()), (2, lacking));
        assert!(lacks.lacks.contains("without --simulate"), "{lacks}");
    }
}

#[test]
fn another_seed_tells_the_same_story() {
    let text =
        "join bonnie clyde\nload 3 5\nexpect load\nexpect same master bonnie clyde within=1s";
    let script = Script::parse(text).unwrap();
    let story_of = |seed| {
        let (mut cluster, mut story) = (Simulated::new(seed), String::new());
        let mut player = Player::new(&mut cluster);
        player.play(&script, Recorded::Ignore, |line| story.push_str(line)).unwrap();
        story
    };
    assert_eq!(story_of(1), story_of(2));
}
