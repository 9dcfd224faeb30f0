//! The checkout's own certificate authority, and the certificate of PostgreSQL and pgbouncer.
//!
//! TLS is on locally as it is in production, and verified against this authority. A Lambda that skips the
//! verification would work here just as well, so that is the mistake to look out for.

use crate::{process::Cmd, stack::Stack, ui::Phase, workspace::ROOT};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files in `target/…/tls`.
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes the files, unless they exist.
    pub(crate) fn ensure(stack: &Stack, phase: &Phase) -> Result<Self> {
        let made = Self { folder: stack.path("tls") };
        if made.folder.join("server.crt").exists() {
            return Ok(made);
        }
        fs::create_dir_all(&made.folder)?;
        let authority = [
            "-extensions",
            "authority",
            "-subj",
            "/CN=Oslira local authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
        ];
        made.openssl(stack, &authority, phase)?;
        // The server's certificate is written last, since its presence shows that all files are there.
        let server = [
            "-extensions",
            "server",
            "-subj",
            "/CN=localhost",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-keyout",
            "server.key",
            "-out",
            "server.crt",
        ];
        made.openssl(stack, &server, phase)?;
        Ok(made)
    }

    fn openssl(&self, stack: &Stack, args: &[&str], phase: &Phase) -> Result<()> {
        Cmd::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-noenc",
                "-days",
                "3650",
            ])
            .arg("-config", ROOT.join("infra/local/openssl.cnf"))
            .args(args)
            .directory(&self.folder)
            .log(stack.log("openssl"))
            .hint("OpenSSL 3.0 or later is needed")
            .run("making certificates", phase)
    }

    /// The server's certificate and its key.
    pub(crate) fn server(&self) -> [PathBuf; 2] {
        [self.folder.join("server.crt"), self.folder.join("server.key")]
    }

    /// The authority's certificate as the template's parameter takes it: DER in base64 on one line.
    /// Parameters and environment variables keep such a line, but not a PEM's line breaks.
    pub(crate) fn authority(&self) -> Result<String> {
        base64_der(&self.folder.join("ca.crt"))
    }
}

fn base64_der(pem: &Path) -> Result<String> {
    let text = fs::read_to_string(pem).with_context(|| format!("{} cannot be read", pem.display()))?;
    Ok(text.lines().filter(|line| !line.starts_with("-----")).collect())
}
