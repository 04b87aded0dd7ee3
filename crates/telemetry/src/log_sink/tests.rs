use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("log-sink-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn lines_are_appended_in_order_and_complete_at_the_end() {
    let folder = Folder::new("order");
    let path = folder.file("deep/er/access.log");
    let sink = LogSink::open(&path, None).unwrap();
    for number in 0..1000 {
        assert!(sink.write_line(format!("line {number}")));
    }
    drop(sink);
    let sink = LogSink::open(&path, None).unwrap();
    sink.write_line("again");
    sink.close();
    assert!(!sink.write_line("too late"));
    assert_eq!(sink.dropped(), 1);
    sink.flush();

    let mut expected: Vec<_> = (0..1000).map(|number| format!("line {number}")).collect();
    expected.push("again".to_owned());
    assert_eq!(read(&path).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn flush_returns_when_the_lines_are_in_the_file() {
    let folder = Folder::new("flush");
    let path = folder.file("a.log");
    let sink = LogSink::open(&path, None).unwrap();
    sink.write_line("one");
    sink.flush();
    assert_eq!(read(&path), "one\n");
    sink.write_line("two");
    sink.flush();
    assert_eq!(read(&path), "one\ntwo\n");
}

#[test]
fn reopen_follows_a_rotation() {
    let folder = Folder::new("reopen");
    let (path, old) = (folder.file("a.log"), folder.file("a.log.1"));
    let sink = LogSink::open(&path, None).unwrap();
    sink.write_line("before");
    sink.flush();
    fs::rename(&path, &old).unwrap();
    sink.reopen();
    sink.write_line("after");
    sink.flush();
    assert_eq!((&*read(&old), &*read(&path)), ("before\n", "after\n"));
}

#[test]
fn file_that_vanished_is_made_again() {
    let folder = Folder::new("vanished");
    let path = folder.file("a.log");
    let (name, target) = (path.clone(), Target::open(&path).unwrap());
    fs::remove_file(&path).unwrap();
    let shared = Arc::new(Shared::new(100));
    shared.push(b"found again");
    shared.close();
    Writer::new(&name, target, None, shared)
        .looking_at_once()
        .run();
    assert_eq!(read(&path), "found again\n");
}

#[test]
fn lines_beyond_the_capacity_are_refused_and_counted() {
    let folder = Folder::new("capacity");
    let path = folder.file("a.log");
    let target = Target::open(&path).unwrap();
    let metrics = Metrics::default();
    let shared = Arc::new(Shared::new(8));
    assert_eq!(shared.push(b"1234567"), Push::Taken);
    assert_eq!(shared.push(b""), Push::Refused);
    assert_eq!(shared.push(b"x"), Push::Refused);
    shared.close();
    Writer::new(&path, target, Some(metrics.clone()), Arc::clone(&shared)).run();

    assert_eq!(read(&path), "1234567\n");
    assert_eq!(shared.lost(), 2);
    let line = format!("tollgate_log_entries_dropped_total{{target=\"{path}\"}} 2\n");
    assert!(metrics.encode().contains(&line));
}

#[test]
fn failed_writes_are_counted_and_do_not_end_the_sink() {
    let metrics = Metrics::default();
    let sink = LogSink::open("/dev/full", Some(metrics.clone())).unwrap();
    sink.write_line("one");
    sink.flush();
    sink.write_line("two");
    sink.flush();
    assert_eq!(sink.dropped(), 2);
    let line = "tollgate_log_entries_dropped_total{target=\"/dev/full\"} 2\n";
    assert!(metrics.encode().contains(line));
}

#[test]
fn unusable_path_is_an_error_that_names_it() {
    let error = LogSink::open("/dev/null/x/a.log", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open the log file \"/dev/null/x/a.log\" for writing"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn one_target_has_one_sink_while_it_is_used() {
    let folder = Folder::new("shared");
    let path = folder.file("a.log");
    let sinks = LogSinks::new(Metrics::default());
    let first = sinks.open(&path).unwrap();
    let second = sinks.open(&path).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    first.write_line("x");
    sinks.flush_all();
    assert_eq!(read(&path), "x\n");

    fs::rename(&path, folder.file("old")).unwrap();
    sinks.reopen_all();
    second.write_line("y");
    drop((first, second));
    assert_eq!(read(&path), "y\n");
    assert!(sinks.open(&path).is_ok());
}
