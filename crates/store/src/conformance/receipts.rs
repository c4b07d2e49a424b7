//! Receipts, final refusals and proofs of equivocation.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, create_room, enrol, id};
use crate::limits::MAX_RECEIPT;
use crate::{
    FinalRefusal, Hash, NewEquivocation, NewReceipt, Receipt, ReceiptOutcome, Store, StoreError, Thing,
    TooLarge,
};

fn receipt(room: Hash, device: Hash, level: u8, size: u64) -> NewReceipt {
    NewReceipt {
        room,
        device,
        size,
        level,
        receipt: format!("receipt {level} {size}").into_bytes(),
        cosignature: format!("cosignature {size}").into_bytes(),
        received_ms: NOW,
    }
}

fn made(receipts: Vec<Receipt>) -> Vec<NewReceipt> {
    receipts.into_iter().map(|receipt| receipt.made).collect()
}

/// Receipts that cover more are kept, all of them; others are not.
pub async fn receipts(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let bob = enrol(&*store, "bob").await;
    let room = create_room(&*store, "plans", &[ada, bob]).await;
    let beside = create_room(&*store, "beside", &[ada, bob]).await;
    let batch = vec![
        receipt(room, ada, 0, 3),
        receipt(room, ada, 0, 3),
        receipt(room, ada, 1, 2),
        receipt(room, bob, 0, 3),
        receipt(id("nowhere"), ada, 0, 3),
        receipt(room, id("ghost"), 0, 3),
        receipt(beside, ada, 0, 1),
        receipt(room, ada, 0, 5),
        receipt(room, ada, 0, 4),
    ];
    let outcomes = store.put_receipts(batch.clone()).await.unwrap();
    let kept: Vec<_> =
        outcomes.iter().map(|outcome| matches!(outcome, ReceiptOutcome::Kept { .. })).collect();
    assert_eq!(kept, [true, false, true, true, false, false, true, true, false]);
    let others: Vec<_> = outcomes.iter().filter(|o| !matches!(o, ReceiptOutcome::Kept { .. })).collect();
    let (covered, unknown) = (&ReceiptOutcome::Covered, &ReceiptOutcome::Unknown);
    assert_eq!(others, [covered, unknown, unknown, covered]);
    assert_eq!(store.put_receipts(vec![receipt(room, bob, 0, 2)]).await.unwrap(), [ReceiptOutcome::Covered]);

    let all = store.receipts(&room, 0, 10).await.unwrap();
    let expected = [
        receipt(room, ada, 0, 3),
        receipt(room, ada, 1, 2),
        receipt(room, bob, 0, 3),
        receipt(room, ada, 0, 5),
    ];
    assert_eq!(made(all.clone()), expected);
    let second = all.into_iter().nth(1).unwrap().id;
    assert_eq!(store.receipts(&room, second, 1).await.unwrap().len(), 1);
    assert_eq!(store.receipts(&room, second, 10).await.unwrap().len(), 2);
    assert_eq!(store.receipts(&id("nowhere"), 0, 10).await.unwrap(), []);
    let newest = [receipt(room, ada, 1, 2), receipt(room, bob, 0, 3), receipt(room, ada, 0, 5)];
    assert_eq!(made(store.newest_receipts(&room).await.unwrap()), newest);

    let large = NewReceipt { receipt: vec![0; MAX_RECEIPT + 1], ..receipt(room, ada, 0, 9) };
    let limit = MAX_RECEIPT as u64;
    assert_error(
        store.put_receipts(vec![receipt(room, ada, 0, 8), large]).await,
        &TooLarge { what: "receipt", value: limit + 1, limit }.into(),
    );
    assert_eq!(made(store.newest_receipts(&room).await.unwrap()), newest);
}

/// A refusal stands as first written; one number may have several, of different statements.
pub async fn final_refusals(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let refusal = |statement: &str, text: &[u8]| FinalRefusal {
        room,
        device: ada,
        seq: 2,
        statement_hash: id(statement),
        refusal: text.to_vec(),
    };
    let first = refusal("one", b"no");
    assert_eq!(store.put_final_refusal(first.clone()).await.unwrap(), first);
    assert_eq!(store.put_final_refusal(refusal("one", b"never")).await.unwrap(), first);
    let other = refusal("two", b"no again");
    assert_eq!(store.put_final_refusal(other.clone()).await.unwrap(), other);
    assert_eq!(store.final_refusals(&room, &ada, 2).await.unwrap(), [first.clone(), other]);
    assert_eq!(store.final_refusals(&room, &ada, 3).await.unwrap(), []);
    assert_eq!(store.refused_statements(&room).await.unwrap(), [id("one"), id("two")]);
    assert_eq!(store.refused_statements(&id("nowhere")).await.unwrap(), [] as [Hash; 0]);
    let elsewhere = FinalRefusal { room: id("nowhere"), ..first.clone() };
    assert_error(store.put_final_refusal(elsewhere).await, &StoreError::NotFound(Thing::Room));
    let ghost = FinalRefusal { device: id("ghost"), ..first };
    assert_error(store.put_final_refusal(ghost).await, &StoreError::NotFound(Thing::Device));
}

/// A proof stands as first written.
pub async fn equivocations(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let proof = |seq, second: &[u8]| NewEquivocation {
        room,
        device: ada,
        seq,
        first: b"first".to_vec(),
        second: second.to_vec(),
        found_ms: NOW,
    };
    for (seq, second) in [(1, &b"second"[..]), (1, &b"third"[..]), (2, &b"second"[..])] {
        store.put_equivocation(proof(seq, second)).await.unwrap();
    }
    let kept = store.equivocations(&room, 0, 10).await.unwrap();
    let made: Vec<_> = kept.iter().map(|proof| proof.made.clone()).collect();
    assert_eq!(made, [proof(1, b"second"), proof(2, b"second")]);
    let after = kept.first().unwrap().id;
    assert_eq!(store.equivocations(&room, after, 10).await.unwrap().len(), 1);
    let elsewhere = NewEquivocation { room: id("nowhere"), ..proof(1, b"second") };
    assert_error(store.put_equivocation(elsewhere).await, &StoreError::NotFound(Thing::Room));
}
