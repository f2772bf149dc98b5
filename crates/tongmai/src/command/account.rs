//! `tongmai account`: the first accounts of an installation, and what the security administrator does.

use anyhow::{Result, anyhow};
use clap::Subcommand;
use tongmai_access::Role;
use tongmai_accounts::{Account, Binding, secret};

use crate::installation::{Place, now};
use crate::login;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Open an account for somebody who works here; prints password, authenticator key and one-use codes.
    New(New),
    /// Print an invitation for a resident whose identity document was checked.
    Invite(Invite),
    /// Lock an account, or open it again without --why.
    Lock(Lock),
    /// List the accounts.
    List(List),
}

#[derive(clap::Args)]
struct New {
    #[command(flatten)]
    place: Place,
    /// Name of the account: dr-li@county-hospital.
    id: String,
    /// Name of the person.
    #[arg(long)]
    name: String,
    /// Role: doctor, nurse, village-doctor, coder, privacy-officer, security-administrator …
    #[arg(long)]
    role: String,
    /// Purpose of use of the work, as HL7 v3-PurposeOfUse codes it.
    #[arg(long, default_value = "TREAT")]
    purpose: String,
    /// Id of the Organization where they work.
    #[arg(long, default_value = "")]
    organization: String,
    /// Name of that organisation.
    #[arg(long, default_value = "")]
    organization_name: String,
    /// Number of the identity document that was checked; only its fingerprint is kept.
    #[arg(long)]
    document: String,
}

#[derive(clap::Args)]
struct Invite {
    #[command(flatten)]
    place: Place,
    /// Name of the account.
    id: String,
    /// Name of the person.
    #[arg(long)]
    name: String,
    /// Ids of the person's Patient resources.
    #[arg(long, required = true, value_delimiter = ',')]
    patients: Vec<String>,
    /// Last four signs of the identity document.
    #[arg(long)]
    last_four: String,
    /// What was seen: identity-card, medical-insurance-code …
    #[arg(long, default_value = "identity-card")]
    document: String,
    /// Who saw it.
    #[arg(long)]
    checked_by: String,
    /// Days that the invitation counts.
    #[arg(long, default_value_t = 30)]
    days: i64,
}

#[derive(clap::Args)]
struct Lock {
    #[command(flatten)]
    place: Place,
    /// Name of the account.
    id: String,
    /// Why; left out, the account is opened again.
    #[arg(long, default_value = "")]
    why: String,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    place: Place,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::New(new) => open(new),
        What::Invite(invitation) => invite(invitation),
        What::Lock(lock) => {
            let (_lock, accounts) = login::alone(&lock.place)?;
            Ok(accounts.lock(&lock.id, &lock.why)?)
        }
        What::List(list) => {
            let (_lock, accounts) = login::alone(&list.place)?;
            for kept in accounts.state().accounts.values() {
                let account = &kept.account;
                let locked = if kept.locked.is_empty() { "" } else { "  locked" };
                println!("{:30} {:20} {}{locked}", account.id, account.roles.join(","), account.name);
            }
            Ok(())
        }
    }
}

fn open(new: &New) -> Result<()> {
    let role = Role::from_code(&new.role).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.code()).collect();
        anyhow!("'{}' is no role: {}", new.role, known.join(", "))
    })?;
    let (_lock, accounts) = login::alone(&new.place)?;
    accounts.keep(Account {
        id: new.id.clone(),
        name: new.name.clone(),
        organization: new.organization.clone(),
        organization_name: new.organization_name.clone(),
        roles: vec![role.code().into()],
        purpose: new.purpose.clone(),
        person: secret::fingerprint(&format!("document {}", new.document)),
        trained_until: Some(now() + 365 * 86_400_000),
        synthetic: false,
    })?;
    let password = login::slip();
    accounts.set_password(&new.id, &password)?;
    let key = accounts.set_code_key(&new.id)?;
    println!("account        {}", new.id);
    println!("password       {password}");
    println!("authenticator  {key}");
    println!("one-use codes  {}", accounts.print_codes(&new.id)?.join("  "));
    println!("None of this is shown again. The training counts for a year.");
    Ok(())
}

fn invite(invitation: &Invite) -> Result<()> {
    let (_lock, accounts) = login::alone(&invitation.place)?;
    let account = Account {
        id: invitation.id.clone(),
        name: invitation.name.clone(),
        roles: vec![Role::Resident.code().into()],
        purpose: "PATRQT".into(),
        ..Account::default()
    };
    let binding = Binding {
        patients: invitation.patients.clone(),
        checked_by: invitation.checked_by.clone(),
        document: invitation.document.clone(),
    };
    let printed = accounts.invite(account, binding, &invitation.last_four, invitation.days)?;
    let until = tongmai_base::time::Instant(printed.until).to_fhir();
    println!("invitation  {}   counts until {until}; open /invitation and type it in", printed.code);
    Ok(())
}
