//! Protocols by hand (LA-40 to LA-43).

use std::time::Duration;

use lab::exercise::{Exercise, MAX_PEOPLE, Presence};
use lab::exhibit::Column;
use tokio::time::{sleep, timeout};

use crate::world::{clock_ms, clock_us};

/// More than any test waits for anything.
const LONG: Duration = Duration::from_secs(60);

fn exercise() -> Exercise {
    Exercise::new(clock_ms, clock_us).unwrap()
}

/// Waits until a text is on a person's screen.
async fn shown(exercise: &Exercise, person: u32, text: &str) {
    let found = async {
        while !exercise.view().look().shows(person, text) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let found = timeout(LONG, found).await.is_ok();
    assert!(found, "{text:?} is not in {:?}", exercise.view().look().people.get(&person));
}

/// Waits until a text is in the log.
async fn logged(exercise: &Exercise, text: &str) {
    let log = || exercise.view().look().log_from(0).1.collect::<Vec<_>>().join("\n");
    let found = async {
        while !log().contains(text) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let found = timeout(LONG, found).await.is_ok();
    assert!(found, "{text:?} is not in {}", log());
}

#[tokio::test]
async fn people_talk_in_every_protocol() {
    let exercise = exercise();
    for column in Column::ALL {
        exercise.start(column).await.unwrap();
        let alice = exercise.connect("alice").await.unwrap();
        exercise.say(Some(alice), "hello, is anybody there?").await.unwrap();
        match column {
            Column::Countersign => logged(&exercise, "alice/laptop: signed, logged, countersigned").await,
            _ => logged(&exercise, "hello, is anybody there?").await,
        }
        shown(&exercise, alice, "hello, is anybody there?").await;
        if matches!(column, Column::Broadcast | Column::Countersign) {
            let carol = exercise.connect("carol").await.unwrap();
            exercise.say(Some(alice), "welcome, carol").await.unwrap();
            shown(&exercise, carol, "welcome, carol").await;
        }
        if exercise.view().look().server_talks {
            exercise.say(None, "the server speaking").await.unwrap();
            shown(&exercise, alice, "the server speaking").await;
        } else {
            assert!(exercise.say(None, "the server speaking").await.is_err());
        }
        exercise.end().await.unwrap();
        assert_eq!(exercise.view().look().people[&alice].presence, Presence::Gone(None), "{column}");
        if matches!(column, Column::CianrPss | Column::CianrPkcs1) {
            shown(&exercise, alice, "receipt: good signature over the same transcript").await;
        }
        // Who comes again logs in.
        let again = exercise.connect("alice").await.unwrap();
        exercise.disconnect(again).await.unwrap();
        assert!(exercise.say(Some(again), "too late").await.is_err());
        assert!(!exercise.view().look().capture.recorded().frames.is_empty());
        let users = exercise.users().await.len();
        match column {
            Column::KeyTransport | Column::Countersign => assert_eq!(users, 0),
            Column::Broadcast => assert_eq!(users, 2),
            _ => assert_eq!(users, 1),
        }
    }
    exercise.stop().await;
    assert_eq!(exercise.view().look().running, None);
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let exercise = exercise();
    assert!(exercise.connect("alice").await.unwrap_err().to_string().contains("start one"));
    assert!(exercise.end().await.is_err());
    exercise.start(Column::KeyTransport).await.unwrap();
    for name in ["", "Alice", "al ice", "-a", "a-", "älice", &"a".repeat(25)] {
        assert!(exercise.connect(name).await.unwrap_err().to_string().contains("a to z"), "{name}");
    }
    let alice = exercise.connect("alice").await.unwrap();
    assert!(exercise.connect("alice").await.is_err());
    assert!(exercise.say(Some(alice), " \n").await.is_err());
    assert!(exercise.say(Some(alice), &"x".repeat(2_049)).await.is_err());
    assert!(exercise.say(Some(99), "hello").await.is_err());
    for number in 1..MAX_PEOPLE {
        exercise.connect(&format!("somebody-{number}")).await.unwrap();
    }
    assert!(exercise.connect("bob").await.unwrap_err().to_string().contains("at most 8"));
}
