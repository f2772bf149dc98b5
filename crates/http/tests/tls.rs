//! TLS with a real client: what is agreed on, what is refused, and a certificate that changes while serving.
//!
//! `tls/` holds two certificates for `county.test` with their keys, made for these tests alone, and the
//! authority that signed both (whose key was thrown away).

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tongmai_http::tls::Tls;
use tongmai_http::{Service, serve_over};

use support::{Server, next_link};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A server by TLS over the store of another; address of it.
fn by_tls(server: &Server, tls: Arc<Tls>) -> SocketAddr {
    let access = tongmai_access::Access::open(
        tongmai_access::Policy::Open,
        &server.folder.path().join("reads-by-tls"),
        || 1_790_000_000_000,
    );
    let exports = server.folder.path().join("exports");
    let service = Service::new(server.engine.clone(), Arc::new(access.expect("a log")), None, exports, false);
    let listener = server.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = Arc::new(service.reached_by_tls());
    server.runtime.spawn(serve_over(service, listener, Some(tls), std::future::pending()));
    address
}

fn client(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(fixture("authority.pem")).expect("a certificate"))
        .expect("added");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    Arc::new(config.expect("versions").with_root_certificates(roots).with_no_client_auth())
}

fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    name: &str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(config.clone(), name).expect("a connection");
    StreamOwned::new(connection, TcpStream::connect(address).expect("a socket"))
}

fn ask(stream: &mut StreamOwned<ClientConnection, TcpStream>, path: &str) -> std::io::Result<String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: county.test\r\nTongmai-By-TLS: forged\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn both_versions_of_tls_are_spoken_and_addresses_say_so() {
    let server = Server::start();
    for family in ["Li", "Wang"] {
        server.post(
            "/fhir/Patient",
            &serde_json::json!({"resourceType": "Patient", "name": [{"family": family}]}),
        );
    }
    let tls = Tls::read(&fixture("first.pem"), &fixture("first.key")).expect("a certificate");
    let address = by_tls(&server, Arc::new(tls));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = connect(address, &client(&[version]), "county.test");
        let answer = ask(&mut stream, "/fhir/Patient?_count=1").expect("an answer");
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.to_lowercase().contains("strict-transport-security: max-age="), "{answer}");
        let body = &answer[answer.find("\r\n\r\n").expect("a body")..];
        let next = next_link(&serde_json::from_str(body).expect("JSON"));
        assert!(
            next.is_some()
                && body.contains("\"https://county.test/fhir/")
                && !body.contains("\"http://county")
        );
    }
    // Without TLS no client can make the addresses say https.
    let plain = server.send("GET", "/fhir/Patient?_count=1", &[("Tongmai-By-TLS", "1")], b"");
    let text = String::from_utf8(plain.body).expect("text");
    assert!(text.contains("\"http://county.test/fhir/") && !text.contains("https://county.test"));
}

#[test]
fn who_speaks_no_tls_or_expects_another_gets_nothing() {
    let server = Server::start();
    let tls = Tls::read(&fixture("first.pem"), &fixture("first.key")).expect("a certificate");
    let address = by_tls(&server, Arc::new(tls));
    let mut plain = TcpStream::connect(address).expect("a socket");
    plain.write_all(b"GET /fhir/metadata HTTP/1.1\r\nHost: county.test\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "plain HTTP was answered");
    let mut other = connect(address, &client(rustls::ALL_VERSIONS), "other.test");
    assert!(ask(&mut other, "/fhir/metadata").is_err(), "a certificate of another name was believed");
    // The server goes on.
    let mut good = connect(address, &client(rustls::ALL_VERSIONS), "county.test");
    assert!(ask(&mut good, "/health/live").expect("an answer").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_new_certificate_serves_the_next_connection() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    let put = |pair: &str| {
        std::fs::copy(fixture(&format!("{pair}.pem")), &certificate).expect("copied");
        std::fs::copy(fixture(&format!("{pair}.key")), &key).expect("copied");
    };
    put("first");
    let tls = Arc::new(Tls::read(&certificate, &key).expect("a certificate"));
    let address = by_tls(&server, tls.clone());
    let config = client(rustls::ALL_VERSIONS);
    let shown = || {
        let mut stream = connect(address, &config, "county.test");
        ask(&mut stream, "/health/live").expect("an answer");
        stream.conn.peer_certificates().expect("a chain")[0].clone()
    };
    let of =
        |pair: &str| CertificateDer::from_pem_file(fixture(&format!("{pair}.pem"))).expect("a certificate");
    assert_eq!(shown(), of("first"));
    put("second");
    assert_eq!(shown(), of("first"), "it changes when it is told to");
    tls.reload().expect("read again");
    assert_eq!(shown(), of("second"));
    // A file that is being written when it is read changes nothing.
    std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nMIIB").expect("torn");
    tls.reload().expect_err("refused");
    assert_eq!(shown(), of("second"));
}

#[test]
fn a_wrong_file_is_told_with_its_repair() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("written");
    let (first, key) = (fixture("first.pem"), fixture("first.key"));
    let cases = [
        (&absent, &key, "absent.pem: it cannot be read", "BEGIN CERTIFICATE"),
        (&empty, &key, "empty.pem: no certificate stands in it", "BEGIN CERTIFICATE"),
        (&key, &key, "first.key: no certificate stands in it", "BEGIN CERTIFICATE"),
        (&first, &absent, "absent.pem: it cannot be read", "private key"),
        (&first, &first, "first.pem: nothing of the kind stands in it", "private key"),
        (&first, &fixture("second.key"), "second.key: the certificate in", "the key that the certificate"),
    ];
    for (certificate, key, why, repair) in cases {
        let error = Tls::read(certificate, key).err().expect("refused").to_string();
        assert!(error.contains(why) && error.contains(repair), "{error}");
    }
}
