//! The store as OpenMLS sees it. Proposals by themselves, stored signature keys and external pre-shared keys are not used (GR-8).

use openmls_traits::storage::{CURRENT_VERSION, Entity, StorageProvider, traits};

use super::codec::{Kind, StoreError, alone, decode, of_group, of_group_and};
use super::{Record, Store};

const V: u16 = CURRENT_VERSION;

impl Store {
    fn read<T: Entity<V>>(&self, record: Record) -> Result<Option<T>, StoreError> {
        let state = self.state();
        state.values.get(&record).map(|bytes| decode(bytes)).transpose()
    }

    fn delete(&self, record: Record) -> Result<(), StoreError> {
        self.remove(record);
        Ok(())
    }
}

/// A value of which a group has one.
macro_rules! one_of_a_group {
    ($kind:expr, $value:ident: $write:ident, $read:ident) => {
        fn $write<G: traits::GroupId<V>, T: traits::$value<V>>(
            &self,
            group: &G,
            value: &T,
        ) -> Result<(), StoreError> {
            self.put(of_group($kind, group)?, value)
        }

        fn $read<G: traits::GroupId<V>, T: traits::$value<V>>(
            &self,
            group: &G,
        ) -> Result<Option<T>, StoreError> {
            self.read(of_group($kind, group)?)
        }
    };
}

macro_rules! removed_with_a_group {
    ($($delete:ident: $kind:expr),+ $(,)?) => {$(
        fn $delete<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), StoreError> {
            self.delete(of_group($kind, group)?)
        }
    )+};
}

impl StorageProvider<V> for Store {
    type Error = StoreError;

    one_of_a_group!(Kind::JoinConfig, MlsGroupJoinConfig: write_mls_join_config, mls_group_join_config);
    one_of_a_group!(Kind::Tree, TreeSync: write_tree, tree);
    one_of_a_group!(Kind::InterimTranscriptHash, InterimTranscriptHash: write_interim_transcript_hash, interim_transcript_hash);
    one_of_a_group!(Kind::Context, GroupContext: write_context, group_context);
    one_of_a_group!(Kind::ConfirmationTag, ConfirmationTag: write_confirmation_tag, confirmation_tag);
    one_of_a_group!(Kind::MessageSecrets, MessageSecrets: write_message_secrets, message_secrets);
    one_of_a_group!(Kind::ResumptionPsks, ResumptionPskStore: write_resumption_psk_store, resumption_psk_store);
    one_of_a_group!(Kind::OwnLeafIndex, LeafNodeIndex: write_own_leaf_index, own_leaf_index);
    one_of_a_group!(Kind::EpochSecrets, GroupEpochSecrets: write_group_epoch_secrets, group_epoch_secrets);

    removed_with_a_group!(
        delete_group_config: Kind::JoinConfig,
        delete_tree: Kind::Tree,
        delete_interim_transcript_hash: Kind::InterimTranscriptHash,
        delete_context: Kind::Context,
        delete_confirmation_tag: Kind::ConfirmationTag,
        delete_group_state: Kind::State,
        delete_message_secrets: Kind::MessageSecrets,
        delete_all_resumption_psk_secrets: Kind::ResumptionPsks,
        delete_own_leaf_index: Kind::OwnLeafIndex,
        delete_group_epoch_secrets: Kind::EpochSecrets,
    );

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        group: &G,
        value: &T,
    ) -> Result<(), StoreError> {
        self.put(of_group(Kind::State, group)?, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(
        &self,
        group: &G,
    ) -> Result<Option<T>, StoreError> {
        self.read(of_group(Kind::State, group)?)
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        K: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
        pairs: &[K],
    ) -> Result<(), StoreError> {
        self.put(of_group_and(Kind::EpochKeyPairs, group, &(epoch, leaf_index))?, &pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<V>,
        E: traits::EpochKey<V>,
        K: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<Vec<K>, StoreError> {
        let record = of_group_and(Kind::EpochKeyPairs, group, &(epoch, leaf_index))?;
        let state = self.state();
        state.values.get(&record).map_or(Ok(Vec::new()), |bytes| decode(bytes))
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Result<(), StoreError> {
        self.delete(of_group_and(Kind::EpochKeyPairs, group, &(epoch, leaf_index))?)
    }

    fn write_encryption_key_pair<E: traits::EncryptionKey<V>, K: traits::HpkeKeyPair<V>>(
        &self,
        key: &E,
        pair: &K,
    ) -> Result<(), StoreError> {
        self.put(alone(Kind::EncryptionKeyPair, key)?, pair)
    }

    fn encryption_key_pair<K: traits::HpkeKeyPair<V>, E: traits::EncryptionKey<V>>(
        &self,
        key: &E,
    ) -> Result<Option<K>, StoreError> {
        self.read(alone(Kind::EncryptionKeyPair, key)?)
    }

    fn delete_encryption_key_pair<E: traits::EncryptionKey<V>>(&self, key: &E) -> Result<(), StoreError> {
        self.delete(alone(Kind::EncryptionKeyPair, key)?)
    }

    fn write_key_package<R: traits::HashReference<V>, P: traits::KeyPackage<V>>(
        &self,
        reference: &R,
        package: &P,
    ) -> Result<(), StoreError> {
        self.put(alone(Kind::KeyPackage, reference)?, package)
    }

    fn key_package<R: traits::HashReference<V>, P: traits::KeyPackage<V>>(
        &self,
        reference: &R,
    ) -> Result<Option<P>, StoreError> {
        self.read(alone(Kind::KeyPackage, reference)?)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, reference: &R) -> Result<(), StoreError> {
        self.delete(alone(Kind::KeyPackage, reference)?)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, L: traits::LeafNode<V>>(
        &self,
        _: &G,
        _: &L,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unused)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, L: traits::LeafNode<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<L>, StoreError> {
        Ok(Vec::new())
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), StoreError> {
        Ok(())
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        _: &G,
        _: &R,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unused)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<R>, StoreError> {
        Ok(Vec::new())
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        _: &G,
    ) -> Result<Vec<(R, P)>, StoreError> {
        Ok(Vec::new())
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
        _: &R,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unused)
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(
        &self,
        _: &K,
    ) -> Result<Option<P>, StoreError> {
        Ok(None)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, _: &K) -> Result<(), StoreError> {
        Ok(())
    }

    fn write_psk<I: traits::PskId<V>, P: traits::PskBundle<V>>(
        &self,
        _: &I,
        _: &P,
    ) -> Result<(), StoreError> {
        Err(StoreError::Unused)
    }

    fn psk<P: traits::PskBundle<V>, I: traits::PskId<V>>(&self, _: &I) -> Result<Option<P>, StoreError> {
        Ok(None)
    }

    fn delete_psk<I: traits::PskId<V>>(&self, _: &I) -> Result<(), StoreError> {
        Ok(())
    }
}
