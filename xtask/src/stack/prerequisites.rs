//! The software that has to be installed on the machine. It is checked first, and installed with apt when we
//! may.

use crate::{process::Cmd, stack::Stack, ui::Phase};
use anyhow::{Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The oldest PostgreSQL that Supabase runs.
const OLDEST_POSTGRES: u32 = 15;

/// The purpose of a command's software.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// To run the stack.
    Stack,
    /// The page that shows the API too.
    Viewer,
    /// The checks too.
    Tests,
}

pub(crate) struct Programs {
    /// PostgreSQL's own folder of programs.
    pub(crate) postgres_bin: PathBuf,
    /// Its major version.
    postgres_version: u32,
}

impl Programs {
    /// The folder of PostgreSQL's extensions.
    pub(super) fn extensions(&self) -> PathBuf {
        extensions(self.postgres_version)
    }
}

/// Finds the needed software. As root it installs what is missing; otherwise it says with which command to
/// install it.
pub(crate) fn ensure(stack: &Stack, need: Need, phase: &Phase) -> Result<Programs> {
    // Two rounds, because the fitting pgTAP is known only once the server is there.
    for _ in 0..2 {
        let missing = missing(need);
        if !missing.is_empty() {
            phase.detail(&format!("installing {}", missing.join(", ")));
            install(stack, &missing, phase)?;
        }
    }
    match postgres() {
        Some((postgres_version, postgres_bin)) => Ok(Programs { postgres_bin, postgres_version }),
        None => bail!("no PostgreSQL of at least version {OLDEST_POSTGRES} in /usr/lib/postgresql/*/bin"),
    }
}

/// Returns the missing Debian packages. pgTAP is among them only when the server is there.
fn missing(need: Need) -> Vec<String> {
    let mut packages = Vec::new();
    let mut require = |present: bool, package: &str| {
        if !present {
            packages.push(package.to_owned());
        }
    };
    let postgres = postgres();
    require(postgres.is_some(), "postgresql");
    require(on_path("pgbouncer"), "pgbouncer");
    require(on_path("openssl"), "openssl");
    require(on_path("setpriv"), "util-linux");
    require(on_path("python3") && has_venv(), "python3-venv");
    if need == Need::Tests {
        if let Some((version, _)) = postgres {
            let control = extensions(version).join("pgtap.control");
            require(control.exists(), &format!("postgresql-{version}-pgtap"));
        }
        require(on_path("pg_prove"), "libtap-parser-sourcehandler-pgtap-perl");
    }
    if need != Need::Stack {
        require(on_path("node"), "nodejs");
        require(on_path("npm"), "npm");
    }
    packages
}

fn install(stack: &Stack, packages: &[String], phase: &Phase) -> Result<()> {
    let list = packages.join(" ");
    let command = format!("apt-get update && apt-get install -y --no-install-recommends {list}");
    if !rustix::process::geteuid().is_root() || !on_path("apt-get") {
        bail!(
            "missing on this machine: {list}\nWhat to do: install them, on Debian and Ubuntu with\n\n  sudo sh -c '{command}'\n"
        );
    }
    // Without this, Debian's postgresql package would create and start a cluster of its own.
    let quiet = "mkdir -p /etc/postgresql-common/createcluster.d && \
        printf 'create_main_cluster = false\\n' > /etc/postgresql-common/createcluster.d/oslira.conf";
    let script = if packages.iter().any(|package| package == "postgresql") {
        format!("{quiet} && {command}")
    } else {
        command
    };
    Cmd::new("sh")
        .args(["-c", &script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .log(stack.log("apt"))
        .hint("install the packages by hand, then run this again")
        .run(&format!("installing {list}"), phase)
}

/// Returns the newest PostgreSQL server that is new enough: its major version and the folder of its programs.
fn postgres() -> Option<(u32, PathBuf)> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= OLDEST_POSTGRES && bin.join("initdb").exists())
        .max()
}

fn extensions(version: u32) -> PathBuf {
    Path::new("/usr/share/postgresql").join(version.to_string()).join("extension")
}

/// Whether a program is on the PATH, or where Debian keeps servers.
fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).any(|folder| folder.join(program).exists())
}

/// Debian packages Python's `venv` separately. Without that package `ensurepip` is missing.
fn has_venv() -> bool {
    Cmd::new("python3").args(["-c", "import venv, ensurepip"]).output("asking Python for venv").is_ok()
}
