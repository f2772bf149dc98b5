//! The store contract on SQLite.

use tongmai_store::Store;
use tongmai_store::contract::Fixture;
use tongmai_store_sqlite::SqliteStore;

struct Sqlite {
    folder: tempfile::TempDir,
    store: Option<SqliteStore>,
}

impl Fixture for Sqlite {
    fn fresh() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("store")).expect("a new store opens");
        Some(Sqlite { folder, store: Some(store) })
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().expect("open")
    }

    fn reopen(&mut self) -> bool {
        self.store = None;
        self.store =
            Some(SqliteStore::open(&self.folder.path().join("store")).expect("the store opens again"));
        true
    }
}

tongmai_store::contract!(Sqlite);
