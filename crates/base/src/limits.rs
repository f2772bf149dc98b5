//! A limit on everything that a stranger controls, in one table.
//!
//! The CapabilityStatement shows it, and each limit is tested at the limit and
//! one past it.

/// Largest request body in bytes.
pub const BODY_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of a JSON document.
pub const JSON_DEPTH: usize = 64;
/// Largest number of entries in one batch or transaction Bundle.
pub const BUNDLE_ENTRIES: usize = 10_000;
/// Largest page of a search or a history.
pub const PAGE_ENTRIES: usize = 1_000;
/// Page size when `_count` is absent.
pub const PAGE_DEFAULT: usize = 20;
/// Longest chain (`a.b.c`) and deepest nesting of `_has`.
pub const CHAIN_DEPTH: usize = 4;
/// Most resources that includes may add to one page.
pub const INCLUDED_RESOURCES: usize = 5_000;
/// Rounds of `:iterate`.
pub const INCLUDE_ROUNDS: usize = 8;
/// Most search parameters in one request.
pub const SEARCH_PARAMETERS: usize = 64;
/// Most comma-separated alternatives of one search parameter.
pub const SEARCH_ALTERNATIVES: usize = 256;
/// Longest request line (path and query) in bytes.
pub const URL_BYTES: usize = 16 * 1024;
/// Requests under way at once; one more is answered 503 with `Retry-After`.
pub const CONCURRENT_REQUESTS: usize = 512;
/// How long the link to a further page lives, in seconds.
pub const PAGE_LINK_SECONDS: i64 = 15 * 60;
/// Longest FHIRPath expression of a patch, in bytes.
pub const FHIRPATH_BYTES: usize = 8 * 1024;
/// Most matches that a search may sort when no index gives the order.
pub const SORTED_MATCHES: usize = 100_000;
/// Largest message or document that a door takes in, in bytes.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Most segments of one HL7 v2 message.
pub const MESSAGE_SEGMENTS: usize = 20_000;
/// Most messages of one HL7 v2 batch file.
pub const BATCH_MESSAGES: usize = 10_000;
/// Largest DICOM file that is kept, in bytes.
pub const IMAGE_BYTES: usize = 512 * 1024 * 1024;
/// Largest document that `tongmai import` reads whole, in bytes.
pub const IMPORT_DOCUMENT_BYTES: usize = 256 * 1024 * 1024;
/// How many times its packed length a file may unpack to, beyond [`IMPORT_UNPACKED_BYTES`]; records reach 40.
pub const IMPORT_UNPACKED_RATIO: u64 = 250;
/// What every packed file may unpack to, in bytes.
pub const IMPORT_UNPACKED_BYTES: u64 = 64 * 1024 * 1024;
/// Most rows of one sheet (CSV, Excel) that a door takes in.
pub const SHEET_ROWS: usize = 100_000;
/// Longest line of a file of cases (`tongmai drg group`), in bytes; a longer one is reported and passed over.
pub const CASE_BYTES: usize = 1024 * 1024;
/// Most findings that a door reports of one message; one more says that there are others.
pub const MESSAGE_FINDINGS: usize = 1_000;
/// Deepest nesting of an XML document.
pub const XML_DEPTH: usize = 64;
/// Most elements of one XML document.
pub const XML_ELEMENTS: usize = 200_000;
/// Most attributes of one XML element.
pub const XML_ATTRIBUTES: usize = 64;

/// Largest GeoJSON file of an operator's own boundaries, in bytes.
pub const MAP_BYTES: usize = 2 * 1024 * 1024;
/// Most features of such a file.
pub const MAP_FEATURES: usize = 4_000;
/// Most points of such a file.
pub const MAP_POINTS: usize = 100_000;

/// Most messages that wait for a store that cannot take them.
pub const WAITING_MESSAGES: usize = 10_000;
/// Most channels (door and sender) that are counted apart.
pub const CHANNELS: usize = 1_000;

/// Most candidates of one `$match`.
pub const MATCH_CANDIDATES: usize = 100;

/// Most requests of one account or client in a minute; a service is bounded by what it registered for.
pub const ACTOR_REQUESTS: u32 = 3_000;
/// Size of a file of the log of refusals, of which there are two, in bytes.
pub const REFUSAL_BYTES: u64 = 1024 * 1024;

/// The table: name, value and unit, in the order in which it is shown.
pub const TABLE: &[(&str, u64, &str)] = &[
    ("body", BODY_BYTES as u64, "bytes"),
    ("json-depth", JSON_DEPTH as u64, "levels"),
    ("bundle-entries", BUNDLE_ENTRIES as u64, "entries"),
    ("page-entries", PAGE_ENTRIES as u64, "entries"),
    ("chain-depth", CHAIN_DEPTH as u64, "references"),
    ("included-resources", INCLUDED_RESOURCES as u64, "resources"),
    ("include-rounds", INCLUDE_ROUNDS as u64, "rounds"),
    ("search-parameters", SEARCH_PARAMETERS as u64, "parameters"),
    ("search-alternatives", SEARCH_ALTERNATIVES as u64, "values"),
    ("url", URL_BYTES as u64, "bytes"),
    ("concurrent-requests", CONCURRENT_REQUESTS as u64, "requests"),
    ("page-link-life", PAGE_LINK_SECONDS as u64, "seconds"),
    ("fhirpath", FHIRPATH_BYTES as u64, "bytes"),
    ("sorted-matches", SORTED_MATCHES as u64, "resources"),
    ("message", MESSAGE_BYTES as u64, "bytes"),
    ("message-segments", MESSAGE_SEGMENTS as u64, "segments"),
    ("batch-messages", BATCH_MESSAGES as u64, "messages"),
    ("waiting-messages", WAITING_MESSAGES as u64, "messages"),
    ("channels", CHANNELS as u64, "senders"),
    ("image", IMAGE_BYTES as u64, "bytes"),
    ("import-document", IMPORT_DOCUMENT_BYTES as u64, "bytes"),
    ("import-unpacked-ratio", IMPORT_UNPACKED_RATIO, "times"),
    ("import-unpacked", IMPORT_UNPACKED_BYTES, "bytes"),
    ("sheet-rows", SHEET_ROWS as u64, "rows"),
    ("case-line", CASE_BYTES as u64, "bytes"),
    ("actor-requests-a-minute", ACTOR_REQUESTS as u64, "requests"),
    ("refusal-log", REFUSAL_BYTES, "bytes"),
    ("match-candidates", MATCH_CANDIDATES as u64, "patients"),
    ("message-findings", MESSAGE_FINDINGS as u64, "findings"),
    ("xml-depth", XML_DEPTH as u64, "levels"),
    ("xml-elements", XML_ELEMENTS as u64, "elements"),
    ("map", MAP_BYTES as u64, "bytes"),
    ("map-features", MAP_FEATURES as u64, "features"),
    ("map-points", MAP_POINTS as u64, "points"),
    ("xml-attributes", XML_ATTRIBUTES as u64, "attributes"),
];
