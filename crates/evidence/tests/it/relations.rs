//! What messages say of each other, in a verdict (EV-40, EV-43, EV-44).

use evidence::relation::{Edited, Reacted, Referred};
use evidence::verdict::{Said, Word, remarks, render};

use super::world::{Show, World};

fn related() -> (World, u64) {
    let mut world = World::with_room(&["cdr", "cmp"]);
    let first = world.relate();
    (world, first)
}

fn told(world: &World, from: u64, show: impl Fn(u64) -> Show) -> Vec<Said> {
    let bundle = world.write(&world.export(from, world.tree.size() - 1), show);
    let (verdict, said) = world.verify(&bundle);
    assert_eq!((verdict.word, verdict.problems.as_slice()), (Word::Valid, [].as_slice()));
    said
}

/// Whether the one reference of a message is good.
fn good(said: &Said) -> Option<bool> {
    let relations = &said.relations;
    let referred = [&relations.reply_to, &relations.edits, &relations.deletes].into_iter().flatten().next();
    referred.map_or_else(|| relations.reaction.as_ref().unwrap().good, |referred| referred.good)
}

#[test]
fn a_verdict_tells_what_was_edited_and_deleted_and_still_what_was_said() {
    let (world, first) = related();
    let said = told(&world, first, |_| Show::All);
    assert_eq!(said[0].text.as_deref(), Some("one"));
    assert_eq!(said[0].edited, Some(Edited { index: first + 3, text: Some("uno".into()) }));
    assert_eq!(said[0].deleted, Some(first + 9));
    let referred = Some(Referred { index: first, good: Some(true) });
    assert_eq!(
        (&said[1].relations.reply_to, said[1].relations.mentions.as_slice()),
        (&referred, ["cdr".to_owned()].as_slice())
    );
    let reaction = Reacted { index: first, good: Some(true), text: "👍".into(), given: true };
    assert_eq!(said[2].relations.reaction.as_ref(), Some(&reaction));
    assert_eq!((&said[3].relations.edits, said[3].deleted), (&referred, Some(first + 9)));
    let goods: Vec<Option<bool>> = said[1..].iter().map(good).collect();
    let expected = [true, true, true, false, false, false, false, false, true, true, true];
    assert_eq!(goods, expected.map(Some));
    let json = world.verify(&world.bundle()).0.to_json(&said);
    assert_eq!(json["said"][9]["deletes"], serde_json::json!({ "index": first, "good": true }));
    assert!(json["said"][0]["reply_to"].is_null());
}

#[test]
fn what_a_bundle_does_not_show_it_does_not_judge() {
    let (world, first) = related();
    let except = |show: Show| move |index| if index == first { show } else { Show::All };
    let goods = |said: &[Said]| {
        let at = |index: usize| good(said.iter().find(|said| said.index == first + index as u64).unwrap());
        [1, 2, 3, 4, 6, 9].map(at)
    };
    let withheld = told(&world, first, except(Show::Nothing));
    assert_eq!(goods(&withheld), [Some(true), Some(true), None, Some(false), Some(false), None]);
    assert_eq!((&withheld[0].edited, withheld[0].deleted), (&None, None));
    let hidden = told(&world, first, except(Show::PlaceOnly));
    assert_eq!(goods(&hidden), [None, None, None, None, Some(false), None]);
    let outside = told(&world, first + 1, |_| Show::All);
    assert_eq!(goods(&outside), [None; 6]);
    let partly = told(&world, first, except(Show::Fields(&[1])));
    assert_eq!(goods(&partly), [Some(true), Some(true), None, Some(false), Some(false), None]);
}

#[test]
fn a_reference_is_disclosed_alone() {
    let (world, first) = related();
    let said = told(&world, first, |index| if index == first + 3 { Show::Fields(&[5]) } else { Show::All });
    assert_eq!((said[3].text.as_ref(), good(&said[3])), (None, Some(true)));
    assert_eq!(said[0].edited, Some(Edited { index: first + 3, text: None }));
    let bundle = world.write(&world.export(first, first + 3), |index| {
        if index == first + 3 { Show::Fields(&[5]) } else { Show::Nothing }
    });
    assert!(!bundle.windows(4).any(|window| window == b"\x63uno"));
}

#[test]
fn the_report_for_people_says_it_in_words() {
    let (world, first) = related();
    let said = told(&world, first, |_| Show::All);
    let remarks: Vec<String> = said.iter().flat_map(remarks).collect();
    for remark in [
        format!("[edited at {}: uno]", first + 3),
        format!("[deleted at {}: its user asked not to show it any more]", first + 9),
        format!("[reply to {first}]"),
        "[mentions cdr]".to_owned(),
        format!("[reaction 👍 to {first}]"),
        format!("[taken back: reaction 👍 to {first}]"),
        format!("[new text of {first}]"),
        format!(
            "[new text of {first}, which is not a message of the same user before this one: it changes nothing]"
        ),
        "[reply to 0, which is not a message before this one: it changes nothing]".to_owned(),
        format!("[deletion of {first}]"),
    ] {
        assert!(remarks.contains(&remark), "{remark}: {remarks:#?}");
    }
    let mut text = String::new();
    render(&mut text, &world.verify(&world.bundle()).0, &said).unwrap();
    assert!(
        text.contains(": one  (script time") && text.contains("[deleted at") && text.contains("(a deletion)"),
        "{text}"
    );
}
