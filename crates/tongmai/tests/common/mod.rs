//! The program itself as a server, and what a browser or a client does with it over a socket.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A login that the demo printed.
#[derive(Debug, Clone)]
pub struct Login {
    pub id: String,
    pub password: String,
}

/// `tongmai demo` at work.
pub struct Server {
    child: Child,
    pub address: String,
    pub logins: Vec<Login>,
}

pub fn tongmai() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tongmai"));
    command.env("RUST_LOG", "error").stdin(Stdio::null());
    command
}

impl Server {
    /// Starts the demo's county of so many people in a folder, or the one that lies there, and reads what
    /// it prints until it serves.
    pub fn demo(folder: &Path, people: usize) -> Server {
        let mut command = tongmai();
        command.args(["demo", "--listen", "127.0.0.1:0", "--people", &people.to_string(), "--data"]);
        let mut child =
            command.arg(folder).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut address, mut logins) = (String::new(), Vec::new());
        loop {
            let Some(Ok(line)) = lines.next() else { panic!("the demo ended before it served") };
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some((_, rest)) = line.split_once("is alive:") {
                let rest = rest.trim().trim_start_matches("http://");
                rest.trim_end_matches('/').clone_into(&mut address);
            } else if line.starts_with("    ") && words.len() >= 3 && !line.contains("http") {
                logins.push(Login { id: words[0].to_owned(), password: words[1].to_owned() });
            } else if line.contains("Ctrl-C") {
                break;
            }
        }
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address, logins }
    }

    pub fn password(&self, id: &str) -> &str {
        &self.logins.iter().find(|login| login.id == id).unwrap_or_else(|| panic!("no login {id}")).password
    }

    /// Somebody who has come in.
    pub fn login(&self, id: &str) -> Client {
        let mut client = Client::new(&self.address);
        let form = format!("account={id}&password={}&next=", self.password(id));
        let got = client.post("/login", &form).expect("an answer");
        assert!(got.status == 303 && !client.cookie.is_empty(), "{id} does not come in: {}", got.status);
        client
    }

    /// Ends it at once, whatever it is doing.
    pub fn strike(&self) {
        let done = Command::new("kill").args(["-9", &self.child.id().to_string()]).status();
        assert!(done.expect("kill runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug, Default)]
pub struct Got {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str())
    }
}

/// A connection that is kept, with the cookie of a session.
pub struct Client {
    address: String,
    stream: Option<BufReader<TcpStream>>,
    pub cookie: String,
}

impl Client {
    pub fn new(address: &str) -> Client {
        Client { address: address.to_owned(), stream: None, cookie: String::new() }
    }

    /// Forgets a connection that broke.
    pub fn reset(&mut self) {
        self.stream = None;
    }

    pub fn get(&mut self, path: &str) -> std::io::Result<Got> {
        self.ask("GET", path, &[], b"")
    }

    pub fn post(&mut self, path: &str, form: &str) -> std::io::Result<Got> {
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
        self.ask("POST", path, &headers, form.as_bytes())
    }

    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Got> {
        let mut got = Got::default();
        let asked = self.ask_into(method, path, headers, body, &mut got);
        if asked.is_err() {
            self.stream = None;
        }
        asked.map(|()| got)
    }

    /// As [`Client::ask`]; when the connection breaks, what had come of the body until then is in `got`.
    pub fn ask_into(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        got: &mut Got,
    ) -> std::io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::with_capacity(1 << 16, stream));
        }
        let Some(stream) = self.stream.as_mut() else { return Ok(()) };
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        if !self.cookie.is_empty() {
            head.push_str(&format!("cookie: session={}\r\n", self.cookie));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        stream.get_mut().write_all(&bytes)?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let broken = || std::io::Error::other("no HTTP");
        got.status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(broken());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            got.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        for (name, value) in &got.headers {
            if name == "set-cookie"
                && let Some(token) = value.strip_prefix("session=")
            {
                token.split(';').next().unwrap_or("").clone_into(&mut self.cookie);
            }
        }
        read_body(stream, method, got)?;
        if got.header("connection").eq_ignore_ascii_case("close") {
            self.stream = None;
        }
        Ok(())
    }
}

/// The body by its length or its chunks; each piece is kept as it comes.
fn read_body(stream: &mut BufReader<TcpStream>, method: &str, got: &mut Got) -> std::io::Result<()> {
    if method == "HEAD" || got.status == 204 || got.status == 304 {
        return Ok(());
    }
    if got.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        let mut line = String::new();
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or(""), 16);
            let size = size.map_err(std::io::Error::other)?;
            take(stream, size, &mut got.body)?;
            line.clear();
            stream.read_line(&mut line)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
    let length = got.header("content-length").parse().unwrap_or(0);
    take(stream, length, &mut got.body)
}

fn take(stream: &mut BufReader<TcpStream>, mut length: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 1 << 14];
    while length > 0 {
        let most = length.min(buffer.len());
        let read = stream.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        out.extend_from_slice(&buffer[..read]);
        length -= read;
    }
    Ok(())
}

/// The addresses of a page's links and forms on this server, in their order, each once.
pub fn links(page: &str, attribute: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split(&format!("{attribute}=\"/")).skip(1) {
        let address = part.split('"').next().unwrap_or("").replace("&amp;", "&").replace("&#38;", "&");
        let address = format!("/{}", address.split('#').next().unwrap_or(""));
        if !address.starts_with("//") && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}
