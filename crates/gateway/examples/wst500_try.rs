use tongmai_gateway::wst500;
fn main() {
    let code = std::env::args().nth(1).expect("code");
    let first = wst500::example::xml(&code).expect("type");
    println!("{first}");
    let understood = wst500::read(first.as_bytes());
    for entry in &understood.entries { println!("{}", entry.resource); }
    for finding in &understood.findings { println!("F {finding}"); }
    let resources = understood.entries.iter().map(|e| (e.full_url.clone(), &e.resource));
    let (text, findings) = wst500::write(resources, &code).expect("type");
    println!("{text}");
    for finding in &findings { println!("W {finding}"); }
}
