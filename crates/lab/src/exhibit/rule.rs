//! The rules that stop the attacks, in the words of the specifications (LA-3).

const SPECIFICATIONS: [&str; 4] = [
    include_str!("../../../../docs/channel.md"),
    include_str!("../../../../docs/evidence.md"),
    include_str!("../../../../docs/identity.md"),
    include_str!("../../../../docs/session.md"),
];

/// The text of a rule, without its number; `None` if there is none of this number.
pub fn rule(number: &str) -> Option<String> {
    let mark = format!("**{number}**");
    let text = SPECIFICATIONS.iter().find_map(|text| {
        let lines = text.split_inclusive('\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line))
        });
        let (start, _) = lines.into_iter().find(|(_, line)| line.starts_with(&mark))?;
        text.get(start + mark.len()..)
    })?;
    let end = ["\n\n", "\n|", "\n-", "\n#", "\n**", "\n```"].iter().filter_map(|end| text.find(end)).min();
    let plain = text.get(..end.unwrap_or(text.len()))?.replace(['*', '`'], "");
    Some(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exhibit::{Column, attacks};

    #[test]
    fn every_rule_that_is_cited_has_a_text() {
        for attack in attacks().unwrap() {
            for number in attack.expected(Column::Countersign).rule.as_ref().unwrap().split(", ") {
                let text = rule(number).unwrap_or_else(|| panic!("{number} of {} is nowhere", attack.name));
                assert!(text.len() > 40, "{number}: {text}");
            }
        }
        assert_eq!(rule("CH-9999"), None);
    }
}
