//! The pages people see: server-rendered, small, Chinese and English.

use std::sync::Arc;

use tongmai_access::Access;
use tongmai_engine::Engine;
use tongmai_http::{Pages, plain};

/// The pages over an engine.
pub fn pages(engine: Arc<Engine>, access: Arc<Access>) -> Pages {
    let _ = (engine, access);
    Arc::new(|_| Box::pin(async { plain(404, "text/plain; charset=utf-8", "no such page\n") }))
}
