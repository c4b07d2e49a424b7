//! What must be so when everybody is back and has read everything.

use std::collections::BTreeSet;

use super::log::What;
use super::node::load;
use super::world::World;

/// More than anybody needs to come back and say what is left.
const ROUNDS: usize = 100;

impl World {
    /// Brings everybody to the end, compares, and tells what the schedule was.
    pub fn end(mut self) -> String {
        self.settle();
        let mut said = BTreeSet::new();
        for entry in &self.log {
            if let What::Text { text, .. } = &entry.what {
                assert!(said.insert(text.clone()), "said twice: {text}");
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            // Who is revoked is given nothing any more: it holds what it had read.
            let reached = node.disk.position;
            let owed = self.owed[number].iter().filter(|(index, _)| **index < reached);
            let owed: Vec<(usize, String)> = owed.map(|(index, text)| (*index, text.clone())).collect();
            assert_eq!(node.disk.held, owed, "device {number}");
            if self.revoked.contains(&number) {
                self.given_up.extend(node.disk.outbox.iter().cloned());
                continue;
            }
            assert_eq!(node.group.is_some(), self.now.members.contains(&number), "device {number}");
            assert!(node.disk.outbox.is_empty(), "device {number}");
            if let Some(group) = &node.group {
                let held: BTreeSet<[u8; 32]> = group.members().unwrap().into_iter().collect();
                let there = self.hashes(self.now.members.union(&self.now.lingering));
                assert_eq!(held, there.into_iter().collect(), "device {number}");
            }
        }
        let lost: Vec<&String> = self
            .promised
            .iter()
            .filter(|text| !said.contains(*text) && !self.given_up.contains(*text))
            .collect();
        assert!(lost.is_empty(), "promised and not said: {lost:?}");
        self.nobody_else_reads();
        format!(
            "{} users, {} devices, {} of them members at the end, {} epochs, {} texts",
            self.nodes.last().map_or(0, |node| node.user + 1),
            self.nodes.len(),
            self.now.members.len(),
            self.now.keys,
            said.len()
        )
    }

    /// Everybody reads, comes back and says what is left, until nothing is.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS, "it does not come to an end");
            let size = self.log.len();
            for node in self.alive.clone() {
                self.read(node, usize::MAX);
                while self.now.members.contains(&node) {
                    self.prepare(node);
                    if self.nodes[node].disk.waiting.is_none() {
                        break;
                    }
                    self.submit(node);
                    self.read(node, usize::MAX);
                }
            }
            if self.log.len() == size {
                return;
            }
        }
    }

    /// What a device had when it was put out opens nothing that was said from then on.
    fn nobody_else_reads(&self) {
        for (from, records) in &self.stolen {
            let (provider, group) = load(records);
            let Some(mut group) = group else { continue };
            for entry in &self.log[*from..] {
                if let What::Text { sealed, .. } = &entry.what {
                    let by = self.hashes([&entry.by])[0];
                    assert!(group.open(&provider, sealed, b"context", &by).is_err());
                }
            }
        }
    }
}
