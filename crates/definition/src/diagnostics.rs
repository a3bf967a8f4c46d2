//! Findings about a definition: what is wrong, where, and what to do about it.

use std::{fmt, ops::Range};

use crate::node::Span;

/// How much of a line an excerpt shows.
const EXCERPT_CHARS_MAX: usize = 160;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// Names a kind of finding, for ever the same. Each has a page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DiagnosticCode {
            $($(#[doc = $doc])* $name,)*
        }

        impl DiagnosticCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as text, such as `HP2003`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim(),)*
                }
            }

            /// Whether definitions with such a finding could be published by an earlier version: what is
            /// stored goes on with it.
            #[must_use]
            pub const fn is_forgiven(self) -> bool {
                matches!(
                    self,
                    Self::DeadlineReleases
                        | Self::RefusalReleases
                        | Self::ExpressionType
                        | Self::NeverEqual
                        | Self::NoOutput
                        | Self::NeverAnAddress
                        | Self::UnboundedSchema
                )
            }

            /// Whether the finding is about a file of scenarios and never about a definition.
            #[must_use]
            pub fn is_of_scenarios(self) -> bool {
                self.as_str().starts_with("HP21")
            }

            /// Whether the finding is made by a baseline, and never by a definition alone.
            #[must_use]
            pub fn is_of_baselines(self) -> bool {
                self.as_str().starts_with("HP24")
            }

            /// Whether the finding keeps the definition from being used.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    /// The file is not YAML, or far too large.
    Syntax = "HP2001", Error;
    /// A key that the language does not have.
    UnknownKey = "HP2002", Error;
    /// A key that must be there is not.
    MissingKey = "HP2003", Error;
    /// A value of the wrong kind, such as a text where a list belongs.
    WrongKind = "HP2004", Error;
    /// A key is given twice.
    DuplicateKey = "HP2005", Error;
    /// A name with characters that names do not have.
    MalformedName = "HP2006", Error;
    /// `input` is not a JSON Schema that can be used.
    InvalidSchema = "HP2007", Error;
    /// A state is named that does not exist.
    UnknownState = "HP2008", Error;
    /// No way leads to a state.
    UnreachableState = "HP2009", Error;
    /// An outcome of a state leads nowhere.
    MissingOutcome = "HP2010", Error;
    /// `on` names an outcome that the state cannot have.
    UnknownOutcome = "HP2011", Error;
    /// No way leads from a state to an end.
    NoWayToEnd = "HP2012", Error;
    /// States follow each other in a circle in which nothing ever holds.
    LoopWithoutHold = "HP2013", Error;
    /// An expression or a template is not well formed.
    ExpressionSyntax = "HP2014", Error;
    /// An expression names something that does not exist.
    UnknownVariable = "HP2015", Error;
    /// A number is outside its range.
    OutOfRange = "HP2016", Error;
    /// The waves do not grow, or do not reach every target.
    InvalidWaves = "HP2017", Error;
    /// A text is not a duration.
    InvalidDuration = "HP2018", Error;
    /// Something that names approvers is not of a form that does.
    UnknownApprover = "HP2019", Error;
    /// Nobody could ever release a hold.
    NobodyCanRelease = "HP2020", Error;
    /// A deadline would lead to what only a release may lead to.
    DeadlineReleases = "HP2021", Error;
    /// A state is of no kind, or of several.
    StateKind = "HP2022", Error;
    /// An expression uses an input that need not be given.
    OptionalInput = "HP2023", Warning;
    /// Every rule of an approval has a condition, so that none may apply.
    EveryRuleConditional = "HP2024", Warning;
    /// Rules of an approval wait for each other, or for one that there is not.
    RuleOrder = "HP2025", Error;
    /// Something would come only when its hold has expired, and so never comes.
    NeverComes = "HP2026", Warning;
    /// A hold that was refused would go on as if it were released.
    RefusalReleases = "HP2027", Error;
    /// A window never opens: the same calendar allows and denies.
    WindowNeverOpens = "HP2030", Error;
    /// A hold waits for ever where its window never opens.
    WindowWithoutEnd = "HP2031", Warning;
    /// Something that names a calendar is not of a form that does.
    CalendarName = "HP2032", Error;
    /// A hold has evidence and approvals, and does not say what becomes of votes when it changes.
    EvidenceAfterVotes = "HP2035", Error;
    /// A waiver covers a condition that the hold does not have.
    WaiverScope = "HP2036", Error;
    /// Nobody could ever say what became of work of which nobody knows whether it was done.
    NobodyCanSettle = "HP2040", Error;
    /// Nobody could say what became of work in the runs that one member submits.
    LoneSettler = "HP2041", Warning;
    /// It is said who says what became of work that is simply done again.
    NeverSettled = "HP2042", Error;
    /// It is said when somebody must be qualified, and not in what.
    QualifiedInNothing = "HP2043", Error;
    /// A qualification must be valid when work begins, and none does after the hold.
    NoWorkToQualifyFor = "HP2044", Warning;
    /// What looks like an expression stands where none is computed.
    TemplateInTitle = "HP2045", Warning;
    /// A health check takes some value for good and for bad.
    BothGoodAndBad = "HP2046", Error;
    /// What looks like a secret is written out.
    SecretWritten = "HP2048", Warning;
    /// What the schema of an input asks for has no bound, or a high one.
    UnboundedSchema = "HP2052", Error;
    /// A text that should say which items are meant, and does not.
    MalformedSelector = "HP2055", Error;
    /// A hold in a branch takes locks.
    LockInBranch = "HP2056", Error;
    /// A way leads into a branch, or out of one, or a branch begins elsewhere.
    BranchCrossed = "HP2060", Error;
    /// Two states have the same name.
    DuplicateState = "HP2061", Error;
    /// A branch cannot end well, or `good` names an outcome that no branch has.
    BranchEnds = "HP2062", Error;
    /// What an expression gives does not fit where it stands, or what it is used for.
    ExpressionType = "HP2063", Error;
    /// A value is compared with what it never is.
    NeverEqual = "HP2064", Error;
    /// A state whose output is used cannot have left one.
    NoOutput = "HP2065", Error;
    /// Work is asked whether it was done by being done again.
    SettlesItself = "HP2070", Error;
    /// A check has `attempts` and does not say when it is made again.
    AttemptsWithoutEvery = "HP2076", Error;
    /// A check that should refuse is made again for as long as it fails.
    NeverRefuses = "HP2077", Error;
    /// Levels of the risk are not in ascending order.
    RiskLevels = "HP2078", Error;
    /// A check by `tcp` looks at what cannot be an address.
    NeverAnAddress = "HP2086", Error;
    /// No hold that people release approves the plan of a rollout.
    PlanApproval = "HP2087", Error;
    /// A hold in a branch looks for conflicts.
    ConflictsInBranch = "HP2088", Error;
    /// Somebody may accept conflicts that hold nothing.
    NothingToAccept = "HP2089", Error;
    /// A run that is held by a conflict loses locks that it does not ask for again.
    ConflictsUnlock = "HP2090", Error;
    /// What becomes of approvals when a plan changes is said of a hold that is asked about none.
    NoPlanToDrift = "HP2094", Error;
    /// What gives the level of risk that a run has at least can give what is no level.
    NoSuchLevel = "HP2095", Error;
    /// Scenarios: a step is of no kind, or of several.
    StepKind = "HP2101", Error;
    /// Scenarios: somebody acts who is no member.
    UnknownMember = "HP2102", Error;
    /// Scenarios: the definition cannot be used.
    ScenarioDefinition = "HP2103", Error;
    /// Scenarios: the definition has nothing of that name.
    NotInDefinition = "HP2104", Error;
    /// Scenarios: nothing is expected.
    NothingExpected = "HP2105", Error;
    /// The configuration items of a scenario cannot be as it says.
    ScenarioItems = "HP2106", Error;
    /// Baselines: work can be reached without what the baseline demands.
    BelowBaseline = "HP2401", Error;
    /// Baselines: whether a requirement applies cannot be told of a definition.
    ConditionUntold = "HP2402", Error;
}

impl fmt::Display for DiagnosticCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a finding keeps the definition from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but deserves a look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of finding.
    pub code: DiagnosticCode,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// Where, in bytes of the source.
    pub span: Range<usize>,
    /// The line in which the span begins, from 1.
    pub line: usize,
    /// The column at which the span begins, in characters, from 1.
    pub column: usize,
    /// What to do about it.
    pub help: Option<String>,
}

/// All findings about one file, in the order of the file.
///
/// As text each is shown with the line it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    file: String,
    source: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The file's name, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The findings, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them keeps the definition from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.code.severity() == Severity::Error)
    }

    /// Where a finding's span ends: the line, and the column after its last character, both from 1.
    #[must_use]
    pub fn end(&self, one: &Diagnostic) -> (usize, usize) {
        let marked = self.source.get(one.span.clone()).unwrap_or_default();
        let breaks = marked.matches('\n').count();
        let last = marked.rsplit('\n').next().unwrap_or_default().chars().count();
        let from = if breaks == 0 { one.column } else { 1 };
        (one.line.saturating_add(breaks), from.saturating_add(last))
    }

    fn write_excerpt(
        &self,
        f: &mut fmt::Formatter<'_>,
        one: &Diagnostic,
        line: Option<&&str>,
    ) -> fmt::Result {
        let Some(line) = line else { return Ok(()) };
        let number = one.line.to_string();
        let margin = " ".repeat(number.len());
        // Of a line that is far too long, only what is around the place helps.
        let column = one.column.saturating_sub(1);
        let skipped = match line.chars().count() {
            0..=EXCERPT_CHARS_MAX => 0,
            _ => column.saturating_sub(EXCERPT_CHARS_MAX / 2),
        };
        let line: String = line.chars().skip(skipped).take(EXCERPT_CHARS_MAX).collect();
        let column = column.saturating_sub(skipped);
        let before: String =
            line.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let rest = line.chars().count().saturating_sub(column);
        let marked = self.source.get(one.span.clone()).unwrap_or("");
        let width = marked.lines().next().map_or(0, |first| first.chars().count()).min(rest).max(1);
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {line}")?;
        writeln!(f, "{margin} | {before}{}", "^".repeat(width))
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.source.lines().collect();
        for (n, one) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            let Diagnostic { code, message, line, column, help, .. } = one;
            let severity = code.severity();
            writeln!(f, "{}:{line}:{column}: {severity}[{code}]: {message}", self.file)?;
            self.write_excerpt(f, one, lines.get(line.saturating_sub(1)))?;
            if let Some(help) = help {
                writeln!(f, "help: {help}")?;
            }
        }
        Ok(())
    }
}

/// Findings while they are collected.
#[derive(Debug)]
pub struct Findings {
    file: String,
    source: String,
    line_starts: Vec<usize>,
    list: Vec<Diagnostic>,
}

impl Findings {
    /// No findings yet, about the file with this name and text.
    #[must_use]
    pub fn new(file: &str, source: &str) -> Self {
        let line_starts = std::iter::once(0)
            .chain(source.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
            .collect();
        Self { file: file.to_owned(), source: source.to_owned(), line_starts, list: Vec::new() }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The line of a byte, from 1.
    #[must_use]
    pub fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    fn column(&self, at: usize) -> usize {
        let start =
            self.line_starts.get(self.line(at).saturating_sub(1)).copied().unwrap_or_default();
        self.source.get(start..at).map_or(1, |before| before.chars().count().saturating_add(1))
    }

    /// A span that begins and ends between characters: what counts in bytes may say one too few.
    fn whole(&self, span: &Span) -> Span {
        let (mut start, mut end) = (span.start.min(self.source.len()), span.end);
        while !self.source.is_char_boundary(start) {
            start = start.saturating_sub(1);
        }
        end = end.clamp(start, self.source.len());
        while !self.source.is_char_boundary(end) {
            end = end.saturating_add(1);
        }
        start..end
    }

    /// Adds a finding; [`Added::help`] says what to do about it.
    pub fn add(
        &mut self,
        code: DiagnosticCode,
        span: &Span,
        message: impl Into<String>,
    ) -> Added<'_> {
        let span = self.whole(span);
        let (line, column) = (self.line(span.start), self.column(span.start));
        let message = message.into();
        self.list.push(Diagnostic { code, message, span, line, column, help: None });
        Added(self.list.last_mut())
    }

    /// Whether one of them keeps the file from being used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|one| one.code.severity() == Severity::Error)
    }

    /// How many of them keep the file from being used.
    #[must_use]
    pub(crate) fn errors(&self) -> usize {
        self.list.iter().filter(|one| one.code.severity() == Severity::Error).count()
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn finish(mut self) -> Diagnostics {
        self.list.sort_by_key(|one| (one.span.start, one.code));
        self.list.dedup();
        Diagnostics { file: self.file, source: self.source, list: self.list }
    }
}

/// A finding that was just added.
#[derive(Debug)]
pub struct Added<'a>(Option<&'a mut Diagnostic>);

impl Added<'_> {
    /// Says what to do about it.
    pub fn help(self, help: impl Into<String>) {
        if let Some(one) = self.0 {
            one.help = Some(help.into());
        }
    }
}
