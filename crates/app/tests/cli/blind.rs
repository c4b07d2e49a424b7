//! The server never reads a word: what is said stands neither in its folder, nor in its memory, nor on the wire.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Place, Server};

/// Bytes of a region of memory read at a time.
const CHUNK: usize = 1 << 20;

/// Passes bytes on between clients and a server, and keeps a copy of them.
struct Wire {
    address: String,
    captured: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let captured = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&captured);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let copy = Arc::clone(&copy);
                    thread::spawn(move || pass(from, to, &copy));
                }
            }
        });
        Self { address, captured }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, copy: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..count).unwrap();
        copy.lock().unwrap().extend_from_slice(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn finds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// The words that stand in a file of a folder.
fn in_folder(folder: &Path, words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(in_folder(&entry.path(), words));
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.extend(words.iter().filter(|word| finds(&bytes, word)).cloned());
        }
    }
    found
}

/// The words that stand in what a process can write to.
fn in_memory(pid: u32, words: &[String]) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut at, end) = (address(start), address(end));
        let overlap = words.iter().map(String::len).max().unwrap() as u64;
        while at < end {
            let mut bytes = vec![0; CHUNK.min(usize::try_from(end - at).unwrap())];
            memory.seek(SeekFrom::Start(at)).unwrap();
            // Some regions, such as the kernel's, are not for reading.
            if memory.read_exact(&mut bytes).is_err() {
                break;
            }
            found.extend(words.iter().filter(|word| finds(&bytes, word)).cloned());
            at += bytes.len() as u64;
            if at < end {
                at -= overlap;
            }
        }
    }
    found
}

#[test]
fn what_is_said_is_nowhere_with_the_server_nor_on_the_wire() {
    let place = Place::new();
    let server = place.serve_with("--data d --plain-keys");
    let address = server.ready.trim_start_matches("READY ").to_owned();
    let wire = Wire::to(address.clone());
    for (user, role) in [("ann", "admin"), ("bob", "member")] {
        let link = place.run(&format!("invite create --data d --role {role}")).ok().to_owned();
        place.join(user, &link.replace(&address, &wire.address));
    }
    let run = |user: &str, command: &str| place.run(&format!("{command} --home {user} --password-file pw"));
    run("ann", "room create canary-room").ok();
    run("ann", "room add canary-room bob").ok();
    std::fs::write(place.path("canary.txt"), "canary-in-a-file ".repeat(500)).unwrap();
    run("ann", "send canary-room canary-in-a-message").ok();
    run("bob", "send canary-room canary-beside-a-file --file canary.txt").ok();
    run("ann", "send @bob canary-between-two").ok();
    run("bob", "edit canary-room 3 canary-in-an-edit").ok();
    let said = [
        "canary-in-a-message",
        "canary-beside-a-file",
        "canary-in-a-file",
        "canary-between-two",
        "canary-in-an-edit",
    ];
    let words: Vec<String> = said.iter().map(|word| (*word).to_owned()).collect();
    // A search that finds the room's name, which the server knows, finds what it looks for.
    let known = vec!["canary-room".to_owned()];
    assert!(!in_folder(&place.path("d"), &known).is_empty());
    assert!(!in_memory(server.pid(), &known).is_empty());
    let tail = run("bob", "tail canary-room");
    assert!(
        tail.ok().contains("canary-in-a-message") && tail.ok().contains("canary-in-an-edit"),
        "{}",
        tail.out
    );

    assert_eq!(in_folder(&place.path("d"), &words), Vec::<String>::new());
    assert_eq!(in_memory(server.pid(), &words), Vec::<String>::new());
    let captured = wire.captured.lock().unwrap();
    assert!(captured.len() > 100_000, "the wire was captured: {} bytes", captured.len());
    assert_eq!(words.iter().filter(|word| finds(&captured, word)).count(), 0);
    // Nor do the members' homes hold it in clear.
    for home in ["ann", "bob"] {
        assert_eq!(in_folder(&place.path(home), &words), Vec::<String>::new());
    }
    drop::<Server>(server);
}
