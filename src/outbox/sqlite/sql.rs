//! Statements: prepared once, given their values, run to their end, read row by row. Decides nothing, and begins and ends no transaction.

use super::super::statement::{self, Value};
use super::super::store::Error;
use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Connection, Row, ToSql};

/// Statements that a connection keeps prepared: more than there are texts, so that none is parsed twice.
const PREPARED_MAX: usize = 256;

/// What `$1`, `$2`, … stand for, as `params!` makes it.
pub(super) type Values<'v> = &'v [&'v dyn ToSql];

/// Lets a connection keep its statements.
pub(super) fn keep_prepared(connection: &Connection) {
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
}

/// Statements of one purpose, which their errors name.
pub(super) struct Task<'c> {
    connection: &'c Connection,
    what: &'static str,
}

/// `what` follows "failed to".
pub(super) const fn task<'c>(connection: &'c Connection, what: &'static str) -> Task<'c> {
    Task { connection, what }
}

impl Task<'_> {
    /// Runs one statement; how many rows it changed.
    pub(super) fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, Error> {
        self.try_run(sql, values).map_err(|error| fault(self.what, &error))
    }

    /// Runs one after the other; `$7` is the same value in all of them.
    pub(super) fn run_each(&self, texts: &[&str], values: Values<'_>) -> Result<(), Error> {
        self.try_each(texts, values).map_err(|error| fault(self.what, &error))
    }

    /// [`Task::run_each`] for whoever wants to know what the database said.
    pub(super) fn try_each(&self, texts: &[&str], values: Values<'_>) -> rusqlite::Result<()> {
        texts.iter().try_for_each(|sql| self.try_run(sql, values).map(drop))
    }

    /// All rows.
    pub(super) fn all<T, R>(&self, sql: &str, values: Values<'_>, read: R) -> Result<Vec<T>, Error>
    where
        R: Fn(&Row<'_>) -> Result<T, Error>,
    {
        let failed = |error: rusqlite::Error| fault(self.what, &error);
        let mut statement = self.prepared(sql, values).map_err(failed)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// The first row, if there is one.
    pub(super) fn maybe<T, R>(&self, sql: &str, values: Values<'_>, read: R) -> Result<Option<T>, Error>
    where
        R: Fn(&Row<'_>) -> Result<T, Error>,
    {
        Ok(self.all(sql, values, read)?.into_iter().next())
    }

    /// The row that is always there.
    pub(super) fn one<T, R>(&self, sql: &str, values: Values<'_>, read: R) -> Result<T, Error>
    where
        R: Fn(&Row<'_>) -> Result<T, Error>,
    {
        self.maybe(sql, values, read)?.ok_or_else(|| fault(self.what, &rusqlite::Error::QueryReturnedNoRows))
    }

    fn try_run(&self, sql: &str, values: Values<'_>) -> rusqlite::Result<u64> {
        Ok(self.prepared(sql, values)?.raw_execute()? as u64)
    }

    fn prepared(&self, sql: &str, values: Values<'_>) -> rusqlite::Result<CachedStatement<'_>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for index in 1..=statement.parameter_count() {
            // To SQLite `$7` is a name, and it counts names as it meets them: the number is in the name.
            let named = statement.parameter_name(index).and_then(|name| name.get(1..)?.parse().ok());
            let number: usize = named.unwrap_or(index);
            if let Some(value) = values.get(number.wrapping_sub(1)) {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        Ok(statement)
    }
}

/// The values of a statement of both stores.
pub(super) fn values(statement: &statement::Statement) -> Vec<&dyn ToSql> {
    statement.values.iter().map(|value| value as &dyn ToSql).collect()
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Int(number) => number.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}

/// Tells what is wrong with the data (this piece alone) from what is wrong with the store (everybody).
pub(super) fn fault(what: &'static str, error: &rusqlite::Error) -> Error {
    use rusqlite::Error as Sql;
    const DATA: [u8; 4] = [18, 19, 20, 25]; // SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_RANGE
    const DAMAGED: [u8; 2] = [11, 26]; // SQLITE_CORRUPT, SQLITE_NOTADB
    let primary = error.sqlite_error().map(|error| (error.extended_code & 0xff) as u8);
    match (primary, error) {
        (Some(code), _) if DATA.contains(&code) => Error::Unstorable(format!("failed to {what}: {error}")),
        (
            None,
            Sql::ToSqlConversionFailure(_)
            | Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::Utf8Error(..)
            | Sql::NulError(_),
        ) => Error::Unstorable(format!("failed to {what}: {error}")),
        (Some(code), _) if DAMAGED.contains(&code) => Error::Damaged { what, cause: error.to_string() },
        _ => Error::Unavailable { what, cause: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::params;

    #[test]
    fn a_number_means_the_same_value_wherever_it_stands() {
        let connection = Connection::open_in_memory().unwrap();
        let task = task(&connection, "try");
        task.run_each(&["CREATE TABLE t (a, b, c)"], &[]).unwrap();
        let texts = ["INSERT INTO t VALUES ($3, $1, $2)", "UPDATE t SET a = $2 WHERE b = $1"];
        task.run_each(&texts, params!["one", 2, "three"]).unwrap();
        let read = |row: &Row<'_>| Ok((row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap()));
        let found: (i64, String, i64) = task.one("SELECT * FROM t WHERE c = ?", params![2], read).unwrap();
        assert_eq!(found, (2, "one".to_owned(), 2));
        assert_eq!(task.run("DELETE FROM t WHERE a = $2", params![0, 2]).unwrap(), 1);
    }

    #[test]
    fn what_is_wrong_with_the_data_is_told_from_what_is_wrong_with_the_store() {
        let told = |code| fault("try", &rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        for code in [18, 19, 20, 25, 19 | 8 << 8] {
            assert!(matches!(told(code), Error::Unstorable(_)), "{code}");
        }
        for code in [11, 26, 11 | 1 << 8] {
            assert!(matches!(told(code), Error::Damaged { .. }), "{code}");
        }
        for code in [5, 8, 10, 13, 14, 10 | 4 << 8] {
            assert!(matches!(told(code), Error::Unavailable { .. }), "{code}");
        }
    }
}
