use std::sync::{Arc, Mutex};

use super::*;

/// A tape that can break in the middle of a write.
#[derive(Debug, Clone, Default)]
struct Strip {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Bytes that still fit.
    room: Arc<Mutex<Option<usize>>>,
}

impl Strip {
    fn of(bytes: &[u8]) -> Self {
        let strip = Self::default();
        *strip.bytes.lock().expect("whole") = bytes.to_vec();
        strip
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("whole").clone()
    }
}

fn full() -> FileError {
    FileError::Write {
        path: "steps".into(),
        source: io::ErrorKind::StorageFull.into(),
    }
}

impl Tape for Strip {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        Ok(self.bytes())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let room = *self.room.lock().expect("whole");
        let fits = room.unwrap_or(bytes.len()).min(bytes.len());
        self.bytes.lock().expect("whole").extend(&bytes[..fits]);
        if fits < bytes.len() {
            Err(full())
        } else {
            Ok(())
        }
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        *self.bytes.lock().expect("whole") = bytes.to_vec();
        Ok(())
    }
}

type Log<T> = StepLog<String, T>;

fn filled(words: &[&str]) -> Strip {
    let strip = Strip::default();
    let mut log = Log::open(strip.clone()).expect("empty");
    for word in words {
        log.write((*word).to_owned()).expect("written");
    }
    strip
}

const WORDS: [&str; 4] = ["intent a", "result a", "intent ü \n", "result"];

/// scenario: 14 (unit)
#[test]
fn every_torn_byte_prefix_gives_the_records_that_were_whole_and_takes_new_ones() {
    let whole = filled(&WORDS).bytes();
    for cut in 0..=whole.len() {
        for tail in [&b""[..], &[0; 100], b"\0\0\n", b"\xff\xfe"] {
            let mut torn = whole[..cut].to_vec();
            torn.extend(tail);
            let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
            let strip = Strip::of(&torn);
            let mut log = Log::open(strip.clone()).expect("a torn tail is no error");
            assert_eq!(log.records(), &WORDS[..lines], "{cut}");
            log.write("next".into()).expect("written");
            let again = Log::open(strip).expect("whole again");
            assert_eq!(
                again.records().last().map(String::as_str),
                Some("next"),
                "{cut}"
            );
            assert_eq!(again.records().len(), lines + 1, "{cut}");
        }
    }
}

#[test]
fn a_record_that_did_not_fit_does_not_count_and_is_not_in_the_way_of_the_next() {
    let strip = filled(&["a"]);
    let mut log = Log::open(strip.clone()).expect("whole");
    for room in 0..20 {
        *strip.room.lock().expect("whole") = Some(room);
        let error = log.write("b".into()).expect_err("no room");
        assert!(matches!(error, StepLogError::Write(_)), "{error}");
        assert_eq!(log.records(), ["a"]);
        assert_eq!(Log::open(strip.clone()).expect("torn").records(), ["a"]);
    }
    *strip.room.lock().expect("whole") = None;
    log.write("c".into()).expect("room again");
    assert_eq!(Log::open(strip).expect("whole").records(), ["a", "c"]);
}

#[test]
fn a_damaged_line_with_whole_ones_behind_it_is_an_error_that_names_it() {
    let mut bytes = filled(&WORDS).bytes();
    let second = bytes.iter().position(|b| *b == b'\n').expect("a line") + 20;
    bytes[second] ^= 1;
    let error = Log::open(Strip::of(&bytes)).expect_err("damaged");
    assert!(
        matches!(error, StepLogError::Damaged { line: 2 }),
        "{error}"
    );
}

#[test]
fn a_log_in_a_file_is_private_and_is_there_when_it_is_opened_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a folder");
    let attempt = AttemptId(uuid::Uuid::from_u128(7));
    let open = || Log::open(FileTape::new(dir.path(), attempt)).expect("readable");
    let mut log = open();
    log.write("a".into()).expect("written");
    log.write("b".into()).expect("written");
    assert_eq!(open().records(), ["a", "b"]);
    let path = dir.path().join(format!("steps-{attempt}.log"));
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, &std::fs::read(&path).expect("read")[..30]).expect("torn");
    let mut log = open();
    log.write("c".into()).expect("written");
    assert_eq!(open().records().len(), log.records().len());
}
