//! Tongmai 通脉: a regional health platform in one binary.
//!
//! This crate is the rim of the rim: the only reader of the environment,
//! configuration and clock. Each command is one module under `command/`.

mod command;
mod input;
mod installation;
mod login;
mod master_key;
mod volume;

use clap::{Parser, Subcommand};

/// Many threads make and drop many small values; the system's allocator holds them up.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tongmai 通脉: one region's health records, kept and found.
#[derive(Parser)]
#[command(name = "tongmai", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A living synthetic county on this machine: makes it, serves it, prints the address.
    Demo(command::demo::Arguments),
    /// Serve FHIR and pages.
    Serve(command::serve::Arguments),
    /// Take in files: NDJSON, Bundles, folders, .zip, .gz, .zst.
    Import(command::import::Arguments),
    /// Read what hospitals emit and print it as FHIR, or as another of their formats.
    Convert(command::convert::Arguments),
    /// The doors: send a county through them, check tables of local services.
    Doors(command::doors::Arguments),
    /// Pull a view of a hospital's database (CSV, Excel) again and again, and reconcile it.
    Pull(command::pull::Arguments),
    /// Write all current resources as NDJSON.
    Export(command::export::Arguments),
    /// Walk the hash chain and compare every index with a rebuild.
    Verify(command::upkeep::VerifyArguments),
    /// Copy the store to a file while it is in use.
    Backup(command::upkeep::BackupArguments),
    /// Put a backup into an empty folder, and verify it.
    Restore(command::upkeep::RestoreArguments),
    /// Erase every trace of a person.
    Erase(command::erase::Arguments),
    /// Make a master key, under which bodies are sealed.
    Key(command::erase::KeyArguments),
    /// Accounts: open, invite, lock, list.
    Account(command::account::Arguments),
    /// The log of reads: check it, and have it witnessed.
    Audit(command::audit::Arguments),
    /// Which records are over their term, by the schedule of retention.
    Retention(command::retention::Arguments),
    /// Check the installation and its machine.
    Doctor(command::upkeep::DoctorArguments),
    /// One person, one record: find and link the records of a person.
    Identity(command::identity::Arguments),
    /// Diagnosis-related groups: rule packs, grouping, explanation, payment.
    Drg(command::drg::Arguments),
    /// Participation: opinion groups, preferences, health states, matching.
    Engage(command::engage::Arguments),
    /// Surveillance: outbreak detection, reproduction number, nowcast, scan.
    Surveil(command::surveil::Arguments),
}

/// Freed memory goes back to the machine soon: a clinic's box has other things to do with it after a
/// large Bundle. (The allocator would keep it for a second, and longer when nothing more is asked of it.)
fn give_memory_back() {
    /// `mi_option_purge_delay`, in milliseconds, as mimalloc 3 numbers its options.
    const PURGE_DELAY: std::ffi::c_int = 15;
    // SAFETY: sets one integer option of the allocator; any value is allowed.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, 10) };
}

fn main() -> std::process::ExitCode {
    give_memory_back();
    let arguments = Arguments::parse();
    let result: anyhow::Result<()> = match arguments.command {
        Command::Demo(arguments) => command::demo::run(&arguments),
        Command::Serve(arguments) => command::serve::run(&arguments),
        Command::Import(arguments) => command::import::run(&arguments),
        Command::Convert(arguments) => command::convert::run(&arguments),
        Command::Doors(arguments) => command::doors::run(&arguments),
        Command::Pull(arguments) => command::pull::run(&arguments),
        Command::Export(arguments) => command::export::run(&arguments),
        Command::Verify(arguments) => command::upkeep::verify(&arguments),
        Command::Backup(arguments) => command::upkeep::backup(&arguments),
        Command::Restore(arguments) => command::upkeep::restore(&arguments),
        Command::Erase(arguments) => command::erase::run(&arguments),
        Command::Key(arguments) => command::erase::key(&arguments),
        Command::Account(arguments) => command::account::run(&arguments),
        Command::Audit(arguments) => command::audit::run(&arguments),
        Command::Retention(arguments) => command::retention::run(&arguments),
        Command::Doctor(arguments) => command::upkeep::doctor(&arguments),
        Command::Identity(arguments) => command::identity::run(&arguments),
        Command::Drg(arguments) => command::drg::run(&arguments),
        Command::Engage(arguments) => command::engage::run(&arguments),
        Command::Surveil(arguments) => command::surveil::run(&arguments),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
