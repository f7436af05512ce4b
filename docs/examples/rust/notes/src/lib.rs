//! Keeps notes in a database of SQLite. Several processes may have it open, and several threads of each.

use faas_function as faas;
use faas_function::LambdaContext;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, process};

faas::export!(add, init = open);

/// A connection serves one thread at a time.
struct Notes(Mutex<Connection>);

/// How long to wait while another process writes.
const PATIENCE: Duration = Duration::from_secs(30);

fn open() -> Result<Notes, faas::BoxError> {
    let path = env::var("NOTES_FILE").map_err(|error| format!("NOTES_FILE: {error}"))?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")?;
    Ok(Notes(Mutex::new(connection)))
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

#[derive(Serialize)]
struct Added {
    id: i64,
    process: u32,
}

fn add(note: Note, _: &LambdaContext, notes: &Notes) -> Result<Added, rusqlite::Error> {
    let connection = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut insert = connection.prepare_cached("INSERT INTO notes (text) VALUES (?1)")?;
    Ok(Added {
        id: insert.insert([&note.text])?,
        process: process::id(),
    })
}
