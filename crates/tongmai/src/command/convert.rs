//! `tongmai convert`: what hospitals emit, as FHIR; one arm a format.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use tongmai_base::{Finding, Severity};
use tongmai_fhir::json::{Json, write_string};
use tongmai_gateway::build::Node;
use tongmai_gateway::form::Form;
use tongmai_gateway::hl7v2::{self, table::Tables};
use tongmai_gateway::{
    Entry, Request, Understood, ccda, charset, hqms, insurance, ips, report_card, stable_id, wst500,
};

use crate::input;

/// Formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// HL7 v2.3 to 2.8: a message, several, or a batch.
    Hl7v2,
    /// A shared document of WS/T 500, any of the 53 types.
    Wst500,
    /// A C-CDA document.
    Ccda,
    /// An International Patient Summary, or another FHIR document Bundle.
    Ips,
    /// 住院病案首页, front pages in the layout of HQMS: CSV or Excel, a visit a row.
    Hqms,
    /// 医保 messages as JSON: settlement lists (4101), persons, visits, fees.
    #[value(name = "4101", alias = "insurance")]
    Insurance,
    /// 传染病报告卡, report cards: CSV, Excel or JSON.
    ReportCard,
    /// DICOM files: one ImagingStudy of all files of a study.
    Dicom,
    /// A Bundle or a resource of FHIR R4 as JSON, to be written in another format.
    Fhir,
}

impl Format {
    /// The format that a file looks like; `None` where its beginning does not tell.
    fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.get(128..132).is_some_and(|magic| magic == b"DICM") {
            return Some(Format::Dicom);
        }
        let head = bytes.get(..HEAD).unwrap_or(bytes);
        let decoded = charset::decode(head, None, "/");
        let text = decoded.text.trim_start_matches(['\u{feff}', '\u{b}']).trim_start();
        if ["MSH", "FHS", "BHS"].iter().any(|name| text.starts_with(name)) {
            return Some(Format::Hl7v2);
        }
        if text.starts_with('<') {
            let is_document = text.contains("ClinicalDocument");
            // The root of the national identifiers.
            let national = if text.contains("2.16.156.10011") { Format::Wst500 } else { Format::Ccda };
            return is_document.then_some(national);
        }
        if text.starts_with(['{', '[']) {
            let has = |name: &str| text.contains(&format!("\"{name}\""));
            let insured = has("infno") || has("setlinfo");
            return if insured {
                Some(Format::Insurance)
            } else {
                has("resourceType").then_some(Format::Fhir)
            };
        }
        let named = |form: &Form| {
            let first = text.lines().next().unwrap_or_default();
            first
                .split([',', '\t', ';', '|'])
                .filter(|name| form.column(name.trim().trim_matches('"')).is_some())
                .count()
        };
        let (pages, cards) = (named(hqms::form()), named(report_card::form()));
        let of_most = if pages >= cards { Format::Hqms } else { Format::ReportCard };
        (pages.max(cards) >= 3).then_some(of_most)
    }

    /// Its name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// A word about a file that looks like another format than the one that was named.
    fn doubt(self, bytes: &[u8]) -> Option<Finding> {
        let seen = Format::of(bytes).filter(|seen| *seen != self)?;
        // A summary is a Bundle.
        if matches!((self, seen), (Format::Ips, Format::Fhir)) {
            return None;
        }
        let message = format!("the file looks like {}, and is read as {}", seen.name(), self.name());
        Some(
            Finding::warning("/", "other-format", message)
                .with_repair(format!("convert it with --from {}", seen.name())),
        )
    }
}

/// Bytes at the beginning of a file that tell its format.
const HEAD: usize = 16 * 1024;

/// A file that cannot be read, as a message that cannot.
fn unreadable(error: &anyhow::Error) -> Understood {
    let finding = Finding::new(Severity::Fatal, "/", "unreadable", format!("{error:#}"))
        .with_repair("name a file that is there and may be read; - is standard input");
    Understood { findings: vec![finding], ..Understood::default() }
}

/// A message of HL7 v2 whose last segment has no end may have been cut off.
fn cut_off(bytes: &[u8]) -> Option<Finding> {
    let is_whole = bytes.last().is_none_or(|last| matches!(last, b'\r' | b'\n' | 0x1c));
    if is_whole {
        return None;
    }
    let last = bytes.rsplit(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let name = String::from_utf8_lossy(last.get(..3).unwrap_or(last)).into_owned();
    let message = format!("the last segment {name} is not ended: the message may have been cut off");
    Some(
        Finding::warning(name, "unterminated", message)
            .with_repair("send the whole message, each segment ended by a carriage return"),
    )
}

/// Arguments of `tongmai convert`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Format of the files.
    #[arg(long, value_name = "FORMAT")]
    from: Format,
    /// Files; - for standard input, also .gz and .zst. One Bundle a message, a line each.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Format to write instead of Bundles: wst500:C0032 (a shared document of that type), hqms, 4101 or
    /// report-card.
    #[arg(long, value_name = "FORMAT[:TYPE]")]
    to: Option<String>,
    /// Where findings are written, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Mapping table of the site, laid over the shipped ones (hl7v2: Z segments, local fields).
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Zone of times that name none.
    #[arg(long, value_name = "ZONE", default_value = "+08:00")]
    zone: String,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let doors = Doors::open(arguments)?;
    let emit = arguments.to.as_deref().map(Target::parse).transpose()?;
    let mut gathered: Vec<(String, Node)> = Vec::new();
    let mut findings = match &arguments.findings {
        Some(path) => Some(BufWriter::new(
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
        )),
        None => None,
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut taken, mut refused, mut found) = (0, 0, 0);
    // Images of one study belong together, so all files are one group.
    let size = if arguments.from == Format::Dicom { arguments.files.len() } else { 1 };
    for group in arguments.files.chunks(size.max(1)) {
        let path = &group[0];
        for understood in doors.read(group) {
            found += understood.findings.len();
            if let Some(findings) = &mut findings {
                for finding in &understood.findings {
                    write_finding(findings, path, finding)?;
                }
            }
            if understood.is_refused() {
                refused += 1;
                let worst = understood.findings.iter().max_by_key(|finding| finding.severity);
                let doubt = understood.findings.iter().find(|finding| finding.code == "other-format");
                for finding in worst.into_iter().chain(doubt) {
                    eprintln!("{}: {finding}", path.display());
                }
                continue;
            }
            taken += 1;
            let kind = match emit {
                None => {
                    writeln!(out, "{}", understood.transaction())?;
                    continue;
                }
                Some(Target::Document(kind)) => kind,
                // Sheets hold the visits of all files.
                Some(_) => {
                    gathered
                        .extend(understood.entries.into_iter().map(|entry| (entry.full_url, entry.resource)));
                    continue;
                }
            };
            let resources = understood.entries.iter().map(|entry| (entry.full_url.clone(), &entry.resource));
            let (text, remarks) = wst500::write(resources, kind).map_err(|finding| anyhow!("{finding}"))?;
            found += remarks.len();
            if let Some(findings) = &mut findings {
                for finding in &remarks {
                    write_finding(findings, path, finding)?;
                }
            }
            out.write_all(text.as_bytes())?;
        }
    }
    if let Some(target) = emit.filter(|_| !gathered.is_empty()) {
        let remarks = target.write(&gathered, &mut out)?;
        found += remarks.len();
        let name = arguments.to.as_deref().unwrap_or_default();
        if let Some(findings) = &mut findings {
            for finding in &remarks {
                write_finding(findings, Path::new(name), finding)?;
            }
        }
    }
    out.flush()?;
    if let Some(mut findings) = findings {
        findings.flush()?;
    }
    let where_to = match (found, &arguments.findings) {
        (0, _) => String::new(),
        (_, Some(path)) => format!(" (in {})", path.display()),
        (_, None) => " (--findings FILE writes them)".to_owned(),
    };
    eprintln!("{taken} converted, {refused} refused, {found} findings{where_to}");
    if refused > 0 {
        bail!("{refused} messages could not be read; the worst fault of each stands above");
    }
    Ok(())
}

/// What is written instead of Bundles.
#[derive(Debug, Clone, Copy)]
enum Target {
    Document(&'static str),
    Hqms,
    SettlementList,
    ReportCard,
}

impl Target {
    fn parse(to: &str) -> Result<Target> {
        match to {
            "hqms" => return Ok(Target::Hqms),
            "4101" => return Ok(Target::SettlementList),
            "report-card" => return Ok(Target::ReportCard),
            _ => {}
        }
        let code = to
            .strip_prefix("wst500:")
            .with_context(|| format!("'{to}' is no format: write wst500:C0032, hqms, 4101 or report-card"))?;
        let found = wst500::types().map(|(known, _)| known).find(|known| *known == code);
        let found =
            found.with_context(|| format!("'{code}' is no document type: write one of C0001 to C0053"))?;
        Ok(Target::Document(found))
    }

    /// Writes what was gathered of all files; gives what was missing.
    fn write(self, gathered: &[(String, Node)], out: &mut impl Write) -> Result<Vec<Finding>> {
        let stored: Vec<(String, &Node)> = gathered.iter().map(|(url, node)| (url.clone(), node)).collect();
        let (text, remarks) = match self {
            Target::Hqms => hqms::write(&stored),
            Target::ReportCard => report_card::write(&stored),
            Target::SettlementList => {
                let (lists, remarks) = insurance::write(&stored);
                (lists.iter().map(|list| format!("{list}\n")).collect(), remarks)
            }
            Target::Document(_) => bail!("a document is written of each message by itself"),
        };
        if text.lines().count() < usize::from(!matches!(self, Target::SettlementList)) + 1 {
            bail!(
                "nothing in these files makes a row of that format: it begins at an Encounter, a report card at its Condition"
            );
        }
        out.write_all(text.as_bytes())?;
        Ok(remarks)
    }
}

/// The resources of a Bundle, or a single one.
fn resources(bytes: &[u8]) -> Understood {
    let mut understood = Understood::default();
    let root = match Json::parse(bytes) {
        Ok(root) => root.into_owned(),
        Err(error) => {
            let message = format!("it is no JSON: {error}");
            let finding =
                Finding::new(Severity::Fatal, "/", "json", message).with_repair("write a Bundle as JSON");
            understood.findings.push(finding);
            return understood;
        }
    };
    let is_bundle = root.text("resourceType") == Some("Bundle");
    let entries = if is_bundle { root.items("entry") } else { std::slice::from_ref(&root) };
    for (index, entry) in entries.iter().enumerate() {
        let resource = if is_bundle { entry.get("resource") } else { Some(entry) };
        let Some(resource) = resource else { continue };
        let by_id = || Some(format!("{}/{}", resource.text("resourceType")?, resource.text("id")?));
        let own = || format!("urn:uuid:{}", stable_id(&["entry", &index.to_string()]));
        let full_url = entry.text("fullUrl").map(str::to_owned).or_else(by_id).unwrap_or_else(own);
        understood.entries.push(Entry { full_url, resource: resource.clone(), request: Request::Create });
    }
    understood
}

/// The doors with what the site settled for them.
struct Doors {
    format: Format,
    tables: Option<Tables>,
    options: hl7v2::Options,
}

impl Doors {
    fn open(arguments: &Arguments) -> Result<Doors> {
        let tables = match &arguments.table {
            Some(path) => {
                let text = input::read_text(path)?;
                Some(Tables::with_user(&text).with_context(|| path.display().to_string())?)
            }
            None => None,
        };
        let zone = &arguments.zone;
        if hl7v2::time::moment(&format!("2000010100{zone}")).is_none_or(|moment| moment.zone.is_none()) {
            bail!("'{zone}' is no zone: write one as +08:00");
        }
        let options = hl7v2::Options { default_zone: zone.clone(), ..hl7v2::Options::default() };
        Ok(Doors { format: arguments.from, tables, options })
    }

    /// What is understood of a file, or of a group of images; a file that cannot be read is refused like a message.
    fn read(&self, paths: &[PathBuf]) -> Vec<Understood> {
        let (mut read, mut all) = (Vec::new(), Vec::new());
        for path in paths {
            let mut bytes = Vec::new();
            let done = input::open(path).and_then(|mut input| Ok(input.reader.read_to_end(&mut bytes)?));
            match done {
                Ok(_) => read.push((path.display().to_string(), bytes)),
                Err(error) => all.push(unreadable(&error)),
            }
        }
        let Some((_, bytes)) = read.first() else { return all };
        let doubts = self.format.doubt(bytes).into_iter();
        let doubts = doubts.chain(cut_off(bytes).filter(|_| self.format == Format::Hl7v2));
        let mut understood = self.understand(&read);
        if let Some(first) = understood.first_mut() {
            first.findings.splice(0..0, doubts).for_each(drop);
        }
        all.extend(understood);
        all
    }

    /// What the door of the format understands of a file, or of a group of images.
    fn understand(&self, files: &[(String, Vec<u8>)]) -> Vec<Understood> {
        let bytes = files.first().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        match self.format {
            Format::Wst500 => vec![wst500::read(bytes)],
            Format::Ccda => vec![ccda::read(bytes)],
            Format::Ips => vec![ips::read(bytes)],
            Format::Hqms => hqms::read(bytes),
            Format::Insurance => vec![insurance::read(bytes)],
            Format::ReportCard => report_card::read(bytes),
            Format::Dicom => {
                let files: Vec<(String, &[u8])> =
                    files.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice())).collect();
                tongmai_dicom::study::understand(&files)
            }
            Format::Fhir => vec![resources(bytes)],
            Format::Hl7v2 => {
                let (text, before) = hl7v2::text(bytes);
                let (messages, around) = hl7v2::batch::split(&text);
                let tables = self.tables.as_ref().unwrap_or_else(|| hl7v2::table::shipped());
                let mut all: Vec<Understood> = messages
                    .iter()
                    .map(|message| hl7v2::understand_with(message.as_bytes(), tables, &self.options))
                    .collect();
                // What is wrong with the file as a whole is said with its first message.
                let outer: Vec<Finding> = before.into_iter().chain(around).collect();
                match all.first_mut() {
                    Some(first) => first.findings.splice(0..0, outer).for_each(drop),
                    None => all.push(hl7v2::understand_with(&[], tables, &self.options)),
                }
                all
            }
        }
    }
}

/// `{file, path, code, severity, message, repair}` on a line.
pub(super) fn write_finding(out: &mut impl Write, file: &Path, finding: &Finding) -> Result<()> {
    let mut line = String::from("{");
    let file = file.to_string_lossy();
    let parts = [
        ("file", file.as_ref()),
        ("path", &finding.path),
        ("code", &finding.code),
        ("severity", finding.severity.code()),
        ("message", &finding.message),
        ("repair", &finding.repair),
    ];
    for (at, (name, value)) in parts.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        write_string(name, &mut line);
        line.push(':');
        write_string(value, &mut line);
    }
    line.push('}');
    writeln!(out, "{line}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_format_is_named() {
        for (text, expected) in [
            ("MSH|^~\\&|HIS", Some(Format::Hl7v2)),
            ("\u{b}MSH|^~\\&|HIS", Some(Format::Hl7v2)),
            ("<ClinicalDocument><id root=\"2.16.156.10011.1.1\"/>", Some(Format::Wst500)),
            ("<?xml version=\"1.0\"?><ClinicalDocument xmlns=\"urn:hl7-org:v3\">", Some(Format::Ccda)),
            ("{\"infno\":\"4101\"}", Some(Format::Insurance)),
            ("{\"resourceType\":\"Bundle\"}", Some(Format::Fhir)),
            ("A48,A49,A11,C03C\n1,1,x,I10", Some(Format::Hqms)),
            ("患者姓名,性别,疾病名称,报告单位\n", Some(Format::ReportCard)),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(Format::of(text.as_bytes()), expected, "{text}");
        }
        let doubt = Format::Ccda.doubt(b"MSH|^~\\&|HIS").expect("a doubt");
        assert_eq!((doubt.path.as_str(), doubt.repair.as_str()), ("/", "convert it with --from hl7v2"));
        assert!(Format::Ips.doubt(b"{\"resourceType\":\"Bundle\"}").is_none());
    }

    #[test]
    fn a_message_that_was_cut_off_and_a_file_that_is_not_there_are_named() {
        let cut = cut_off(b"MSH|^~\\&|A\rPID|1||P").expect("a finding");
        assert_eq!((cut.path.as_str(), cut.code.as_str()), ("PID", "unterminated"));
        assert!(cut_off(b"MSH|^~\\&|A\rPID|1\r").is_none());
        let error = input::open(Path::new("nothing.hl7")).err().expect("not there");
        let refused = unreadable(&error);
        assert!(refused.is_refused() && refused.findings[0].message.contains("nothing.hl7"));
        assert!(!refused.findings[0].repair.is_empty());
    }
}
