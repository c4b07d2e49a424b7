//! What a member with a program of its own may send: commits that OpenMLS makes, and that these rules refuse.

use group::{Change, Group, GroupError, Place, Refusal, package};
use openmls::prelude::{
    BasicCredential, Capabilities, CredentialType, CredentialWithKey, Extension, Extensions, GroupId,
    KeyPackage, LeafNodeParameters, Lifetime, MlsGroup, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY,
    RequiredCapabilitiesExtension,
};
use openmls_traits::OpenMlsProvider;
use testkit::peer::now_ms;
use tls_codec::Serialize;

use crate::party::{Party, ROOM, device, refusal, room_of};

/// The group of a device, without any of our rules.
fn bare(party: &Party) -> MlsGroup {
    let id = GroupId::from_slice(&[ROOM.as_slice(), &[0; 4]].concat());
    MlsGroup::load(party.provider.storage(), &id).unwrap().unwrap()
}

fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}

/// The second device refuses, and is as it was.
fn refused(parties: &mut [Party], message: &[u8], expected: Refusal) {
    let alice = parties[0].certificate();
    let change = Change { by: &alice, added: &[], removed: &[] };
    assert_eq!(refusal(parties[1].apply(message, &change)), expected);
    assert_eq!(parties[1].epoch(), 1);
    let sealed = parties[2].seal(b"", b"the group goes on").unwrap();
    let sender = parties[2].hash();
    assert_eq!(parties[1].open(&sealed, b"", &sender).unwrap(), b"the group goes on");
}

#[test]
fn a_leaf_that_becomes_somebody_elses_is_refused() {
    let (authority, mut parties) = room_of(3);
    let eve = Party::new(&authority, "eve");
    let der = parties[1].certificate().der().to_vec();
    let borrowed = tls_codec::VLBytes::new(der).tls_serialize_detached().unwrap();
    for credential in [
        openmls::prelude::Credential::new(CredentialType::X509, borrowed),
        BasicCredential::new(b"user0".to_vec()).into(),
        openmls::prelude::Credential::new(CredentialType::X509, b"no certificate".to_vec()),
    ] {
        let mut group = bare(&parties[0]);
        let new = CredentialWithKey {
            credential,
            signature_key: eve.device.key.public().as_bytes().as_slice().into(),
        };
        let capabilities = Capabilities::builder()
            .ciphersuites(vec![group::SUITE])
            .credentials(vec![CredentialType::X509, CredentialType::Basic])
            .build();
        let bundle = group
            .commit_builder()
            .leaf_node_parameters(LeafNodeParameters::builder().with_capabilities(capabilities).build())
            .load_psks(parties[0].provider.storage())
            .unwrap()
            .build_with_new_signer(
                parties[0].provider.rand(),
                parties[0].provider.crypto(),
                &device(&parties[0].device),
                openmls::prelude::NewSignerBundle { signer: &device(&eve.device), credential_with_key: new },
                |_| true,
            );
        // OpenMLS refuses some of them itself.
        let Ok(built) = bundle else { continue };
        let message = bytes(&built.stage_commit(&parties[0].provider).unwrap().into_commit());
        parties[0].provider.store().undo();
        let alice = parties[0].certificate();
        let outcome = parties[1].apply(&message, &Change { by: &alice, added: &[], removed: &[] });
        assert!(matches!(outcome, Err(GroupError::Refused(Refusal::Leaf | Refusal::Change))), "{outcome:?}");
        assert_eq!(parties[1].epoch(), 1);
    }
}

#[test]
fn a_commit_without_fresh_keys_is_refused() {
    let (authority, mut parties) = room_of(3);
    let mut dave = Party::new(&authority, "dave");
    let package = dave.package();
    let checked = package::check(&dave.provider, &package, &dave.certificate(), now_ms()).unwrap();
    let mut group = bare(&parties[0]);
    let (commit, _, _) = group
        .add_members_without_update(
            &parties[0].provider,
            &device(&parties[0].device),
            std::slice::from_ref(&checked),
        )
        .unwrap();
    let (alice, added) = (parties[0].certificate(), [dave.certificate()]);
    let change = Change { by: &alice, added: &added, removed: &[] };
    assert_eq!(refusal(parties[1].apply(&bytes(&commit), &change)), Refusal::Change);
    assert_eq!(parties[1].epoch(), 1);
}

#[test]
fn other_proposals_are_refused() {
    let (_, mut parties) = room_of(3);
    let mut group = bare(&parties[0]);
    let required = RequiredCapabilitiesExtension::new(&[], &[], &[CredentialType::X509]);
    let extensions = Extensions::single(Extension::RequiredCapabilities(required)).unwrap();
    let bundle = group
        .commit_builder()
        .propose_group_context_extensions(extensions)
        .unwrap()
        .force_self_update(true)
        .load_psks(parties[0].provider.storage())
        .unwrap()
        .build(parties[0].provider.rand(), parties[0].provider.crypto(), &device(&parties[0].device), |_| {
            true
        })
        .unwrap()
        .stage_commit(&parties[0].provider)
        .unwrap();
    let message = bytes(&bundle.into_commit());
    refused(&mut parties, &message, Refusal::Change);
}

#[test]
fn a_commit_that_shows_on_the_wire_is_refused() {
    let (_, mut parties) = room_of(3);
    let mut group = bare(&parties[0]);
    let plain = openmls::prelude::MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .build();
    group.set_configuration(parties[0].provider.storage(), &plain).unwrap();
    let bundle =
        group.self_update(&parties[0].provider, &device(&parties[0].device), LeafNodeParameters::default());
    let message = bytes(&bundle.unwrap().into_commit());
    refused(&mut parties, &message, Refusal::Undecryptable);
}

#[test]
fn a_welcome_from_outside_the_rules_is_refused() {
    let authority = testkit::authority::Authority::new();
    let (alice, mut bob, eve) =
        (Party::new(&authority, "alice"), Party::new(&authority, "bob"), Party::new(&authority, "eve"));
    let package = bob.package();
    // Eve, who may be the server, makes a group of the room's id in which a leaf bears Alice's certificate over Eve's key.
    let posing = group::Device { certificate: &alice.device.certificate, key: &eve.device.key };
    let mut group = Group::create(&eve.provider, &posing, &ROOM, 0).unwrap();
    let commit =
        group.commit(&eve.provider, &posing, &[(&bob.certificate(), &package)], &[], now_ms()).unwrap();
    let members = [alice.certificate(), bob.certificate()];
    assert_eq!(refusal(bob.join(&commit, 1, &members)), Refusal::Leaf);
}

#[test]
fn a_stranger_who_comes_in_by_an_external_commit_is_refused() {
    let (authority, mut parties) = room_of(3);
    let eve = Party::new(&authority, "eve");
    // A commit for epoch 1 whose group info she got from the server.
    let info = bare(&parties[0])
        .export_group_info(parties[0].provider.crypto(), &device(&parties[0].device), false)
        .unwrap();
    let tree = bare(&parties[0]).export_ratchet_tree().tls_serialize_detached().unwrap();
    let mut members: Vec<_> = parties.iter().map(Party::certificate).collect();
    members.push(eve.certificate());
    let place = Place { room: &ROOM, generation: 0, epoch: 1, members: &members };
    let (_, commit) =
        Group::rejoin(&eve.provider, &device(&eve.device), &bytes(&info), &tree, place).unwrap();
    for (by, expected) in
        [(&eve, Refusal::Change), (&parties[2], Refusal::Leaf), (&parties[0], Refusal::Leaf)]
            .map(|(party, expected)| (party.certificate(), expected))
    {
        let change = Change { by: &by, added: &[], removed: &[] };
        assert_eq!(refusal(parties[1].apply(&commit.message, &change)), expected);
        let said = Change { by: &by, added: &[], removed: &[by.hash()] };
        assert_eq!(refusal(parties[1].apply(&commit.message, &said)), expected);
    }
    assert_eq!(parties[1].epoch(), 1);
}

#[test]
fn a_leaf_that_says_something_else_is_refused() {
    let (_, mut parties) = room_of(3);
    let mut group = bare(&parties[0]);
    let capabilities = Capabilities::builder()
        .ciphersuites(vec![group::SUITE])
        .credentials(vec![CredentialType::X509, CredentialType::Basic])
        .build();
    let parameters = LeafNodeParameters::builder().with_capabilities(capabilities).build();
    let bundle = group.self_update(&parties[0].provider, &device(&parties[0].device), parameters);
    let message = bytes(&bundle.unwrap().into_commit());
    refused(&mut parties, &message, Refusal::Leaf);
}

#[test]
fn a_key_package_that_ends_before_its_certificate_is_refused() {
    let authority = testkit::authority::Authority::new();
    let bob = Party::new(&authority, "bob");
    let good = package::create(&bob.provider, &device(&bob.device), false, now_ms()).unwrap();
    let good = package::check(&bob.provider, &good, &bob.certificate(), now_ms()).unwrap();
    let leaf = good.leaf_node();
    let holder = CredentialWithKey {
        credential: leaf.credential().clone(),
        signature_key: leaf.signature_key().clone(),
    };
    let short = KeyPackage::builder()
        .key_package_lifetime(Lifetime::new(60))
        .leaf_node_capabilities(leaf.capabilities().clone())
        .build(group::SUITE, &bob.provider, &device(&bob.device), holder)
        .unwrap();
    let short = short.key_package().tls_serialize_detached().unwrap();
    assert_eq!(
        refusal(package::check(&bob.provider, &short, &bob.certificate(), now_ms())),
        Refusal::Package
    );
}

#[test]
fn a_tree_inside_the_group_info_does_not_take_the_place_of_the_one_beside() {
    let (_, parties) = room_of(2);
    let alice = bare(&parties[0]);
    let info =
        alice.export_group_info(parties[0].provider.crypto(), &device(&parties[0].device), true).unwrap();
    let tree = alice.export_ratchet_tree().tls_serialize_detached().unwrap();
    let members: Vec<_> = parties.iter().map(Party::certificate).collect();
    let place = Place { room: &ROOM, generation: 0, epoch: 1, members: &members };
    let lost = &parties[1];
    let back = Group::rejoin(&lost.provider, &device(&lost.device), &bytes(&info), &tree, place);
    assert_eq!(refusal(back), Refusal::Change);
}

/// GR-7
#[test]
fn a_commit_with_authenticated_data_is_refused() {
    let (_, mut parties) = room_of(3);
    let mut group = bare(&parties[0]);
    group.set_aad(b"something to be kept by everybody".to_vec());
    let bundle = group
        .self_update(&parties[0].provider, &device(&parties[0].device), LeafNodeParameters::default())
        .unwrap();
    let message = bytes(&bundle.into_commit());
    refused(&mut parties, &message, Refusal::Context);
}
