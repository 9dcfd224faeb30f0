//! pgbouncer in transaction mode, in the place of Supabase's Supavisor.

use crate::{
    process::Cmd,
    stack::{
        Stack,
        certificates::Certificates,
        postgres::{give, give_certificates, server_folder, server_user},
        secrets::Secrets,
        write_private,
    },
};
use anyhow::Result;
use std::net::TcpStream;

/// Starts pgbouncer in front of the server at `postgres_port`.
pub(crate) fn start(
    stack: &Stack,
    port: u16,
    postgres_port: u16,
    certificates: &Certificates,
    secrets: &Secrets,
) -> Result<()> {
    let folder = server_folder(stack, "pgbouncer")?;
    let [certificate, key] = give_certificates(&folder, certificates)?;

    let users = folder.join("users.txt");
    let passwords = [("oslira_user", &secrets.user_password), ("oslira_system", &secrets.system_password)];
    let lines: String =
        passwords.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
    write_private(&users, &lines)?;
    give(&users)?;

    let server = format!("host=127.0.0.1 port={postgres_port} dbname=postgres");
    // `single` is the same database behind a pool of one connection, so that each transaction gets whatever
    // the one before it left behind.
    let configuration = format!(
        "[databases]
postgres = {server} pool_size=20
single = {server} pool_size=1

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
max_client_conn = 500
auth_type = scram-sha-256
auth_file = {users}
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
",
        users = users.display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    let file = folder.join("pgbouncer.ini");
    write_private(&file, &configuration)?;
    give(&file)?;

    let command = Cmd::as_user(server_user(), "pgbouncer")
        .args([&file])
        .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
        .directory(&folder);
    stack.daemons().start("pgbouncer", port, "", command, || TcpStream::connect(("127.0.0.1", port)).is_ok())
}
