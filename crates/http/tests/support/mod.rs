//! A server on a free loopback port over a fresh store, and a client of it.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tongmai_access::{Access, Policy};
use tongmai_engine::{Engine, Surroundings, Validation};
use tongmai_http::Service;
use tongmai_store_sqlite::SqliteStore;

/// A running server; it ends with the value.
pub struct Server {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub runtime: tokio::runtime::Runtime,
    pub folder: tempfile::TempDir,
}

static CLOCK: AtomicU64 = AtomicU64::new(1_790_000_000_000);
static DICE: AtomicU64 = AtomicU64::new(1);

fn now() -> i64 {
    CLOCK.fetch_add(1, Ordering::Relaxed) as i64
}

/// Moves the clock of all servers of this test program.
pub fn wait(milliseconds: u64) {
    CLOCK.fetch_add(milliseconds, Ordering::Relaxed);
}

fn random() -> [u8; 16] {
    let n = DICE.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Server {
    pub fn start() -> Server {
        Server::with(Validation::Reject)
    }

    pub fn with(validation: Validation) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(SqliteStore::open(&folder.path().join("store")).expect("a store"));
        let engine =
            Arc::new(Engine::start(store, Surroundings { now, random }, validation).expect("an engine"));
        let access =
            Arc::new(Access::open(Policy::Open, &folder.path().join("reads"), now).expect("a read log"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let service =
            Arc::new(Service::new(engine.clone(), access, None, folder.path().join("exports"), false));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { tongmai_http::serve(service, listener, std::future::pending()).await });
        Server { address, engine, runtime, folder }
    }

    /// Another engine over a copy of the store: a restart, a backup.
    pub fn engine_over(path: &std::path::Path) -> Engine {
        let store = Arc::new(SqliteStore::open(path).expect("the store opens"));
        Engine::start(store, Surroundings { now, random }, Validation::Reject).expect("an engine")
    }

    /// One request on a connection of its own.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut connection = TcpStream::connect(self.address).expect("a connection");
        exchange(&mut connection, method, path, headers, body).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], body.to_string().as_bytes())
    }

    /// The ids of the matches of a search, all pages of it.
    pub fn search(&self, path: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut next = Some(format!("/fhir/{path}"));
        while let Some(path) = next.take() {
            let reply = self.get(&path);
            assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
            let bundle = reply.json();
            for entry in bundle["entry"].as_array().into_iter().flatten() {
                if entry["search"]["mode"] == "match" {
                    ids.push(entry["resource"]["id"].as_str().expect("an id").to_owned());
                }
            }
            next = next_link(&bundle);
        }
        ids
    }
}

/// The path of the link to the next page.
pub fn next_link(bundle: &Value) -> Option<String> {
    let link = bundle["link"].as_array()?.iter().find(|link| link["relation"] == "next")?;
    let url = link["url"].as_str()?;
    Some(url[url.find("/fhir")?..].to_owned())
}

/// One request on an open connection.
pub fn exchange(
    connection: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: county.test\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head += "Content-Type: application/fhir+json\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    // A server that does not answer in time is a failure, and not a reason to wait.
    connection.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    // In one piece: two small ones would wait for each other's acknowledgement.
    connection.write_all(&[head.as_bytes(), body].concat())?;
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status line: {line:?}")))?;
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let mut body = Vec::new();
    if method != "HEAD" && status != 304 && status != 204 {
        let length = headers.get("content-length").and_then(|length| length.parse().ok());
        match length {
            Some(length) => {
                body.resize(length, 0);
                reader.read_exact(&mut body)?;
            }
            None => loop {
                line.clear();
                reader.read_line(&mut line)?;
                let length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
                let start = body.len();
                body.resize(start + length, 0);
                reader.read_exact(&mut body[start..])?;
                reader.read_line(&mut line)?;
                if length == 0 {
                    break;
                }
            },
        }
    }
    Ok(Reply { status, headers, body })
}
