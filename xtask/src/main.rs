//! The project's own tasks. `cargo xtask test` installs what the tests need and runs them all.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

const USAGE: &str = "\
cargo xtask test [--leave-out TOOL]... [-- ARGUMENTS OF cargo test]

Installs what the tests need (Debian packages; Python packages in target/test-python) and runs them all.
  --leave-out TOOL   do without the tests that need TOOL: chromium, mariadb, openssl, python, tmux or tshark
";

/// A program that tests run: its name, the Debian package that brings it, and the word that is in the names of its tests.
struct Tool {
    name: &'static str,
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 6] = [
    Tool { name: "chromium", program: "chromedriver", package: "chromium-driver" },
    Tool { name: "mariadb", program: "mariadbd", package: "mariadb-server" },
    Tool { name: "openssl", program: "openssl", package: "openssl" },
    Tool { name: "python", program: "python3", package: "python3-venv" },
    Tool { name: "tmux", program: "tmux", package: "tmux" },
    Tool { name: "tshark", program: "tshark", package: "tshark" },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.split_first() {
        Some((task, rest)) if task == "test" => match test(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("cargo xtask test: {e:#}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn test(arguments: &[String]) -> Result<()> {
    let mut left_out = Vec::new();
    let mut words = arguments.iter();
    let mut passed_on = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--leave-out" => left_out.push(words.next().context("--leave-out wants a tool")?.as_str()),
            "--" => passed_on.extend(words.by_ref().cloned()),
            other => bail!("unknown argument {other}\n{USAGE}"),
        }
    }
    for name in &left_out {
        ensure!(TOOLS.iter().any(|t| t.name == *name), "no tests need a tool called {name}\n{USAGE}");
    }
    let root = root()?;
    let wanted: Vec<&Tool> = TOOLS.iter().filter(|t| !left_out.contains(&t.name)).collect();
    install(&wanted)?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&root).args(["test", "--workspace", "--locked"]);
    if wanted.iter().any(|t| t.name == "python") {
        cargo.env("COUNTERSIGN_TEST_PYTHON", python(&root)?);
    }
    let skips: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    cargo.args(&passed_on);
    if !skips.is_empty() && !passed_on.iter().any(|a| a == "--") {
        cargo.arg("--");
    }
    for skip in &skips {
        cargo.args(["--skip", skip]);
    }
    println!("running {cargo:?}");
    ensure!(cargo.status().context("cannot start cargo")?.success(), "some tests failed (see above)");
    if !left_out.is_empty() {
        println!("left out as asked: the tests that need {}", left_out.join(", "));
    }
    Ok(())
}

fn root() -> Result<PathBuf> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("run me as `cargo xtask`")?;
    Ok(Path::new(&manifest).parent().context("the workspace's folder")?.to_owned())
}

/// Brings the Debian packages of the tools that are not there yet.
fn install(tools: &[&Tool]) -> Result<()> {
    let missing: Vec<&str> = tools.iter().filter(|t| !is_there(t)).map(|t| t.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(" "));
    let sudo = !is_root();
    let apt = |arguments: &[&str]| -> Result<bool> {
        let mut command = Command::new(if sudo { "sudo" } else { "apt-get" });
        if sudo {
            command.arg("apt-get");
        }
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        Ok(command.status().context("cannot start apt-get")?.success())
    };
    // A stale package list still serves what is installed from it; only the installation decides.
    apt(&["update", "-q"])?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(&missing);
    ensure!(
        apt(&arguments)?,
        "cannot install {}: install it by hand, or run with --leave-out TOOL",
        missing.join(" ")
    );
    Ok(())
}

fn is_there(tool: &Tool) -> bool {
    let mut probe = Command::new(tool.program);
    // Servers stand where an ordinary user does not look.
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    probe.env("PATH", path);
    match tool.name {
        "chromium" | "mariadb" | "tshark" => probe.arg("--version"),
        "python" => probe.args(["-c", "import venv, ensurepip"]),
        "tmux" => probe.arg("-V"),
        _ => probe.arg("version"),
    };
    probe.output().is_ok_and(|o| o.status.success())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

/// A Python with the packages of tests/python/requirements.txt, in a folder of our own.
fn python(root: &Path) -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("test-python");
    let python = folder.join("bin/python");
    if !python.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status();
        ensure!(made.context("cannot start python3")?.success(), "python3 -m venv failed");
    }
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(root.join("tests/python/requirements.txt"))
        .status();
    ensure!(
        installed.context("cannot start pip")?.success(),
        "cannot install tests/python/requirements.txt: is the package index in reach?"
    );
    Ok(python)
}
