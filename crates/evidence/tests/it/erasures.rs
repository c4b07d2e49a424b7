//! Erasures: who may erase what (EV-48), and what a verdict tells of it (EV-49).

use evidence::content::Reference;
use evidence::membership::Change;
use evidence::receipt::Unopened;
use evidence::refusal::Reason;
use evidence::room::{ContentSuite, ErasureFault, Seen, Unacceptable};
use evidence::verdict::{Code, Erased, State, Verdict, Word, render};

use super::room::last;
use super::world::{Show, World};

fn world() -> World {
    World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp", "lmp"])
}

#[test]
fn a_user_erases_what_it_said_on_any_device_and_nothing_else() {
    let mut world = world();
    let (own, other) = (world.say(0, "one"), world.say(1, "two"));
    let phone = world.add_device("cdr", "phone", Some(0));
    let added = world.devices[phone].reference();
    let change = world.change(0, Change::Add(vec![added]));
    let said = world.say(phone, "three");
    let (next, here) = (world.tree.size(), |world: &World, index| world.reference(index));
    let later = |index| Reference { index, leaf: [1; 32] };
    let cases: [(usize, Vec<Reference>, Option<ErasureFault>); 9] = [
        (0, vec![here(&world, own), here(&world, said)], None),
        (phone, vec![here(&world, own), here(&world, said)], None),
        (1, vec![here(&world, other)], None),
        (0, vec![here(&world, own), here(&world, other)], Some(ErasureFault::NotOwn(other))),
        (2, vec![here(&world, own)], Some(ErasureFault::NotOwn(own))),
        (0, vec![here(&world, change)], Some(ErasureFault::NotAStatement(change))),
        (0, vec![here(&world, 0)], Some(ErasureFault::NotAStatement(0))),
        (0, vec![later(next)], Some(ErasureFault::Later(next))),
        (0, vec![later(own)], Some(ErasureFault::OtherEntry(own))),
    ];
    for (by, named, fault) in cases {
        let at = world.erase_named(by, named, "a slip", |_| {});
        let expected = fault.map_or(Ok((at, Seen::Prefix)), |fault| Err(fault.into()));
        let (state, outcome) = last(&world, None);
        assert_eq!(outcome, expected, "{fault:?}");
        let is_erased = fault.is_none() && by != 1;
        assert_eq!((state.erased_at(own), state.epoch()), (is_erased.then_some(at), 1));
        world.take_back(by);
        if let Some(fault) = fault {
            assert_eq!(Reason::from(Unacceptable::from(fault)), Reason::Erasure);
        }
    }
}

#[test]
fn nothing_is_erased_twice_and_no_erasure_is() {
    let mut world = world();
    let (one, two) = (world.say(0, "one"), world.say(0, "two"));
    let first = world.erase(0, &[one], "a slip");
    world.erase(0, &[one, two], "once more");
    assert_eq!(last(&world, None).1, Err(ErasureFault::Again(one).into()));
    world.take_back(0);
    let same = world.entries[usize::try_from(first).unwrap()].clone();
    world.place(world.devices[0].hash());
    world.append(same, None, true);
    assert!(matches!(last(&world, None).1, Err(Unacceptable::Sequence { .. })));
    world.take_back(0);
    world.erase(0, &[first], "as if it had not been");
    assert_eq!(last(&world, None).1, Err(ErasureFault::NotAStatement(first).into()));
}

/// It has no ciphertext that one who is gone could read.
#[test]
fn an_erasure_stands_while_devices_linger_and_only_a_member_signs_one() {
    let mut world = world();
    let (one, gone) = (world.say(0, "one"), world.say(1, "two"));
    let own = world.devices[1].reference();
    world.change(1, Change::Leave(vec![own]));
    world.erase(1, &[gone], "too late");
    assert_eq!(last(&world, None).1, Err(Unacceptable::NotAMember));
    world.take_back(1);
    let named = vec![world.reference(one)];
    world.erase_named(0, named, "a slip", |claim| claim.place.epoch = 0);
    assert_eq!(last(&world, None).1, Err(Unacceptable::Epoch { current: 1, found: 0 }));
    world.take_back(0);
    let at = world.erase(0, &[one], "a slip");
    assert_eq!(last(&world, None).1, Ok((at, Seen::Prefix)));
}

fn told(verdict: &Verdict) -> (Word, u64, u64, u64, u64) {
    assert_eq!(verdict.problems, []);
    (verdict.word, verdict.messages, verdict.disclosed, verdict.withheld, verdict.erased)
}

#[test]
fn a_verdict_tells_erased_from_withheld_and_leaves_every_proof_valid() {
    let mut world = world();
    let (one, two) = (world.say(0, "one"), world.say(1, "two"));
    let three = world.say(0, "three");
    world.receipt(1, 1, three);
    let before = world.bundle();
    let at = world.erase(0, &[one], "wrong room");
    world.receipt_with(2, 1, at, |claim| claim.unopened = vec![(one, Unopened::Erased)]);
    let erased = Some(Erased { index: at, by: "cdr".into(), reason: "wrong room".into() });

    let show = |index| if index == one || index == two { Show::Nothing } else { Show::All };
    let (verdict, said) = world.verify(&world.write(&world.export(0, at), show));
    assert_eq!(told(&verdict), (Word::Valid, 3, 1, 1, 1));
    assert_eq!(
        said.iter().map(|said| said.state).collect::<Vec<_>>(),
        [State::Erased, State::Withheld, State::Disclosed]
    );
    assert_eq!((&said[0].erased, &said[1].erased), (&erased, &None));
    assert_eq!(said[0].received_by, ["cmp"], "who had it before still had it");
    assert_eq!(said[0].unopened_by[0].reason, "erased");
    let json = verdict.to_json(&said);
    assert_eq!(json["said"][0]["state"], "erased");
    assert_eq!(
        json["said"][0]["erased"],
        serde_json::json!({ "index": at, "by": "cdr", "reason": "wrong room" })
    );
    assert_eq!((&json["erased"], &json["withheld"]), (&1.into(), &1.into()));
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    for line in [
        "3 (1 disclosed, 1 withheld, 1 erased)".to_owned(),
        ": (erased)".to_owned(),
        format!("[erased at {at} by cdr: wrong room]"),
        "[lmp/laptop says, signed, that it was erased before they could open it]".to_owned(),
        ": (content withheld)".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }

    // The bundle from before, and one by somebody who kept what was erased, verify as they did.
    let (verdict, said) = world.verify(&before);
    assert_eq!(told(&verdict), (Word::Valid, 3, 3, 0, 0));
    assert_eq!(said[0].erased, None);
    let (verdict, said) = world.verify(&world.bundle());
    assert_eq!(told(&verdict), (Word::Valid, 3, 3, 0, 0));
    assert_eq!(
        (said[0].state, said[0].text.as_deref(), &said[0].erased),
        (State::Disclosed, Some("one"), &erased)
    );
    let mut text = String::new();
    render(&mut text, &verdict, &said).unwrap();
    assert!(text.contains("by somebody who kept it: wrong room]"), "{text}");

    // Whoever shows less cannot show it as missing, nor hide where it was.
    let hidden =
        world.write(&world.export(0, at), |index| if index == one { Show::PlaceOnly } else { Show::All });
    let (verdict, said) = world.verify(&hidden);
    assert_eq!(told(&verdict), (Word::Valid, 3, 2, 0, 1));
    assert_eq!((said[0].state, &said[0].erased), (State::Hidden, &erased));
    // Without the entry that erases, in a range that ends before, it is withheld.
    let (verdict, said) = world.verify(&world.write(&world.export(0, three), show));
    assert_eq!(told(&verdict), (Word::Valid, 3, 1, 2, 0));
    assert_eq!((said[0].state, &said[0].erased), (State::Withheld, &None));
}

#[test]
fn erasures_below_the_range_are_shown_and_false_ones_are_a_problem() {
    let mut world = world();
    let one = world.say(0, "one");
    let own = world.devices[2].reference();
    world.change(2, Change::Leave(vec![own]));
    world.erase(0, &[one], "a slip");
    world.change(0, Change::Update);
    let two = world.say(0, "two");
    let (verdict, _) = world.verify(&world.write(&world.export(two, two), |_| Show::All));
    assert_eq!(told(&verdict), (Word::Valid, 1, 1, 0, 0));

    for (named, by) in [(two, 1), (0, 0)] {
        world.erase(by, &[named], "not mine to erase");
        let (verdict, said) = world.verify(&world.bundle());
        assert!(verdict.has(Code::Erasure), "{:?}", verdict.problems);
        assert_eq!(verdict.word, Word::Invalid);
        assert!(said.iter().all(|said| said.index != named || said.erased.is_none()));
        world.take_back(by);
    }
}
