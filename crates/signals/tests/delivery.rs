//! What is pushed next, and what a poll gets; in a world where time is a number and receivers do what a test says.

use std::collections::BTreeMap;

use countersign_model::time::{HOUR, SECOND, Timestamp};
use countersign_signals::delivery::{
    Answer, FIRST_RETRY, Next, Queue, RETRY_AFTER_MAX, RETRY_MAX, UNDER_WAY_MAX, Waiting, distance,
    retry_after,
};
use countersign_signals::event::Status;
use countersign_signals::poll::{self, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

const START: Timestamp = Timestamp(1_777_777_777 * SECOND);
const TAKEN: Answer = Answer::Status { status: 202, retry_after: None };

fn about(subject: &str, sequence: u64) -> Waiting {
    Waiting { sequence, subject: subject.to_owned(), of_stream: false }
}

fn of_stream(sequence: u64) -> Waiting {
    Waiting { sequence, subject: "stream".to_owned(), of_stream: true }
}

fn failing(status: u16) -> Answer {
    Answer::Status { status, retry_after: None }
}

fn queue(events: impl IntoIterator<Item = Waiting>) -> Queue {
    let mut queue = Queue::new(Status::Enabled);
    events.into_iter().for_each(|event| queue.add(event));
    queue
}

/// Everything that can be sent at `now`, taken by the receiver at once.
fn drain(queue: &mut Queue, now: Timestamp) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Next::Send(sequence) = queue.next(now) {
        sent.push(sequence);
        queue.answered(sequence, TAKEN, now);
    }
    sent
}

#[test]
fn events_go_out_in_order_of_their_age() {
    let mut queue = queue([about("a", 1), about("b", 2), about("a", 3)]);
    assert_eq!(queue.next(START), Next::Send(1));
    assert_eq!(queue.next(START), Next::Send(2));
    assert_eq!(queue.next(START), Next::Idle, "the third waits for the first");
    queue.answered(1, TAKEN, START);
    assert_eq!(queue.next(START), Next::Send(3));
    queue.answered(3, TAKEN, START);
    queue.answered(2, TAKEN, START);
    assert!(queue.is_empty());
    assert_eq!(queue.next(START), Next::Idle);
}

#[test]
fn what_is_a_success() {
    for status in 100..600 {
        assert_eq!(failing(status).is_success(), [200, 202, 204].contains(&status), "{status}");
    }
    assert!(!Answer::None.is_success());
}

#[test]
fn an_event_that_is_refused_holds_up_its_own_subject_only() {
    for answer in [failing(400), failing(401), failing(302), failing(500), Answer::None] {
        let mut queue = queue([about("a", 1), about("a", 2), about("b", 3), about("b", 4)]);
        assert_eq!(queue.next(START), Next::Send(1));
        queue.answered(1, answer, START);
        assert_eq!(drain(&mut queue, START), [3, 4]);
        assert_eq!(queue.next(START), Next::Until(START.plus(FIRST_RETRY)));
        assert_eq!(drain(&mut queue, START.plus(FIRST_RETRY)), [1, 2]);
    }
}

#[test]
fn it_waits_twice_as_long_each_time_and_a_minute_at_most() {
    let mut queue = queue([about("a", 1)]);
    let (mut now, mut waits) = (START, Vec::new());
    for _ in 0..9 {
        assert_eq!(queue.next(now), Next::Send(1));
        queue.answered(1, failing(500), now);
        let Next::Until(due) = queue.next(now) else { panic!("nothing to wait for") };
        assert_eq!(queue.next(Timestamp(due.0 - 1)), Next::Until(due), "not a moment too soon");
        waits.push(due.since(now) / SECOND);
        now = due;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(distance(u32::MAX), RETRY_MAX);
    // The next one about the same subject begins anew.
    queue.add(about("a", 2));
    assert_eq!(queue.next(now), Next::Send(1));
    queue.answered(1, TAKEN, now);
    assert_eq!(queue.next(now), Next::Send(2));
    queue.answered(2, failing(500), now);
    assert_eq!(queue.next(now), Next::Until(now.plus(FIRST_RETRY)));
}

#[test]
fn a_receiver_can_ask_for_more_time() {
    for (asked, waits) in [
        (4 * SECOND, 4 * SECOND),
        // Never sooner than it would have been.
        (0, FIRST_RETRY),
        (-SECOND, FIRST_RETRY),
        (HOUR, HOUR),
        (1_000 * HOUR, RETRY_AFTER_MAX),
        (i64::MAX, RETRY_AFTER_MAX),
    ] {
        let mut queue = queue([about("a", 1)]);
        assert_eq!(queue.next(START), Next::Send(1));
        queue.answered(1, Answer::Status { status: 429, retry_after: Some(asked) }, START);
        assert_eq!(queue.next(START), Next::Until(START.plus(waits)), "{asked}");
    }
    // RFC 9110 section 10.2.3.
    assert_eq!(retry_after("120"), Some(120 * SECOND));
    assert_eq!(retry_after(" 0 "), Some(0));
    assert_eq!(retry_after("99999999999999999999"), Some(i64::MAX));
    for other in ["", "-1", "+1", "1.5", "soon", "Fri, 31 Dec 1999 23:59:59 GMT"] {
        assert_eq!(retry_after(other), None, "{other}");
    }
}

#[test]
fn a_receiver_that_is_down_for_an_hour_gets_everything_soon_afterwards() {
    const SUBJECTS: u64 = 20;
    let up_again = START.plus(HOUR);
    let mut queue = queue([]);
    let mut arrived: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let (mut now, mut attempts, mut sequence) = (START, 0, 0);
    while now < up_again.plus(2 * RETRY_MAX) {
        // Something happens to each subject in turn, every ten seconds, while it is down.
        while now < up_again && sequence < (now.since(START) / (10 * SECOND)) as u64 {
            sequence += 1;
            queue.add(about(&format!("subject {}", sequence % SUBJECTS), sequence));
        }
        match queue.next(now) {
            Next::Send(event) if now < up_again => {
                attempts += 1;
                queue.answered(event, Answer::None, now);
            }
            Next::Send(event) => {
                arrived.entry(format!("subject {}", event % SUBJECTS)).or_default().push(event);
                queue.answered(event, TAKEN, now);
            }
            Next::Until(_) | Next::Idle => now = now.plus(SECOND),
        }
    }
    assert!(queue.is_empty());
    assert_eq!(arrived.values().map(Vec::len).sum::<usize>(), sequence as usize);
    assert!(arrived.values().all(|events| events.is_sorted()), "{arrived:?}");
    // Once a minute for each subject at the most, and it is not run over: doubling takes six steps to get there.
    assert!(attempts <= SUBJECTS * (60 + 7), "{attempts}");
}

#[test]
fn only_so_many_are_under_way() {
    let mut queue = queue((0..100).map(|number| about(&number.to_string(), number)));
    let sent = (0..UNDER_WAY_MAX as u64).map(Next::Send);
    for expected in sent {
        assert_eq!(queue.next(START), expected);
    }
    assert_eq!(queue.next(START), Next::Idle);
    queue.answered(3, failing(500), START);
    assert_eq!(queue.next(START), Next::Send(UNDER_WAY_MAX as u64));
}

#[test]
fn a_pause_keeps_what_waits_and_lets_its_own_news_through() {
    let mut queue = queue([about("a", 1)]);
    queue.set_status(Status::Paused);
    queue.add(of_stream(2));
    queue.add(about("b", 3));
    assert_eq!(drain(&mut queue, START), [2], "that it is paused");
    assert_eq!(queue.next(START), Next::Idle);
    queue.set_status(Status::Enabled);
    queue.add(of_stream(4));
    assert_eq!(drain(&mut queue, START), [4, 1, 3], "first that it is enabled, then what waited");
}

#[test]
fn news_of_the_stream_that_fails_come_again_during_a_pause() {
    let mut queue = queue([about("a", 1)]);
    assert_eq!(queue.next(START), Next::Send(1));
    queue.set_status(Status::Paused);
    queue.answered(1, failing(500), START);
    queue.add(of_stream(2));
    assert_eq!(queue.next(START), Next::Send(2));
    queue.answered(2, Answer::None, Timestamp(START.0 + SECOND / 2));
    // The other one is due earlier, and stays where it is.
    let due = Timestamp(START.0 + SECOND / 2).plus(FIRST_RETRY);
    assert_eq!(queue.next(Timestamp(START.0 + SECOND / 2)), Next::Until(due));
    assert_eq!(drain(&mut queue, due), [2]);
    queue.set_status(Status::Enabled);
    assert_eq!(drain(&mut queue, due), [1]);
}

#[test]
fn a_stream_that_is_disabled_forgets_all_but_its_own_news() {
    let mut queue = queue([about("a", 1), about("a", 2), about("b", 3), about("c", 4)]);
    assert_eq!(queue.next(START), Next::Send(1));
    assert_eq!(queue.next(START), Next::Send(3));
    queue.answered(3, failing(500), START);
    queue.discard();
    queue.set_status(Status::Disabled);
    queue.add(of_stream(5));
    assert_eq!(queue.len(), 1);
    // What was under way when it was disabled comes home to nobody.
    queue.answered(1, failing(500), START);
    assert_eq!(drain(&mut queue, START), [5]);
    queue.set_status(Status::Enabled);
    queue.add(about("a", 6));
    assert_eq!(drain(&mut queue, START.plus(HOUR)), [6]);
    assert!(queue.is_empty());
}

/// Two writers commit in another order than they began.
#[test]
fn an_event_that_is_known_late_takes_its_place() {
    let mut queue = queue([about("a", 2), about("a", 5), about("a", 4), about("a", 1), about("b", 3)]);
    assert_eq!(drain(&mut queue, START), [2, 1, 3, 4, 5]);
    assert!(queue.is_empty());
}

#[test]
fn what_is_known_is_not_added_again() {
    let mut queue = queue([about("a", 1), about("a", 1)]);
    assert_eq!(queue.next(START), Next::Send(1));
    queue.add(about("a", 1));
    assert_eq!(queue.next(START), Next::Idle);
    queue.answered(1, TAKEN, START);
    queue.answered(1, TAKEN, START);
    assert!(queue.is_empty());
}

/// What a receiver does with one delivery.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Refuses,
    /// It has taken the event, and its answer is lost.
    AnswerLost,
    AsksForTime,
}

proptest! {
    /// However the receiver fails, each event arrives, and those about one subject arrive in order; deliveries end in any
    /// order, and the process may end and begin anew.
    #[test]
    fn nothing_is_lost_and_nothing_overtakes(
        subjects in prop::collection::vec(0_u8..4, 1..40),
        faults in prop::collection::vec(
            prop_oneof![
                Just(Fault::None), Just(Fault::Refuses), Just(Fault::AnswerLost), Just(Fault::AsksForTime)
            ],
            0..60,
        ),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        restarts_at in 0_usize..60,
    ) {
        let mut waiting: BTreeMap<u64, Waiting> = (1..).zip(&subjects)
            .map(|(sequence, subject)| (sequence, about(&subject.to_string(), sequence)))
            .collect();
        let all = waiting.clone();
        let mut queue = queue(waiting.values().cloned());
        let (mut now, mut under_way, mut arrived) = (START, Vec::new(), Vec::new());
        let (mut faults, mut ends) = (faults.into_iter(), ends.iter().cycle());
        for step in 0.. {
            prop_assert!(step < 2_000, "it does not end");
            if step == restarts_at {
                queue = self::queue(waiting.values().cloned());
                under_way.clear();
            }
            match queue.next(now) {
                Next::Send(sequence) => under_way.push(sequence),
                Next::Until(due) if under_way.is_empty() => now = due,
                Next::Idle if under_way.is_empty() => break,
                Next::Until(_) | Next::Idle => {
                    let sequence = under_way.swap_remove(ends.next().unwrap().index(under_way.len()));
                    let fault = faults.next().unwrap_or(Fault::None);
                    if matches!(fault, Fault::None | Fault::AnswerLost) && !arrived.contains(&sequence) {
                        arrived.push(sequence);
                    }
                    let answer = match fault {
                        Fault::None => TAKEN,
                        Fault::Refuses => failing(400),
                        Fault::AnswerLost => Answer::None,
                        Fault::AsksForTime => {
                            Answer::Status { status: 503, retry_after: Some(5 * SECOND) }
                        }
                    };
                    if answer.is_success() {
                        waiting.remove(&sequence);
                    }
                    queue.answered(sequence, answer, now);
                }
            }
        }
        prop_assert!(queue.is_empty() && waiting.is_empty());
        prop_assert_eq!(arrived.len(), all.len());
        for subject in 0_u8..4 {
            let own = |sequence: &&u64| all[*sequence].subject == subject.to_string();
            let order: Vec<&u64> = arrived.iter().filter(own).collect();
            prop_assert!(order.is_sorted(), "{:?}", order);
        }
    }

    /// Polls of any size, with acknowledgements that get lost now and then, give everything, in order.
    #[test]
    fn polls_give_everything_in_order(
        count in 0_usize..50,
        polls in prop::collection::vec((0_usize..7, any::<bool>()), 0..40),
    ) {
        let mut waiting: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let (all, mut arrived, mut ack) = (waiting.clone(), Vec::<String>::new(), Vec::new());
        for (max_events, is_lost) in polls.into_iter().chain(std::iter::repeat((3, false))).take(100) {
            let request =
                Request { max_events: Some(max_events), ack: std::mem::take(&mut ack), ..Request::default() };
            if is_lost {
                continue;
            }
            let done: Vec<String> = request.done().map(str::to_owned).collect();
            let before: Vec<String> = waiting.clone();
            let texts: Vec<&str> = before.iter().map(String::as_str).collect();
            let selection = request.select(&texts);
            waiting.retain(|jti| !done.contains(jti));
            prop_assert!(selection.events.len() <= max_events);
            prop_assert_eq!(selection.more_available, waiting.len() > selection.events.len());
            prop_assert_eq!(selection.waits, waiting.is_empty() && max_events > 0);
            for jti in selection.events {
                ack.push(jti.to_owned());
                if !arrived.iter().any(|one| one == jti) {
                    arrived.push(jti.to_owned());
                }
            }
        }
        prop_assert_eq!(arrived, all);
    }
}

fn read(body: &Value) -> Result<Request, String> {
    Request::read(body.as_object().unwrap()).map_err(|invalid| invalid.to_string())
}

/// RFC 8936 section 2.2.
#[test]
fn a_poll_is_read() {
    assert_eq!(read(&json!({})), Ok(Request::default()));
    let whole = json!({
        "maxEvents": 5, "returnImmediately": true, "ack": ["a", "b"], "moon": "full",
        "setErrs": {"c": {"err": "invalid_key", "description": "unknown\u{1b}[31m key"}, "d": {}},
    });
    let request = read(&whole).unwrap();
    assert_eq!((request.max_events, request.return_immediately), (Some(5), true));
    assert_eq!(request.done().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(request.errors["c"].err, "invalid_key");
    assert_eq!(request.errors["c"].description, "unknown[31m key", "it steers no terminal");
    assert_eq!(read(&json!({"maxEvents": 1_000_000})).unwrap().max_events, Some(poll::EVENTS_MAX));
    let many: Vec<String> = (0..=poll::ACKNOWLEDGED_MAX).map(|number| number.to_string()).collect();
    for (body, expected) in [
        (json!({"maxEvents": -1}), "`maxEvents` must be a number from 0"),
        (json!({"maxEvents": "1"}), "`maxEvents` must be a number from 0"),
        (json!({"maxEvents": 1.5}), "`maxEvents` must be a number from 0"),
        (json!({"returnImmediately": "yes"}), "`returnImmediately` must be true or false"),
        (json!({"ack": "all"}), "`ack` must be a list"),
        (json!({"ack": [1]}), "`ack` must be a list of texts, none too long"),
        (json!({"ack": many}), "`ack` has too many entries"),
        (json!({"setErrs": []}), "`setErrs` must be an object"),
        (json!({"setErrs": {"c": "bad"}}), "`setErrs` must have objects by `jti`"),
        (json!({"setErrs": {"c": {"err": 1}}}), "`setErrs.err` must be text"),
    ] {
        assert_eq!(read(&body), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn what_a_poll_gets() {
    let waiting = ["a", "b", "c"];
    for (body, events, more_available, waits) in [
        (json!({}), vec!["a", "b", "c"], false, false),
        (json!({"maxEvents": 2}), vec!["a", "b"], true, false),
        (json!({"maxEvents": 3}), vec!["a", "b", "c"], false, false),
        (json!({"maxEvents": 1, "ack": ["a"]}), vec!["b"], true, false),
        // Refused is over as much as taken is.
        (json!({"ack": ["a"], "setErrs": {"b": {"err": "invalid_request"}}}), vec!["c"], false, false),
        // What is not known was acknowledged before.
        (json!({"ack": ["x", "a", "a"]}), vec!["b", "c"], false, false),
        (json!({"ack": ["a", "b", "c"]}), vec![], false, true),
        (json!({"ack": ["a", "b", "c"], "returnImmediately": true}), vec![], false, false),
        // RFC 8936 section 2.4.2: to acknowledge only.
        (json!({"ack": ["a"], "maxEvents": 0}), vec![], true, false),
        (json!({"ack": ["a", "b", "c"], "maxEvents": 0}), vec![], false, false),
    ] {
        let request = read(&body).unwrap();
        let selection = request.select(&waiting);
        let found = (selection.events, selection.more_available, selection.waits);
        assert_eq!(found, (events, more_available, waits), "{body}");
    }
}

/// RFC 8936 section 2.3.
#[test]
fn an_answer_is_written_in_order() {
    let answer = |sets: &[(&str, &str)], more_available| {
        let sets = sets.iter().map(|(jti, token)| ((*jti).to_owned(), (*token).to_owned())).collect();
        serde_json::to_string(&poll::Answer { sets, more_available }).unwrap()
    };
    assert_eq!(answer(&[], false), r#"{"sets":{}}"#);
    assert_eq!(
        answer(&[("z", "eyJ.1"), ("a", "eyJ.2")], true),
        r#"{"sets":{"z":"eyJ.1","a":"eyJ.2"},"moreAvailable":true}"#
    );
}

#[test]
fn an_answer_is_read_in_order() {
    let read = |text: &str| {
        serde_json::from_str::<poll::Answer>(text).map(|answer| (answer.sets, answer.more_available))
    };
    let set = |jti: &str, token: &str| (jti.to_owned(), token.to_owned());
    let sets = vec![set("z", "eyJ.1"), set("a", "eyJ.2"), set("m", "eyJ.3")];
    let written = serde_json::to_string(&poll::Answer { sets: sets.clone(), more_available: true }).unwrap();
    assert_eq!(read(&written).unwrap(), (sets, true));
    assert_eq!(read(r#"{"more": 1, "sets": {}}"#).unwrap(), (vec![], false));
    for wrong in ["{}", r#"{"sets": []}"#, r#"{"sets": {"a": 1}}"#, r#"{"sets": {}, "moreAvailable": "no"}"#]
    {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
