//! What a developer of Tongmai does, as commands.

fn main() {}
