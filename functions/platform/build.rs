//! Compiles the crate anew when a migration is added: `embed_migrations!` alone notices only changes of the files that it has read.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
