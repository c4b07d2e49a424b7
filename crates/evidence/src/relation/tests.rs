use proptest::prelude::*;

use super::*;

const LEAF: Hash = [7; 32];

fn to(index: u64) -> Reference {
    Reference { index, leaf: LEAF }
}

fn acts(index: u64) -> [Act; 4] {
    let reaction = Reaction::new(to(index), "👍", true).unwrap();
    [Act::Reply(to(index)), Act::Edit(to(index)), Act::React(reaction), Act::Delete(to(index))]
}

fn known() -> Target<'static> {
    Target { leaf: LEAF, is_statement: Some(true), user: Some("cdr"), is_plain: Some(true) }
}

#[test]
fn a_reference_is_good_to_an_earlier_statement_and_for_changes_of_the_same_user() {
    for act in acts(4) {
        let good = |index, user, target: Target<'_>| act.is_good(index, Some(user), Some(&target));
        assert_eq!(good(5, "cdr", known()), Some(true));
        assert_eq!(good(4, "cdr", known()), Some(false), "itself");
        assert_eq!(good(3, "cdr", known()), Some(false), "later");
        assert_eq!(good(5, "cdr", Target { leaf: [8; 32], ..known() }), Some(false), "another entry");
        assert_eq!(good(5, "cdr", Target { is_statement: Some(false), ..known() }), Some(false));
        assert_eq!(good(5, "cmp", known()), Some(!act.changes()), "of another user");
        assert_eq!(good(5, "cdr", Target { is_plain: Some(false), ..known() }), Some(!act.changes()));
    }
}

#[test]
fn what_is_not_known_is_neither_good_nor_bad() {
    for act in acts(4) {
        assert_eq!(act.is_good(5, Some("cdr"), None), None);
        assert_eq!(act.is_good(4, Some("cdr"), None), Some(false));
        let hidden = Target { is_statement: None, user: None, is_plain: None, ..known() };
        assert_eq!(act.is_good(5, Some("cdr"), Some(&hidden)), None);
        assert_eq!(act.is_good(5, Some("cdr"), Some(&Target { leaf: [8; 32], ..hidden })), Some(false));
        let withheld = Target { is_plain: None, ..known() };
        assert_eq!(
            act.is_good(5, Some("cdr"), Some(&withheld)),
            if act.changes() { None } else { Some(true) }
        );
        assert_eq!(act.is_good(5, Some("cmp"), Some(&withheld)), Some(!act.changes()));
    }
}

#[test]
fn the_newest_edit_stands_until_a_deletion() {
    let [reply, edit, react, delete] = acts(1);
    let fate = |acts: &[&Act]| {
        let fate = Fate::of((2..).zip(acts.iter().copied()));
        (fate.edited, fate.deleted)
    };
    assert_eq!(fate(&[]), (None, None));
    assert_eq!(fate(&[&reply, &react]), (None, None));
    assert_eq!(fate(&[&edit, &edit, &reply]), (Some(3), None));
    assert_eq!(fate(&[&edit, &delete, &edit, &delete]), (Some(2), Some(3)));
    assert_eq!(fate(&[&delete, &edit]), (None, Some(2)));
}

proptest! {
    #[test]
    fn nothing_after_a_deletion_changes_anything(before in prop::collection::vec(0..3_usize, 0..8), after in prop::collection::vec(0..4_usize, 0..8)) {
        let all = acts(1);
        let deletion = 2 + before.len() as u64;
        let numbers: Vec<usize> = before.iter().copied().chain([3]).chain(after).collect();
        let fate = Fate::of((2..).zip(numbers.iter().map(|number| &all[*number])));
        let newest = before.iter().rposition(|number| *number == 1).map(|at| at as u64 + 2);
        prop_assert_eq!((fate.edited, fate.deleted), (newest, Some(deletion)));
    }
}
