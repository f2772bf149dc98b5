//! TLS at the server's own socket: a certificate chain and its key from two PEM files.
//!
//! TLS 1.3 and 1.2 by rustls. The files are read again when the operator asks for it (`SIGHUP`): a new
//! certificate serves the next connections, those under way go on. A file that cannot be used changes
//! nothing and is told.
//!
//! A front that speaks TLCP (GB/T 38636) stands before the server and hands on plain HTTP over the loopback
//! address; the server is then started with `--behind-proxy`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on a key.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Why a certificate or key cannot be used: the file, what is wrong with it, and the repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    file: PathBuf,
    why: String,
    repair: &'static str,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.file.display(), self.why, self.repair)
    }
}

impl std::error::Error for Unusable {}

/// A certificate with its key, as the server shows it.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    acceptor: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads a certificate chain (the server's own certificate first) and its private key, both PEM.
    ///
    /// # Errors
    /// When a file cannot be read, holds something else, or key and certificate are not of one pair.
    pub fn read(certificate: &Path, key: &Path) -> Result<Tls, Unusable> {
        let acceptor = RwLock::new(acceptor(certificate, key)?);
        Ok(Tls { certificate: certificate.to_owned(), key: key.to_owned(), acceptor })
    }

    /// Reads both files again.
    ///
    /// # Errors
    /// As [`Tls::read`]; the certificate of before stays in use.
    pub fn reload(&self) -> Result<(), Unusable> {
        let new = acceptor(&self.certificate, &self.key)?;
        *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Agrees on keys with a client.
    ///
    /// # Errors
    /// When the client speaks no TLS, or is too slow.
    pub async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let acceptor = self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await.map_err(std::io::Error::other)?
    }
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Unusable> {
    let chain = chain(certificate)?;
    let private = private_key(key)?;
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(certificate, error, "this is a fault of the program: report it"))?;
    let mut config = versions.with_no_client_auth().with_single_cert(chain, private).map_err(|error| {
        let repair = "give the key that the certificate was made for, and the server's own certificate first";
        unusable(key, format!("the certificate in {} does not fit: {error}", certificate.display()), repair)
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let repair = "give a PEM file with -----BEGIN CERTIFICATE-----, the server's own certificate first";
    let found = CertificateDer::pem_file_iter(file).map_err(|error| said(file, &error, repair))?;
    let chain: Result<Vec<_>, _> = found.collect();
    let chain = chain.map_err(|error| said(file, &error, repair))?;
    match chain.is_empty() {
        true => Err(unusable(file, "no certificate stands in it", repair)),
        false => Ok(chain),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    let repair = "give a PEM file with a private key that no password protects (PKCS#8, PKCS#1 or SEC1)";
    PrivateKeyDer::from_pem_file(file).map_err(|error| said(file, &error, repair))
}

fn said(file: &Path, error: &PemError, repair: &'static str) -> Unusable {
    match error {
        PemError::Io(error) => unusable(file, format!("it cannot be read: {error}"), repair),
        PemError::NoItemsFound => unusable(file, "nothing of the kind stands in it", repair),
        // The library's words for what is wrong with a line may quote it, and the line may be of a key.
        _ => unusable(file, "it is no whole PEM file", repair),
    }
}

fn unusable(file: &Path, why: impl ToString, repair: &'static str) -> Unusable {
    Unusable { file: file.to_owned(), why: why.to_string(), repair }
}
