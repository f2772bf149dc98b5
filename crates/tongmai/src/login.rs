//! The accounts and the trail of reads of an installation, and the invented accounts of the demo.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tongmai_access::{Requester, Role};
use tongmai_accounts::account::Representation;
use tongmai_accounts::family::Basis;
use tongmai_accounts::{Account, Accounts, Binding, Surroundings, secret};
use tongmai_audit::Profile;
use tongmai_engine::Resource;
use tongmai_fhir::definition::resource_type_id;
use tongmai_fhir::json::Json;
use tongmai_region::story;
use tongmai_views::trail::Trail;

use crate::installation::{Installation, Place, now, random};

/// Opens the accounts in a data folder.
pub fn accounts(folder: &Path) -> Result<Arc<Accounts>> {
    let surroundings = Surroundings { now, random };
    Ok(Arc::new(Accounts::open(&folder.join("accounts"), surroundings).context("the accounts do not open")?))
}

/// Opens the trail of reads in a data folder.
pub fn trail(folder: &Path) -> Result<Arc<Trail>> {
    let trail = Trail::open(&folder.join("audit"), "tongmai", Profile::Sha256);
    Ok(Arc::new(trail.context("the trail of reads does not open")?))
}

/// The accounts of a folder that no other tongmai uses now; the lock is held as long as the first part lives.
pub fn alone(place: &Place) -> Result<(File, Arc<Accounts>)> {
    std::fs::create_dir_all(&place.data)?;
    let lock = File::create(place.data.join("lock"))?;
    if lock.try_lock().is_err() {
        bail!("{} is in use by another tongmai: stop that one first", place.data.display());
    }
    Ok((lock, accounts(&place.data)?))
}

/// A password that fits on a slip of paper: 50 random bits behind Argon2 and a lockout.
pub fn slip() -> String {
    loop {
        let password = secret::printed_code(random);
        if secret::refuse_password(&password, "").is_none() {
            return password;
        }
    }
}

/// A login of the demo.
pub struct Invented {
    /// Who it is.
    pub who: &'static str,
    /// Its account.
    pub id: &'static str,
    /// Its password of this start.
    pub password: String,
}

fn found(installation: &Installation, kind: &str, name: &str, value: &str) -> Result<Vec<Resource>> {
    let type_id = resource_type_id(kind).ok_or_else(|| anyhow!("{kind}"))?;
    let pairs = [(name.to_owned(), value.to_owned()), ("_count".to_owned(), "50".to_owned())];
    let said = |failure: tongmai_engine::Failure| anyhow!("{failure}");
    let query = installation.engine.query(&[type_id], None, &pairs, false).map_err(said)?;
    let requester = Requester::installation("demo", "HSYSADMIN");
    let sight = installation.access.sight(&requester);
    let sealed = installation.engine.search(&sight, &query, None).map_err(said)?;
    Ok(installation.access.release_blocking(&requester, sealed)?.into_inner().matches)
}

/// Id and name of an organisation.
fn organization(installation: &Installation, name: &str) -> Result<(String, String)> {
    let found = found(installation, "Organization", "name", name)?;
    Ok(found.first().map_or_else(
        || (String::new(), name.to_owned()),
        |one| {
            let json = Json::parse(&one.text).ok();
            let named = json.as_ref().and_then(|json| json.text("name")).unwrap_or(name).to_owned();
            (one.id.clone(), named)
        },
    ))
}

/// Ids of a citizen's records.
fn records(installation: &Installation, number: &str) -> Result<Vec<String>> {
    let found = found(installation, "Patient", "identifier", &story::token(number))?;
    Ok(found.into_iter().map(|patient| patient.id).collect())
}

/// Who comes in: id, name, role, purpose, and where they work.
const STAFF: [(&str, &str, &str, Role, &str, &str); 11] = [
    ("doctor 医生", "dr-li", "李文", Role::Doctor, "TREAT", "清禾县人民医院"),
    ("village doctor 村医", "dr-tashi", "扎西", Role::VillageDoctor, "TREAT", "雪原藏族乡卫生院"),
    ("coder 编码员", "coder-zhou", "周敏", Role::Coder, "HPAYMT", "清禾县人民医院"),
    ("epidemiologist 流行病学", "epi-sun", "孙宁", Role::Epidemiologist, "PUBHLTH", "清禾县疾病预防控制中心"),
    ("privacy officer 隐私负责人", "privacy-he", "何静", Role::PrivacyOfficer, "HLEGAL", "清禾县卫生健康"),
    ("insurer 医保经办", "insurer-gao", "高峰", Role::Insurer, "HPAYMT", "清禾县医疗保障事务中心"),
    ("organiser 患者组织", "organiser-bai", "白雪", Role::Organiser, "HSYSADMIN", "清禾县糖尿病患者协会"),
    ("policy office 政策办公室", "policy-qin", "秦岭", Role::PolicyOffice, "HOPERAT", "清禾县卫生健康"),
    (
        "system administrator 系统管理员",
        "system-lu",
        "陆远",
        Role::SystemAdministrator,
        "HSYSADMIN",
        "清禾县卫生健康",
    ),
    (
        "security administrator 安全管理员",
        "security-fan",
        "范宇",
        Role::SecurityAdministrator,
        "HSYSADMIN",
        "清禾县卫生健康",
    ),
    (
        "audit administrator 审计管理员",
        "audit-jia",
        "贾正",
        Role::AuditAdministrator,
        "HCOMPL",
        "清禾县卫生健康",
    ),
];

/// Makes the invented accounts, each with a new random password. They are synthetic: no second factor.
pub fn invent(installation: &Installation, accounts: &Accounts) -> Result<Vec<Invented>> {
    let mut logins = Vec::new();
    let mut open = |who, id, account: Account| -> Result<()> {
        let password = slip();
        accounts.keep(account)?;
        accounts.set_password(id, &password)?;
        logins.push(Invented { who, id, password });
        Ok(())
    };
    let zhuoma = records(installation, story::ZHUOMA)?;
    let daughter = records(installation, story::DAUGHTER)?;
    let resident = |id: &str, name: &str| Account {
        id: id.into(),
        name: name.into(),
        roles: vec![Role::Resident.code().into()],
        purpose: "PATRQT".into(),
        synthetic: true,
        ..Account::default()
    };
    open("resident 居民", "zhuoma", resident("zhuoma", "卓玛"))?;
    open("her daughter 女儿", "yangzom", resident("yangzom", "央宗"))?;
    for (who, id, name, role, purpose, place) in STAFF {
        let (organization, organization_name) = organization(installation, place)?;
        let account = Account {
            id: id.into(),
            name: name.into(),
            organization,
            organization_name,
            roles: vec![role.code().into()],
            purpose: purpose.into(),
            person: secret::fingerprint(&format!("invented {id}")),
            trained_until: Some(now() + 365 * 86_400_000),
            synthetic: true,
        };
        open(who, id, account)?;
    }
    for (id, patients) in [("zhuoma", &zhuoma), ("yangzom", &daughter)] {
        let bound = accounts.state().accounts.get(id).is_some_and(|kept| !kept.bindings.is_empty());
        if !bound && !patients.is_empty() {
            let (checked_by, document) = ("demo".into(), "identity-card".into());
            accounts.bind(id, Binding { patients: patients.clone(), checked_by, document })?;
        }
    }
    let speaks = accounts.state().accounts.get("yangzom").is_some_and(|kept| !kept.represents.is_empty());
    if !speaks && !zhuoma.is_empty() {
        let representation = Representation {
            patients: zhuoma,
            name: "卓玛".into(),
            basis: Basis::Agreement,
            categories: Some(["results", "medicines", "visits"].map(str::to_owned).to_vec()),
            until: None,
            frozen: None,
            evidence: "her own code, shown at the township clinic's counter".into(),
        };
        accounts.represent("yangzom", representation)?;
    }
    Ok(logins)
}
