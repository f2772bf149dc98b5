//! The store contract on PostgreSQL: each test has a shard of its own in one database, so that the
//! suite also shows that shards do not touch each other.

use std::sync::atomic::{AtomicU32, Ordering};

use tongmai_store::Store;
use tongmai_store::contract::Fixture;
use tongmai_store_postgres::PostgresStore;
use tongmai_testkit::postgres::Postgres;

struct Shard {
    url: String,
    shard: u32,
    store: PostgresStore,
}

impl Fixture for Shard {
    fn fresh() -> Option<Shard> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (url, shard) = (Postgres::shared()?.url(), NEXT.fetch_add(1, Ordering::SeqCst));
        let store = PostgresStore::open(&url, shard).expect("open");
        Some(Shard { url, shard, store })
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopen(&mut self) -> bool {
        self.store = PostgresStore::open(&self.url, self.shard).expect("open again");
        true
    }
}

tongmai_store::contract!(Shard);
