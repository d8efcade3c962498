//! The writers of a call as one listener: stdout, and files beside it.

use std::io;

use crate::campaign::{Event, Listener, Reply, Summary};
use crate::exit_code::ExitCode;
use crate::report::Reporter;

/// Brings the events of a call to its writers, those of files first. A writer that fails gets nothing more, and the
/// others go on; without stdout the call ends.
pub struct Reports<'a> {
    files: Vec<Writer<'a>>,
    stdout: Writer<'a>,
}

struct Writer<'a> {
    name: Option<String>,
    reporter: Box<dyn Reporter + 'a>,
    error: Option<io::Error>,
}

/// Output that could not be written.
#[derive(Debug)]
pub struct Lost {
    /// The file; `None` for stdout.
    pub file: Option<String>,
    /// Why.
    pub error: io::Error,
}

impl std::fmt::Debug for Reports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<Option<&str>> = self.files.iter().map(|file| file.name.as_deref()).collect();
        f.debug_struct("Reports").field("files", &files).finish_non_exhaustive()
    }
}

impl<'a> Reports<'a> {
    /// What is written on stdout.
    pub fn new(stdout: Box<dyn Reporter + 'a>) -> Self {
        Self { files: Vec::new(), stdout: Writer { name: None, reporter: stdout, error: None } }
    }

    /// A file too.
    pub fn add_file(&mut self, name: String, reporter: Box<dyn Reporter + 'a>) {
        self.files.push(Writer { name: Some(name), reporter, error: None });
    }

    /// Calls each writer that has not failed.
    pub fn each(&mut self, mut write: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        for writer in self.files.iter_mut().chain([&mut self.stdout]) {
            if writer.error.is_none() {
                writer.error = write(&mut *writer.reporter).err();
            }
        }
    }

    /// What could not be written, stdout last.
    pub fn lost(self) -> Vec<Lost> {
        let writers = self.files.into_iter().chain([self.stdout]);
        writers.filter_map(|writer| Some(Lost { file: writer.name, error: writer.error? })).collect()
    }

    /// Files first: whether they could be written belongs to what stdout says of the call.
    fn end(&mut self, summary: &Summary) {
        for file in &mut self.files {
            if file.error.is_none() {
                file.error = file.reporter.end(summary).err();
            }
        }
        let is_lost = self.files.iter().any(|file| file.error.is_some());
        let code = if is_lost { summary.exit_code.and(ExitCode::Output) } else { summary.exit_code };
        if self.stdout.error.is_none() {
            self.stdout.error = self.stdout.reporter.end(&Summary { exit_code: code, ..*summary }).err();
        }
    }
}

impl Listener for Reports<'_> {
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>) {
        match event {
            Event::CampaignStarted { scenarios } => self.each(|one| one.begin(*scenarios)),
            Event::RunFinished { subject, run, reasons, .. } => self.each(|one| one.run(subject, run, reasons)),
            Event::ScenarioJudged { subject, result } => self.each(|one| one.scenario(subject, result)),
            Event::ScenarioSkipped { subject } => self.each(|one| one.skipped(subject)),
            Event::CampaignFinished { summary } => self.end(summary),
            _ => {}
        }
        if self.stdout.error.is_some() {
            replies.push(Reply::Halt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{ScenarioResult, Subject};

    /// Writes down its calls, and fails after some of them.
    struct Limited<'a>(&'a std::cell::RefCell<Vec<String>>, &'static str, usize);

    impl Limited<'_> {
        fn called(&mut self, what: &str) -> io::Result<()> {
            self.0.borrow_mut().push(format!("{} {what}", self.1));
            self.2 = self.2.checked_sub(1).ok_or_else(|| io::Error::other("full"))?;
            Ok(())
        }
    }

    impl Reporter for Limited<'_> {
        fn begin(&mut self, scenarios: u64) -> io::Result<()> {
            self.called(&format!("begin {scenarios}"))
        }

        fn scenario(&mut self, _: &Subject<'_>, _: &ScenarioResult) -> io::Result<()> {
            self.called("scenario")
        }

        fn end(&mut self, summary: &Summary) -> io::Result<()> {
            self.called(&format!("end {}", summary.exit_code.code()))
        }
    }

    fn call(file: usize, stdout: usize) -> (Vec<String>, Vec<Option<String>>, usize) {
        let calls = std::cell::RefCell::default();
        let mut reports = Reports::new(Box::new(Limited(&calls, "stdout", stdout)));
        reports.add_file("junit.xml".to_owned(), Box::new(Limited(&calls, "file", file)));
        let mut replies = Vec::new();
        reports.hear(&Event::CampaignStarted { scenarios: 1 }, &mut replies);
        reports.hear(&Event::CampaignFinished { summary: &Summary::of(1) }, &mut replies);
        let lost = reports.lost().into_iter().map(|lost| lost.file).collect();
        (calls.into_inner(), lost, replies.len())
    }

    #[test]
    fn a_file_that_fails_takes_nothing_from_stdout() {
        assert_eq!(
            call(9, 9),
            (
                vec!["file begin 1", "stdout begin 1", "file end 0", "stdout end 0"]
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                vec![],
                0
            )
        );
        let (calls, lost, halts) = call(1, 9);
        assert_eq!(calls, ["file begin 1", "stdout begin 1", "file end 0", "stdout end 110"]);
        assert_eq!((lost, halts), (vec![Some("junit.xml".to_owned())], 0));
        let (calls, ..) = call(0, 9);
        assert_eq!(calls, ["file begin 1", "stdout begin 1", "stdout end 110"]);
    }

    #[test]
    fn without_stdout_the_call_ends_and_the_files_are_finished() {
        let (calls, lost, halts) = call(9, 0);
        assert_eq!(calls, ["file begin 1", "stdout begin 1", "file end 0"]);
        assert_eq!((lost, halts), (vec![None], 2));
    }
}
