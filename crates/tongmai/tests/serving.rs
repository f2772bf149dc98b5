//! Where `tongmai serve` listens, and how: refused where others could read along, TLS for pages and HL7 v2.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/tests/tls").join(name);
    path.to_str().expect("text").to_owned()
}

fn serve(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tongmai"));
    command.arg("serve").arg("--data").arg(folder).args(arguments);
    command
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves, and returns the first line that it prints with an address.
fn started(mut command: Command) -> (Killed, String) {
    let mut server = Killed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs"));
    let mut lines = BufReader::new(server.0.stdout.take().expect("piped")).lines();
    let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("://")).expect("an address");
    (server, line)
}

fn address(line: &str) -> SocketAddr {
    let after = &line[line.find("://").expect("an address") + 3..];
    after.split_whitespace().next().expect("an address").parse().expect("an address")
}

#[test]
fn serving_outside_needs_a_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (first, key, other) = (fixture("first.pem"), fixture("first.key"), fixture("second.key"));
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["--listen", "0.0.0.0:0"],
            &["there is no certificate", "--certificate FILE", "--behind-proxy", "127.0.0.1"],
        ),
        (&["--listen", "[::]:0"], &["there is no certificate"]),
        (&["--listen", "127.0.0.1:0", "--mllp", "0.0.0.0:0"], &["HL7 v2", "--mllp-tls"]),
        (
            &["--listen", "0.0.0.0:0", "--open", "--certificate", &first, "--key", &key],
            &["--open", "127.0.0.1"],
        ),
        (&["--listen", "127.0.0.1:0", "--certificate", &first], &["--key"]),
        (
            &["--listen", "127.0.0.1:0", "--certificate", &first, "--key", &other],
            &["second.key", "does not fit"],
        ),
        (&["--listen", "127.0.0.1:0", "--open", "--behind-proxy"], &["--behind-proxy"]),
    ];
    for (arguments, words) in cases {
        let ran = serve(&data, arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(!ran.status.success(), "{arguments:?} was served");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
        assert!(!data.exists(), "{arguments:?} made a folder");
    }
    let (_server, line) = started(serve(&data, &["--listen", "0.0.0.0:0", "--behind-proxy"]));
    assert_eq!(address(&line).ip().to_string(), "0.0.0.0");
}

fn connect(address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let authority =
        CertificateDer::from_pem_file(PathBuf::from(fixture("authority.pem"))).expect("a certificate");
    roots.add(authority).expect("added");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = Arc::new(config.expect("versions").with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("county.test").expect("a name");
    let begun = Instant::now();
    let socket = loop {
        match TcpStream::connect(address) {
            Ok(socket) => break socket,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    StreamOwned::new(ClientConnection::new(config, name).expect("a connection"), socket)
}

#[test]
fn pages_and_hl7_v2_by_tls_and_a_new_certificate_at_a_signal() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    let put = |pair: &str| {
        std::fs::copy(fixture(&format!("{pair}.pem")), &certificate).expect("copied");
        std::fs::copy(fixture(&format!("{pair}.key")), &key).expect("copied");
    };
    put("first");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (pem, secret, mllp) = (text(&certificate), text(&key), free.to_string());
    let arguments =
        ["--listen", "127.0.0.1:0", "--certificate", &pem, "--key", &secret, "--mllp", &mllp, "--mllp-tls"];
    let (server, line) = started(serve(&folder.path().join("data"), &arguments));
    assert!(line.contains("https://127.0.0.1:"), "{line}");
    let pages = address(&line);
    let shown = || {
        let mut stream = connect(pages);
        stream
            .write_all(b"GET /login HTTP/1.1\r\nHost: county.test\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stream.conn.peer_certificates().expect("a chain")[0].clone()
    };
    let of = |pair: &str| {
        CertificateDer::from_pem_file(PathBuf::from(fixture(&format!("{pair}.pem")))).expect("one")
    };
    assert_eq!(shown(), of("first"));

    let mut door = connect(free);
    let message =
        "MSH|^~\\&|HIS|TOWN|TONGMAI|COUNTY|20261121080000+0800||ADT^A04|1|P|2.5\rPID|1||7^^^TOWN^MR||卓玛\r";
    door.write_all(format!("\u{b}{message}\u{1c}\r").as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.contains(&0x1c) {
        let count = door.read(&mut buffer).expect("an answer");
        assert!(count > 0, "no answer");
        answer.extend(&buffer[..count]);
    }
    assert!(String::from_utf8_lossy(&answer).contains("MSA|AA|1"), "{}", String::from_utf8_lossy(&answer));

    put("second");
    let told = Command::new("kill").args(["-HUP", &server.0.id().to_string()]).status().expect("kill runs");
    assert!(told.success());
    let begun = Instant::now();
    while shown() != of("second") {
        assert!(begun.elapsed() < Duration::from_secs(20), "the new certificate is not used");
        std::thread::sleep(Duration::from_millis(50));
    }
}
