//! The doors of an installation as the server offers them, and `tongmai doors`: the county's messages
//! sent through them, tables of local services checked.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tongmai_engine::Validation;
use tongmai_gateway::door::Doors;
use tongmai_gateway::door::http::{Call, Reply};
use tongmai_gateway::emit::{self, Visit, county, dirt, documents, forms, insurer};
use tongmai_gateway::form::door::Sheets;
use tongmai_gateway::insurance::envelope::Keys;
use tongmai_gateway::pipeline::original::State;
use tongmai_gateway::{hl7v2, local, wst500};
use tongmai_http::{Answer, Asked, Pages, plain};
use tongmai_region::County;
use tongmai_store_sqlite::SqliteStore;

use crate::installation::{Installation, Place, now, store_file};

/// Folder of an installation with the tables of its local services.
const TABLES: &str = "doors";
/// File of an installation with the keys by which institutions sign the insurer's messages.
const KEYS: &str = "insurance-keys.toml";

/// Opens the doors of an installation, with the shipped example of a local service and the site's own.
pub fn open(installation: &Installation) -> Result<Arc<Doors>> {
    let mut doors = Doors::open(
        installation.engine.clone(),
        installation.access.clone(),
        &installation.folder.join("queue"),
        hl7v2::Options::default(),
        now,
    )?;
    let mut all = local::open(&installation.folder.join(TABLES)).map_err(|why| anyhow::anyhow!(why))?;
    let shipped = local::Local::parse(local::DIALYSIS).map_err(|finding| anyhow::anyhow!("{finding}"))?;
    all.push(shipped);
    for table in all {
        if doors.format(tongmai_gateway::door::Format::name(&table)).is_none() {
            doors = doors.with(Box::new(table));
        }
    }
    let shipped = Sheets::new("visits", tongmai_gateway::form::door::visits());
    for sheets in forms_of_site(&installation.folder.join(TABLES))?.into_iter().chain([shipped]) {
        if doors.format(tongmai_gateway::door::Format::name(&sheets)).is_none() {
            doors = doors.with(Box::new(sheets));
        }
    }
    Ok(Arc::new(doors.with_institutions(read_keys(&installation.folder.join(KEYS))?)))
}

/// The site's own forms: `NAME.form` opens `POST /door/NAME` for CSV and Excel.
fn forms_of_site(folder: &Path) -> Result<Vec<Sheets>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "form"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = crate::input::read_text(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Sheets::of_site(&name, &text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// What stands in the file of keys of one institution; keys are hexadecimal digits.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    /// The code by which the other doors know the institution.
    organization: String,
    /// Public key of its SM2 signatures, 64 or 65 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    sm2: String,
    /// Shared secret of its SM3 codes.
    #[serde(skip_serializing_if = "String::is_empty")]
    sm3: String,
    /// Key of encrypted inputs, 16 bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    sm4: String,
}

/// The keys by which institutions sign the insurer's messages; none where there is no file.
fn read_keys(path: &Path) -> Result<HashMap<String, Keys>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    keys_of(&text).with_context(|| path.display().to_string())
}

fn keys_of(text: &str) -> Result<HashMap<String, Keys>> {
    let written: HashMap<String, Written> = toml::from_str(text)?;
    let mut keys = HashMap::new();
    for (institution, of) in written {
        let bytes = |name: &str, digits: &str| {
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(digits.as_bytes())
                .with_context(|| format!("{name} of {institution} is not hexadecimal digits"))
        };
        let (sm2, sm3, sm4) = (bytes("sm2", &of.sm2)?, bytes("sm3", &of.sm3)?, bytes("sm4", &of.sm4)?);
        if !matches!(sm2.len(), 0 | 64 | 65) {
            bail!("sm2 of {institution} has {} bytes: write the public key, 64 or 65 bytes", sm2.len());
        }
        if sm2.is_empty() && sm3.is_empty() {
            bail!("{institution} has neither sm2 nor sm3: without one of them no signature can be checked");
        }
        let length = sm4.len();
        let sm4 = match length {
            0 => None,
            _ => Some(sm4.try_into().map_err(|_| {
                anyhow::anyhow!("sm4 of {institution} has {length} bytes: write a key of 16 bytes")
            })?),
        };
        keys.insert(institution, Keys { sm2, sm3, sm4, organization: of.organization });
    }
    Ok(keys)
}

/// Writes the keys of the institutions of a synthetic county beside its records.
pub fn write_keys(folder: &Path, county: &County) -> Result<()> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let written: std::collections::BTreeMap<String, Written> = insurer::keys(county)
        .into_iter()
        .map(|(institution, keys)| {
            let sm4 = keys.sm4.map(|key| hex(&key)).unwrap_or_default();
            let (sm2, sm3) = (hex(&keys.sm2), hex(&keys.sm3));
            (institution, Written { organization: keys.organization, sm2, sm3, sm4 })
        })
        .collect();
    let head = "# Keys of the invented institutions; everybody can make them. See docs/gateway/forms.md.\n";
    std::fs::write(folder.join(KEYS), format!("{head}{}", toml::to_string(&written)?))?;
    Ok(())
}

/// Answers `/door/…` by the doors and everything else by the pages.
pub fn before(doors: Arc<Doors>, pages: Pages) -> Pages {
    Arc::new(move |asked: Asked| {
        let (doors, pages) = (doors.clone(), pages.clone());
        Box::pin(async move {
            let Some(path) = asked.path.strip_prefix("/door/") else { return pages(asked).await };
            let call = Call { method: asked.method.as_str(), path, query: &asked.query, body: &asked.body };
            answer(doors.answer(&call).await)
        })
    })
}

fn answer(reply: Reply) -> Answer {
    let mut answer = plain(reply.status, reply.content_type, reply.body);
    for (name, value) in &reply.headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(*name, value);
        }
    }
    answer
}

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Send the visits of a synthetic county through the doors of a running server.
    Send(SendArguments),
    /// Write the county's visits as files, one a message.
    Emit(EmitArguments),
    /// Erase originals that are settled and old, and give their disk space back; the server must be stopped.
    Prune(PruneArguments),
    /// Check tables of local services, with their examples and expected results beside them.
    Check {
        /// Folder with `NAME.table`, `NAME.example.*` and `NAME.expected.ndjson`.
        folder: PathBuf,
        /// Write the expected results instead of comparing them.
        #[arg(long)]
        write: bool,
    },
}

/// Formats in which visits are emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// HL7 v2: admission and discharge.
    Hl7v2,
    /// Documents of WS/T 500.
    Wst500,
    /// Messages of the platform services.
    Service,
    /// Bundles of FHIR.
    Fhir,
    /// A document of each of the 53 types of WS/T 500.
    Documents,
    /// Front pages of stays, CSV in the layout of HQMS.
    Hqms,
    /// Settlement lists of stays (4101), signed and encrypted.
    Insurance,
    /// Rows of a view of the hospital's database, CSV.
    Visits,
}

impl Format {
    /// Name of its door.
    fn name(self) -> &'static str {
        match self {
            Format::Hl7v2 => "hl7v2",
            Format::Wst500 | Format::Documents => "wst500",
            Format::Hqms => "hqms",
            Format::Insurance => "insurance",
            Format::Visits => "visits",
            Format::Service => "service",
            Format::Fhir => "fhir",
        }
    }

    /// The messages of a visit; `time` is now, `YYYYMMDDhhmmss`, `serial` counts the visits.
    fn messages(self, visit: &Visit, time: &str, serial: u32) -> Vec<String> {
        match self {
            Format::Documents => {
                wst500::types().filter_map(|(code, _)| documents::document(visit, code)).collect()
            }
            Format::Hqms => forms::front_page(visit, true).into_iter().collect(),
            Format::Insurance => forms::settlement_list(visit, time, serial).into_iter().collect(),
            Format::Visits => vec![forms::view(visit)],
            Format::Hl7v2 => emit::hl7v2(visit),
            Format::Wst500 => vec![emit::wst500(visit)],
            Format::Service => emit::services(visit),
            Format::Fhir => vec![emit::fhir(visit)],
        }
    }
}

/// Which visits, in which form.
#[derive(clap::Args)]
struct Which {
    /// Formats, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [Format::Hl7v2, Format::Wst500, Format::Service, Format::Fhir], value_enum)]
    format: Vec<Format>,
    /// People of the county.
    #[arg(long, default_value_t = 1_000)]
    people: usize,
    /// The number from which the whole county follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most visits.
    #[arg(long, default_value_t = 1_000)]
    visits: usize,
    /// Messages of a thousand that are spoilt, in turn by each kind of dirt.
    #[arg(long, default_value_t = 0)]
    dirt: usize,
}

impl Which {
    /// Door and bytes of every message.
    fn messages(&self) -> Vec<(&'static str, Vec<u8>)> {
        let today = (now() + tongmai_base::time::CHINA_OFFSET_MINUTES * 60_000).div_euclid(86_400_000);
        let county = County::new(self.seed, self.people, today);
        let (mut all, mut due, mut spoilt) = (Vec::new(), 0, 0);
        for (visit, serial) in county::visits(&county).take(self.visits).zip(0_u32..) {
            let time = county::stamp_of(now() + i64::from(serial / 10_000) * 1_000);
            for format in &self.format {
                for message in format.messages(&visit, &time, serial % 10_000) {
                    due += self.dirt;
                    if due >= 1_000 {
                        due -= 1_000;
                        let kind = dirt::Dirt::ALL[spoilt % dirt::Dirt::ALL.len()];
                        spoilt += 1;
                        all.extend(
                            dirt::spoil(&message, kind).into_iter().map(|bytes| (format.name(), bytes)),
                        );
                    } else {
                        all.push((format.name(), message.into_bytes()));
                    }
                }
            }
        }
        all
    }
}

#[derive(clap::Args)]
struct SendArguments {
    #[command(flatten)]
    which: Which,
    /// Address of the server.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    to: SocketAddr,
    /// Connections at once.
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

#[derive(clap::Args)]
struct EmitArguments {
    #[command(flatten)]
    which: Which,
    /// Folder to write to.
    folder: PathBuf,
}

#[derive(clap::Args)]
struct PruneArguments {
    #[command(flatten)]
    place: Place,
    /// Messages that were mended or dismissed so many days ago.
    #[arg(long, default_value_t = 90)]
    older_than: i64,
    /// Also originals of committed messages that are older than so many days; what they said stays.
    #[arg(long, value_name = "DAYS")]
    originals: Option<i64>,
}

/// Erases what is settled, then writes the store anew without it.
fn prune(arguments: &PruneArguments) -> Result<()> {
    let before = |days: i64| tongmai_base::time::Instant(now() - days * 86_400_000).to_fhir();
    let is_embedded = arguments.place.store.is_none();
    {
        let installation = Installation::open(&arguments.place, Validation::Reject)?;
        let doors = open(&installation)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut states = vec![
            (State::Mended, arguments.older_than, "mended"),
            (State::Dismissed, arguments.older_than, "dismissed"),
        ];
        states.extend(arguments.originals.map(|days| (State::Understood, days, "committed")));
        for (state, days, words) in states {
            let erased = runtime.block_on(doors.prune(state, &before(days)));
            let erased = erased.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            println!("{erased} originals of {words} messages older than {days} days erased");
        }
        let now = installation.engine.position().map_err(|failure| anyhow::anyhow!("{failure}"))?;
        installation.engine.store().forget_superseded(now)?;
    }
    if is_embedded {
        let store = SqliteStore::open(&store_file(&arguments.place.data))?;
        println!("{} bytes given back", store.give_back()?);
    } else {
        println!("PostgreSQL gives space back by itself, or at once with VACUUM FULL");
    }
    Ok(())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Send(arguments) => send(arguments),
        Command::Emit(arguments) => {
            let messages = arguments.which.messages();
            std::fs::create_dir_all(&arguments.folder)?;
            for (number, (format, bytes)) in messages.iter().enumerate() {
                let ending = match *format {
                    "hl7v2" => "hl7",
                    "fhir" | "insurance" => "json",
                    "hqms" | "visits" => "csv",
                    _ => "xml",
                };
                let path = arguments.folder.join(format!("{:06}-{format}.{ending}", number + 1));
                std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
            }
            println!("{} messages", messages.len());
            Ok(())
        }
        Command::Prune(arguments) => prune(arguments),
        Command::Check { folder, write } => check(folder, *write),
    }
}

/// Sends everything and says how it was answered.
fn send(arguments: &SendArguments) -> Result<()> {
    let messages = arguments.which.messages();
    let begun = Instant::now();
    let share = messages.len().div_ceil(arguments.connections.max(1)).max(1);
    let mut counts = std::collections::BTreeMap::<u16, usize>::new();
    let mut delays = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let work: Vec<_> =
            messages.chunks(share).map(|part| scope.spawn(move || send_part(arguments.to, part))).collect();
        for done in work {
            for (status, delay) in done.join().map_err(|_| anyhow::anyhow!("a connection failed"))?? {
                *counts.entry(status).or_default() += 1;
                delays.push(delay);
            }
        }
        Ok(())
    })?;
    let took = begun.elapsed();
    delays.sort_unstable();
    let at = |percent: usize| delays.get((delays.len() * percent / 100).min(delays.len().saturating_sub(1)));
    let shown = |percent| at(percent).copied().unwrap_or_default().as_secs_f64() * 1_000.0;
    println!(
        "{} messages in {:.1} s ({:.0}/s), p50 {:.1} ms, p99 {:.1} ms",
        messages.len(),
        took.as_secs_f64(),
        messages.len() as f64 / took.as_secs_f64(),
        shown(50),
        shown(99)
    );
    for (status, count) in counts {
        let words = match status {
            200 => "answered, or committed before",
            201 => "committed",
            422 => "set aside",
            503 => "told to wait",
            _ => "refused",
        };
        println!("{count:>8}  {status} {words}");
    }
    Ok(())
}

fn send_part(to: SocketAddr, part: &[(&'static str, Vec<u8>)]) -> Result<Vec<(u16, Duration)>> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("nothing listens on {to}"))?;
    stream.set_nodelay(true)?;
    let mut out = Vec::with_capacity(part.len());
    for (door, bytes) in part {
        let begun = Instant::now();
        let mut request = format!(
            "POST /door/{door} HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        request.extend(bytes);
        stream.write_all(&request)?;
        out.push((status(&mut stream)?, begun.elapsed()));
    }
    Ok(out)
}

/// Reads an answer and returns its status.
fn status(stream: &mut TcpStream) -> Result<u16> {
    let (mut read, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(end) = read.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if read.len() >= end + 4 + length {
                let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
                return code.context("no answer of HTTP");
            }
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        read.extend(&buffer[..count]);
    }
}

/// Checks the tables of a folder against their examples.
fn check(folder: &Path, write: bool) -> Result<()> {
    let tables = local::open(folder).map_err(|why| anyhow::anyhow!(why))?;
    if tables.is_empty() {
        bail!("there is no .table in {}", folder.display());
    }
    let mut faults = 0;
    for table in &tables {
        use tongmai_gateway::door::Format as _;
        let name = table.name();
        let example = ["xml", "json"]
            .iter()
            .find_map(|ending| std::fs::read(folder.join(format!("{name}.example.{ending}"))).ok());
        let Some(example) = example else {
            println!("{name}: no example; put one beside it as {name}.example.xml");
            faults += 1;
            continue;
        };
        let understood = table.understand(&example);
        for finding in &understood.findings {
            println!("{name}: {finding}");
        }
        let path = folder.join(format!("{name}.expected.ndjson"));
        if write {
            let lines: String =
                understood.entries.iter().map(|entry| format!("{}\n", entry.resource)).collect();
            std::fs::write(&path, lines)?;
            println!("{name}: {} resources written as expected", understood.entries.len());
            continue;
        }
        let expected = std::fs::read_to_string(&path)
            .with_context(|| format!("{}: write it with --write and read it", path.display()))?;
        let differences = table.check(&example, &expected);
        faults += differences.len();
        for difference in &differences {
            println!("{name}: {difference}");
        }
        if differences.is_empty() {
            println!("{name}: {} resources as expected", understood.entries.len());
        }
    }
    if faults > 0 {
        bail!("{faults} differences");
    }
    Ok(())
}
