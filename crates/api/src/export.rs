//! Lists as CSV, for spreadsheets.

use crate::page::MOST_ROWS;
use csv::{Terminator, WriterBuilder};
use oslira_domain::{Code, Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// How large a CSV answer may be, as it is sent. API Gateway takes an answer as a JSON text, in which a quote
/// counts twice, and no Lambda may answer with more than 6 MB.
pub const MOST_CSV_BYTES: usize = 5_000_000;

/// An entry of a list that is also answered as CSV.
pub trait CsvEntry: Serialize {
    /// The columns, each with the name of the entry's field.
    const COLUMNS: &'static [&'static str];
}

/// Writes entries as CSV (RFC 4180): a line with the columns' names, and a line for each entry.
///
/// # Errors
/// `ExportTooLarge` for more than [`MOST_CSV_BYTES`].
pub fn csv<T: CsvEntry>(entries: &[T]) -> Result<String> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(T::COLUMNS).map_err(Error::internal)?;
    for entry in entries {
        let entry = serde_json::to_value(entry).map_err(Error::internal)?;
        let cells = T::COLUMNS.iter().map(|column| cell(&entry[*column]));
        writer.write_record(cells.map(String::into_bytes)).map_err(Error::internal)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::internal(error.into_error()))?;
    let text = String::from_utf8(bytes).map_err(Error::internal)?;
    let as_sent = serde_json::to_string(&text).map_err(Error::internal)?;
    if as_sent.len() > MOST_CSV_BYTES { Err(export_too_large()) } else { Ok(text) }
}

/// The error when a list is too long, or too large, for one CSV answer.
pub fn export_too_large() -> Error {
    let message = format!(
        "The list has more than {MOST_ROWS} entries or {MOST_CSV_BYTES} bytes, which is more than one CSV holds. Narrow the filter."
    );
    Error::new(Code::ExportTooLarge, message)
        .with_details(json!({"limitEntries": MOST_ROWS, "limitBytes": MOST_CSV_BYTES}))
}

/// A field as a cell. Numbers and words of ours are as they are; `null` is empty.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        other => other.to_string(),
    }
}

/// A spreadsheet takes a cell for a formula when it begins with one of certain characters. An apostrophe before them
/// makes it a text (OWASP, "CSV Injection"). Some spreadsheets read the wide forms as the plain ones.
///
/// Where numbers have a decimal comma, spreadsheets split lines at semicolons. To these, a text that has one is several cells,
/// and a quote within a line quotes nothing. So what follows a semicolon or a line break begins a cell, too.
fn harmless(text: &str) -> String {
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    const SPACE: [char; 3] = ['\t', '\r', '\n'];
    const NEXT_CELL: [char; 4] = [';', '\t', '\r', '\n'];
    let mut harmless = String::with_capacity(text.len());
    let mut begins_cell = true;
    for c in text.chars() {
        if begins_cell && FORMULA.contains(&c) || harmless.is_empty() && SPACE.contains(&c) {
            harmless.push('\'');
        }
        begins_cell = NEXT_CELL.contains(&c) || begins_cell && matches!(c, ' ' | '"');
        harmless.push(c);
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        full_name: String,
        change: i32,
        score: Option<u8>,
        is_verified: bool,
        unlisted: &'static str,
    }

    impl CsvEntry for Entry {
        const COLUMNS: &'static [&'static str] = &["fullName", "change", "score", "isVerified"];
    }

    fn named(full_name: &str) -> Entry {
        Entry { full_name: full_name.to_owned(), change: -1, score: None, is_verified: true, unlisted: "x" }
    }

    #[test]
    fn a_list_without_entries_still_has_its_columns() {
        assert_eq!(csv::<Entry>(&[]).unwrap(), "fullName,change,score,isVerified\r\n");
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_made_a_text_and_a_number_stays_one() {
        for (name, cell) in [
            ("Ann", "Ann"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            (" =1", " '=1"),
            ("a;=1", "a;'=1"),
            ("a; \"=1", "\"a; \"\"'=1\""),
            ("a\n\n@b", "\"a\n\n'@b\""),
            ("a b-c@d", "a b-c@d"),
            ("\r=1", "\"'\r'=1\""),
            ("\n=1", "\"'\n'=1\""),
            ("＝1", "'＝1"),
            ("'=1", "'=1"),
            ("1=1", "1=1"),
            (
                "=HYPERLINK(\"https://a.example\",\"b\")",
                "\"'=HYPERLINK(\"\"https://a.example\"\",\"\"b\"\")\"",
            ),
            ("", ""),
        ] {
            let lines = csv(&[named(name)]).unwrap();
            assert_eq!(lines, format!("fullName,change,score,isVerified\r\n{cell},-1,,true\r\n"), "{name:?}");
        }
    }

    #[test]
    fn a_cell_with_a_comma_a_quote_or_a_line_break_is_one_cell() {
        let text = csv(&[named("a,\"b\"\nc"), named("d")]).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        assert_eq!(names, ["a,\"b\"\nc", "d"]);
    }

    #[test]
    fn what_is_too_large_for_an_answer_is_refused_as_it_would_be_sent() {
        let line = csv(&[named("")]).unwrap().len();
        // Each of the two line ends is two characters, of which each is sent as two; and there are two quotes.
        let room = MOST_CSV_BYTES - line - 4 - 2;
        assert!(csv(&[named(&"x".repeat(room))]).is_ok());
        assert_eq!(csv(&[named(&"x".repeat(room + 1))]).unwrap_err().code, Code::ExportTooLarge);
        // A quote is two in CSV, and four as it is sent.
        assert_eq!(csv(&[named(&"\"".repeat(room / 4))]).unwrap_err().code, Code::ExportTooLarge);
    }
}
