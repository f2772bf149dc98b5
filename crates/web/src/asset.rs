//! Stylesheet, scripts and icon: compiled in, packed once, kept by browsers for ever.
//!
//! The address of an asset carries the hash of its content, so a new release has new addresses.

use std::io::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// One asset.
pub struct Asset {
    name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static [u8],
    /// The same, packed by gzip.
    pub packed: Bytes,
    /// Where browsers find it.
    pub address: String,
}

const SOURCES: [(&str, &str, &[u8]); 5] = [
    ("style.css", "text/css; charset=utf-8", include_bytes!("../assets/style.css")),
    ("page.mjs", "text/javascript; charset=utf-8", include_bytes!("../assets/page.mjs")),
    ("ballot.mjs", "text/javascript; charset=utf-8", include_bytes!("../assets/ballot.mjs")),
    ("proof.mjs", "text/javascript; charset=utf-8", include_bytes!("../assets/proof.mjs")),
    ("icon.svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
];

/// All assets.
pub fn all() -> &'static [Asset] {
    static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        SOURCES
            .into_iter()
            .map(|(name, media_type, content)| {
                let hash = Sha256::digest(content);
                let mark: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                let address = format!("/assets/{mark}/{name}");
                Asset { name, media_type, content, packed: pack(content, Compression::best()), address }
            })
            .collect()
    })
}

/// The asset at an address.
pub fn at(path: &str) -> Option<&'static Asset> {
    all().iter().find(|asset| asset.address == path)
}

/// The address of an asset by its name; empty for a name that there is not.
pub fn address(name: &str) -> &'static str {
    all().iter().find(|asset| asset.name == name).map_or("", |asset| &asset.address)
}

/// Packs bytes by gzip.
pub fn pack(content: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 4), level);
    // A vector takes all that is written.
    let _ = encoder.write_all(content);
    encoder.finish().map(Bytes::from).unwrap_or_default()
}
