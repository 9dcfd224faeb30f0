//! The stack's own PostgreSQL cluster, prepared like a Supabase project before our migrations.

use crate::{
    process::Cmd,
    stack::{Stack, certificates::Certificates, prerequisites::Programs, secrets::Secrets, write_private},
    ui::Phase,
    workspace::{ROOT, shown},
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

/// The superuser, under Supabase's name for it.
const SUPERUSER: &str = "supabase_admin";

/// How to reach the server as its superuser.
pub(crate) struct Postgres<'a> {
    pub(crate) port: u16,
    bin: &'a Path,
    secrets: &'a Secrets,
}

/// The system user that runs the servers, which refuse to run as root. `None` when this process is not root.
pub(crate) fn server_user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

impl<'a> Postgres<'a> {
    /// The server at this port, which is taken to be running.
    pub(crate) fn at(port: u16, programs: &'a Programs, secrets: &'a Secrets) -> Self {
        Self { port, bin: &programs.postgres_bin, secrets }
    }

    /// Makes an empty cluster, starts it with the server in this folder, and gives it Supabase's roles and
    /// schemas.
    pub(crate) fn start(
        &self,
        stack: &Stack,
        server: &Path,
        certificates: &Certificates,
        phase: &Phase,
    ) -> Result<()> {
        let folder = server_folder(stack, "postgres")?;
        let [certificate, key] = give_certificates(&folder, certificates)?;
        let password_file = folder.join("superuser-password");
        write_private(&password_file, &self.secrets.superuser_password)?;
        give(&password_file)?;

        let data = folder.join("data");
        phase.detail("initdb");
        Cmd::as_user(server_user(), server.join("initdb"))
            .args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--no-sync", "--no-instructions"])
            .arg("--pwfile", &password_file)
            .arg("--pgdata", &data)
            .log(stack.log("initdb"))
            .run("making the PostgreSQL cluster", phase)?;
        fs::remove_file(&password_file)?;

        phase.detail("starting");
        // Durability is off, because every start makes the cluster anew. There is no Unix socket, because its
        // path could be too long.
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "max_connections=200".into(),
            "fsync=off".into(),
            "synchronous_commit=off".into(),
            "full_page_writes=off".into(),
            "ssl=on".into(),
            format!("ssl_cert_file={}", certificate.display()),
            format!("ssl_key_file={}", key.display()),
            "log_line_prefix=%m %u@%d ".into(),
        ];
        let command = Cmd::as_user(server_user(), server.join("postgres"))
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .arg("-D", &data)
            .directory(&folder);
        stack.daemons().start("postgres", self.port, "", command, || self.is_ready())?;

        phase.detail("preparing it as Supabase does");
        let sql = fs::read_to_string(ROOT.join("infra/local/supabase.sql"))?;
        // The passwords follow on standard input. They are hexadecimal, so they need no quoting.
        let passwords = format!("alter role postgres password '{}';\n", self.secrets.postgres_password);
        self.sql("preparing the database as Supabase does", &format!("{sql}\n{passwords}"))?;
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        Cmd::new(self.bin.join("pg_isready"))
            .args(["--quiet", "--host=127.0.0.1", "--port", &port])
            .output("pg_isready")
            .is_ok()
    }

    /// Runs SQL as the superuser and stops at the first error. Returns the rows as bare text.
    pub(crate) fn sql(&self, what: &str, sql: &str) -> Result<String> {
        self.psql("postgres").input(sql).output(what)
    }

    /// `psql` as the superuser, which reads standard input.
    pub(crate) fn psql(&self, database: &str) -> Cmd {
        Cmd::new(self.bin.join("psql"))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--file=-",
            ])
            .envs(self.environment())
            .env("PGDATABASE", database)
    }

    /// The environment variables with which PostgreSQL's own programs connect as the superuser.
    pub(crate) fn environment(&self) -> [(&'static str, String); 6] {
        [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", SUPERUSER.to_owned()),
            ("PGPASSWORD", self.secrets.superuser_password.clone()),
            ("PGSSLMODE", "require".to_owned()),
            // Hides notices of "already exists".
            ("PGOPTIONS", "-c client_min_messages=warning".to_owned()),
        ]
    }

    /// The superuser's URL, without the pooler.
    pub(crate) fn superuser_url(&self) -> String {
        self.url(SUPERUSER, &self.secrets.superuser_password)
    }

    /// The URL for Supabase's role `postgres`, without the pooler, as migrations need it.
    pub(crate) fn migrations_url(&self) -> String {
        self.url("postgres", &self.secrets.postgres_password)
    }

    fn url(&self, user: &str, password: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/postgres?sslmode=require", self.port)
    }
}

/// Makes a folder of the stack anew, and gives it to the servers' user.
pub(crate) fn server_folder(stack: &Stack, name: &str) -> Result<PathBuf> {
    let folder = stack.path(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    give(&folder)?;
    if let Some(user) = server_user()
        && Cmd::as_user(server_user(), "test")
            .arg("-x", &folder)
            .directory(Path::new("/"))
            .output("")
            .is_err()
    {
        bail!(
            "the system user `{user}` cannot enter {}: PostgreSQL refuses to run as root, and one of the folders above \
             is closed to others.\nWhat to do: move the checkout out of a private folder such as /root, or open the \
             folders above it with `chmod o+x`.",
            folder.display()
        );
    }
    Ok(folder)
}

/// Copies the server's certificate and key to where the servers' user may read them.
pub(crate) fn give_certificates(folder: &Path, certificates: &Certificates) -> Result<[PathBuf; 2]> {
    let copies = [folder.join("server.crt"), folder.join("server.key")];
    for (from, to) in certificates.server().iter().zip(&copies) {
        fs::copy(from, to)?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o600))?;
        give(to)?;
    }
    Ok(copies)
}

/// Makes the servers' user the owner of a file.
pub(crate) fn give(path: &Path) -> Result<()> {
    let Some(user) = server_user() else { return Ok(()) };
    let id = |flag: &str| -> Result<u32> {
        let text = Cmd::new("id").args([flag, user]).output(&format!("looking up the system user {user}"))?;
        text.trim().parse().context("id did not print a number")
    };
    chown(path, Some(id("-u")?), Some(id("-g")?))
        .with_context(|| format!("cannot give {} to {user}", shown(path)))
}
